"""Attempts after a failure, by the job's policy or by an operator."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from jobsched import Backoff, JobContext, Registry, Schedule
from jobsched.model import FiringStatus, JobRunStatus

if TYPE_CHECKING:
    from conftest import Embedding, Operator, Switches

S = JobRunStatus
PAUSE = timedelta(milliseconds=600)
NEVER = "0 0 1 1 *"


def test_a_failing_job_is_tried_again_after_a_pause(
    embed: "Embedding", operator: "Operator"
) -> None:
    """Between attempts its firing is WAITING, holds no slot, and the pause is kept."""
    registry = Registry()

    @registry.job(retries=2, backoff=Backoff(initial=PAUSE, factor=1, jitter=0))
    def flaky(ctx: JobContext) -> int:
        if ctx.attempt < 3:
            raise RuntimeError(f"attempt {ctx.attempt}")
        return ctx.attempt

    @registry.job
    def other() -> None: ...

    embed.started(registry, settings={"max_workers": 1})
    firing = operator.enqueue("flaky")
    waiting = operator.when(firing.id, lambda one: one.status is FiringStatus.WAITING)
    assert waiting.claimed_by is None
    between = operator.ended(operator.enqueue("other").id)
    done = operator.ended(firing.id)
    assert done.status is FiringStatus.SUCCESS
    assert [(run.attempt, run.status) for run in done.runs] == [
        (1, S.FAILED),
        (2, S.FAILED),
        (3, S.SUCCESS),
    ]
    assert done.runs[0].error == "RuntimeError: attempt 1"
    assert 'raise RuntimeError(f"attempt {ctx.attempt}")' in (done.runs[0].traceback or "")
    assert between.finished_at < done.finished_at
    for earlier, later in pairwise(done.runs):
        assert later.started_at - earlier.finished_at >= PAUSE - timedelta(milliseconds=1)


@pytest.mark.backends("sqlite")
def test_attempts_end_with_the_retries(embed: "Embedding", operator: "Operator") -> None:
    """`retries=1` is two attempts; then the job FAILED, and what depends on it is SKIPPED."""
    registry = Registry()

    @registry.job(group="feed", retries=1, backoff=Backoff(initial=0.01))
    def broken() -> None:
        raise RuntimeError("always")

    @registry.job(group="feed", depends_on=[broken])
    def dependent() -> None: ...

    @registry.job(group="feed", retries=5, no_retry_on=[ValueError])
    def hopeless() -> None:
        raise ValueError("no use")

    embed.started(registry, [Schedule(id="feed", cron=NEVER, group="feed")])
    done = operator.ended(operator.trigger("feed").id)
    assert done.status is FiringStatus.FAILED
    assert {(run.job_name, run.attempt): (run.status, run.reason) for run in done.runs} == {
        ("broken", 1): (S.FAILED, None),
        ("broken", 2): (S.FAILED, None),
        ("dependent", 1): (S.SKIPPED, "dependency: broken"),
        ("hopeless", 1): (S.FAILED, None),
    }


def test_an_operator_retries_what_failed(embed: "Embedding", operator: "Operator") -> None:
    """`retry()` runs what did not succeed, and only that; the firing's failure is taken back."""
    registry = Registry()
    calls: list[str] = []

    @registry.job(group="feed")
    def fine(ctx: JobContext) -> None:
        calls.append(ctx.idempotency_key)

    @registry.job(group="feed", depends_on=[fine])
    def broken(ctx: JobContext) -> None:
        calls.append(ctx.idempotency_key)
        if ctx.attempt == 1:
            raise RuntimeError("not yet")

    @registry.job(group="feed", depends_on=[broken])
    def dependent(ctx: JobContext) -> None:
        calls.append(ctx.idempotency_key)

    embed.started(registry, [Schedule(id="feed", cron=NEVER, group="feed")])
    firing = operator.ended(operator.trigger("feed").id)
    assert firing.status is FiringStatus.FAILED
    (state,) = operator.list_schedules()
    assert (state.run_count, state.failure_count) == (0, 1)

    operator.retry(firing.id)
    done = operator.ended(firing.id)
    assert done.status is FiringStatus.SUCCESS
    assert {(run.job_name, run.attempt): run.status for run in done.runs} == {
        ("fine", 1): S.SUCCESS,
        ("broken", 1): S.FAILED,
        ("broken", 2): S.SUCCESS,
        ("dependent", 1): S.SKIPPED,
        ("dependent", 2): S.SUCCESS,
    }
    keys = {name: f"default:{firing.id}:{name}" for name in ("fine", "broken", "dependent")}
    assert calls == [keys["fine"], keys["broken"], keys["broken"], keys["dependent"]]
    (state,) = operator.list_schedules()
    assert (state.run_count, state.failure_count) == (1, 0)


@pytest.mark.backends("sqlite")
def test_a_retry_that_waits_can_be_cancelled(embed: "Embedding", operator: "Operator") -> None:
    """A WAITING firing ends CANCELLED at once, and the attempt that it waited for never runs."""
    registry = Registry()

    @registry.job(retries=1, backoff=Backoff(initial=3600))
    def flaky() -> None:
        raise RuntimeError

    embed.started(registry)
    firing = operator.enqueue("flaky")
    operator.when(firing.id, lambda one: one.status is FiringStatus.WAITING)
    operator.cancel(firing.id)
    done = operator.firing(firing.id)
    assert done.status is FiringStatus.CANCELLED
    assert [run.status for run in done.runs] == [S.FAILED, S.CANCELLED]


def test_a_request_to_cancel_outlives_a_failure(
    embed: "Embedding", operator: "Operator", switches: "Switches", until: Callable[..., object]
) -> None:
    """A job that fails just when it is to be cancelled is not tried again an hour later."""
    registry = Registry()

    @registry.job(retries=1, backoff=Backoff(initial=3600))
    def failing() -> None:
        switches.started.on()
        switches.released.wait()
        raise RuntimeError

    embed.started(registry, settings={"poll_interval": timedelta(seconds=1)})
    firing = operator.enqueue("failing")
    switches.started.wait()
    operator.cancel(firing.id)
    switches.released.on()
    done = operator.ended(firing.id)
    assert done.status is FiringStatus.CANCELLED
