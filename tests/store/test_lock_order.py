"""The order of locks, which keeps transactions from waiting for each other in a circle."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobsched import Schedule
from jobsched.model import JobDefinition, JobRunStatus, OnLost
from jobsched.store import orphans, steer, switch
from jobsched.store.batch import Batch, RunEnd

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
ORDER = ["job_schedule", "job_firing", "job_run", "job_log"]
LOCKS = re.compile(
    r"^(?:UPDATE(?: .* STRAIGHT_JOIN)?|INSERT INTO|SELECT .* FROM) (\w+)"
    r"(?=.* FOR UPDATE|.* SET |.* VALUES |.* SELECT )"
)
PARTS = re.compile(r"UPDATE (\w+) SET")


def locked_by(statement: str) -> list[str]:
    """The tables in which it locks rows; a part of a statement waits for those before it."""
    if statement.startswith("WITH "):
        return PARTS.findall(statement)
    return [found[1]] if (found := LOCKS.match(statement)) else []


def declare(store: Any, **fields: Any) -> None:
    jobs = (JobDefinition("a", on_lost=OnLost.RERUN), JobDefinition("b", depends_on=("a",)))
    fields = {"enabled": True, "overlap": "queue"} | fields
    store.declare(*(Schedule(f"s{n}", every=HOUR, **fields) for n in range(3)), jobs=jobs)


def firing(store: Any) -> Callable[[], object]:
    declare(store)
    me = store.worker()
    store.clock.advance(HOUR)
    return lambda: store.fire(me)


def firing_over(store: Any) -> Callable[[], object]:
    declare(store, overlap="cancel_previous")
    me = store.worker()
    store.clock.advance(HOUR)
    store.fire(me)
    store.clock.advance(HOUR)
    store.fire(me)
    store.clock.advance(HOUR)
    return lambda: store.fire(me)


def claiming(store: Any) -> Callable[[], object]:
    declare(store)
    for n in range(3):
        store.trigger(f"s{n}")
    return lambda: store.claim(store.worker())


def finishing(store: Any, *, tried: bool = False) -> Callable[[], object]:
    declare(store)
    me = store.worker()
    store.clock.advance(HOUR)
    batches = [store.ending(one) for one in store.fire(me).claimed]
    together = Batch(
        me,
        ends=[end for batch in reversed(batches) for end in batch.ends],
        firing_ends=[end for batch in reversed(batches) for end in batch.firing_ends],
        tried=tried,
    )
    return lambda: store.write(together)


def finishing_again(store: Any) -> Callable[[], object]:
    return finishing(store, tried=True)


def recovering(store: Any) -> Callable[[], object]:
    declare(store)
    me = store.worker()
    store.clock.advance(HOUR)
    claimed = store.fire(me).claimed
    end = RunEnd(claimed[0].runs[0].id, claimed[0].firing.id, JobRunStatus.SUCCESS, store.now)
    store.write(Batch(me, ends=[end]))
    store.clock.advance(61 * SECOND)
    return lambda: store.recover(me)


def cancelling(store: Any) -> Callable[[], object]:
    declare(store)
    fired = store.trigger("s0")
    return lambda: store.transact(
        lambda tx: steer.cancel(tx, "default", fired.id, job=None, by=None, reason=None)
    )


def retrying(store: Any) -> Callable[[], object]:
    act = cancelling(store)
    act()
    (fired,) = store.firings()
    return lambda: store.transact(lambda tx: steer.retry(tx, "default", fired.id, by=None))


def disabling(store: Any) -> Callable[[], object]:
    declare(store)
    store.clock.advance(HOUR)
    return lambda: store.transact(
        lambda tx: switch.disable(tx, "default", "s0", by=None, reason=None)
    )


def ending_orphans(store: Any) -> Callable[[], object]:
    declare(store)
    me = store.worker(store.code(jobs=(JobDefinition("c"),)))
    for n in (2, 0, 1):
        store.trigger(f"s{n}")
    store.clock.advance(60 * SECOND)
    store.beat(me)
    return lambda: store.transact(lambda tx: orphans.end_orphans(tx, "default", 60 * SECOND))


def redeclaring(store: Any) -> Callable[[], object]:
    declare(store)
    store.clock.advance(HOUR)
    return lambda: declare(store, priority=1)


@pytest.mark.backends("postgresql", "mariadb")
@pytest.mark.parametrize(
    "prepare",
    [
        firing,
        firing_over,
        claiming,
        finishing,
        finishing_again,
        recovering,
        cancelling,
        retrying,
        disabling,
        ending_orphans,
        redeclaring,
    ],
)
def test_rows_are_locked_schedule_firing_run(
    store: Any, prepare: Callable[[Any], Callable[[], object]]
) -> None:
    """Every transaction takes its first lock in each table in the one order."""
    act = prepare(store)
    with store.statements() as made:
        act()
    locked = [table for one in made for table in locked_by(one) if table in ORDER]
    first = list(dict.fromkeys(locked))
    assert first == [table for table in ORDER if table in first]
    assert "job_firing" in first


@pytest.mark.backends("postgresql", "mariadb")
@pytest.mark.parametrize("prepare", [finishing_again, recovering, ending_orphans])
def test_several_rows_are_locked_in_the_order_of_their_ids(
    store: Any, prepare: Callable[[Any], Callable[[], object]]
) -> None:
    """Transactions that wait for locks take schedules, and firings, in ascending order."""
    act = prepare(store)
    with store.statements() as made:
        act()
    waits = [one for one in made if one.endswith("FOR UPDATE")]
    assert len(waits) >= 2
    assert all(re.search(r" ORDER BY \S+\.id FOR UPDATE$", one) for one in waits)


@pytest.mark.backends("postgresql")
def test_rows_that_are_locked_and_changed_at_once_are_locked_in_the_order_of_their_ids(
    store: Any,
) -> None:
    """The same where one statement does both: schedules, then firings."""
    act = finishing(store)
    with store.statements() as made:
        act()
    (settling,) = [one for one in made if "UPDATE job_schedule" in one]
    assert "ORDER BY held.id FOR UPDATE OF held" in settling
    assert "ORDER BY mine.id FOR UPDATE OF mine" in settling
    assert not [one for one in made if one.endswith("FOR UPDATE")]


@pytest.mark.backends("postgresql", "mariadb")
def test_a_sync_locks_what_it_changes_in_the_order_of_the_ids(store: Any) -> None:
    """All of it at once, by the database's order: that of a collation is not Python's."""
    act = redeclaring(store)
    with store.statements() as made:
        act()
    first = next(one for one in made if LOCKS.match(one) and "job_schedule" in locked_by(one))
    assert re.search(r" ORDER BY job_schedule\.id FOR UPDATE$", first)
