"""Operators cancel from another process what waits and what runs."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from jobsched import JobContext, Registry, Schedule
from jobsched.model import FiringStatus, JobRunStatus

if TYPE_CHECKING:
    from conftest import Daemon, Embedding, Ledger, Operator, Switches

S = JobRunStatus
NEVER = "0 0 1 1 *"


@pytest.mark.parametrize("job", ["endless", "obliging"])
def test_a_running_job_is_cancelled_from_another_process(
    job: str, start_daemons: Callable[..., list["Daemon"]], operator: "Operator", ledger: "Ledger"
) -> None:
    """The async task is cancelled, the thread sees it in `ctx.cancelled`; both are CANCELLED."""
    start_daemons()
    firing = operator.enqueue(job)
    ledger.wait("start")
    operator.cancel(firing.id, by="ada")
    done = operator.ended(firing.id)
    assert done.status is FiringStatus.CANCELLED
    assert [(run.status, run.reason) for run in done.runs] == [(S.CANCELLED, "requested")]
    (end,) = ledger.records("end")
    assert end["asked"] == "requested"


@pytest.mark.backends("sqlite")
def test_a_job_that_does_not_look_finishes(
    embed: "Embedding", operator: "Operator", switches: "Switches"
) -> None:
    """Until then it is shown as RUNNING, asked to stop; its work is done, so it is a SUCCESS."""
    registry = Registry()

    @registry.job
    def deaf() -> str:
        switches.started.on()
        switches.released.wait()
        return "done"

    embed.started(registry)
    firing = operator.enqueue("deaf")
    switches.started.wait()
    operator.cancel(firing.id)
    shown = operator.when(firing.id, lambda one: one.runs[0].reason is not None)
    assert (shown.runs[0].status, shown.runs[0].reason) == (S.RUNNING, "requested")
    switches.released.on()
    (run,) = operator.ended(firing.id).runs
    assert (run.status, run.result) == (S.SUCCESS, "done")


@pytest.mark.backends("sqlite")
def test_a_job_that_raises_when_it_is_asked(embed: "Embedding", operator: "Operator") -> None:
    """Whatever it raises: it is CANCELLED and not FAILED, and not tried again."""
    registry = Registry()

    @registry.job(retries=3)
    def raising(ctx: JobContext) -> None:
        ctx.progress(0.5)
        ctx.cancelled.wait(30)
        raise RuntimeError("stopped half way")

    embed.started(registry)
    firing = operator.enqueue("raising")
    operator.when(firing.id, lambda one: one.runs and one.runs[0].progress)
    operator.cancel(firing.id)
    done = operator.ended(firing.id)
    assert done.status is FiringStatus.CANCELLED
    assert [run.status for run in done.runs] == [S.CANCELLED]


def test_a_queued_firing_is_cancelled_at_once(
    embed: "Embedding", operator: "Operator", switches: "Switches"
) -> None:
    """It ends in the operator's own transaction, and its job never runs."""
    registry = Registry()
    ran: list[int] = []

    @registry.job
    def holding() -> None:
        switches.started.on()
        switches.released.wait()

    @registry.job
    def waiting(ctx: JobContext) -> None:
        ran.append(ctx.firing_id)

    embed.started(registry, settings={"max_workers": 1})
    operator.enqueue("holding")
    switches.started.wait()
    dropped, kept = operator.enqueue("waiting"), operator.enqueue("waiting")
    assert operator.cancel(dropped.id).status is FiringStatus.CANCELLED
    switches.released.on()
    assert operator.ended(kept.id).status is FiringStatus.SUCCESS
    assert ran == [kept.id]
    assert operator.firing(dropped.id).runs == ()


def test_one_job_of_a_plan_is_cancelled(
    embed: "Embedding", operator: "Operator", switches: "Switches"
) -> None:
    """Queued or running: only it, and what depends on it, does not happen."""
    registry = Registry()

    @registry.job(group="feed")
    def first() -> None:
        switches.started.on()
        switches.released.wait()

    @registry.job(group="feed", depends_on=[first])
    def unwanted() -> None: ...

    @registry.job(group="feed", depends_on=[unwanted])
    def dependent() -> None: ...

    @registry.job(group="feed", depends_on=[first])
    def wanted() -> None: ...

    @registry.job(group="feed")
    async def running() -> None:
        await asyncio.Event().wait()

    embed.started(registry, [Schedule(id="feed", cron=NEVER, group="feed")])
    firing = operator.trigger("feed")
    switches.started.wait()
    operator.when(firing.id, lambda one: any(run.job_name == "running" for run in one.runs))
    operator.cancel(firing.id, job="unwanted")
    operator.cancel(firing.id, job="running")
    operator.when(
        firing.id,
        lambda one: sum(run.status is S.CANCELLED for run in one.runs) == 2,
    )
    switches.released.on()
    done = operator.ended(firing.id)
    assert done.status is FiringStatus.CANCELLED
    assert {run.job_name: (run.status, run.reason) for run in done.runs} == {
        "first": (S.SUCCESS, None),
        "unwanted": (S.CANCELLED, "requested"),
        "dependent": (S.SKIPPED, "dependency: unwanted"),
        "wanted": (S.SUCCESS, None),
        "running": (S.CANCELLED, "requested"),
    }
