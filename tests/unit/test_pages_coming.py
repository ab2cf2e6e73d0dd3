"""Coming occurrences for one picture: exact where they are few, else by their rate."""

from datetime import UTC, datetime, timedelta

from jobsched.admin.pages import coming
from jobsched.admin.pages.coming import Calculator, total
from jobsched.model import Timing

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def calculator(minute: int = 20, enough: int = coming.ENOUGH) -> Calculator:
    return Calculator(NOON.replace(minute=minute), enough)


def test_occurrences_fall_into_quarters_of_an_hour() -> None:
    """From the full hour on, each in its slot."""
    found = calculator().of(Timing(cron="20 12,14 * * *"))
    assert found.times[:2] == (NOON + timedelta(minutes=20), NOON + timedelta(minutes=140))
    assert [n for n, count in enumerate(found.slots) if count] == [1, 9, 97]
    assert not found.goes_on


def test_what_is_due_often_goes_on_at_its_rate() -> None:
    """No more than `MOST` are worked out; the slots after them get what these make likely."""
    found = calculator().of(Timing(every=timedelta(minutes=1)))
    assert len(found.times) == coming.MOST
    assert found.goes_on
    assert set(found.slots) == {15}


def test_work_is_bounded_and_goes_on_next_time() -> None:
    """A picture that is cut says how many are missing; what is known costs nothing again."""
    timings = [Timing(cron=f"{minute} 3 * 11 *", timezone="Asia/Tokyo") for minute in range(5)]
    first = calculator(enough=2)
    for one in timings:
        first.of(one)
    assert first.cut == 3
    second = calculator(enough=2)
    for one in timings:
        second.of(one)
    assert second.cut == 1


def test_what_cannot_be_read_has_nothing_to_come() -> None:
    """A timing that somebody has spoilt in the database does not break the picture of the rest."""
    assert calculator().of(Timing(cron="not cron")).times == ()
    assert calculator().of(Timing(cron="0 * * * *", timezone="Nowhere/At_All")).times == ()


def test_slots_add_up() -> None:
    """Of all schedules, and of none."""
    hourly = calculator().of(Timing(cron="0 * * * *"))
    assert total([hourly, hourly])[:5] == [2, 0, 0, 0, 2]
    assert total([]) == [0] * coming.SLOTS


def test_a_lane_shows_what_comes_now() -> None:
    """Of what is due so often that the hour's portion has passed, those after this minute."""
    often = Timing(every=timedelta(seconds=5))
    late = calculator(minute=51)
    assert late.of(often).times[-1] < NOON + timedelta(minutes=51)
    shown = late.shown(often)
    assert shown.times[0] == NOON + timedelta(minutes=51)
    assert shown.goes_on
    seldom = Timing(cron="0 * * * *")
    assert late.shown(seldom) is late.of(seldom)
    spent = calculator(minute=52, enough=1)
    assert spent.shown(Timing(every=timedelta(seconds=4))).times[0] == NOON


def test_the_slot_in_which_counting_stops_is_full() -> None:
    """It is as full as those after it, though it was not counted to its end."""
    assert set(calculator().of(Timing(every=timedelta(seconds=7))).slots) == {129}
