"""How a call ended, as the database can keep it: results, errors, tracebacks, clipped text.

Secrets that show as such are taken out of texts before they are clipped or kept.

It imports neither the store nor SQLAlchemy: a process of its own for a job starts with it.
"""

import asyncio
import json
import traceback
from types import TracebackType
from typing import Any

from pydantic_core import to_jsonable_python

from jobsched.daemon.calling import call, call_async
from jobsched.errors import ParameterError, ProcessDiedError
from jobsched.executors.remote import Report
from jobsched.json_values import DEEPEST
from jobsched.model import Reason
from jobsched.redaction import redacted_text
from jobsched.registry import Job

MESSAGE_LIMIT = 64 * 1024
"""Characters of one log line, error or traceback that are kept."""
RESULT_LIMIT = 64 * 1024
"""Characters of a result's JSON; a larger one is not kept."""
_CALLS = (call.__code__, call_async.__code__)
_NOT_THE_JOBS = ("jobsched.daemon", "jobsched.executors", "importlib")


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
    return clipped(redacted_text(f"{name}: {text}" if text else name))


def traced(error: BaseException) -> str:
    """The traceback from the job's own first frame on."""
    trace = _after_the_call(error.__traceback__) or error.__traceback__
    while trace is not None and _module(trace).startswith(_NOT_THE_JOBS):
        trace = trace.tb_next
    return clipped(redacted_text("".join(traceback.format_exception(type(error), error, trace))))


def _after_the_call(trace: TracebackType | None) -> TracebackType | None:
    """From the call of the job on: before it may be frames of asyncio."""
    while trace is not None and trace.tb_frame.f_code not in _CALLS:
        trace = trace.tb_next
    return trace


def _module(trace: TracebackType) -> str:
    return str(trace.tb_frame.f_globals.get("__name__", ""))


def report_of(job: Job, *, result: Any = None, error: BaseException | None = None) -> Report:
    """How a call of the job ended, by what it returned or by the error that it raised."""
    if error is None:
        kept, complaint = kept_result(result)
        return Report(result=kept, complaint=complaint)
    died = isinstance(error, ProcessDiedError)
    refused = isinstance(error, ParameterError)
    return Report(
        error=described(error),
        traceback=_trace_of_death(error) if isinstance(error, ProcessDiedError) else traced(error),
        reason=Reason.PARAMETERS.value if refused else None,
        retryable=not refused and job.retries_on(error),
        stopped=died or isinstance(error, asyncio.CancelledError),
    )


def _trace_of_death(error: ProcessDiedError) -> str | None:
    return None if error.trace is None else clipped(redacted_text(error.trace))


def kept_result(value: Any) -> tuple[Any, str | None]:
    """The result as JSON, or None and why it is not kept."""
    if value is None:
        return None, None
    try:
        document = _fit(to_jsonable_python(value))
        text = json.dumps(document, allow_nan=False)
    except Exception as error:  # a type's own serializer may raise anything
        return None, f"the result is not kept: {clipped(redacted_text(str(error)))}"
    if len(text) > RESULT_LIMIT:
        return None, (
            f"the result is not kept: {len(text)} characters of JSON, at most {RESULT_LIMIT}; "
            "store large results yourself and return where they are"
        )
    return json.loads(text), None


def _fit(document: Any, depth: int = 0) -> Any:
    """The document with texts and a depth that every database takes."""
    if depth > DEEPEST:
        raise ValueError(f"it is nested deeper than {DEEPEST} levels")
    match document:
        case str():
            return storable(document)
        case list():
            return [_fit(one, depth + 1) for one in document]
        case dict():
            return {storable(key): _fit(one, depth + 1) for key, one in document.items()}
    return document
