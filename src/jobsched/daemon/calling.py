"""The call of a job's function with all that surrounds it, in whatever thread or process."""

import asyncio
import contextlib
import contextvars
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

from jobsched.context import JobContext
from jobsched.registry import Job

Around = Callable[..., Any]
"""Makes the context manager entered around a job run; it may take the `JobContext`."""


def call(job: Job, context: JobContext, around: Around | None) -> Any:
    """Call a sync job; what it returns, and whatever it raises.

    Context variables that it sets are its own: the next job on this thread does not see them.
    """
    return contextvars.copy_context().run(_call, job, context, around)


def _call(job: Job, context: JobContext, around: Around | None) -> Any:
    with _surroundings(context, around):
        return _finished(job, job.function(**job.arguments(context.params, context)))


async def call_async(job: Job, context: JobContext, around: Around | None) -> Any:
    """Await an async job; what it returns, and whatever it raises."""
    async with _entered(_surroundings(context, around)):
        return _finished(job, await job.function(**job.arguments(context.params, context)))


def _finished(job: Job, result: Any) -> Any:
    """What the job returned; raises TypeError for work that nobody would ever do."""
    if not (
        inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result)
    ):
        return result
    if inspect.iscoroutine(result) or inspect.isgenerator(result):
        result.close()
    raise TypeError(
        f"job {job.name!r} returned a {type(result).__name__}, and nothing of it has run: where a "
        "decorator stands between @job and `async def`, make its wrapper `async def` too and await "
        "the function; else do the work in the job itself"
    )


class Call:
    """A call of a sync or an async job in the present thread, which another one can stop."""

    def __init__(self, job: Job, context: JobContext, around: Around | None) -> None:
        self._job = job
        self._context = context
        self._around = around
        self._cancel: Callable[[], object] = lambda: None

    def result(self) -> Any:
        """What the job returns, and whatever it raises."""
        if self._job.is_async:
            return asyncio.run(self._awaited())
        return call(self._job, self._context, self._around)

    def stop(self, reason: str | None) -> None:
        """Set the job's `ctx.cancelled`, and cancel it if it is async."""
        self._context.cancelled.set(reason)
        with contextlib.suppress(RuntimeError):  # its event loop may just have ended
            self._cancel()

    async def _awaited(self) -> Any:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            cancel = task.cancel
            self._cancel = lambda: loop.call_soon_threadsafe(cancel)
        if self._context.cancelled.is_set_quietly():  # it was asked before there was a task
            self._cancel()
        return await call_async(self._job, self._context, self._around)


def _surroundings(context: JobContext, around: Around | None) -> Any:
    if around is None:
        return contextlib.nullcontext()
    return around(context) if _takes_an_argument(around) else around()


@contextlib.asynccontextmanager
async def _entered(manager: Any) -> AsyncIterator[None]:
    """Enter a context manager of either kind around an async job."""
    if hasattr(manager, "__aenter__"):
        async with manager:
            yield
    else:
        with manager:
            yield


def _takes_an_argument(around: Around) -> bool:
    try:
        parameters = inspect.signature(around).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(
        parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        for parameter in parameters
    )
