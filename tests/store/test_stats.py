"""Figures of schedules: of their last firings, by day, and the last firings themselves."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobsched import Schedule
from jobsched.model import FiringStatus, JobRunStatus
from jobsched.store import stats
from jobsched.store.stats import DayOutcome

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
R = JobRunStatus
OSLO = ZoneInfo("Europe/Oslo")


def ended(store: Any, *firings: tuple[JobRunStatus, float], schedule_id: str = "s") -> None:
    """Firings that ended so after so many seconds, one an hour."""
    me = store.worker()
    for status, seconds in firings:
        claimed = store.fire_due(me, schedule_id)
        store.clock.advance(seconds * SECOND)
        store.finish(claimed, status)


def of(store: Any, *ids: str, app: str = "default") -> dict[str, stats.ScheduleStats]:
    found: dict[str, stats.ScheduleStats] = store.query(
        lambda tx: stats.schedule_stats(tx, app, ids)
    )
    return found


def test_figures_are_of_firings_that_ran_to_an_end(store: Any) -> None:
    """Rates over SUCCESS and FAILED; durations by nearest rank; SKIPPED and live ones are none."""
    store.declare(*(Schedule(name, every=HOUR, jobs=["a"], enabled=name == "s") for name in "st"))
    ended(store, (R.SUCCESS, 1), (R.SUCCESS, 2), (R.FAILED, 3), (R.CANCELLED, 40.5), (R.SUCCESS, 5))
    store.fire_due(store.worker())
    store.clock.advance(HOUR)
    store.fire(store.worker())  # SKIPPED: the one before still runs
    found = of(store, "s", "t", "unknown")
    assert sorted(found) == ["s", "t"]
    assert found["s"] == stats.ScheduleStats("s", 3, 1, 5, 0.75, 3000, 40500)
    assert found["t"] == stats.ScheduleStats("t", 0, 0, 0, None, None, None)
    assert of(store, "s", app="other") == {}
    assert of(store) == {}


def test_only_the_last_firings_count(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What went wrong long ago does not darken the rate; totals go on counting it."""
    monkeypatch.setattr(stats, "LAST", 2)
    store.declare(Schedule("s", every=HOUR, jobs=["a"], enabled=True))
    ended(store, (R.FAILED, 9), (R.FAILED, 9), (R.SUCCESS, 1), (R.SUCCESS, 1))
    assert of(store, "s")["s"] == stats.ScheduleStats("s", 2, 2, 2, 1.0, 1000, 1000)


def test_many_schedules_are_asked_about_at_once(store: Any) -> None:
    """More than a statement can hold are asked for in several; PostgreSQL's holds them all."""
    names = [f"s{number:03d}" for number in range(205)]
    store.declare(*(Schedule(name, every=HOUR, jobs=["a"]) for name in names))
    with store.statements() as made:
        assert sorted(of(store, *names)) == names
    of_figures = 1 if store.database.dialect == "postgresql" else 3
    assert sum(one.startswith("SELECT") for one in made) == 1 + of_figures


def test_outcomes_are_counted_by_the_day_of_a_zone(store: Any) -> None:
    """By the occurrence's local date, not by UTC's; what has not ended is not counted."""
    store.declare(Schedule("s", every=HOUR, jobs=["a"], enabled=True))
    store.clock.move_to(NOON.replace(hour=21, minute=30))
    ended(store, (R.SUCCESS, 1), (R.FAILED, 1), (R.CANCELLED, 1))
    store.fire_due(store.worker())

    def outcomes(since: datetime) -> stats.Outcomes:
        found: stats.Outcomes = store.query(
            lambda tx: stats.outcomes_by_day(tx, "default", "s", since, OSLO)
        )
        return found

    everything = outcomes(NOON.replace(hour=21))
    assert everything.days == (
        DayOutcome(date(2026, 3, 2), 1, 1, 0),
        DayOutcome(date(2026, 3, 3), 0, 0, 1),
    )
    assert everything.complete_from is None
    assert outcomes(NOON + 100 * HOUR).days == ()


def test_a_calendar_says_where_it_begins(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many firings the newest are counted, and from when on is told."""
    monkeypatch.setattr(stats, "IN_CALENDAR", 2)
    store.declare(Schedule("s", every=HOUR, jobs=["a"], enabled=True))
    ended(store, *[(JobRunStatus.SUCCESS, 1)] * 3)
    found = store.query(
        lambda tx: stats.outcomes_by_day(tx, "default", "s", NOON - 100 * HOUR, OSLO)
    )
    assert sum(day.succeeded for day in found.days) == 2
    assert found.complete_from == NOON + 2 * HOUR


def test_recent_firings_reach_into_the_time_that_is_shown(store: Any) -> None:
    """What had ended before is left out, what still runs is there; newest first, so many each."""
    store.declare(Schedule("s", every=HOUR, jobs=["a"], enabled=True))
    ended(store, *[(JobRunStatus.SUCCESS, 10)] * 3)
    runs = store.fire_due(store.worker())

    def recent(per_schedule: int, since: datetime, app: str = "default") -> list[datetime]:
        found = store.query(
            lambda tx: stats.recent_firings(tx, app, ["s", "x"], per_schedule, since)
        )
        assert sorted(found) == ["s", "x"]
        assert found["x"] == []
        return [one.scheduled_for for one in found["s"]]

    times = [NOON + hour * HOUR for hour in (4, 3, 2, 1)]
    assert runs.firing.status is FiringStatus.RUNNING
    assert recent(10, NOON) == times
    assert recent(2, NOON) == times[:2]
    assert recent(10, NOON + 2 * HOUR + 10 * SECOND) == times[:3]
    assert recent(10, NOON + 9 * HOUR) == times[:1]
    assert recent(10, NOON, app="other") == []
