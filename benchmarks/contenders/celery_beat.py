"""Celery: beat in this process, one worker with threads beside it, RabbitMQ between them.

"Recorded" is a row SUCCESS in its database result backend. beat knows no grid below a minute, so
there is no lateness row for it.
"""

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from celery import Celery
from celery.beat import Service
from protocol import Plan, read_plan, refuse_late, report, until_all, wait_for_go, wait_until

DAY = timedelta(days=1)
PROCESSES = 4
"""The result backend keeps its connections in forked processes only: threads connect for every
result, and take four times as long."""


def app_of(plan: Plan) -> Celery:
    """The same application in beat and in the worker."""
    app = Celery("noop", broker=plan.broker, backend=f"db+{plan.url}")
    app.conf.update(
        task_default_queue=plan.app,
        task_ignore_result=False,
        worker_prefetch_multiplier=4,
        beat_max_loop_interval=0.5,
        timezone="UTC",
        enable_utc=True,
        broker_connection_retry_on_startup=True,
    )
    app.conf.control_queue_exclusive = False
    app.task(noop, name="noop")
    return app


def noop() -> None:
    """Do nothing: the result backend says that it did."""


def work(plan: Plan) -> None:
    """Be the worker."""
    app_of(plan).worker_main(
        [
            "worker",
            "--pool=prefork",
            f"--concurrency={PROCESSES}",
            "--loglevel=ERROR",
            "--without-gossip",
            "--without-mingle",
            f"--hostname={plan.app}@localhost",
        ]
    )


def main() -> None:
    """Prepare the entries and the worker; beat starts before they are due."""
    plan = read_plan()
    app = app_of(plan)
    app.backend.ResultSession()  # makes the tables
    last = datetime.fromtimestamp(plan.due, UTC) - DAY
    app.conf.beat_schedule = {
        f"{plan.app}-{number}": {"task": "noop", "schedule": DAY, "last_run_at": last}
        for number in range(plan.count)
    }
    environment = {**os.environ, "BENCHMARK_WORKER": "1"}
    worker = subprocess.Popen(
        [sys.executable, __file__, sys.argv[1]], env=environment, stdout=subprocess.DEVNULL
    )
    service = Service(app, schedule_filename="beat")  # in this run's own folder
    try:
        until_all(lambda: len(app.control.ping(timeout=0.5)), 1, 20)
        threading.Thread(target=service.start, daemon=True).start()
        refuse_late(plan.due)
        wait_for_go()
        engine = sa.create_engine(plan.url)
        counted = sa.text("SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'")

        def count() -> int:
            with engine.connect() as connection:
                return int(connection.execute(counted).scalar_one())

        wait_until(plan.due)
        found, ended = until_all(count, plan.count)
        seconds = ended - plan.due
        report(seconds=seconds, recorded=found, called=found, twice=max(0, found - plan.count))
        service.stop()
        time.sleep(0.1)
    finally:
        worker.terminate()
        worker.wait(20)
        with app.connection_for_write() as connection:
            connection.default_channel.queue_delete(plan.app)


if __name__ == "__main__":
    if os.environ.get("BENCHMARK_WORKER"):
        work(read_plan())
    else:
        main()
