"""What `run` and `exec` print while they run: one line for each record of a logger."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from jobsched.documents import time
from jobsched.phrases import harmless, instant, one_line

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
_JOB_LOGGERS = "jobsched.job."
"""How the names of the loggers behind `ctx.log` begin."""


def show_events(level: str, log_format: str | None) -> None:
    """Print the records of the "jobsched" loggers, from `level` on, on stdout.

    An app that logs to the console itself keeps its own format, unless one is asked for.
    """
    logger = logging.getLogger("jobsched")
    logger.setLevel(level.upper())
    if log_format is not None or not _app_logs_to_console():
        logger.addHandler(_handler(JsonLines() if log_format == "json" else Lines()))
        # Without any handler there, a job's logging.info() would give the root logger one of its
        # own, and everything would be printed twice.
        logging.getLogger().addHandler(logging.NullHandler())


def show_job_logs() -> logging.Handler:
    """Print what a job logs in this process, whatever its logger; returns the handler."""
    from jobsched.daemon.capture import current_run

    handler = _handler(Lines())
    handler.addFilter(lambda _: current_run.get() is not None)
    logging.getLogger().addHandler(handler)
    return handler


class Lines(logging.Formatter):
    """`2026-03-02 13:00:05.123 CET INFO    firing 7 of feed-refresh started`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the lines of a traceback below it where there is one."""
        job = record.name.removeprefix(_JOB_LOGGERS)
        who = f"{job}: " if job != record.name else ""
        message = one_line(f"{who}{record.getMessage()}")
        said = f"{instant(_time_of(record))} {record.levelname:<7} {message}"
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        return f"{said}\n{harmless(trace)}" if trace else said


class JsonLines(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `event`, `message`, `fields`.

    `event` is the name of what happened and `fields` its facts (ids, durations); `traceback` is
    there when there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON Lines."""
        document: dict[str, Any] = {
            "time": time(_time_of(record)),
            "level": record.levelname,
            "logger": record.name,
            "event": getattr(record, "event", None),
            "message": record.getMessage(),
            "fields": getattr(record, "fields", {}),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False, default=str)


def _handler(formatter: logging.Formatter) -> logging.Handler:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    return handler


def _app_logs_to_console() -> bool:
    handlers = [*logging.getLogger().handlers, *logging.getLogger("jobsched").handlers]
    return any(
        isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stdout, sys.stderr)
        for handler in handlers
    )


def _time_of(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
