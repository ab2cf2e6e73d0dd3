"""pgqueuer: a queue in PostgreSQL, over asyncpg, with batches, and a scheduler.

The scheduler calls in its own process and keeps no history: "recorded" is that a schedule's
`last_run` is written. As a bare queue its jobs are there before the clock starts, and "recorded"
is a row `successful` in its log; the job itself leaves the queue.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import asyncpg
from pgqueuer import AsyncpgDriver, Queries, QueueManager, SchedulerManager
from pgqueuer.models import Schedule
from pgqueuer.types import QueueExecutionMode
from protocol import LIMIT_S, POLL_S, Calls, Plan, read_plan, refuse_late, report, wait_for_go

calls = Calls()


async def main() -> None:
    """Do as the plan says."""
    plan = read_plan()
    connection = await asyncpg.connect(plan.dsn)
    queries = Queries(AsyncpgDriver(connection))
    await queries.install()
    if plan.get("queue"):
        await drain(plan, queries)
    elif plan.task == "burst":
        await burst(plan, queries)
    else:
        await steady(plan, queries)


async def burst(plan: Plan, queries: Queries) -> None:
    """From the instant at which all are due until the last has been written down."""
    at = datetime.fromtimestamp(plan.due, UTC)
    cron = f"{at.minute} {at.hour} * * * {at.second}"
    manager = SchedulerManager(queries)

    async def noop(schedule: Schedule) -> None:
        calls.add()

    for number in range(plan.count):
        manager.schedule(f"noop{number}", cron)(noop)
    refuse_late(plan.due)
    await asyncio.to_thread(wait_for_go)
    running = asyncio.create_task(manager.run())
    checking = await asyncpg.connect(plan.dsn)
    counted = "SELECT count(*) FROM pgqueuer_schedules WHERE last_run >= to_timestamp($1)"
    recorded, limit = 0, plan.due + LIMIT_S
    while recorded < plan.count and time.time() < limit:
        await asyncio.sleep(POLL_S)
        if len(calls) >= plan.count:
            recorded = await checking.fetchval(counted, plan.due)
    seconds = time.time() - plan.due
    twice = max(0, len(calls) - plan.count)
    report(seconds=seconds, recorded=recorded, called=len(calls), twice=twice)
    manager.shutdown.set()
    await asyncio.wait([running], timeout=timedelta(seconds=5).total_seconds())


async def drain(plan: Plan, queries: Queries) -> None:
    """From the start of the queue's manager until it has drained the queue."""
    manager = QueueManager(queries)

    @manager.entrypoint("noop")
    async def noop(job: object) -> None:
        calls.add()

    await queries.enqueue(["noop"] * plan.count, [None] * plan.count, [0] * plan.count)
    await asyncio.to_thread(wait_for_go)
    workers = plan.workers or 10
    began = time.time()
    await manager.run(
        batch_size=max(1, workers // 2),  # its own rule: at least two batches at once
        mode=QueueExecutionMode.drain,
        max_concurrent_tasks=workers,
    )
    seconds = time.time() - began
    checking = await asyncpg.connect(plan.dsn)
    counted = "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"
    recorded = await checking.fetchval(counted)
    twice = max(0, len(calls) - plan.count)
    report(seconds=seconds, recorded=recorded, called=len(calls), twice=twice)


async def steady(plan: Plan, queries: Queries) -> None:
    """Its own schedules, each second.

    A schedule tells when it runs next: that is what its next call is measured against.
    """
    manager = SchedulerManager(queries)
    due: dict[int, float] = {}
    found: list[float] = []
    end = plan.due + plan.seconds
    for number in range(plan.count):

        @manager.schedule(f"noop{number}", "* * * * * *")
        async def noop(schedule: Schedule) -> None:
            served = due.get(schedule.id, 0.0)
            due[schedule.id] = schedule.next_run.timestamp()
            if plan.due + 1 <= served < end:
                found.append(1000 * (time.time() - served))

    refuse_late(plan.due)
    await asyncio.to_thread(wait_for_go)
    running = asyncio.create_task(manager.run())
    await asyncio.sleep(end + 2.9 - time.time())
    expected = plan.count * (plan.seconds - 1)
    report(lateness_ms=found, expected=expected, skipped=max(0, expected - len(found)))
    manager.shutdown.set()
    await asyncio.wait([running], timeout=timedelta(seconds=5).total_seconds())


if __name__ == "__main__":
    asyncio.run(main())
