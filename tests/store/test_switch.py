"""Enabling and disabling: state that operators set."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched import Schedule
from jobsched.clock import Clock
from jobsched.errors import ConflictError, NotFoundError
from jobsched.model import FiringStatus, ScheduleState
from jobsched.store import fire, schedules, switch
from jobsched.store.database import Database

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def hourly(**fields: Any) -> Schedule:
    return Schedule("s", every=HOUR, **{"jobs": ["a"], "enabled": True} | fields)


def enable(store: Any, schedule_id: str = "s", app: str = "default") -> ScheduleState:
    state: ScheduleState = store.transact(
        lambda tx: switch.enable(tx, app, schedule_id, by="ann", reason="ready")
    )
    return state


def disable(store: Any, schedule_id: str = "s", app: str = "default") -> ScheduleState:
    state: ScheduleState = store.transact(
        lambda tx: switch.disable(tx, app, schedule_id, by="bob", reason="broken")
    )
    return state


def test_an_enabled_schedule_fires_from_its_next_occurrence_on(store: Any) -> None:
    """I8: what passed while it was disabled is not made up for."""
    store.declare(hourly(enabled=False, misfire="run_all"))
    store.clock.advance(5 * HOUR + MINUTE)
    state = enable(store)
    assert (state.enabled, state.next_run_at) == (True, NOON + 6 * HOUR)
    assert store.firings() == []


def test_a_disabled_schedule_fires_no_more(store: Any) -> None:
    """It has no next occurrence, and says why; what is queued or runs goes on."""
    store.declare(hourly())
    claimed = store.fire_due(store.worker())
    state = disable(store)
    assert (state.enabled, state.next_run_at, state.disabled_reason) == (False, None, "broken")
    store.clock.advance(5 * HOUR)
    assert store.fire(store.worker()).decided == 0
    store.finish(claimed)
    assert store.schedule().run_count == 1


def test_what_is_due_when_it_is_disabled_is_skipped_as_paused(store: Any) -> None:
    """I2: occurrences of its enabled time that nobody has fired yet are one recorded skip."""
    store.declare(hourly())
    store.clock.advance(3 * HOUR + MINUTE)
    state = disable(store)
    (firing,) = store.firings()
    assert (firing.status, firing.reason) == (FiringStatus.SKIPPED, "paused")
    assert (firing.missed_from, firing.scheduled_for) == (NOON + HOUR, NOON + 3 * HOUR)
    assert (firing.missed_count, firing.finished_at) == (3, store.now)
    assert state.last_scheduled_for == NOON + 3 * HOUR


def test_an_occurrence_that_was_skipped_as_paused_never_fires(store: Any) -> None:
    """I1: enabled again in the same instant, it goes on after what was decided."""
    store.declare(hourly())
    store.clock.advance(HOUR)
    disable(store)
    assert enable(store).next_run_at == NOON + 2 * HOUR
    store.edit("job_schedule", "s", last_scheduled_for=NOON + 5 * HOUR)
    disable(store)
    assert enable(store).next_run_at == NOON + 6 * HOUR


def test_disabling_finds_an_occurrence_that_is_decided(store: Any) -> None:
    """I1: with `next_run_at` set back by hand nothing is written twice."""
    store.declare(hourly())
    store.finish(store.fire_due(store.worker()))
    store.edit("job_schedule", "s", next_run_at=NOON + HOUR)
    disable(store)
    assert len(store.firings()) == 1


def test_every_change_is_audited_once(store: Any) -> None:
    """Who, what, before, after and why, in the transaction of the change; no change, no line."""
    store.declare(hourly(enabled=False))
    for _ in range(2):
        enable(store)
    for _ in range(2):
        disable(store)
    first, second = store.rows("audit_log")
    assert (first["who"], first["what"], first["target"]) == ("ann", "enable", "schedule s")
    assert (first["before_state"], first["after_state"]) == ({"enabled": False}, {"enabled": True})
    assert (first["reason"], first["created_at"]) == ("ready", NOON)
    assert (second["who"], second["what"], second["app"]) == ("bob", "disable", "default")


def test_a_change_that_breaks_off_has_not_happened(store: Any) -> None:
    """State, skip and audit line are one transaction."""
    store.declare(hourly())
    store.clock.advance(HOUR)
    before = store.everything()

    def fail(_: object) -> None:
        raise RuntimeError

    with store.before("INSERT INTO audit_log", fail), pytest.raises(RuntimeError):
        disable(store)
    assert store.everything() == before


@pytest.mark.parametrize("act", [enable, disable])
def test_what_is_not_there_cannot_be_switched(store: Any, act: Callable[..., Any]) -> None:
    """An unknown id, and another app's, is not found; a retired schedule is a conflict."""
    store.declare(hourly())
    with pytest.raises(NotFoundError, match="no schedule 'x' in app 'default'"):
        act(store, "x")
    with pytest.raises(NotFoundError, match="no schedule 's' in app 'other'"):
        act(store, "s", app="other")
    store.declare(Schedule("other", every=HOUR))
    with pytest.raises(ConflictError, match="'s' has left the code on 2026-03-02"):
        act(store)


