"""Threads and waiting, in one place: every service says when it wants to run again."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from jobsched.clock import Clock
from jobsched.daemon.events import emit_failure

LONGEST_BACKOFF_S = 30.0
FIRST_BACKOFF_S = 1.0


class Service(Protocol):
    """Work that comes round again."""

    name: str
    eager: bool
    """Whether a wake-up calls it at once."""

    def run_once(self) -> timedelta:
        """Do what there is to do; how long until it wants to be called again."""


class Looper:
    """Calls its services when they are due, in one thread; a failing one backs off, alone."""

    def __init__(self, services: Sequence[Service], clock: Clock) -> None:
        """Services are called in their order when several are due."""
        self._services = services
        self._clock = clock
        self._due = dict.fromkeys((service.name for service in services), 0.0)
        self._failures = dict.fromkeys((service.name for service in services), 0)
        self._woken = threading.Event()

    def wake(self) -> None:
        """Something has changed: call the eager services that are not backing off, at once."""
        self._woken.set()

    def run(self, stop: threading.Event) -> None:
        """Loop until `stop` is set (call `wake` after setting it)."""
        self._due = dict.fromkeys(self._due, self._clock.monotonic())
        while not stop.is_set():
            self.turn()
            if stop.is_set():
                return
            pause = min(self._due.values()) - self._clock.monotonic()
            self._clock.wait(self._woken, max(0.0, pause))
            if self._woken.is_set():
                self._woken.clear()
                self.hurry()

    def turn(self) -> timedelta:
        """Call every service that is due; how long until the next one is."""
        for service in self._services:
            if self._due[service.name] <= self._clock.monotonic():
                self._call(service)
        pause = min(self._due.values()) - self._clock.monotonic()
        return timedelta(seconds=max(0.0, pause))

    def hurry(self) -> None:
        """Call the eager services in the next turn."""
        now = self._clock.monotonic()
        for service in self._services:
            if service.eager and not self._failures[service.name]:
                self._due[service.name] = now

    def _call(self, service: Service) -> None:
        try:
            delay = service.run_once().total_seconds()
            self._failures[service.name] = 0
        except Exception as error:  # a failing pass is never fatal
            failures = self._failures[service.name]
            delay = min(FIRST_BACKOFF_S * 2**failures, LONGEST_BACKOFF_S)
            self._failures[service.name] = min(failures + 1, 10)
            emit_failure(
                "pass_failed",
                f"the {service.name} pass failed and is tried again in {delay:.0f} s: {error}",
                error,
                service=service.name,
            )
        self._due[service.name] = self._clock.monotonic() + delay
