"""Threads and waiting, in one place: every service says when it wants to run again."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from jobsched.clock import Clock
from jobsched.daemon.events import emit_failure

LONGEST_BACKOFF_S = 30.0
FIRST_BACKOFF_S = 1.0
SLACK = 0.1
"""The part of its delay by which a service that is not eager may come sooner, or later: it comes
together with another, since for most of them it costs more to wake up than to look."""


class Service(Protocol):
    """Work that comes round again."""

    name: str
    eager: bool
    """Whether a wake-up calls it at once, and its delay is kept exactly."""

    def run_once(self) -> timedelta:
        """Do what there is to do; how long until it wants to be called again."""


@dataclass(slots=True)
class _Turn:
    """When a service is called next, in monotonic seconds, and how often it has failed."""

    soonest: float
    latest: float
    """The loop wakes up for it then."""
    failures: int = 0


class Looper:
    """Calls its services when they are due, in one thread; a failing one backs off, alone."""

    def __init__(self, services: Sequence[Service], clock: Clock) -> None:
        """Services are called in their order when several are due."""
        self._services = services
        self._clock = clock
        self._turns = {service.name: _Turn(0.0, 0.0) for service in services}
        self._woken = threading.Event()

    def wake(self) -> None:
        """Something has changed: call the eager services that are not backing off, at once."""
        self._woken.set()

    def run(self, stop: threading.Event) -> None:
        """Loop until `stop` is set (call `wake` after setting it)."""
        for turn in self._turns.values():
            turn.soonest = turn.latest = self._clock.monotonic()
        while not stop.is_set():
            pause = self.turn()
            if stop.is_set():
                return
            self._clock.wait(self._woken, pause.total_seconds())
            if self._woken.is_set():
                self._woken.clear()
                self.hurry()

    def turn(self) -> timedelta:
        """Call every service that is due; how long until the next one is."""
        for service in self._services:
            if self._turns[service.name].soonest <= self._clock.monotonic():
                self._call(service)
        pause = min(turn.latest for turn in self._turns.values()) - self._clock.monotonic()
        return timedelta(seconds=max(0.0, pause))

    def hurry(self) -> None:
        """Call the eager services in the next turn."""
        for service in self._services:
            if service.eager and not self._turns[service.name].failures:
                self.within(service.name, timedelta(0))

    def within(self, name: str, delay: timedelta) -> None:
        """Call this service after so long, unless its turn is sooner; from the loop's thread."""
        turn, at = self._turns[name], self._clock.monotonic() + delay.total_seconds()
        turn.soonest, turn.latest = min(turn.soonest, at), min(turn.latest, at)

    def _call(self, service: Service) -> None:
        turn, slack = self._turns[service.name], 0.0 if service.eager else SLACK
        try:
            delay = service.run_once().total_seconds()
            turn.failures = 0
        except Exception as error:  # a failing pass is never fatal
            delay = min(FIRST_BACKOFF_S * 2**turn.failures, LONGEST_BACKOFF_S)
            turn.failures = min(turn.failures + 1, 10)
            emit_failure(
                "pass_failed",
                f"the {service.name} pass failed and is tried again in {delay:.0f} s: {error}",
                error,
                service=service.name,
            )
        now = self._clock.monotonic()
        turn.soonest, turn.latest = now + delay * (1 - slack), now + delay * (1 + slack)
