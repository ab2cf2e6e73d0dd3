"""What a job leaves behind, as the database can keep it: log records, results, errors."""

import asyncio
import contextvars
import json
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import to_jsonable_python

from jobsched.errors import ParameterError, ProcessDiedError
from jobsched.executors.remote import Report
from jobsched.model import Reason
from jobsched.registry import Job
from jobsched.store.record import LogRecord

MESSAGE_LIMIT = 64 * 1024
"""Characters of one log line, error or traceback that are kept."""
RESULT_LIMIT = 64 * 1024
"""Characters of a result's JSON; a larger one is not kept."""


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """The job run that the current context belongs to."""

    run_id: int
    firing_id: int
    post: Callable[[LogRecord], None]
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
            message = str(record.msg)
        identity.post(
            LogRecord(
                run_id=identity.run_id,
                firing_id=identity.firing_id,
                level=storable(record.levelname)[:20],
                message=clipped(message),
                created_at=identity.now(),
            )
        )


def storable(text: str) -> str:
    """Without what a database refuses: NUL, and lone surrogates."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def clipped(text: str) -> str:
    """Storable, and no longer than a row should be; what is missing is said."""
    clean = storable(text)
    if len(clean) <= MESSAGE_LIMIT:
        return clean
    return f"{clean[:MESSAGE_LIMIT]}… ({len(clean) - MESSAGE_LIMIT} more characters)"


def described(error: BaseException) -> str:
    """The error in one line, as it stands in `job_run.error`."""
    try:
        text = str(error)
    except Exception:  # its __str__ is broken
        text = "(its text cannot be read)"
    name = type(error).__qualname__
    return clipped(f"{name}: {text}" if text else name)


def traced(error: BaseException) -> str:
    """The traceback from the job's own first frame on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith(
        "jobsched.daemon"
    ):
        trace = trace.tb_next
    return clipped("".join(traceback.format_exception(type(error), error, trace)))


def report_of(job: Job, *, result: Any = None, error: BaseException | None = None) -> Report:
    """How a call of the job ended, by what it returned or by the error that it raised."""
    if error is None:
        kept, complaint = kept_result(result)
        return Report(result=kept, complaint=complaint)
    died = isinstance(error, ProcessDiedError)
    refused = isinstance(error, ParameterError)
    return Report(
        error=described(error),
        traceback=error.trace if isinstance(error, ProcessDiedError) else traced(error),
        reason=Reason.PARAMETERS.value if refused else None,
        retryable=not refused and job.retries_on(error),
        stopped=died or isinstance(error, asyncio.CancelledError),
    )


def kept_result(value: Any) -> tuple[Any, str | None]:
    """The result as JSON, or None and why it is not kept."""
    if value is None:
        return None, None
    try:
        document = to_jsonable_python(value)
        text = storable_json(document)
    except Exception as error:  # a type's own serializer may raise anything
        return None, f"the result is not kept: {clipped(str(error))}"
    if len(text) > RESULT_LIMIT:
        return None, (
            f"the result is not kept: {len(text)} characters of JSON, at most {RESULT_LIMIT}; "
            "store large results yourself and return where they are"
        )
    return json.loads(text), None


def storable_json(document: Any) -> str:
    """JSON without NaN, infinities and NUL, which databases refuse."""
    return json.dumps(document, allow_nan=False).replace("\\u0000", "\\\\x00")
