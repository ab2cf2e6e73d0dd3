"""One job run's call of the host's function, in a thread or on the event loop."""

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from jobsched.context import CancelSignal, JobContext
from jobsched.daemon.capture import RunIdentity, current_run
from jobsched.executors import InlineExecutor
from jobsched.registry import Job

Around = Callable[..., Any]
"""Makes the context manager entered around a job run; it may take the `JobContext`."""


@dataclass(slots=True)
class Launch:
    """A job run that is marked RUNNING, with all that its call needs."""

    job: Job
    context: JobContext
    signal: CancelSignal
    identity: RunIdentity
    started: float
    """Monotonic seconds."""
    deadline: float | None
    """Monotonic seconds after which it is past its timeout."""
    stop: Callable[[], None] | None = None
    """Cancels an async job's task; None for a thread, which can only be asked."""
    overran: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended."""

    launch: Launch
    result: Any = None
    error: BaseException | None = None


Done = Callable[[Outcome], None]


class Launcher:
    """Calls jobs: sync ones in an executor's thread, async ones on one event loop."""

    def __init__(
        self, executors: Mapping[str, Executor], around: Around | None, *, inline: bool = False
    ) -> None:
        """`executors` by name; `default` is used for jobs that name none.

        `inline` runs every job in the caller's thread, the async ones too.
        """
        self._executors = {"default": InlineExecutor()} if inline else dict(executors)
        self._around = around
        self._around_takes_context = around is not None and _takes_an_argument(around)
        self._loop: EventLoop | InlineLoop = InlineLoop() if inline else EventLoop()

    def launch(self, launch: Launch, done: Done) -> None:
        """Start the call; `done` is called in the job's thread when it has ended."""
        if launch.job.is_async:
            self._loop.submit(launch, lambda: self._call_async(launch), done)
            return
        named = launch.job.executor or "default"
        executor = self._executors.get(named, self._executors["default"])
        try:
            executor.submit(self._call_sync, launch, done)
        except RuntimeError as error:  # it was shut down by the host
            done(Outcome(launch, error=error))

    def close(self) -> None:
        """Stop the event loop; the threads end with their jobs."""
        self._loop.close()

    def _call_sync(self, launch: Launch, done: Done) -> None:
        token = current_run.set(launch.identity)
        try:
            with self._surroundings(launch):
                arguments = launch.job.arguments(launch.context.params, launch.context)
                outcome = Outcome(launch, launch.job.function(**arguments))
        except BaseException as error:  # whatever a job raises ends the job, never the worker
            outcome = Outcome(launch, error=error)
        finally:
            current_run.reset(token)
        done(outcome)

    async def _call_async(self, launch: Launch) -> Outcome:
        current_run.set(launch.identity)  # the task's own context: nothing to reset
        try:
            async with _entered(self._surroundings(launch)):
                arguments = launch.job.arguments(launch.context.params, launch.context)
                return Outcome(launch, await launch.job.function(**arguments))
        except BaseException as error:  # SystemExit would end the loop of all async jobs
            return Outcome(launch, error=error)

    def _surroundings(self, launch: Launch) -> Any:
        if self._around is None:
            return contextlib.nullcontext()
        return self._around(launch.context) if self._around_takes_context else self._around()


class EventLoop:
    """One asyncio loop in a thread of its own, started with the first async job."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def submit(
        self, launch: Launch, call: Callable[[], Coroutine[Any, Any, Outcome]], done: Done
    ) -> None:
        """Run `call()` as a task; `launch.stop` cancels it."""
        loop = self._started()

        def begin() -> None:
            task = loop.create_task(call())
            launch.stop = lambda: _quietly(loop, task.cancel)
            if launch.signal.is_set_quietly():
                task.cancel()
            task.add_done_callback(lambda task: done(_outcome(launch, task)))

        loop.call_soon_threadsafe(begin)

    def close(self) -> None:
        """Stop the loop and its thread; idempotent."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            _quietly(loop, loop.stop)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=_run_loop, args=(self._loop,), name="jobsched-async", daemon=True
                ).start()
            return self._loop


class InlineLoop:
    """Runs async jobs to their end in the caller's thread."""

    def submit(
        self, launch: Launch, call: Callable[[], Coroutine[Any, Any, Outcome]], done: Done
    ) -> None:
        """Run `call()` now."""
        done(asyncio.run(call()))

    def close(self) -> None:
        """There is nothing to close."""


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _quietly(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended in between
        loop.call_soon_threadsafe(call)


def _outcome(launch: Launch, task: "asyncio.Task[Outcome]") -> Outcome:
    if task.cancelled():  # before its first instruction
        return Outcome(launch, error=asyncio.CancelledError())
    return task.result()


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
