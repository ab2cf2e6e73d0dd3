"""What the runner is told: nothing is lost but log lines beyond a bound, and that is said."""

from datetime import UTC, datetime

import pytest

from jobsched.daemon import inbox
from jobsched.daemon.inbox import CancelRequest, Inbox
from jobsched.store.batch import LogRecord

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def line(message: str, run_id: int = 1) -> LogRecord:
    return LogRecord(run_id, 10 * run_id, "INFO", message, NOON)


def test_what_is_said_is_taken_in_order() -> None:
    """Once, and a log line wakes nobody: it waits for company."""
    box = Inbox()
    box.post(line("one"))
    assert not box.arrived.is_set()
    box.post(CancelRequest(1))
    assert box.arrived.is_set()
    assert box.take() == [line("one"), CancelRequest(1)]
    assert box.take() == []


def test_lines_are_bounded_and_it_is_said_how_many_are_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory stays flat while the database is away; the word stands before the end of the run."""
    monkeypatch.setattr(inbox, "MOST_LINES", 3)
    box = Inbox()
    for number in range(5):
        box.post(line(str(number)))
    box.post(line("of another", 2))
    box.post(CancelRequest(1))
    taken = box.take()
    assert [one.message for one in taken[:3]] == ["0", "1", "2"]
    missing = [(one.run_id, one.level, one.message.split(" log lines ")[0]) for one in taken[3:5]]
    assert missing == [(1, "WARNING", "2"), (2, "WARNING", "1")]
    assert taken[5:] == [CancelRequest(1)]
    box.post(line("room again"))
    assert box.take() == [line("room again")]
