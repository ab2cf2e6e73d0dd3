"""What the daemon and the process of a job run say to each other: JSON messages over one pipe.

From the daemon: the `Setup` first, then `{"cancel": reason}` and answers to questions,
`{"result": value}` or `{"refused": message}`. From the job's process: `{"log": record}`,
`{"progress": [fraction, message]}`, `{"result_of": job}` as a question, and `{"report": {...}}`.
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any

from jobsched.context import CancelSignal, JobContext
from jobsched.executors.remote import Report
from jobsched.fixed import fixed
from jobsched.model import TriggerType

Message = dict[str, Any]

_VALUES = (
    "run_id",
    "firing_id",
    "schedule_id",
    "job_name",
    "attempt",
    "params",
    "idempotency_key",
)
_PLAIN = (str, int, float, bool, type(None))
_TIED_TO_ITS_PROCESS = frozenset({"msg", "args", "exc_info", "exc_text", "stack_info"})


@fixed
class Setup:
    """What the process of a job run has to know."""

    job: str
    """The reference of the job."""
    around: str | None
    """The reference of what is entered around it."""
    context: Mapping[str, Any]
    levels: Mapping[str, int]
    """The levels of the daemon's loggers, so that both processes keep the same records."""
    kill_grace_s: float

    def as_message(self) -> Message:
        """The first message."""
        return asdict(self)


class Pipe:
    """One end of the connection: whole messages, sent from any thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, message: Message) -> bool:
        """Send a message; False when nobody reads any more."""
        data = json.dumps(message).encode()
        try:
            with self._sending:
                self._connection.send_bytes(data)
        except OSError:
            return False
        return True

    def receive(self) -> Message | None:
        """The next message; None when the other side has gone, or talks nonsense."""
        try:
            message = json.loads(self._connection.recv_bytes())
        except (OSError, EOFError, ValueError):
            return None
        return message if isinstance(message, dict) else None

    def wait(self, timeout: float) -> bool:
        """Whether a message, or the end, has come within `timeout` seconds."""
        try:
            return self._connection.poll(timeout)
        except OSError:
            return True

    def close(self) -> None:
        """Close this end."""
        self._connection.close()


def context_values(context: JobContext) -> Message:
    """The values of a context."""
    values = {name: getattr(context, name) for name in _VALUES}
    return {
        **values,
        "params": dict(context.params),
        "trigger": context.trigger.value,
        "scheduled_for": context.scheduled_for.isoformat(),
    }


def context_of(
    values: Mapping[str, Any],
    *,
    log: logging.Logger,
    signal: CancelSignal,
    report_progress: Callable[[float, str | None], None],
    find_result: Callable[[str], Any],
) -> JobContext:
    """The context that these values describe."""
    return JobContext(
        **{name: values[name] for name in _VALUES},
        trigger=TriggerType(values["trigger"]),
        scheduled_for=datetime.fromisoformat(values["scheduled_for"]),
        log=log,
        cancelled=signal,
        report_progress=report_progress,
        find_result=find_result,
    )


def report_of_message(values: Mapping[str, Any]) -> Report:
    """The report that a process has sent."""
    return Report(**values)


def record_values(record: logging.LogRecord, message: str) -> Message:
    """A log record as far as JSON can carry it, with its text made."""
    plain = {
        name: value
        for name, value in record.__dict__.items()
        if name not in _TIED_TO_ITS_PROCESS and isinstance(value, _PLAIN)
    }
    return {**plain, "msg": message}


def levels() -> dict[str, int]:
    """The levels that this process has set, by logger; "" is the root."""
    loggers = list(logging.root.manager.loggerDict.items())
    set_here = {
        name: one.level for name, one in loggers if isinstance(one, logging.Logger) and one.level
    }
    return {"": logging.root.level, **set_here}
