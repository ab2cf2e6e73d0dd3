"""APScheduler 3: BackgroundScheduler, SQLAlchemyJobStore, a pool of threads, no grace time.

It keeps no history: "recorded" is here that a job was called and its `next_run_time` moved on.
"""

import time
from datetime import UTC, datetime

import sqlalchemy as sa
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from protocol import (
    Calls,
    lateness,
    read_plan,
    refuse_late,
    report,
    until_recorded,
    wait_for_go,
    wait_until,
)

calls = Calls()


def noop() -> None:
    """Note that it was called; a job must be importable."""
    calls.add()


def main() -> None:
    """Do as the plan says."""
    plan = read_plan()
    store = SQLAlchemyJobStore(plan.url)
    scheduler = BackgroundScheduler(
        jobstores={"default": store},
        executors={"default": ThreadPoolExecutor(plan.workers or 10)},
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        timezone="UTC",
    )
    scheduler.start(paused=True)
    start = datetime.fromtimestamp(plan.due, UTC)
    for number in range(plan.count):
        scheduler.add_job(
            noop, "interval", seconds=plan.every_s, start_date=start, id=f"{plan.app}-{number}"
        )
    scheduler.resume()
    refuse_late(plan.due)
    wait_for_go()
    if plan.task == "burst":
        moved = sa.select(sa.func.count()).where(store.jobs_t.c.next_run_time > plan.due + 1)

        def count() -> int:
            with store.engine.connect() as connection:
                return int(connection.execute(moved).scalar_one())

        wait_until(plan.due)
        found, ended = until_recorded(calls, count, plan.count)
        twice = max(0, len(calls) - plan.count)
        report(seconds=ended - plan.due, recorded=found, called=len(calls), twice=twice)
    else:
        end = plan.due + plan.seconds
        wait_until(end + 0.9)
        found = lateness(calls.times, plan.due + 1, end)
        expected = plan.count * (plan.seconds - 1)
        report(lateness_ms=found, expected=expected, skipped=max(0, expected - len(found)))
    scheduler.shutdown(wait=False)
    time.sleep(0.1)


if __name__ == "__main__":
    main()
