"""What pages read beside the lists: the end of a log, workers that ended, what schedules select."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched import Schedule
from jobsched.model import ExecutionMode, WorkerStatus
from jobsched.store import log_tail, selections, worker_list
from jobsched.store.batch import Batch, LogRecord

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def logged(store: Any, count: int) -> int:
    """The id of a job run that has logged so many lines; another has logged between them."""
    store.declare(Schedule("s", every=HOUR, jobs=["a", "b"], enabled=True))
    me = store.worker()
    claimed = store.fire_due(me)
    mine, other = (run.id for run in claimed.runs)
    lines = [
        LogRecord(run_id, claimed.firing.id, "INFO", f"{n}", NOON)
        for n in range(count)
        for run_id in (mine, other)
    ]
    store.write(Batch(me, logs=lines))
    return int(mine)


def test_the_tail_is_the_last_lines_in_order(store: Any) -> None:
    """Of this job run only, with how many of it came before; and so on back to the first."""
    run_id = logged(store, 7)
    tail = store.query(lambda tx: log_tail.tail(tx, run_id, limit=3))
    assert ([one.message for one in tail.lines], tail.earlier) == (["4", "5", "6"], 4)
    before = store.query(lambda tx: log_tail.tail(tx, run_id, before=tail.lines[0].id, limit=3))
    assert ([one.message for one in before.lines], before.earlier) == (["1", "2", "3"], 1)
    first = store.query(lambda tx: log_tail.tail(tx, run_id, before=before.lines[0].id, limit=3))
    assert ([one.message for one in first.lines], first.earlier) == (["0"], 0)


def test_earlier_lines_are_counted_up_to_a_bound(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log of millions of lines costs no more than its last page."""
    monkeypatch.setattr(log_tail, "MOST_COUNTED", 5)
    run_id = logged(store, 9)
    assert store.query(lambda tx: log_tail.tail(tx, run_id, limit=2)).earlier == 5


def test_a_run_without_a_line_has_an_empty_tail(store: Any) -> None:
    """Nothing is made up for a run that has said nothing, or is not there."""
    assert store.query(lambda tx: log_tail.tail(tx, 4711)) == log_tail.Tail((), 0)


def test_workers_that_ended(store: Any) -> None:
    """Stopped or lost ones of the app, the one that was alive last first; and no more of them."""
    stopped, alive, _ = store.worker(), store.worker(), store.worker(app="other")
    store.beat(stopped, WorkerStatus.STOPPED)
    store.clock.advance(HOUR)
    later = store.worker()
    store.beat(later, WorkerStatus.STOPPED)
    store.beat(alive)
    found = store.query(lambda tx: worker_list.ended(tx, "default"))
    assert [one.id for one in found] == [later, stopped]
    assert [
        one.id for one in store.query(lambda tx: worker_list.ended(tx, "default", limit=1))
    ] == [later]


def test_workers_by_their_ids(store: Any) -> None:
    """Whether they have ended or not; what nobody is called is left out."""
    one, another = store.worker(), store.worker()
    store.beat(another, WorkerStatus.STOPPED)
    found = store.query(lambda tx: worker_list.by_ids(tx, [one, another, one, None, "nobody"]))
    assert set(found) == {one, another}
    assert store.query(lambda tx: worker_list.by_ids(tx, [None])) == {}


def test_what_schedules_select(store: Any) -> None:
    """Of those in the code, by id: by which rule, and whether they are enabled."""
    store.declare(
        Schedule("t", every=HOUR, jobs=["b", "a"], enabled=True),
        Schedule("s", every=HOUR),
    )
    every, named = store.query(lambda tx: selections.selections(tx, "default", limit=10))
    assert (every.declared.id, every.declared.execution_mode) == ("s", ExecutionMode.ALL_JOBS)
    assert (named.declared.id, named.declared.jobs, named.enabled) == ("t", ("b", "a"), True)
    assert store.query(lambda tx: selections.selections(tx, "other", limit=10)) == []


def test_when_enabled_schedules_are_due(store: Any) -> None:
    """Those that fire here, and no others."""
    store.declare(
        Schedule("a", cron="0 2 * * *", timezone="Europe/Oslo", jobs=["a"], enabled=True),
        Schedule("b", every=HOUR, jobs=["a"]),
        Schedule("c", every=HOUR, jobs=["a"], enabled=True, environments=["elsewhere"]),
    )
    (timing,) = store.query(lambda tx: selections.enabled_timings(tx, "default", limit=10))
    assert (timing.cron, timing.timezone) == ("0 2 * * *", "Europe/Oslo")


def test_names_to_offer(store: Any) -> None:
    """Schedules and jobs in order, as many as are asked for."""
    store.declare(Schedule("t", every=HOUR), Schedule("s", every=HOUR))
    assert store.query(lambda tx: selections.schedule_ids(tx, "default", limit=1)) == ["s"]
    assert store.query(lambda tx: selections.job_names(tx, "default", limit=2)) == ["a", "b"]
