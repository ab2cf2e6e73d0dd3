"""Which job run the present code belongs to, and the log records that it emits."""

import contextvars
import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from jobsched.daemon.reports import clipped, storable
from jobsched.fixed import fixed
from jobsched.redaction import redacted_text
from jobsched.store.batch import LogRecord, RunNote


@fixed
class RunIdentity:
    """The job run that the current context belongs to."""

    run_id: int
    firing_id: int
    post: Callable[[LogRecord | RunNote], None]
    now: Callable[[], datetime]


current_run: contextvars.ContextVar[RunIdentity | None] = contextvars.ContextVar(
    "jobsched_current_run", default=None
)


class Capture:
    """Sends log records to the job run in whose context they are made, whichever logger it is.

    Records are seen where stdlib logging makes them (`logging.setLogRecordFactory`): the host's
    handlers, levels and `propagate` flags stay as they are, and a root logger without handlers
    stays without. Several may be installed in one process; each record is sent once.
    """

    _lock = threading.Lock()
    _installed = 0
    _before: Callable[..., logging.LogRecord] = logging.LogRecord

    @classmethod
    def install(cls) -> None:
        """Begin; each call wants its `remove`."""
        with cls._lock:
            cls._installed += 1
            if cls._installed == 1 and logging.getLogRecordFactory() is not _make:
                cls._before = logging.getLogRecordFactory()
                logging.setLogRecordFactory(_make)

    @classmethod
    def remove(cls) -> None:
        """End; a factory that somebody has set meanwhile stays."""
        with cls._lock:
            cls._installed -= 1
            if cls._installed == 0 and logging.getLogRecordFactory() is _make:
                logging.setLogRecordFactory(cls._before)

    @classmethod
    def make(cls, *args: Any, **kwargs: Any) -> logging.LogRecord:
        """A record as it would have been made, sent on its way if a job run made it."""
        record = cls._before(*args, **kwargs)
        identity = current_run.get()
        if identity is not None and cls._installed and isinstance(record.name, str):
            send(record, identity)
        return record


def _make(*args: Any, **kwargs: Any) -> logging.LogRecord:
    return Capture.make(*args, **kwargs)


_FORMATTER = logging.Formatter()


def send(record: logging.LogRecord, identity: RunIdentity) -> None:
    """Hand a record over to its job run; it never blocks and never raises into the job."""
    try:
        message = _FORMATTER.format(record)
    except Exception:  # a bad format string is the job's mistake, and must not end it
        message = unformatted(record)
    identity.post(
        LogRecord(
            run_id=identity.run_id,
            firing_id=identity.firing_id,
            level=storable(record.levelname)[:20],
            message=clipped(redacted_text(message)),
            created_at=identity.now(),
        )
    )


def unformatted(record: logging.LogRecord) -> str:
    """What can be read of a record that its formatter cannot make a text of."""
    try:
        return str(record.msg)
    except Exception:  # its __str__ is broken, too
        return "(a log record that cannot be read)"
