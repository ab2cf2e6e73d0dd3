"""How the daemon's events are printed."""

import json
import logging
import sys

from jobsched.cli.events import JsonLines, Lines


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.getLogger("jobsched.daemon").makeRecord(
        "jobsched.daemon", logging.INFO, __file__, 1, message, arguments, None, extra=extra
    )
    made.created = 1772452805.25  # 2026-03-02 12:00:05.25 UTC
    return made


def with_traceback(made: logging.LogRecord) -> logging.LogRecord:
    try:
        raise OSError("disk full")
    except OSError:
        made.exc_info = sys.exc_info()
    return made


def test_an_event_is_one_line_of_text() -> None:
    """Time with its zone, level and message, with no line break that a job could put in it."""
    line = Lines().format(record("firing %d\nstarted\x1b[31m", 7))
    assert ":05.250 " in line
    assert line.endswith(" INFO    firing 7 started\\x1b[31m")


def test_what_a_job_logs_names_the_job() -> None:
    """A line of `ctx.log` says which job wrote it."""
    made = record("3 users")
    made.name = "jobsched.job.index"
    assert Lines().format(made).endswith(" INFO    index: 3 users")


def test_a_traceback_stands_below_its_line() -> None:
    """What failed unexpectedly is shown whole."""
    line, *trace = Lines().format(with_traceback(record("pass failed"))).splitlines()
    assert line.endswith("pass failed")
    assert trace[0].startswith("Traceback")
    assert trace[-1] == "OSError: disk full"


def test_an_event_is_one_line_of_json() -> None:
    """The keys are a promise; `fields` are the event's own facts."""
    line = JsonLines().format(
        record("firing %d started", 7, event="firing_started", fields={"firing_id": 7})
    )
    assert json.loads(line) == {
        "time": "2026-03-02T12:00:05.250000Z",
        "level": "INFO",
        "logger": "jobsched.daemon",
        "event": "firing_started",
        "message": "firing 7 started",
        "fields": {"firing_id": 7},
    }


def test_any_record_can_be_a_line_of_json() -> None:
    """A record that is no event has no name; a traceback is a key of its own."""
    line = JsonLines().format(with_traceback(record("odd", fields={"what": {1}})))
    assert "\n" not in line
    document = json.loads(line)
    assert document["event"] is None
    assert document["traceback"].endswith("OSError: disk full")
