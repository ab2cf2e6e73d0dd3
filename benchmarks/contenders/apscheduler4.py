"""APScheduler 4 (a pre-release): AsyncScheduler, SQLAlchemyDataStore on psycopg, async jobs.

Results are kept (`job_result_expiration_time`): "recorded" is a row in `job_results`.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from apscheduler import AsyncScheduler
from apscheduler.datastores.sqlalchemy import SQLAlchemyDataStore
from apscheduler.triggers.interval import IntervalTrigger
from protocol import (
    LIMIT_S,
    POLL_S,
    Calls,
    Plan,
    lateness,
    read_plan,
    refuse_late,
    report,
    wait_for_go,
)
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

calls = Calls()


async def noop() -> None:
    """Note that it was called; async jobs cost it less than threads do."""
    calls.add()


async def main() -> None:
    """Do as the plan says."""
    plan = read_plan()
    engine = create_async_engine(plan.url)
    scheduler = AsyncScheduler(SQLAlchemyDataStore(engine), max_concurrent_jobs=plan.workers or 10)
    async with scheduler:
        await scheduler.configure_task(
            "noop",
            func=noop,
            job_executor="async",
            max_running_jobs=None,
            misfire_grace_time=None,
        )
        start = datetime.fromtimestamp(plan.due, UTC)
        for number in range(plan.count):
            await scheduler.add_schedule(
                "noop",
                IntervalTrigger(seconds=plan.every_s, start_time=start),
                id=f"{plan.app}-{number}",
                job_result_expiration_time=timedelta(hours=1),
            )
        await scheduler.start_in_background()
        refuse_late(plan.due)
        await asyncio.to_thread(wait_for_go)
        await asyncio.sleep(plan.due - time.time())
        if plan.task == "burst":
            await burst(plan, engine)
        else:
            await steady(plan)
        await scheduler.stop()


async def burst(plan: Plan, engine: AsyncEngine) -> None:
    """Until every job has its result, and its schedule has moved on."""
    counted = sa.text("SELECT count(*) FROM job_results WHERE outcome = 'success'")
    end, recorded, now = time.time() + LIMIT_S, 0, 0.0
    while recorded < plan.count and now < end:
        await asyncio.sleep(POLL_S)
        now = time.time()
        if len(calls) >= plan.count or now > end:  # not before: it would disturb the store
            async with engine.connect() as connection:
                recorded = (await connection.execute(counted)).scalar_one()
            now = time.time()
    twice = max(0, len(calls) - plan.count)
    report(seconds=now - plan.due, recorded=recorded, called=len(calls), twice=twice)


async def steady(plan: Plan) -> None:
    """The first second warms up."""
    end = plan.due + plan.seconds
    await asyncio.sleep(end + 0.9 - time.time())
    found = lateness(calls.times, plan.due + 1, end)
    expected = plan.count * (plan.seconds - 1)
    report(lateness_ms=found, expected=expected, skipped=max(0, expected - len(found)))


if __name__ == "__main__":
    asyncio.run(main())
