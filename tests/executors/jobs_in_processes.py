"""Jobs that the tests run in processes of their own, which import this module."""

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from jobsched import Backoff, JobContext, Registry
from jobsched.context import CancelSignal

registry = Registry()
SOON = Backoff(initial=0.1, jitter=0)
calls: list[str] = []
"""What this process has called; empty in a fresh one."""
surroundings: list[str] = []


@contextmanager
def around(ctx: JobContext) -> Iterator[None]:
    surroundings.append(f"around {ctx.job_name}")
    yield
    logging.getLogger("host").info("left %s", ctx.job_name)


class Host:
    """An app whose bound method is given as `around`."""

    @contextmanager
    def context(self) -> Iterator[None]:
        surroundings.append("in the app's context")
        yield


host = Host()


def hold(lifeline: str) -> None:
    """Keep the pipe open, in this process and in a child: who reads it sees when both are gone."""
    fd = os.open(lifeline, os.O_WRONLY)
    subprocess.Popen(["sleep", "600"], pass_fds=[fd])
    os.write(fd, b"up")


def wait_for_ever() -> None:
    threading.Event().wait()


@registry.job
def facts(ctx: JobContext, day: date, count: int = 1) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "leads_its_session": os.getsid(0) == os.getpid(),
        "day": day.isoformat(),
        "type": type(day).__name__,
        "count": count,
        "attempt": ctx.attempt,
        "trigger": ctx.trigger.value,
        "params": dict(ctx.params),
        "run_id": ctx.run_id,
        "aware": ctx.scheduled_for.tzinfo is not None,
        "key": ctx.idempotency_key,
    }


@registry.job
def count_calls() -> int:
    calls.append("called")
    return len(calls)


@registry.job
def talk(ctx: JobContext) -> None:
    ctx.log.info("from %s", "ctx.log")
    ctx.progress(0.25, "a quarter")
    logging.getLogger("host.module").warning("from the host's logger")
    logging.getLogger("host.module").debug("below the level that holds in the daemon")
    try:
        raise KeyError("lost")
    except KeyError:
        logging.getLogger("host.module").exception("with a traceback")
    thread = threading.Thread(target=ctx.log.warning, args=("from a thread of the job",))
    thread.start()
    thread.join()
    ctx.progress(1, "all of it")


@registry.job
def who_is_around() -> list[str]:
    return surroundings


@registry.job
def first() -> dict[str, int]:
    return {"made": 3}


@registry.job(depends_on=[first])
def second(ctx: JobContext) -> Any:
    return ctx.result_of(first)["made"] + 1


@registry.job
async def in_async(ctx: JobContext) -> str:
    await asyncio.to_thread(lambda: None)
    ctx.log.info("awaited")
    return "done"


class UnpicklableError(Exception):
    def __init__(self, lock: Any) -> None:
        super().__init__("holds a lock")
        self.lock = lock


@registry.job(retries=1, retry_on=(UnpicklableError,), backoff=SOON)
def raise_unpicklable() -> None:
    raise UnpicklableError(threading.Lock())


@registry.job(retries=1, no_retry_on=(LookupError,))
async def raise_what_is_not_retried() -> None:
    raise KeyError("gone")


@registry.job
def unkept_result() -> object:
    return object()


@registry.job
def crash(ctx: JobContext) -> None:
    ctx.log.info("the last words")
    ctypes.string_at(0)


@registry.job
def crash_after_the_end() -> str:
    import atexit

    atexit.register(os.kill, os.getpid(), signal.SIGABRT)
    return "kept"


@registry.job(retries=1, backoff=SOON)
def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@registry.job
def leave() -> None:
    os._exit(3)


@registry.job
def leave_a_child_behind(lifeline: str) -> str:
    hold(lifeline)
    return "ended"


@registry.job(timeout=1.5)
def deaf_until_timeout(lifeline: str) -> None:
    hold(lifeline)
    wait_for_ever()


@registry.job
def deaf(lifeline: str) -> None:
    hold(lifeline)
    wait_for_ever()


@registry.job(on_lost="rerun")
def deaf_may_rerun(lifeline: str) -> None:
    hold(lifeline)
    wait_for_ever()


def heed(cancelled: CancelSignal, log: logging.Logger) -> str:
    cancelled.wait()
    log.info("asked: %s", cancelled.reason)
    return "stopped by itself"


@registry.job
def heeding(ctx: JobContext, lifeline: str) -> str:
    hold(lifeline)
    return heed(ctx.cancelled, ctx.log)


@registry.job(timeout=1.5)
def heeding_timeout(ctx: JobContext, lifeline: str) -> str:
    hold(lifeline)
    return heed(ctx.cancelled, ctx.log)


@registry.job
async def heeding_async(ctx: JobContext, lifeline: str) -> None:
    hold(lifeline)
    try:
        await asyncio.Event().wait()
    finally:
        ctx.log.info("cleaned up")


@registry.job
def wait_to_be_asked(ctx: JobContext) -> str | None:
    ctx.log.info("up")
    ctx.cancelled.wait()
    return ctx.cancelled.reason


@registry.job(timeout=0.2)
def wait_to_be_too_late(ctx: JobContext) -> str | None:
    ctx.cancelled.wait()
    return ctx.cancelled.reason
