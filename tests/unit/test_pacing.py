"""When the firing pass looks anew, waits for slots, or keeps away: decisions, without a clock."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from jobsched.daemon.pacing import (
    CONTENDED,
    GATHER,
    LONGEST_CONTENDED,
    PATIENCE,
    Contention,
    Gathering,
    Shortage,
    Sight,
)
from jobsched.store.peek import Peek

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING = Peek(NOW, None, None, None)
SOMETHING = Peek(NOW, NOW, None, None)
SECOND = timedelta(seconds=1)
GATHER_S, PATIENCE_S = GATHER.total_seconds(), PATIENCE.total_seconds()


def test_what_was_seen_is_good_for_so_long() -> None:
    """It is younger than it may be, and no older."""
    sight = Sight()
    assert sight.good(0.0, SECOND) is None
    assert sight.look(lambda: NOTHING, 10.0) is NOTHING
    assert sight.good(10.9, SECOND) is NOTHING
    assert sight.good(11.0, SECOND) is None


def test_what_has_changed_is_not_good() -> None:
    """A change spoils what was seen, until the next look."""
    sight = Sight()
    sight.look(lambda: NOTHING, 0.0)
    sight.spoil()
    assert sight.good(0.0, SECOND) is None
    sight.look(lambda: SOMETHING, 0.0)
    assert sight.good(0.0, SECOND) is SOMETHING


def test_a_change_while_it_looks_is_not_missed() -> None:
    """What was read may be from before the change."""
    sight = Sight()

    def look() -> Peek:
        sight.spoil()
        return NOTHING

    sight.look(look, 0.0)
    assert sight.good(0.0, SECOND) is None


def test_a_look_that_failed_leaves_nothing() -> None:
    """What was seen before a database went away is not what is there when it is back."""
    sight = Sight()
    sight.look(lambda: SOMETHING, 0.0)

    def fail() -> Peek:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        sight.look(fail, 0.0)
    assert sight.good(0.0, SECOND) is None


def test_a_correction_makes_it_no_younger() -> None:
    """What was done tells what is there, but not what others did since the look."""
    sight = Sight()
    sight.look(lambda: SOMETHING, 0.0)
    assert sight.correct(NOTHING) is NOTHING
    assert sight.good(0.5, SECOND) is NOTHING
    assert sight.good(1.0, SECOND) is None


def test_free_slots_wait_for_others_a_moment() -> None:
    """A transaction for each slot costs more than the moment."""
    shortage = Shortage(10)
    assert not shortage.gathers(1, 0.0)  # nobody wants more
    shortage.is_felt = True
    assert not shortage.gathers(0, 1.0)  # there is none to use
    assert shortage.gathers(1, 2.0)
    assert shortage.gathers(4, 2.0 + 0.9 * GATHER_S)
    assert not shortage.gathers(4, 2.0 + 1.1 * GATHER_S)


def test_half_of_the_slots_wait_for_nothing() -> None:
    """They are enough for a transaction; the next ones wait from then on."""
    shortage = Shortage(10)
    shortage.is_felt = True
    assert shortage.gathers(1, 0.0)
    assert not shortage.gathers(5, 0.0)
    assert shortage.gathers(1, 1.0)


def test_schedules_wait_for_a_slot_that_may_be_free_soon() -> None:
    """Not for ever: then they become firings that wait."""
    shortage = Shortage(10)
    assert not shortage.is_new(3, 0.0)
    assert shortage.is_new(0, 1.0)
    assert shortage.is_new(0, 1.0 + 0.9 * PATIENCE_S)
    assert not shortage.is_new(0, 1.0 + 1.1 * PATIENCE_S)
    assert not shortage.is_new(1, 2.0)
    assert shortage.is_new(0, 3.0)


def test_slots_that_were_taken_together_come_back_together() -> None:
    """Only then is it worth having the next schedules ready for them."""
    shortage = Shortage(10)
    assert not shortage.is_passing
    for started, is_passing in ((4, False), (5, True), (10, True), (0, False)):
        shortage.note(started)
        assert shortage.is_passing == is_passing


def test_a_shortage_that_slots_have_come_in_is_a_new_one() -> None:
    """Schedules wait as long again for the next ones."""
    shortage = Shortage(10)
    assert shortage.is_new(0, 0.0)
    shortage.note(0)
    assert not shortage.is_new(0, 1.1 * PATIENCE_S)
    shortage.note(7)
    assert shortage.is_new(0, 1.1 * PATIENCE_S)
    assert shortage.is_new(0, 1.9 * PATIENCE_S)


def test_what_is_ready_waits_for_all_slots_it_wants_or_a_moment() -> None:
    """All of them: not at all. Some: as long as slots gather. None: as long as schedules wait."""
    assert Gathering(10, 0.0).left(10, 0.0) == 0
    none = Gathering(10, 1.0)
    assert none.left(0, 1.0) == pytest.approx(PATIENCE_S)
    assert none.left(0, 1.0 + PATIENCE_S) == 0
    some = Gathering(10, 1.0)
    assert some.left(1, 1.01) == pytest.approx(GATHER_S)
    assert some.left(9, 1.01 + GATHER_S / 2) == pytest.approx(GATHER_S / 2)
    assert some.left(9, 1.01 + 1.1 * GATHER_S) == 0
    late = Gathering(10, 0.0)
    assert late.left(1, PATIENCE_S - GATHER_S / 4) == pytest.approx(GATHER_S / 4)


def test_another_daemon_gets_more_time_each_time() -> None:
    """Its transaction may be frozen: looks at it are soon seldom, and never more so."""
    contention = Contention()
    assert not contention.is_there
    delays = []
    for _ in range(50):
        contention.note(True)
        delays.append(contention.delay)
    assert contention.is_there
    assert delays[0] == CONTENDED
    assert all(later in (2 * before, LONGEST_CONTENDED) for before, later in pairwise(delays))
    assert delays[-1] == LONGEST_CONTENDED
    contention.note(False)
    assert not contention.is_there
