"""Reads a large history as operators do, and prunes some of it: how long each takes."""

import gc
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from benchmarks.admin_pages import pages
from benchmarks.contenders.protocol import Plan, read_plan, report, wait_for_go
from jobsched import Registry, Schedule, Scheduler
from jobsched.model import FiringStatus

FAR = datetime(2100, 1, 1, tzinfo=UTC)


def main() -> None:
    """Warm up once; then so many rounds of every page, then pruning.

    What is loaded is left out of garbage collections, as the documentation advises a host.
    """
    plan = read_plan()
    registry = Registry()
    registry.job("noop")(lambda: None)
    scheduler = Scheduler(plan.url, registry=registry, schedules=schedules(plan), app=plan.app)
    scheduler.sync()
    readings = {**verbs(scheduler, plan.prefix), **pages(scheduler)}
    for read in readings.values():
        read()
    gc.collect()
    gc.freeze()
    wait_for_go()
    took: dict[str, list[float]] = {name: [] for name in readings}
    for _ in range(plan.rounds):
        for name, read in readings.items():
            began = time.perf_counter()
            read()
            took[name].append(1000 * (time.perf_counter() - began))
    held = Transactions(scheduler.database.engine)
    pruned = scheduler.prune(days=plan.days)
    report(took=took, longest_ms=held.longest_ms, transactions=held.count, pruned=pruned.firings)
    scheduler.close()


def schedules(plan: Plan) -> list[Schedule]:
    """Those that the history is of; none is due."""
    return [
        Schedule(id=f"{plan.prefix}{number}", every=86_400, start=FAR, jobs=["noop"], enabled=True)
        for number in range(plan.schedules)
    ]


def verbs(scheduler: Scheduler, prefix: str) -> dict[str, Callable[[], Any]]:
    """`history` in its forms, a page of a hundred each, and what `status` and `health` take."""
    middle, one = scheduler.history(limit=1)[0].id // 2, f"{prefix}1"
    ended, rare = FiringStatus.FAILED, FiringStatus.SKIPPED
    return {
        "history()": lambda: scheduler.history(limit=100),
        "history(before)": lambda: scheduler.history(limit=100, before=middle),
        "history(status)": lambda: scheduler.history(limit=100, status=ended),
        "history(status that none has)": lambda: scheduler.history(limit=100, status=rare),
        "history(id)": lambda: scheduler.history(one, limit=100),
        "history(id, before)": lambda: scheduler.history(one, limit=100, before=middle),
        "history(id, status)": lambda: scheduler.history(one, limit=100, status=ended),
        "history(id, status that none has)": lambda: scheduler.history(one, limit=100, status=rare),
        "status()": scheduler.status,
        "health()": scheduler.health,
    }


class Transactions:
    """How long the longest transaction of an engine held its locks."""

    def __init__(self, engine: sa.Engine) -> None:
        self.longest_ms = 0.0
        self.count = 0
        self._began = 0.0
        sa.event.listen(engine, "begin", self._begin)
        sa.event.listen(engine, "commit", self._end)

    def _begin(self, _connection: sa.Connection) -> None:
        self._began = time.perf_counter()

    def _end(self, _connection: sa.Connection) -> None:
        """Just before the COMMIT itself."""
        self.count += 1
        self.longest_ms = max(self.longest_ms, 1000 * (time.perf_counter() - self._began))


if __name__ == "__main__":
    main()
