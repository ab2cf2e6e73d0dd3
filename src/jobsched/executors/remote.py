"""Executors that run jobs in another process, and what passes between it and the daemon.

The daemon that claimed a firing stays its owner: it alone writes to the firing's rows, so that a
claim that was lost is noticed in one place. The other process gets the values of the job's context
and where to find its function, never a closure; it says what happens, and the daemon records it.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from jobsched.context import JobContext
from jobsched.fixed import fixed
from jobsched.registry import Job

Around: TypeAlias = Callable[..., Any]


@fixed
class Report:
    """How a call ended, in values that JSON can carry."""

    result: Any = None
    complaint: str | None = None
    """Why the result is not kept."""
    error: str | None = None
    """The error in one line, None for a success."""
    traceback: str | None = None
    reason: str | None = None
    """A `Reason` where the error is not the job's own."""
    retryable: bool = False
    """Whether the error is one that the job retries on."""
    stopped: bool = False
    """Whether it was ended from outside: cancelled, or with its process."""
    seen: bool = False
    """Whether the job looked at `ctx.cancelled` after it was asked to stop."""


@fixed
class Assignment:
    """A job run that is RUNNING in the database, to be executed in another process."""

    job: Job
    around: Around | None
    context: JobContext
    """Its values travel; its progress and `result_of` lead to the daemon."""
    emit: Callable[[logging.LogRecord], None]
    """Takes a log record of the job, as if it had been emitted here."""
    ended: Callable[[Report | Exception], None]
    """Called once, in any thread: what the process said, or why it could not say anything."""


class RemoteRun(Protocol):
    """A job run in another process, as the daemon holds it."""

    def ask(self, reason: str) -> None:
        """Ask the job to stop, and end it soon if it does not; idempotent, returns at once."""

    def kill(self) -> None:
        """End it now, with everything that it has started; idempotent."""


class RemoteExecutor(ABC):
    """Runs jobs in other processes; sync and async ones alike."""

    @abstractmethod
    def problem(self, job: Job, around: Around | None) -> str | None:
        """Why this job cannot be run there, as a sentence that says what to do, or None."""

    @abstractmethod
    def start(self, assignment: Assignment) -> RemoteRun:
        """Begin to execute it, or let it wait for a place; returns at once."""
