"""The rehearsal: what firing and recording execute, executed once on nothing."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from jobsched import Schedule
from jobsched.clock import Clock
from jobsched.store import fire, record, rehearsal
from jobsched.store.claim import Claimed
from jobsched.store.database import Database

HOUR = timedelta(hours=1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def another(store: Any, open_database: Callable[[Clock], Database]) -> Database:
    """The database as a process that has just started has it: nothing was ever executed."""
    store.declare(Schedule("s", every=HOUR, jobs=["a"], enabled=True))
    return open_database(store.clock)


def rehearse(database: Database, worker_id: str) -> None:
    database.query(lambda tx: rehearsal.rehearse(tx, "default", worker_id))


def test_a_rehearsal_changes_nothing(store: Any, another: Database) -> None:
    """No row, although schedules are due and firings run: also if it were committed."""
    me = store.worker()
    store.clock.advance(HOUR)
    store.fire(me)
    store.clock.advance(HOUR)
    before = store.everything()
    another.transact(lambda tx: rehearsal.rehearse(tx, "default", me))
    assert store.everything() == before


def test_after_a_rehearsal_the_first_firing_is_in_words_already(
    store: Any, another: Database
) -> None:
    """SQLAlchemy compiles nothing anew from FIRE to FINISH; inserts on PostgreSQL only."""
    me = store.worker()
    rehearse(another, me)
    new = compiled_anew(another)
    store.clock.advance(HOUR)
    (claimed,) = fired(store, another, me)
    another.transact(lambda tx: record.record(tx, store.ending(claimed)))
    if another.dialect != "postgresql":
        new = [statement for statement in new if not statement.startswith("INSERT")]
    assert new == []


def test_without_a_rehearsal_it_is_not(store: Any, another: Database) -> None:
    """That which the rehearsal saves is what the test above looks at.

    On SQLite that is what FIRE reads: what it writes is put into words by other means.
    """
    me = store.worker()
    new = compiled_anew(another)
    store.clock.advance(HOUR)
    fired(store, another, me)
    assert len(new) >= (2 if another.dialect == "sqlite" else 4)


def fired(store: Any, database: Database, worker_id: str) -> Sequence[Claimed]:
    """What is due, fired over this database."""
    claimer = store.claimer(worker_id)
    store.keep_alive(worker_id)
    return database.transact(
        lambda tx: fire.fire(tx, claimer, retry_before=LONG_AGO, limit=10), at=store.now
    ).claimed


def compiled_anew(database: Database) -> list[str]:
    """Grows by each statement that is compiled for its execution."""
    found: list[str] = []

    def look(_: Any, __: Any, statement: str, ___: Any, context: Any, ____: bool) -> None:
        if context.compiled is not None and context.cache_hit.name != "CACHE_HIT":
            found.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", look)
    return found
