"""Locks in this process's memory."""

import threading
from datetime import timedelta

from jobsched.clock import Clock, SystemClock
from jobsched.fixed import fixed
from jobsched.locks.backend import milliseconds


class MemoryLock:
    """Locks shared by everything in one process that uses this very object.

    For tests, and for a host that locks its own code by the same keys. Other processes do not see
    them. A ttl is measured by `clock.monotonic()`.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._holds: dict[str, _Hold] = {}
        self._mutex = threading.Lock()

    def acquire(self, key: str, owner: str, ttl: timedelta) -> bool:
        """True when `owner` holds the lock now; see `LockBackend.acquire`."""
        return self._hold(key, owner, ttl, from_holders={None, owner})

    def renew(self, key: str, owner: str, ttl: timedelta) -> bool:
        """True when `owner` still held the lock; see `LockBackend.renew`."""
        return self._hold(key, owner, ttl, from_holders={owner})

    def release(self, key: str, owner: str) -> None:
        """Give the lock up when `owner` holds it; see `LockBackend.release`."""
        with self._mutex:
            if self._holder(key) == owner:
                del self._holds[key]

    def _hold(self, key: str, owner: str, ttl: timedelta, from_holders: set[str | None]) -> bool:
        seconds = milliseconds(ttl) / 1000
        with self._mutex:
            if self._holder(key) not in from_holders:
                return False
            self._holds[key] = _Hold(owner, self._clock.monotonic() + seconds)
            return True

    def _holder(self, key: str) -> str | None:
        hold = self._holds.get(key)
        if hold is None:
            return None
        if hold.ends_at <= self._clock.monotonic():
            del self._holds[key]
            return None
        return hold.owner


@fixed
class _Hold:
    owner: str
    ends_at: float
    """By the monotonic clock, in seconds."""
