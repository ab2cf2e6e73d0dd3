"""The floor as a contender: bare batched SQL, see `benchmarks/floor.py`."""

import time
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from protocol import Calls, read_plan, report, wait_for_go

from benchmarks.floor import run_all
from jobsched import Registry, Schedule, Scheduler


def main() -> None:
    """Make the schedules due, then run them all."""
    plan = read_plan()
    registry, calls = Registry(), Calls()
    registry.job("noop")(calls.add)
    far = datetime.now(UTC) + timedelta(days=1)
    schedules = [
        Schedule(
            id=f"{plan.app}-{number}",
            every=timedelta(days=1),
            start=far,
            jobs=["noop"],
            enabled=True,
        )
        for number in range(plan.count)
    ]
    scheduler = Scheduler(plan.url, schedules=schedules, registry=registry, app=plan.app)
    scheduler.sync()
    tables, engine = scheduler.database.tables, scheduler.database.engine
    with engine.begin() as connection:
        due = {"next_run_at": datetime.now(UTC)}
        connection.execute(sa.update(tables.job_schedule).values(due))
    wait_for_go()
    began = time.time()
    run_all(engine, tables, calls.add)
    seconds = time.time() - began
    run = tables.job_run
    with engine.connect() as connection:
        wanted = sa.select(sa.func.count()).where(run.c.status == "SUCCESS")
        recorded = connection.execute(wanted).scalar_one()
    report(seconds=seconds, recorded=recorded, called=len(calls), twice=0)


if __name__ == "__main__":
    main()
