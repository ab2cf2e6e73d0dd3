"""The occurrences of a schedule: cron, every, at, and the bounds around them."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsched.errors import DeclarationError
from jobsched.model import Timing
from jobsched.occurrences import next_occurrence, upcoming

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAIVE = datetime(2026, 1, 15, 12)  # noqa: DTZ001  # to be refused


def listed(timing: Timing, after: datetime, count: int = 4) -> list[datetime]:
    return list(islice(upcoming(timing, after), count))


def test_cron_runs_by_the_zone_s_clock() -> None:
    """`cron` is read in the schedule's zone; occurrences come out in UTC."""
    timing = Timing(cron="0 2 * * *", timezone="Europe/Oslo")
    found = listed(timing, datetime(2026, 3, 27, 12, tzinfo=UTC), 3)
    assert [f"{run:%d %H:%M}" for run in found] == ["28 01:00", "29 01:00", "30 00:00"]
    assert all(run.tzinfo is UTC for run in found)


def test_every_runs_on_the_epoch_s_grid() -> None:
    """Without a start the grid of `every` begins at 1970-01-01T00:00Z, whenever one asks."""
    timing = Timing(every=timedelta(minutes=45))
    assert listed(timing, NOON, 2) == [NOON + timedelta(minutes=45), NOON + timedelta(minutes=90)]
    assert listed(Timing(every=7 * HOUR), datetime(1970, 1, 1, tzinfo=UTC), 1) == [
        datetime(1970, 1, 1, 7, tzinfo=UTC)
    ]
    assert listed(Timing(every=7 * HOUR), datetime(1969, 12, 31, 23, tzinfo=UTC), 1) == [
        datetime(1970, 1, 1, tzinfo=UTC)
    ]


def test_every_begins_with_its_start() -> None:
    """The start is the first occurrence of `every`, and the grid's origin."""
    start = NOON + timedelta(minutes=7, microseconds=5)
    timing = Timing(every=HOUR, start=start)
    assert listed(timing, NOON - 1000 * HOUR, 3) == [start, start + HOUR, start + 2 * HOUR]
    assert next_occurrence(timing, start) == start + HOUR
    assert next_occurrence(timing, start - timedelta.resolution) == start


def test_every_is_real_time() -> None:
    """`every` counts real hours; a zone's change does not move it."""
    timing = Timing(
        every=24 * HOUR, timezone="Europe/Oslo", start=datetime(2026, 3, 28, tzinfo=UTC)
    )
    assert [run.hour for run in listed(timing, datetime(2026, 3, 27, tzinfo=UTC))] == [0, 0, 0, 0]


def test_at_is_one_occurrence() -> None:
    """`at` occurs once, at that instant, given in any zone."""
    timing = Timing(at=NOON.astimezone(ZoneInfo("Asia/Tokyo")))
    assert listed(timing, NOON - 1000 * HOUR) == [NOON]
    assert next_occurrence(timing, NOON) is None


@pytest.mark.parametrize(
    "timing",
    [Timing(cron="0 * * * *"), Timing(every=HOUR), Timing(cron="0 0-23 * * *")],
    ids=["wildcard", "every", "fixed-time"],
)
def test_start_and_end_are_inclusive(timing: Timing) -> None:
    """An occurrence just at the start or the end is one; none is before or after."""
    start, end = NOON, NOON + 2 * HOUR
    bounded = Timing(cron=timing.cron, every=timing.every, start=start, end=end)
    assert listed(bounded, NOON - 1000 * HOUR) == [NOON, NOON + HOUR, NOON + 2 * HOUR]
    assert next_occurrence(bounded, NOON) == NOON + HOUR
    assert next_occurrence(bounded, end - timedelta.resolution) == end
    assert next_occurrence(bounded, end) is None


def test_a_bound_between_occurrences() -> None:
    """A start between two occurrences of a cron schedule does not become one."""
    timing = Timing(cron="0 * * * *", start=NOON + timedelta(minutes=1))
    assert next_occurrence(timing, NOON - HOUR) == NOON + HOUR


def test_at_outside_its_bounds_never_occurs() -> None:
    """`at` honours start and end too."""
    assert listed(Timing(at=NOON, end=NOON), NOON - HOUR) == [NOON]
    assert listed(Timing(at=NOON, start=NOON), NOON - HOUR) == [NOON]
    assert listed(Timing(at=NOON, end=NOON - HOUR), NOON - 2 * HOUR) == []
    assert listed(Timing(at=NOON, start=NOON + HOUR), NOON - 2 * HOUR) == []


def test_bounds_may_be_in_any_zone() -> None:
    """Bounds are instants: their own zone does not matter."""
    oslo = ZoneInfo("Europe/Oslo")
    timing = Timing(cron="0 * * * *", start=NOON.astimezone(oslo), end=NOON.astimezone(oslo))
    assert listed(timing, NOON - HOUR) == [NOON]


