"""jobsched: schedules that are due at one instant, or each second; one daemon of several."""

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from protocol import (
    Calls,
    Plan,
    read_plan,
    refuse_late,
    report,
    until_all,
    until_recorded,
    wait_for_go,
    wait_until,
)

from jobsched import JobContext, Registry, Schedule, Scheduler, Settings

QUIET_S = 1.0
"""Before and after the burst: what is executed then counts as its work, too."""
LATEST_S = 30.0
"""A call that has not begun so long after the last second is lost."""


def main() -> None:
    """Do as the plan says."""
    plan = read_plan()
    calls, begun = Calls(), Begun()
    scheduler = scheduler_of(plan, calls.add if plan.task == "burst" else begun.add)
    executes = Executes(scheduler.database.engine) if plan.get("statements") else None
    scheduler.start()
    witness = Witness(plan, scheduler)
    refuse_late(plan.due)
    with ThreadPoolExecutor(1) as aside:
        watched = aside.submit(watch, plan, scheduler, witness, calls, begun, executes)
        scheduler.run_forever()
    scheduler.close(grace=5)
    watched.result()


def watch(
    plan: Plan,
    scheduler: Scheduler,
    witness: "Witness",
    calls: Calls,
    begun: "Begun",
    executes: "Executes | None",
) -> None:
    """See what the daemon does, and stop it: `run_forever` has the main thread, as in a host."""
    try:
        wait_for_go()
        if plan.get("follower"):
            sys.stdin.readline()
            report(called=len(calls))
        elif plan.task == "burst":
            burst(plan, witness, calls, executes)
        else:
            steady(plan, witness, begun)
    finally:
        scheduler.stop(grace=5)


def scheduler_of(plan: Plan, job: Callable[..., None]) -> Scheduler:
    """All schedules on the grid that begins when they are due."""
    registry = Registry()
    registry.job("noop")(job)
    start = datetime.fromtimestamp(plan.due, UTC)
    schedules = [
        Schedule(
            id=f"{plan.app}-{number}",
            every=timedelta(seconds=plan.every_s),
            start=start,
            jobs=["noop"],
            enabled=True,
        )
        for number in range(plan.count)
    ]
    settings = Settings(**({"max_workers": plan.workers} if plan.workers else {}))
    return Scheduler(
        plan.url, schedules=schedules, registry=registry, settings=settings, app=plan.app
    )


def burst(plan: Plan, witness: "Witness", calls: Calls, executes: "Executes | None") -> None:
    """From the instant at which all are due until the last is recorded."""
    refuse_late(plan.due)
    wait_until(plan.due - QUIET_S)
    before = executes.count if executes else 0
    wait_until(plan.due)
    if plan.get("daemons", 1) == 1:
        found, ended = until_recorded(calls, witness.recorded, plan.count)
    else:
        found, ended = until_all(witness.recorded, plan.count)
    if executes:
        wait_until(time.time() + QUIET_S)
    report(
        seconds=ended - plan.due,
        recorded=found,
        called=len(calls),
        twice=witness.twice(),
        executes=executes.count - before if executes else None,
        by_worker=witness.by_worker(),
    )


def steady(plan: Plan, witness: "Witness", begun: "Begun") -> None:
    """So many seconds of schedules that are due each second; the first second warms up."""
    end = plan.due + plan.seconds
    wait_until(end)
    expected = plan.count * (plan.seconds - 1)
    until_all(lambda: len(begun.late_ms(plan.due + 1, end)), expected, LATEST_S)
    found = begun.late_ms(plan.due + 1, end)
    report(lateness_ms=found, expected=expected, skipped=witness.skipped())


class Begun:
    """When each call began, and of which occurrence it is; safe between threads."""

    def __init__(self) -> None:
        self._calls: list[tuple[float, float]] = []

    def add(self, ctx: JobContext) -> None:
        """The job of an occurrence begins just now."""
        self._calls.append((ctx.scheduled_for.timestamp(), time.time()))

    def late_ms(self, since: float, until: float) -> list[float]:
        """Of the occurrences in the interval."""
        return [1000 * (began - due) for due, began in self._calls if since <= due < until]


class Witness:
    """What the database says, over a connection of its own."""

    def __init__(self, plan: Plan, scheduler: Scheduler) -> None:
        self._engine = sa.create_engine(plan.url).execution_options(witness=True)
        self._tables = scheduler.database.tables
        self._app = plan.app
        newest = sa.select(sa.func.coalesce(sa.func.max(self._tables.job_firing.c.id), 0))
        self._before = self._scalar(newest)

    def recorded(self) -> int:
        """Schedules whose firing and job run are recorded as SUCCESS: of those to come.

        It is asked while the clock runs, so it must look through as little as it can: each firing
        has one job run, or `twice` tells.
        """
        firing, run = self._tables.job_firing, self._tables.job_run
        firings = (
            sa.select(sa.func.count())
            .where(firing.c.app == self._app, firing.c.status == "SUCCESS")
            .where(firing.c.id > self._before)
        )
        runs = (
            sa.select(sa.func.count())
            .select_from(run)
            .where(run.c.firing_id > self._before, run.c.status == "SUCCESS")
        )
        return min(self._scalar(firings), self._scalar(runs))

    def twice(self) -> int:
        """Firings and job runs beyond one for each schedule."""
        firing, run = self._tables.job_firing, self._tables.job_run
        mine = firing.c.app == self._app
        schedules = self._scalar(
            sa.select(sa.func.count(sa.distinct(firing.c.schedule_id))).where(mine)
        )
        firings = self._scalar(sa.select(sa.func.count()).where(mine).select_from(firing))
        joined = firing.join(run, run.c.firing_id == firing.c.id)
        runs = self._scalar(sa.select(sa.func.count()).where(mine).select_from(joined))
        return int(max(firings, runs) - schedules)

    def skipped(self) -> int:
        """Firings that did not run."""
        firing = self._tables.job_firing
        selected = sa.select(sa.func.count()).select_from(firing)
        return int(
            self._scalar(selected.where(firing.c.app == self._app, firing.c.status == "SKIPPED"))
        )

    def by_worker(self) -> list[int]:
        """How many job runs each daemon did."""
        run = self._tables.job_run
        counted = sa.select(sa.func.count()).select_from(run).group_by(run.c.worker_id)
        selected = counted.order_by(sa.func.count())
        with self._engine.connect() as connection:
            return list(connection.execute(selected).scalars())

    def _scalar(self, selected: sa.Select[tuple[int]]) -> int:
        with self._engine.connect() as connection:
            return connection.execute(selected).scalar_one()


class Executes:
    """DBAPI executes of all engines of this process but the witness's."""

    def __init__(self, engine: sa.Engine) -> None:
        self.count = 0
        sa.event.listen(sa.Engine, "before_cursor_execute", self._seen)
        del engine

    def _seen(self, connection: sa.Connection, *_rest: object) -> None:
        if not connection.get_execution_options().get("witness"):
            self.count += 1


if __name__ == "__main__":
    main()
