"""Where a job run is called: in a thread, on the event loop, or in another process."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from jobsched.context import CancelSignal, JobContext
from jobsched.daemon.calling import Around, call, call_async
from jobsched.daemon.capture import RunIdentity, current_run, send
from jobsched.daemon.reports import report_of
from jobsched.executors import InlineExecutor, JobExecutor
from jobsched.executors.remote import Assignment, RemoteExecutor, Report
from jobsched.fixed import fixed
from jobsched.registry import Job
from jobsched.store.batch import LogRecord

MOST_LINES_OF_A_RUN = 1_000_000
"""Of one job run so many log lines are kept; the database of who logs without end stays useful."""


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
    """Cancels an async job's task, asks another process; None for a thread, which looks itself."""
    kill: Callable[[], None] | None = None
    """Ends the job's process at once; None where it is ours."""
    overran: bool = False
    disowned: bool = False
    """Whether it was said to have ended before it began: it must not begin any more."""
    lines: int = 0
    """How many lines it has logged."""

    def kept(self, line: LogRecord) -> LogRecord | None:
        """The line; what is said instead of the first one too many, and None from there on."""
        self.lines += 1
        if self.lines <= MOST_LINES_OF_A_RUN:
            return line
        if self.lines > MOST_LINES_OF_A_RUN + 1:
            return None
        message = f"this run has logged {MOST_LINES_OF_A_RUN:,} lines: no more of it are kept"
        return replace(line, level="WARNING", message=message)


@fixed
class Outcome:
    """How a call ended."""

    launch: Launch
    result: Any = None
    error: BaseException | None = None
    report: Report | None = None
    """What another process said of it; None when it was called in this one."""


Done = Callable[[Outcome], None]


class Launcher:
    """Calls jobs: sync ones in an executor's thread, async ones on one event loop.

    An executor of other processes gets both kinds.
    """

    def __init__(
        self, executors: Mapping[str, JobExecutor], around: Around | None, *, inline: bool = False
    ) -> None:
        """`executors` by name; `default` is used for jobs that name none.

        `inline` runs every job in the caller's thread, the async ones too.
        """
        self._executors: dict[str, JobExecutor] = (
            {"default": InlineExecutor()} if inline else dict(executors)
        )
        self._around = around
        self._loop: EventLoop | InlineLoop = InlineLoop() if inline else EventLoop()

    def launch(self, launch: Launch, done: Done) -> None:
        """Start the call; `done` is called in the job's thread when it has ended."""
        named = launch.job.executor or "default"
        executor = self._executors.get(named, self._executors["default"])
        try:
            if isinstance(executor, RemoteExecutor):
                self._send(executor, launch, done)
            elif launch.job.is_async:
                self._loop.submit(launch, lambda: self._call_async(launch), done)
            else:
                future = executor.submit(self._call_sync, launch, done)
                future.add_done_callback(lambda future: _tell_of_failure(future, launch, done))
        except Exception as error:  # it was shut down by the host, or has no thread to give
            launch.disowned = True
            done(Outcome(launch, error=error))

    def close(self) -> None:
        """Stop the event loop; the threads end with their jobs."""
        self._loop.close()

    def _call_sync(self, launch: Launch, done: Done) -> None:
        if launch.disowned:
            return  # its end is written already
        token = current_run.set(launch.identity)
        try:
            outcome = Outcome(launch, call(launch.job, launch.context, self._around))
        except BaseException as error:  # whatever a job raises ends the job, never the worker
            outcome = Outcome(launch, error=error)
        finally:
            current_run.reset(token)
        done(outcome)

    async def _call_async(self, launch: Launch) -> Outcome:
        current_run.set(launch.identity)  # the task's own context: nothing to reset
        try:
            return Outcome(launch, await call_async(launch.job, launch.context, self._around))
        except BaseException as error:  # SystemExit would end the loop of all async jobs
            return Outcome(launch, error=error)

    def _send(self, executor: RemoteExecutor, launch: Launch, done: Done) -> None:
        def emit(record: logging.LogRecord) -> None:
            send(record, launch.identity)
            token = current_run.set(launch.identity)
            try:
                logging.getLogger(record.name).handle(record)
            finally:
                current_run.reset(token)

        def ended(how: Report | Exception) -> None:
            report = how if isinstance(how, Report) else report_of(launch.job, error=how)
            done(Outcome(launch, report=report))

        run = executor.start(Assignment(launch.job, self._around, launch.context, emit, ended))
        launch.stop = lambda: run.ask(launch.signal.reason or "")
        launch.kill = run.kill


def _tell_of_failure(future: "Future[None]", launch: Launch, done: Done) -> None:
    """An executor that could not make the call, such as a pool of processes, must not hide it."""
    error = None if future.cancelled() else future.exception()
    if error is not None:
        done(Outcome(launch, error=error))


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