@pytest.mark.parametrize(
    ("timing", "said"),
    [
        (Timing(), "exactly one of cron, every and at"),
        (Timing(cron="* * * * *", every=HOUR), "cron='* * * * *' and every="),
        (Timing(every=HOUR, at=NOON), "exactly one"),
        (Timing(every=timedelta(0)), "every=datetime.timedelta(0)"),
        (Timing(every=-HOUR), "longer than nothing"),
        (Timing(every=300), "a timedelta"),  # type: ignore[arg-type]  # what the check is for
        (Timing(cron="61 * * * *"), "minute '61'"),
        (Timing(cron="* * * * *", timezone="Mars/Olympus"), "timezone 'Mars/Olympus'"),
        (Timing(every=HOUR, timezone="Mars/Olympus"), "timezone 'Mars/Olympus'"),
        (Timing(at=NAIVE), "at=datetime.datetime(2026, 1, 15, 12, 0): a naive datetime"),
        (Timing(every=HOUR, start=NAIVE), "start=datetime.datetime(2026, 1, 15, 12, 0): a naive"),
        (Timing(every=HOUR, end=NAIVE), "end=datetime.datetime(2026, 1, 15, 12, 0): a naive"),
        (Timing(at="2026-01-15"), "a datetime is needed"),  # type: ignore[arg-type]  # as above
        (Timing(every=HOUR, start=NOON, end=NOON - HOUR), "before start="),
    ],
)
def test_a_wrong_timing_is_refused(timing: Timing, said: str) -> None:
    """What is wrong in a timing itself is refused with its field and value."""
    with pytest.raises(DeclarationError) as caught:
        next_occurrence(timing, NOON)
    assert said in str(caught.value)


def test_upcoming_refuses_when_called() -> None:
    """A wrong timing is refused by the call, not by the first step of the iterator."""
    with pytest.raises(DeclarationError):
        upcoming(Timing(), NOON)


def test_a_naive_after_is_refused() -> None:
    """A naive `after` is refused for every kind of timing."""
    for timing in (Timing(cron="* * * * *"), Timing(every=HOUR), Timing(at=NOON)):
        with pytest.raises(DeclarationError, match=r"after=.* a naive datetime"):
            next_occurrence(timing, NAIVE)


def test_the_ends_of_time() -> None:
    """Where datetimes end there are no occurrences, and no other error than a DeclarationError."""
    first, last = (edge.replace(tzinfo=UTC) for edge in (datetime.min, datetime.max))  # noqa: DTZ901  # made aware here
    for timing in (Timing(every=HOUR), Timing(cron="0 * * * *"), Timing(at=NOON)):
        assert next_occurrence(timing, last) is None
    assert next_occurrence(Timing(every=HOUR, start=first), first) == first + HOUR
    assert next_occurrence(Timing(at=NOON, start=first, end=last), first) == NOON
    with pytest.raises(DeclarationError, match="years 1 to 9999"):
        next_occurrence(
            Timing(at=datetime.min.replace(tzinfo=ZoneInfo("Asia/Tokyo"))), NOON
        )  # aware


moments = st.datetimes(
    datetime(1960, 1, 1),  # noqa: DTZ001  # hypothesis adds the zone
    datetime(2060, 1, 1),  # noqa: DTZ001  # as above
    timezones=st.just(UTC),
)
spans = st.timedeltas(timedelta(microseconds=1), timedelta(days=400))


@settings(max_examples=200, deadline=None)
@given(spans, moments | st.none(), moments)
def test_every_is_on_its_grid_and_next(
    every: timedelta, start: datetime | None, after: datetime
) -> None:
    """The next occurrence of `every` is on the grid, later, and no more than one step later."""
    found = next_occurrence(Timing(every=every, start=start), after)
    assert found is not None
    assert found > after
    origin = start or datetime(1970, 1, 1, tzinfo=UTC)
    assert (found - origin) % every == timedelta(0)
    assert found == start or found - after <= every
    assert start is None or found >= start


crons = st.sampled_from(["*/20 * * * *", "0 2 * * *", "30 1 * * sun", "0 0 1 1 *", "@hourly"])
zones = st.sampled_from(["UTC", "Europe/Oslo", "Australia/Lord_Howe", "America/New_York"])


@settings(max_examples=150, deadline=None)
@given(crons, zones, moments, st.timedeltas(timedelta(0), timedelta(days=3)), moments)
def test_bounds_cut_the_same_sequence(
    expression: str, timezone: str, start: datetime, length: timedelta, after: datetime
) -> None:
    """Bounds only leave occurrences out: what remains is the unbounded sequence between them."""
    end = start + length
    free = Timing(cron=expression, timezone=timezone)
    bounded = Timing(cron=expression, timezone=timezone, start=start, end=end)
    expected = [run for run in listed(free, start - timedelta.resolution, 250) if run <= end]
    assert listed(bounded, start - 10 * HOUR, 300) == expected
    expected_next = next((run for run in expected if run > after), None)
    assert next_occurrence(bounded, after) == expected_next
