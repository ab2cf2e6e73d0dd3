"""Which job run the present code belongs to, and the log records that it emits."""

import contextvars
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from jobsched.daemon.reports import clipped, storable
from jobsched.store.record import LogRecord, RunNote


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """The job run that the current context belongs to."""

    run_id: int
    firing_id: int
    post: Callable[[LogRecord | RunNote], None]
    now: Callable[[], datetime]


current_run: contextvars.ContextVar[RunIdentity | None] = contextvars.ContextVar(
    "jobsched_current_run", default=None
)


class CaptureHandler(logging.Handler):
    """Sends the records of any stdlib logger to the job run in whose context they were emitted."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record over; it never blocks and never raises into the job."""
        identity = current_run.get()
        if identity is None:
            return
        # Each daemon of this process has a handler on the root logger: the first one is enough.
        if record.__dict__.setdefault("jobsched_captured_by", self) is not self:
            return
        try:
            message = self.format(record)
        except Exception:  # a bad format string is the job's mistake, and must not end it
            message = unformatted(record)
        identity.post(
            LogRecord(
                run_id=identity.run_id,
                firing_id=identity.firing_id,
                level=storable(record.levelname)[:20],
                message=clipped(message),
                created_at=identity.now(),
            )
        )


def unformatted(record: logging.LogRecord) -> str:
    """What can be read of a record that its formatter cannot make a text of."""
    try:
        return str(record.msg)
    except Exception:  # its __str__ is broken, too
        return "(a log record that cannot be read)"
