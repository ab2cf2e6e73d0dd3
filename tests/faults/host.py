"""The host app: a daemon on jobsched's public API, run as `python -m tests.faults.host CONFIG`.

Exit codes: 0 drained, 1 not drained, 3 the database refused the start.
"""

import asyncio
import json
import logging
import os
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobsched import Backoff, JobContext, Registry, Schedule, Scheduler, Settings, failpoints
from jobsched.errors import DatabaseError
from tests.faults import workload
from tests.faults.ledger import Ledger, Record, boot_clock
from tests.faults.workload import CAST, Spec

REFUSED = 3


def main(config: dict[str, Any]) -> int:
    random.seed(config["seed"])
    events = Events(config["events"])
    logging.getLogger("jobsched").addHandler(events)
    logging.getLogger("jobsched").setLevel(logging.INFO)
    failpoints.watch = events.struck
    if config["mutant"]:
        from tests.faults import mutants

        mutants.apply(config["mutant"])
    try:
        return 0 if scheduler(config).run_forever() else 1
    except DatabaseError:
        logging.getLogger("jobsched").exception("no start")
        return REFUSED


def scheduler(config: dict[str, Any]) -> Scheduler:
    """The same declarations in every process, and in the harness, which runs no daemon."""
    registry = Registry()
    ledger = Ledger(config["ledger"])
    for spec in CAST:
        declare_jobs(registry, spec, ledger)
    return Scheduler(
        config["url"],
        schedules=[declared(spec) for spec in CAST],
        registry=registry,
        lock=lock_backend(config.get("lock")),
        settings=Settings(
            poll_interval=workload.POLL_S,
            heartbeat_interval=workload.HEARTBEAT_S,
            lock_timeout=workload.LOCK_TIMEOUT_S,
            shutdown_grace=workload.GRACE_S,
            max_workers=workload.SLOTS,
        ),
    )


def declared(spec: Spec) -> Schedule:
    when: dict[str, Any] = (
        {"cron": f"*/{spec.every} * * * * *"} if spec.as_cron else {"every": spec.every}
    )
    return Schedule(
        id=spec.id,
        jobs=list(spec.jobs),
        enabled=True,
        overlap=spec.overlap,
        misfire=spec.misfire,
        misfire_grace=spec.grace,
        catchup_window=3600,
        max_catchup=1000,
        start_deadline=spec.deadline,
        **when,
    )


def declare_jobs(registry: Registry, spec: Spec, ledger: Ledger) -> None:
    earlier: list[str] = []
    for name in spec.jobs:
        registry.job(
            name,
            depends_on=list(earlier),
            on_lost=spec.on_lost,
            max_lost=workload.MAX_LOST,
            retries=spec.retries,
            backoff=Backoff(initial=0.3, factor=1, maximum=0.3),
        )(work_of(spec, name, ledger))
        earlier.append(name)


def work_of(spec: Spec, name: str, ledger: Ledger) -> Callable[..., Any]:
    def say(kind: str, ctx: JobContext) -> None:
        ledger.write(
            Record(
                kind=kind,
                schedule=ctx.schedule_id or "",
                job=name,
                occurrence=round(ctx.scheduled_for.timestamp()),
                firing=ctx.firing_id,
                attempt=ctx.attempt,
                run=ctx.run_id,
                pid=os.getpid(),
                at=boot_clock(),
            )
        )

    def seconds(ctx: JobContext) -> float:
        return spec.takes(round(ctx.scheduled_for.timestamp()))

    def work(ctx: JobContext) -> None:
        say("start", ctx)
        ctx.log.info("at work")
        stopped = spec.heeds and ctx.cancelled.wait(seconds(ctx))
        if not spec.heeds:
            threading.Event().wait(seconds(ctx))
        if spec.fails(round(ctx.scheduled_for.timestamp()), ctx.attempt):
            say("raised", ctx)
            raise RuntimeError("as the workload has it")
        say("stopped" if stopped else "done", ctx)

    async def async_work(ctx: JobContext) -> None:
        say("start", ctx)
        try:
            await asyncio.wait_for(asyncio.Event().wait(), seconds(ctx))
        except TimeoutError:
            say("done", ctx)
        except asyncio.CancelledError:
            say("stopped", ctx)
            raise

    return async_work if spec.asynchronous else work


def lock_backend(wanted: str | None) -> Any:
    if wanted is None:
        return None
    if wanted == "yes":
        return YesLock()
    from jobsched.locks import RedisLock

    return RedisLock(wanted)


class YesLock:
    """A lock that everybody gets: it must not matter."""

    def acquire(self, key: str, owner: str, ttl: Any) -> bool:
        return True

    def renew(self, key: str, owner: str, ttl: Any) -> bool:
        return True

    def release(self, key: str, owner: str) -> None:
        return None


def ready_file(events: str, pid: int) -> str:
    """What a process makes when it is a daemon."""
    return f"{events}.{pid}"


class Events(logging.Handler):
    """The daemon's events and the failpoints that struck, one JSON line each."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", record.name)
        if event == "synced":
            Path(ready_file(self._path, os.getpid())).touch()
        self._say(event, record.getMessage(), record.exc_text or self._error(record))

    def _error(self, record: logging.LogRecord) -> str | None:
        return logging.Formatter().formatException(record.exc_info) if record.exc_info else None

    def struck(self, name: str, action: str) -> None:
        self._say("failpoint", f"{name}:{action}", None)

    def _say(self, event: str, message: str, error: str | None) -> None:
        line = {
            "event": event,
            "message": message,
            "error": error,
            "pid": os.getpid(),
            "at": boot_clock(),
        }
        os.write(self._file, f"{json.dumps(line)}\n".encode())


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
