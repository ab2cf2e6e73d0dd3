"""Jobs past their timeout: async ones are cancelled, threads are asked and shown until they end."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jobsched import Backoff, JobContext, Registry, Schedule
from jobsched.model import FiringStatus, JobRunStatus

if TYPE_CHECKING:
    from conftest import Embedding, Operator, Switches

S = JobRunStatus
NEVER = "0 0 1 1 *"


def test_an_async_job_past_its_timeout(embed: "Embedding", operator: "Operator") -> None:
    """It is cancelled, and FAILED with the reason; its event loop goes on for others."""
    registry = Registry()
    cleaned: list[str] = []

    @registry.job(timeout=0.2)
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append("up")

    @registry.job
    async def other() -> str:
        return "fine"

    embed.started(registry)
    done = operator.ended(operator.enqueue("slow").id)
    (run,) = done.runs
    assert done.status is FiringStatus.FAILED
    assert (run.status, run.reason) == (S.FAILED, "timeout")
    assert run.error == "TimeoutError: past its timeout of 0.2 s"
    assert timedelta(milliseconds=200) <= run.finished_at - run.started_at < timedelta(seconds=5)
    assert cleaned == ["up"]
    assert operator.ended(operator.enqueue("other").id).runs[0].result == "fine"


def test_a_thread_past_its_timeout(
    embed: "Embedding", operator: "Operator", switches: "Switches"
) -> None:
    """It is asked to stop, shown RUNNING and why until it ends, and then FAILED whatever it did."""
    registry = Registry()
    asked: list[str | None] = []

    @registry.job(timeout=0.2)
    def slow(ctx: JobContext) -> str:
        ctx.cancelled.wait(30)
        asked.append(ctx.cancelled.reason)
        switches.released.wait()
        return "done after all"

    embed.started(registry)
    firing = operator.enqueue("slow")
    shown = operator.when(firing.id, lambda one: one.runs and one.runs[0].reason is not None)
    assert (shown.runs[0].status, shown.runs[0].reason) == (S.RUNNING, "timeout")
    assert shown.status is FiringStatus.RUNNING
    switches.released.on()
    (run,) = operator.ended(firing.id).runs
    assert (run.status, run.reason) == (S.FAILED, "timeout")
    assert asked == ["timeout"]
    assert run.result is None


@pytest.mark.backends("sqlite")
def test_a_timeout_is_retried_as_any_failure(embed: "Embedding", operator: "Operator") -> None:
    """Each attempt has the whole timeout for itself."""
    registry = Registry()

    @registry.job(timeout=0.2, retries=1, backoff=Backoff(initial=0.01))
    async def slow_at_first(ctx: JobContext) -> None:
        if ctx.attempt == 1:
            await asyncio.Event().wait()

    embed.started(registry)
    done = operator.ended(operator.enqueue("slow_at_first").id)
    assert [(run.status, run.reason) for run in done.runs] == [
        (S.FAILED, "timeout"),
        (S.SUCCESS, None),
    ]


@pytest.mark.backends("sqlite")
def test_a_schedule_past_its_timeout(
    embed: "Embedding", operator: "Operator", switches: "Switches"
) -> None:
    """Its timeout is one for the whole firing: what runs fails, and the rest is not begun."""
    registry = Registry()

    @registry.job(group="feed")
    def first() -> None: ...

    @registry.job(group="feed", depends_on=[first])
    async def second() -> None:
        await asyncio.Event().wait()

    @registry.job(group="feed", depends_on=[second])
    def third() -> None: ...

    embed.started(registry, [Schedule(id="feed", cron=NEVER, group="feed", timeout=0.3)])
    done = operator.ended(operator.trigger("feed").id)
    assert done.status is FiringStatus.FAILED
    assert [(run.job_name, run.status, run.reason) for run in done.runs] == [
        ("first", S.SUCCESS, None),
        ("second", S.FAILED, "timeout"),
        ("third", S.CANCELLED, "timeout"),
    ]
