"""The daemon's named events, as records of the stdlib logger `jobsched.daemon`.

A record's message is a sentence; `record.event` is its name and `record.fields` its facts, so
that a handler can write it as text or as JSON.
"""

import logging
from typing import Any

logger = logging.getLogger("jobsched.daemon")


def is_heard(level: int = logging.INFO) -> bool:
    """Whether anybody listens: what is said thousands of times a second is put in words then."""
    return logger.isEnabledFor(level)


def emit(event: str, message: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Say what happened."""
    logger.log(level, message, extra={"event": event, "fields": fields})


def emit_failure(event: str, message: str, error: BaseException, **fields: Any) -> None:
    """Say what went wrong; the traceback is shown at level DEBUG only."""
    trace = error if logger.isEnabledFor(logging.DEBUG) else None
    logger.error("%s", message, exc_info=trace, extra={"event": event, "fields": fields})
