"""The call of a job's function with all that surrounds it, in whatever thread or process."""

import contextlib
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

from jobsched.context import JobContext
from jobsched.registry import Job

Around = Callable[..., Any]
"""Makes the context manager entered around a job run; it may take the `JobContext`."""


def call(job: Job, context: JobContext, around: Around | None) -> Any:
    """Call a sync job; what it returns, and whatever it raises."""
    with _surroundings(context, around):
        return job.function(**job.arguments(context.params, context))


async def call_async(job: Job, context: JobContext, around: Around | None) -> Any:
    """Await an async job; what it returns, and whatever it raises."""
    async with _entered(_surroundings(context, around)):
        return await job.function(**job.arguments(context.params, context))


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
