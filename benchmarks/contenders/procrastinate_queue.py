"""Procrastinate: a queue in PostgreSQL, one worker with as many async tasks at once.

The burst is that many periodic tasks of one instant. As a bare queue its jobs are deferred before
the clock starts, which spares it half of a scheduler's work. "Recorded" is a job that its own
table calls succeeded.
"""

import asyncio
import time
from datetime import UTC, datetime

import psycopg
from procrastinate import App, PsycopgConnector
from protocol import Calls, Plan, read_plan, refuse_late, report, until_recorded, wait_for_go

calls = Calls()


async def main() -> None:
    """Do as the plan says."""
    plan = read_plan()
    app = App(connector=PsycopgConnector(conninfo=plan.dsn, min_size=4, max_size=20))
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        if plan.get("queue"):
            await drain(plan, app)
        elif plan.task == "burst":
            await burst(plan, app)
        else:
            await steady(plan, app)


async def burst(plan: Plan, app: App) -> None:
    """From the instant at which all are due until the last is recorded."""
    at = datetime.fromtimestamp(plan.due, UTC)
    cron = f"{at.minute} {at.hour} * * * {at.second}"

    @app.task(name="noop")
    async def noop(timestamp: int) -> None:
        calls.add()

    for number in range(plan.count):
        app.periodic(cron=cron, periodic_id=str(number))(noop)
    refuse_late(plan.due)
    await asyncio.to_thread(wait_for_go)
    worker = asyncio.create_task(
        app.run_worker_async(concurrency=plan.workers or 10, install_signal_handlers=False)
    )
    found, ended = await asyncio.to_thread(
        until_recorded, calls, lambda: succeeded(plan), plan.count
    )
    twice = max(0, len(calls) - plan.count)
    report(seconds=ended - plan.due, recorded=found, called=len(calls), twice=twice)
    worker.cancel()
    await asyncio.wait([worker], timeout=5)


async def drain(plan: Plan, app: App) -> None:
    """From the start of the worker until it has caught up."""

    @app.task(name="noop")
    async def noop(number: int) -> None:
        calls.add()

    await noop.batch_defer_async(*({"number": number} for number in range(plan.count)))
    await asyncio.to_thread(wait_for_go)
    began = time.time()
    await app.run_worker_async(
        concurrency=plan.workers or 10,
        wait=False,
        listen_notify=False,
        install_signal_handlers=False,
    )
    seconds = time.time() - began
    report(
        seconds=seconds,
        recorded=succeeded(plan),
        called=len(calls),
        twice=max(0, len(calls) - plan.count),
    )


async def steady(plan: Plan, app: App) -> None:
    """Periodic tasks, each second; it tells them the second that they are for."""
    late: list[tuple[int, float]] = []
    for number in range(plan.count):

        @app.periodic(cron="* * * * * *", periodic_id=str(number))
        @app.task(name=f"noop{number}")
        async def noop(timestamp: int) -> None:
            late.append((timestamp, 1000 * (time.time() - timestamp)))

    refuse_late(plan.due)
    await asyncio.to_thread(wait_for_go)
    worker = asyncio.create_task(
        app.run_worker_async(concurrency=plan.workers or 100, install_signal_handlers=False)
    )
    end = plan.due + plan.seconds
    await asyncio.sleep(end + 1.9 - time.time())
    found = [ms for second, ms in late if plan.due + 1 <= second < end]
    expected = plan.count * (plan.seconds - 1)
    report(lateness_ms=found, expected=expected, skipped=max(0, expected - len(found)))
    worker.cancel()
    await asyncio.wait([worker], timeout=5)


def succeeded(plan: Plan) -> int:
    """What its table says."""
    with psycopg.connect(plan.dsn) as connection:
        counted = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
        return int(connection.execute(counted).fetchone()[0])


if __name__ == "__main__":
    asyncio.run(main())
