"""Registered processes and their heartbeats."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched.clock import Clock, SystemClock
from jobsched.model import WorkerStatus, WorkerType
from jobsched.store import workers
from jobsched.store.database import Database
from tests.store.conftest import statements

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def listed(store: Any, app: str | None = None, *, ended: bool = False) -> list[str]:
    found = store.query(lambda tx: workers.listed(tx, app, ended=ended))
    return [worker.id for worker in found]


def test_a_registration_is_all_that_others_need_to_know(store: Any) -> None:
    """It says when it began, by which timeout to judge it, and what its code declares."""
    me = store.worker(lock_timeout=90.5 * SECOND)
    (worker,) = store.query(workers.listed)
    assert (worker.id, worker.app, worker.status) == (me, "default", WorkerStatus.STARTING)
    assert worker.worker_type is WorkerType.SCHEDULE_DAEMON
    assert (worker.started_at, worker.last_heartbeat_at) == (NOON, NOON)
    assert (worker.lock_timeout, worker.poll_interval) == (90.5 * SECOND, 5 * SECOND)
    assert (worker.hostname, worker.pid, worker.capacity) == ("host", 7, 10)
    assert set(worker.declares["jobs"]) == {"a", "b", "c"}


def test_a_beat_says_that_it_lives_and_what_it_does(store: Any) -> None:
    """The heartbeat is written at the database's time, with the status and what runs."""
    me = store.worker()
    store.clock.advance(10 * SECOND)
    assert store.transact(lambda tx: workers.beat(tx, me, WorkerStatus.RUNNING, 3))
    (worker,) = store.query(workers.listed)
    assert (worker.last_heartbeat_at, worker.started_at) == (store.now, NOON)
    assert (worker.status, worker.running) == (WorkerStatus.RUNNING, 3)


def test_two_beats_in_one_moment_are_both_beats(store: Any) -> None:
    """A beat that changes no value is no sign that the worker is dead."""
    me = store.worker()
    assert store.beat(me)
    assert store.beat(me)


def test_a_beat_is_one_statement(store: Any, open_database: Callable[[Clock], Database]) -> None:
    """It brings the server's time itself: over a slow network each statement takes its time."""
    me = store.worker()
    database = open_database(SystemClock())
    with statements(database) as made:
        assert database.transact(lambda tx: workers.beat(tx, me, WorkerStatus.RUNNING, 0))
    (statement,) = (one for one in made if not one.startswith(("BEGIN", "COMMIT")))
    assert statement.startswith("UPDATE")


def test_the_dead_do_not_beat(store: Any) -> None:
    """I3: a worker that was declared lost, or whose row is gone, is told so."""
    me = store.worker()
    (worker,) = store.query(workers.listed)
    assert store.transact(lambda tx: workers.mark_lost(tx, worker))
    assert not store.beat(me)
    assert not store.beat("nobody")
    assert listed(store) == []


def test_who_has_beaten_since_is_not_declared_dead(store: Any) -> None:
    """I4: the verdict is on the heartbeat that was seen."""
    me = store.worker()
    (worker,) = store.query(workers.listed)
    store.clock.advance(timedelta.resolution)
    store.beat(me)
    assert not store.transact(lambda tx: workers.mark_lost(tx, worker))
    assert store.beat(me)


@pytest.mark.parametrize(
    ("status", "alive"),
    [("STARTING", True), ("RUNNING", True), ("STOPPING", True), ("STOPPED", False)],
)
def test_who_has_ended_is_listed_on_request(store: Any, status: str, alive: bool) -> None:
    """A list is of those that have not ended; the others stay for those who ask."""
    me = store.worker()
    store.beat(me, WorkerStatus(status))
    assert listed(store) == ([me] if alive else [])
    assert listed(store, ended=True) == [me]


def test_workers_are_listed_oldest_first_and_by_app(store: Any) -> None:
    """Each app sees its own; recovery sees all."""
    first = store.worker()
    store.clock.advance(SECOND)
    second = store.worker(app="other")
    third = store.worker()
    assert listed(store) == [first, second, third]
    assert listed(store, "default") == [first, third]
    assert listed(store, "other") == [second]
