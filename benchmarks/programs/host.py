"""A daemon of schedules of which none is due, as shipped: it idles, or waits for an operator."""

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.contenders.protocol import Plan, read_plan, report, wait_for_go
from jobsched import JobContext, Registry, Schedule, Scheduler, Settings

FAR = datetime(2100, 1, 1, tzinfo=UTC)


def main() -> None:
    """Start, and do as the plan says: `idle` windows, or `wait` until told to stop."""
    plan = read_plan()
    registry = Registry()
    begun: list[tuple[int, float]] = []

    @registry.job("noop")
    def noop(ctx: JobContext) -> None:
        begun.append((ctx.firing_id, time.time()))

    executes = Executes()
    schedules = [
        Schedule(id=f"s{number}", every=86_400, start=FAR, jobs=["noop"], enabled=True)
        for number in range(plan.count)
    ]
    settings = Settings(**plan.get("settings", {}))
    scheduler = Scheduler(plan.url, schedules=schedules, registry=registry, settings=settings)
    scheduler.start()
    executes.watch_driver(scheduler.database.engine)
    wait_for_go()
    if plan.task == "idle":
        report(**idle(plan, executes))
    else:
        sys.stdin.readline()
        report(begun=begun)
    scheduler.close(grace=5)


def idle(plan: Plan, executes: "Executes") -> dict[str, Any]:
    """Windows of so many seconds, after it has settled."""
    time.sleep(plan.settle_s)
    windows = []
    for _ in range(plan.windows):
        before = (executes.engine, executes.driver, time.process_time())
        time.sleep(plan.window_s)
        after = (executes.engine, executes.driver, time.process_time())
        windows.append([late - early for early, late in zip(before, after, strict=True)])
    return {"windows": windows, "rss": resident(), "modules": foreign_modules()}


class Executes:
    """DBAPI executes: those of SQLAlchemy's engines, and all that the driver is asked for.

    An executemany counts as one, and so does each batch of an insert of many rows. A driver's own
    count has what went past the engines, such as LISTEN and what sets a connection up; it cannot
    be had for SQLite, whose driver is not written in Python.
    """

    def __init__(self) -> None:
        self.engine = 0
        self.driver = 0
        sa.event.listen(sa.Engine, "before_cursor_execute", self._seen)

    def watch_driver(self, engine: sa.Engine) -> None:
        """Count what the driver's cursors execute, whoever uses them."""
        if engine.dialect.driver == "psycopg":
            from psycopg import Cursor
        elif engine.dialect.driver == "pymysql":
            from pymysql.cursors import Cursor
        else:
            return
        for name in ("execute", "executemany"):
            setattr(Cursor, name, self._counted(getattr(Cursor, name)))

    def _seen(self, *_about: object) -> None:
        self.engine += 1

    def _counted(self, method: Any) -> Any:
        def counted(cursor: Any, *args: Any, **kwargs: Any) -> Any:
            self.driver += 1
            return method(cursor, *args, **kwargs)

        return counted


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak() -> int:
    """The most bytes that it ever had in memory."""
    status = Path("/proc/self/status").read_text("ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def foreign_modules() -> list[str]:
    """What this process has imported beyond jobsched, the benchmarks and the standard library."""
    ours = {"jobsched", "benchmarks", "__main__", *sys.stdlib_module_names}
    return sorted(
        name
        for name, module in sys.modules.items()
        if name.partition(".")[0] not in ours and getattr(module, "__file__", None)
    )


if __name__ == "__main__":
    main()
