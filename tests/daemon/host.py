"""A small app on the public interface, run by the tests as daemons: `jobsched run host:scheduler`.

Its jobs write each start and end to a ledger, a file outside the database: one line a record, one
write a line, opened to append. HOST_LEDGER names it. HOST_GATE names a pipe on which the gated
jobs wait: each byte that a test writes lets one of them go on.
"""

import asyncio
import json
import os
import threading
import time
from typing import Any

from jobsched import Backoff, JobContext, Registry, Scheduler

STUCK_S = 60.0
BRIEF_S = 0.02

registry = Registry()


def note(what: str, ctx: JobContext, **more: Any) -> None:
    """Append one record to the ledger."""
    record = {
        "what": what,
        "job": ctx.job_name,
        "schedule": ctx.schedule_id,
        "firing": ctx.firing_id,
        "run": ctx.run_id,
        "attempt": ctx.attempt,
        "pid": os.getpid(),
        "at": time.clock_gettime(time.CLOCK_BOOTTIME),
        **more,
    }
    ledger = os.open(os.environ["HOST_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(ledger, json.dumps(record).encode() + b"\n")
    finally:
        os.close(ledger)


def pass_the_gate() -> None:
    """Block until a test lets one job go on."""
    gate = os.open(os.environ["HOST_GATE"], os.O_RDONLY)
    try:
        os.read(gate, 1)
    finally:
        os.close(gate)


@registry.job
def quick(ctx: JobContext) -> None:
    """Start and end."""
    note("start", ctx)
    note("end", ctx)


@registry.job
def brief(ctx: JobContext) -> None:
    """Do a little work, so that other workers get their share."""
    note("start", ctx)
    threading.Event().wait(BRIEF_S)
    note("end", ctx)


@registry.job
def gated(ctx: JobContext) -> str:
    """Run until the gate lets it go, whoever asks it to stop."""
    note("start", ctx)
    ctx.log.info("waiting at the gate")
    pass_the_gate()
    ctx.log.info("past the gate")
    note("end", ctx)
    return "through"


@registry.job(on_lost="rerun")
def gated_rerun(ctx: JobContext) -> str:
    """The same, and another worker may run it again."""
    return str(gated(ctx))


@registry.job(on_lost="rerun", retries=2, backoff=Backoff(initial=0.01))
def gated_failing(ctx: JobContext) -> str:
    """The same, and its first attempt fails at last."""
    result = str(gated(ctx))
    if ctx.attempt == 1:
        raise RuntimeError("the first attempt fails")
    return result


@registry.job
def obliging(ctx: JobContext) -> None:
    """A sync job that stops when it is asked to."""
    note("start", ctx)
    ctx.cancelled.wait(STUCK_S)
    note("end", ctx, asked=ctx.cancelled.reason)


@registry.job
def stuck(ctx: JobContext) -> None:
    """A sync job that hears nothing."""
    note("start", ctx)
    threading.Event().wait(STUCK_S)
    note("end", ctx)


@registry.job
async def endless(ctx: JobContext) -> None:
    """An async job that ends when it is cancelled."""
    note("start", ctx)
    try:
        await asyncio.Event().wait()
    finally:
        note("end", ctx, asked=ctx.cancelled.reason)


@registry.job(group="chain")
def chain_first(ctx: JobContext) -> None:
    """Done before the chain meets its gate."""
    quick(ctx)


@registry.job(group="chain", depends_on=[chain_first], on_lost="rerun")
def chain_gated(ctx: JobContext) -> None:
    """Waits at the gate."""
    gated(ctx)


@registry.job(group="chain", depends_on=[chain_gated])
def chain_last(ctx: JobContext) -> None:
    """Runs when the gate was passed."""
    quick(ctx)


scheduler = Scheduler(registry=registry, app=os.environ.get("HOST_APP", "default"))
"""It declares no schedule: the tests do, as another process of the same app might."""