def test_enabling_tries_a_stopped_schedule_again(store: Any) -> None:
    """I14, I2: its problem is cleared at once, and it is still due where it stopped."""
    store.declare(hourly())
    store.clock.advance(2 * HOUR)
    store.transact(lambda tx: schedules.set_problem(tx, "s", "no job is in its group"))
    state = enable(store)
    assert (state.problem, state.next_run_at) == (None, NOON + HOUR)
    assert store.fire(store.worker()).decided == 1


@pytest.mark.parametrize(
    ("edit", "until", "count"),
    [({}, NOON + 2 * HOUR, 2), ({"timezone": "Mars/Olympus"}, NOON + HOUR, None)],
    ids=["plan", "timing"],
)
def test_a_stopped_schedule_can_be_disabled(
    store: Any, edit: dict[str, Any], until: datetime, count: int | None
) -> None:
    """I14, I2: what it left undone is a skip; of an unreadable timing only its beginning is."""
    store.declare(hourly())
    if edit:
        store.edit("job_schedule", "s", **edit)
    store.clock.advance(2 * HOUR)
    store.transact(lambda tx: schedules.set_problem(tx, "s", "it is broken"))
    state = disable(store)
    assert (state.enabled, state.problem, state.next_run_at) == (False, None, None)
    (firing,) = store.firings()
    assert (firing.reason, firing.missed_from) == ("paused", NOON + HOUR)
    assert (firing.scheduled_for, firing.missed_count) == (until, count)


def test_a_row_that_cannot_be_read_is_a_conflict_that_says_what_to_do(store: Any) -> None:
    """I14: an operator learns what is wrong with the row, and that a sync mends it."""
    store.declare(hourly())
    store.edit("job_schedule", "s", overlap="sometimes")
    with pytest.raises(ConflictError, match=r"'sometimes' is not a valid Overlap; the next sync"):
        disable(store)


def test_a_disable_and_a_firing_at_once(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I2: whichever comes first, each occurrence is fired or skipped as paused, and never both."""
    store.declare(hourly(misfire="run_all"))
    me = store.claimer(store.worker())
    second = open_database(store.clock)
    for _ in range(5):
        state = enable(store)
        store.clock.move_to(state.next_run_at)
        with ThreadPoolExecutor(2) as pool:
            fired = pool.submit(
                second.transact,
                lambda tx: fire.fire(tx, me, retry_before=tx.now, limit=9, claim_at_once=False),
            )
            pool.submit(disable, store).result(timeout=20)
            fired.result(timeout=20)
        firings = store.firings()
        assert firings[-1].scheduled_for == store.now
        assert len({one.scheduled_for for one in firings}) == len(firings)


def test_a_disabled_schedule_takes_a_new_reason(store: Any) -> None:
    """Whoever knows better may say so, and it is audited; the same reason, or none, is nothing."""
    store.declare(Schedule("s", every=timedelta(hours=1), jobs=["a"]))

    def disable(reason: str | None) -> ScheduleState:
        state: ScheduleState = store.transact(
            lambda tx: switch.disable(tx, "default", "s", by="ann", reason=reason)
        )
        return state

    assert disable("broken").disabled_reason == "broken"
    assert disable("broken").disabled_reason == "broken"
    assert disable(None).disabled_reason == "broken"
    assert disable("sold").disabled_reason == "sold"
    first, second = store.rows("audit_log")
    assert (first["before_state"], first["after_state"]) == (
        {"enabled": False, "reason": None},
        {"enabled": False, "reason": "broken"},
    )
    assert (second["who"], second["what"], second["reason"]) == ("ann", "disable", "sold")
    assert second["before_state"]["reason"] == "broken"
