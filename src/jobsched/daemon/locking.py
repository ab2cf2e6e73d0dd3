"""The schedules' locks in a backend that the host's other systems share.

They come on top of the rows that decide overlap, and carry no correctness: a lock that is lost,
or a backend that errs, costs time only.
"""

import logging
from collections import deque
from collections.abc import Iterable
from datetime import timedelta

from jobsched.daemon.events import emit
from jobsched.daemon.reports import clipped
from jobsched.locks import DatabaseLock, LockBackend
from jobsched.store.candidates import Wanted
from jobsched.store.schedules import owner


class ScheduleLocks:
    """Takes a schedule's lock before its firing is claimed, and gives it up when that ends."""

    name = "locks"
    eager = True

    def __init__(self, backend: LockBackend, lock_timeout: timedelta) -> None:
        """`lock_timeout` is the time to live of a lock; it is renewed three times in it."""
        self._backend = backend
        self._ttl = lock_timeout
        self._held: dict[int, tuple[str, str]] = {}
        self._left: deque[int] = deque()
        self.shared = not isinstance(backend, DatabaseLock)
        """False for `DatabaseLock`: the row lock in the claiming transaction is the lock."""

    def acquire(self, worker_id: str, wanted: Iterable[Wanted]) -> tuple[set[int], dict[int, str]]:
        """The firings whose locks are held now; and of the others why not.

        A backend that fails once is not asked again for this pass: each answer may take long.
        """
        held: set[int] = set()
        refused: dict[int, str] = {}
        down: str | None = None
        for one in wanted:
            key, holder = f"schedule:{one.schedule_id}", owner(worker_id, one.firing_id)
            if down is None:
                try:
                    if self._backend.acquire(key, holder, self._ttl):
                        self._held[one.firing_id] = (key, holder)
                        held.add(one.firing_id)
                        continue
                except Exception as error:  # an error means: not acquired
                    down = f"{type(self._backend).__name__} failed: {clipped(str(error))}"
            refused[one.firing_id] = down or (
                f"{type(self._backend).__name__} holds {key!r} for another owner"
            )
        if down is not None:
            emit("lock_unavailable", f"no schedule's lock: {down}", level=logging.WARNING)
        return held, refused

    def leave(self, firing_ids: Iterable[int]) -> None:
        """The firings have ended or were handed back: give their locks up soon; from any thread."""
        self._left.extend(firing_id for firing_id in firing_ids if firing_id in self._held)

    def run_once(self) -> timedelta:
        """Release what was left, renew what is held; the delay to the next renewal."""
        while self._left:
            key, holder = self._held.pop(self._left.popleft(), ("", ""))
            if key:
                self._quietly("release", key, holder)
        for key, holder in list(self._held.values()):
            self._quietly("renew", key, holder)
        return self._ttl / 3

    def close(self) -> None:
        """Give every lock up; the backend's connections are the host's to close."""
        self._left.extend(self._held)
        self.run_once()

    def _quietly(self, action: str, key: str, holder: str) -> None:
        try:
            if action == "release":
                self._backend.release(key, holder)
            elif not self._backend.renew(key, holder, self._ttl):
                emit("lock_lost", f"the lock {key!r} was lost; the rows still guard the schedule")
        except Exception as error:  # it ends with its time to live, or is renewed next time
            emit(
                "lock_unavailable",
                f"could not {action} the lock {key!r}: {clipped(str(error))}",
                level=logging.WARNING,
            )
