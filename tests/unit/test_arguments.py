"""What the verbs of a Scheduler are given is refused by name, before a database sees it."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from jobsched import Registry, Schedule, Scheduler
from jobsched.errors import DeclarationError
from jobsched.model import FiringStatus

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def scheduler() -> Scheduler:
    """One whose database is never opened."""
    return Scheduler("postgresql://nobody@127.0.0.1:1/nowhere", registry=Registry())


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda s: s.firing("1"), "firing_id='1': must be a whole number, not str"),
        (lambda s: s.firing(True), "firing_id=True: must be a whole number"),
        (lambda s: s.firing(10**30), "firing_id=1000"),
        (lambda s: s.job_run(0), "run_id=0: "),
        (lambda s: s.cancel("1"), "firing_id='1': "),
        (lambda s: s.retry(None), "firing_id=None: "),
        (lambda s: s.history(limit=-1), "limit=-1: must be 1 or more"),
        (lambda s: s.history(status="GONE"), "status='GONE': must be one of 'QUEUED', 'RUNNING', "),
        (lambda s: s.history(status="faild"), "did you mean 'FAILED'"),
        (lambda s: s.history(since=NOON.replace(tzinfo=None)), "since=.*naive datetime names no"),
        (lambda s: s.history(until="today"), "until='today': must be a datetime"),
        (lambda s: s.logs(firing_id=1, limit=0), "limit=0: "),
        (lambda s: s.logs(firing_id=1, after=-1), "after=-1: must be 0 or more"),
        (lambda s: s.next_runs("s", -1), "n=-1: "),
        (lambda s: s.next_runs("s", None), "n=None: "),
        (lambda s: s.prune(days=10**9), "days=1000000000: must be at most 36500"),
        (lambda s: s.prune(days="x"), "days='x': must be a whole number"),
        (lambda s: s.health(max_age=float("nan")), "max_age=nan: "),
        (lambda s: s.enable("s", by="u" * 201), "by='u.*': must be text of 1 to 200 characters"),
        (lambda s: s.enable("s", by=""), "by='': must be text of 1 to 200"),
        (lambda s: s.disable("s", reason="a\x00b"), "reason=.*holds a NUL or half a surrogate"),
        (lambda s: s.trigger("s", by=5), "by=5: must be a text, not int"),
        (lambda s: s.trigger("s", key=["a"]), "key=.*must be a text, not list"),
        (lambda s: s.trigger("s", key="k "), "key='k ': must not begin or end with a blank"),
        (lambda s: s.trigger("s", key="k" * 91), "key=.*must be text of 1 to 90 characters"),
        (lambda s: s.trigger("s", params=0), "params must be a mapping"),
        (lambda s: s.trigger_job("a", by="\ud800"), "by=.*half a surrogate pair"),
        (lambda s: s.enqueue("a", run_at="x"), "run_at='x': must be a datetime"),
        (lambda s: s.enqueue("a", run_at=date(2026, 1, 1)), "run_at=.*must be a datetime"),
        (lambda s: s.enqueue("a", run_at=timedelta(1)), "run_at=.*must be a datetime"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(
    scheduler: Scheduler, ask: Callable[[Scheduler], Any], message: str
) -> None:
    """With what was given, and what is right; a ValueError, too."""
    with pytest.raises(ValueError, match=message):
        ask(scheduler)


@pytest.mark.parametrize("n", [None, -1, "3", True])
def test_a_schedule_lists_a_number_of_occurrences(n: Any) -> None:
    """Anything else is refused, instead of listing for ever."""
    with pytest.raises(DeclarationError, match=r"n=.*must be (a whole number, not|0 or more)"):
        Schedule("s", every=60).next_runs(n)


def test_lengths_beyond_every_number_are_refused() -> None:
    """An int may be larger than any float."""
    with pytest.raises(DeclarationError, match="longer than any that jobsched can use"):
        Schedule("s", every=10**400)


def test_a_status_may_be_given_by_its_name(tmp_path: Any) -> None:
    """As the enum's members are texts, a text will do."""
    scheduler = Scheduler(f"sqlite:///{tmp_path / 'jobs.db'}", registry=Registry())
    scheduler.migrate()
    assert scheduler.history(status="failed") == scheduler.history(status=FiringStatus.FAILED) == []
    scheduler.close()
