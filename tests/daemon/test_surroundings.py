"""What is around a job while it runs: the host's `around`, context variables, parameters."""

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from jobsched import JobContext, Registry
from jobsched.model import FiringStatus

if TYPE_CHECKING:
    from conftest import Embedding, Operator

pytestmark = pytest.mark.backends("sqlite")

session: contextvars.ContextVar[str] = contextvars.ContextVar("session", default="none")


class Surroundings:
    """A host's surroundings, and what was seen in them."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.registry = Registry()

        @self.registry.job
        def sync_job() -> None:
            self.seen.append(f"sync in {session.get()}")

        @self.registry.job
        async def async_job() -> None:
            await asyncio.to_thread(lambda: None)
            self.seen.append(f"async in {session.get()}")

        @self.registry.job
        async def failing() -> None:
            raise LookupError("failed")

    @contextlib.contextmanager
    def plain(self) -> Iterator[None]:
        token = session.set("a session")
        self.seen.append("enter")
        try:
            yield
        except Exception as error:
            self.seen.append(f"leave with {type(error).__name__}")
            raise
        else:
            self.seen.append("leave")
        finally:
            session.reset(token)

    @contextlib.contextmanager
    def of_a_job(self, ctx: JobContext) -> Iterator[None]:
        session.set(ctx.job_name)
        yield

    @contextlib.asynccontextmanager
    async def asynchronous(self) -> AsyncIterator[None]:
        session.set("an async session")
        self.seen.append("enter")
        yield
        self.seen.append("leave")

    def refusing(self) -> Any:
        raise ConnectionError("no session today")


@pytest.fixture
def surroundings() -> Surroundings:
    return Surroundings()


@pytest.mark.parametrize("job", ["sync_job", "async_job"])
def test_around_is_entered_for_each_job(
    job: str, surroundings: Surroundings, embed: "Embedding", operator: "Operator"
) -> None:
    """Without an argument: entered before the job in its own context, and left after it."""
    embed.started(surroundings.registry, around=surroundings.plain)
    for _ in range(2):
        assert operator.ended(operator.enqueue(job).id).status is FiringStatus.SUCCESS
    kind = job.removesuffix("_job")
    assert surroundings.seen == 2 * ["enter", f"{kind} in a session", "leave"]
    assert session.get() == "none"


@pytest.mark.parametrize("job", ["sync_job", "async_job"])
def test_around_may_take_the_context_of_the_job(
    job: str, surroundings: Surroundings, embed: "Embedding", operator: "Operator"
) -> None:
    """With one argument: it gets the JobContext. What it sets does not leak to the next job."""
    embed.started(surroundings.registry, around=surroundings.of_a_job)
    assert operator.ended(operator.enqueue(job).id).status is FiringStatus.SUCCESS
    assert surroundings.seen == [f"{job.removesuffix('_job')} in {job}"]


def test_around_of_an_async_job_may_be_async(
    surroundings: Surroundings, embed: "Embedding", operator: "Operator"
) -> None:
    """An async context manager is entered as such."""
    embed.started(surroundings.registry, around=surroundings.asynchronous)
    assert operator.ended(operator.enqueue("async_job").id).status is FiringStatus.SUCCESS
    assert surroundings.seen == ["enter", "async in an async session", "leave"]


def test_around_sees_the_error_of_the_job(
    surroundings: Surroundings, embed: "Embedding", operator: "Operator"
) -> None:
    """A database session can roll back; the error stays the job's."""
    embed.started(surroundings.registry, around=surroundings.plain)
    (run,) = operator.ended(operator.enqueue("failing").id).runs
    assert surroundings.seen == ["enter", "leave with LookupError"]
    assert run.error == "LookupError: failed"


@pytest.mark.parametrize("job", ["sync_job", "async_job"])
def test_surroundings_that_fail_fail_the_job(
    job: str, surroundings: Surroundings, embed: "Embedding", operator: "Operator"
) -> None:
    """The job is not called, and its run says why; the daemon goes on."""
    embed.started(surroundings.registry, around=surroundings.refusing)
    for _ in range(2):
        (run,) = operator.ended(operator.enqueue(job).id).runs
        assert run.error == "ConnectionError: no session today"
    assert surroundings.seen == []


def test_context_variables_do_not_leak_between_jobs(
    embed: "Embedding", operator: "Operator"
) -> None:
    """What one run sets in its thread or task is unset for the next, on the same thread too."""
    registry = Registry()
    seen: list[str] = []

    @registry.job
    def leaking() -> None:
        seen.append(session.get())
        session.set("left behind")

    @registry.job
    async def leaking_task() -> None:
        seen.append(session.get())
        session.set("left behind")

    embed.started(registry, settings={"max_workers": 1})
    for name in 2 * ["leaking", "leaking_task"]:
        operator.ended(operator.enqueue(name).id)
    assert seen == 4 * ["none"]


def test_jobs_get_their_parameters_and_earlier_results(
    embed: "Embedding", operator: "Operator"
) -> None:
    """Typed arguments are validated where the job runs; a bad value fails it without a retry."""
    registry = Registry()

    @registry.job(retries=3)
    def counting(count: int, ctx: JobContext) -> dict[str, Any]:
        return {"count": count + 1, "trigger": ctx.trigger, "params": dict(ctx.params)}

    embed.started(registry)
    (run,) = operator.ended(operator.enqueue("counting", params={"count": 41}).id).runs
    assert run.result == {"count": 42, "trigger": "EVENT", "params": {"count": 41}}
    refused = operator.ended(operator.enqueue("counting", params={"count": "many"}).id)
    assert [(run.status, run.reason) for run in refused.runs] == [("FAILED", "parameters")]
