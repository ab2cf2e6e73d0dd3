"""The loop calls its services when they want to be called, and wakes up as seldom as it can."""

import threading
from dataclasses import dataclass, field
from datetime import timedelta

from jobsched.daemon.looper import Looper
from jobsched.testing.clock import FakeClock

SECOND = timedelta(seconds=1)


@dataclass
class Told:
    """A service that notes when it is called, and wants to be called again after `delay`."""

    name: str
    clock: FakeClock
    delay: timedelta
    eager: bool = False
    fails: bool = False
    calls: list[float] = field(default_factory=list)

    def run_once(self) -> timedelta:
        self.calls.append(self.clock.monotonic())
        if self.fails:
            raise RuntimeError("told to")
        return self.delay


def after(looper: Looper, clock: FakeClock, seconds: float) -> float:
    """Let time pass, take a turn; the seconds for which the loop would sleep then."""
    clock.advance(seconds)
    return looper.turn().total_seconds()


def test_an_eager_service_is_called_neither_sooner_nor_later() -> None:
    """What fires does so when it said: the loop wakes up for it, and not before."""
    clock = FakeClock()
    exact = Told("exact", clock, 10 * SECOND, eager=True)
    looper = Looper([exact], clock)
    assert looper.turn() == 10 * SECOND
    assert after(looper, clock, 9.99) > 0
    after(looper, clock, 0.02)
    assert exact.calls == [0.0, 10.01]


def test_what_keeps_house_comes_along_with_what_fires() -> None:
    """A look every ten seconds is made with one of every five: the loop wakes up once for both."""
    clock = FakeClock()
    firing = Told("firing", clock, 5 * SECOND, eager=True)
    house = Told("house", clock, 10 * SECOND)
    looper = Looper([firing, house], clock)
    pause = looper.turn().total_seconds()
    for _ in range(6):
        pause = after(looper, clock, pause)
    assert len(firing.calls) == 7
    assert house.calls == firing.calls[::2]


def test_alone_it_comes_a_little_later_at_most() -> None:
    """Without company a service is called within a tenth of its delay."""
    clock = FakeClock()
    house = Told("house", clock, 10 * SECOND)
    looper = Looper([house], clock)
    assert looper.turn() == 11 * SECOND
    after(looper, clock, 8.9)
    assert house.calls == [0.0]
    after(looper, clock, 2.1)
    assert house.calls == [0.0, 11.0]


def test_a_turn_can_be_brought_forward_and_never_put_off() -> None:
    """`within` is the latest: who comes sooner by itself still does."""
    clock = FakeClock()
    house = Told("house", clock, 10 * SECOND)
    looper = Looper([house], clock)
    looper.turn()
    looper.within("house", 60 * SECOND)
    assert looper.turn() == 11 * SECOND
    looper.within("house", SECOND)
    assert looper.turn() == SECOND
    after(looper, clock, 1)
    assert house.calls == [0.0, 1.0]


def test_a_service_that_fails_backs_off_alone() -> None:
    """A wake-up does not call it before its time; the others go on as they were."""
    clock = FakeClock()
    bad = Told("bad", clock, SECOND, eager=True, fails=True)
    good = Told("good", clock, SECOND, eager=True)
    looper = Looper([bad, good], clock)
    looper.turn()
    after(looper, clock, 1)
    looper.hurry()
    looper.turn()
    assert bad.calls == [0.0, 1.0]
    assert good.calls == [0.0, 1.0, 1.0]
    after(looper, clock, 2)
    assert bad.calls == [0.0, 1.0, 3.0]


def test_the_loop_ends_when_it_is_told_to() -> None:
    """`stop` and a wake-up end it; a turn that runs is not cut short."""
    clock = FakeClock()
    stop = threading.Event()
    last = Told("last", clock, SECOND, eager=True)
    looper = Looper([last], clock)
    stop.set()
    looper.wake()
    looper.run(stop)
    assert last.calls == []
