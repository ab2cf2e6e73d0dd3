"""The places in which job runs execute: taken before a run is marked RUNNING, given back after."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Reservation:
    """Places taken ahead of a claim; those that it does not use go back."""

    taken: int
    used: int = 0

    @property
    def left(self) -> int:
        """How many are still to be used."""
        return self.taken - self.used


class Slots:
    """A counter of free places; safe between threads, and it never goes below zero."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._free = capacity
        self._lock = threading.Lock()

    @property
    def free(self) -> int:
        """How many are free at this moment."""
        return self._free

    @property
    def taken(self) -> int:
        """How many are in use."""
        return self.capacity - self._free

    def take(self, wanted: int) -> int:
        """Take up to `wanted` places; how many it got."""
        with self._lock:
            granted = max(0, min(wanted, self._free))
            self._free -= granted
            return granted

    def give(self, count: int) -> None:
        """Give places back."""
        with self._lock:
            self._free = min(self.capacity, self._free + count)

    def add(self, reservation: Reservation, wanted: int) -> None:
        """Take up to `wanted` more places for the same claim."""
        reservation.taken += self.take(wanted)

    @contextmanager
    def reserve(self) -> Iterator[Reservation]:
        """Take every free place for a claim; what it did not use is given back at the end."""
        reservation = Reservation(self.take(self.capacity))
        try:
            yield reservation
        finally:
            self.give(reservation.left)
