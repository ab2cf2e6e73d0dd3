"""What a pass looks at before it does anything."""

from datetime import UTC, datetime, timedelta
from typing import Any

from jobsched import Schedule
from jobsched.store.peek import Peek, peek

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


def look(store: Any) -> Peek:
    found: Peek = peek(store.database, "default", store.now - timedelta(seconds=60))
    return found


def test_an_empty_database_has_nothing_to_do(store: Any) -> None:
    """Nothing is due and nothing waits."""
    assert look(store) == Peek(NOON, None, None, None)


def test_one_statement_tells_all(store: Any) -> None:
    """While nothing is due a pass costs one statement, whatever there is."""
    store.declare(*(Schedule(f"s{n}", every=HOUR, enabled=True) for n in range(20)))
    with store.statements() as made:
        look(store)
    assert len([one for one in made if one.startswith("SELECT")]) == 1


def test_the_earliest_occurrence_is_when_to_look_again(store: Any) -> None:
    """Of what may fire: not of a disabled, retired, stopped or another app's schedule."""
    store.declare(
        Schedule("soon", every=HOUR, start=NOON + 60 * SECOND, enabled=True),
        Schedule("later", every=HOUR, enabled=True),
        Schedule("off", every=SECOND),
    )
    store.declare(Schedule("theirs", every=SECOND, enabled=True), app="other")
    assert look(store).due_at == NOON + 60 * SECOND
    store.edit("job_schedule", "soon", problem="it is broken", problem_at=NOON)
    assert look(store).due_at == NOON + HOUR
    store.clock.advance(60 * SECOND)
    assert look(store).due_at == NOON + 60 * SECOND


def test_what_waits_now_and_what_waits_for_later_are_told_apart(store: Any) -> None:
    """A firing that nobody takes does not keep the loop from sleeping until the next one."""
    store.declare()
    store.enqueue()
    store.enqueue(run_at=NOON + 2 * HOUR)
    store.enqueue(run_at=NOON + HOUR)
    seen = look(store)
    assert (seen.waiting_since, seen.waiting_until) == (NOON, NOON + HOUR)
    store.claim(store.worker())
    seen = look(store)
    assert (seen.waiting_since, seen.waiting_until) == (NOON + HOUR, NOON + HOUR)
