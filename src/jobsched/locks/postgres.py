"""Session advisory locks in PostgreSQL."""

import hashlib
import threading
from contextlib import suppress
from datetime import timedelta

import sqlalchemy as sa

from jobsched.clock import Clock, SystemClock
from jobsched.errors import ConfigurationError
from jobsched.fixed import fixed
from jobsched.locks.backend import LockUnavailableError, milliseconds
from jobsched.locks.postgres_session import PostgresSession, SessionLostError


class PostgresAdvisoryLock:
    """Advisory locks of one database, held in a session of our own, one session per object.

    Other systems take the same lock by `pg_try_advisory_lock(advisory_key(key))`; `advisory_key`
    shows how to compute that in SQL. Who holds what is in `pg_locks`.

    PostgreSQL knows sessions, not owners, and lets a session take its lock again; so this object
    remembers its owners, and they exclude each other. PostgreSQL knows no ttl either:

    - an owner that stops renewing loses its lock to the next call of any kind on this object;
    - when the process is frozen, dead or cut off, the server ends the silent session after the
      longest ttl of the locks in it (PostgreSQL 14; an older one ends it when TCP gives up, which
      for a frozen process is never);
    - a session that is lost loses its locks at once: `renew` is then False, and the next `acquire`
      connects anew.

    Behind pgbouncer in transaction mode such locks do not work: `acquire` raises
    ConfigurationError there. No connection is used in two processes; a fork begins with no lock.
    """

    def __init__(self, database: sa.Engine | sa.URL | str, *, clock: Clock | None = None) -> None:
        """Use the database of an engine or a URL; connects at the first use.

        Nothing is installed on the engine, and none of its connections is used. With a URL, a
        server that does not answer is given up after five seconds; with an engine, its connect
        arguments decide that.

        Raises ConfigurationError for what is not PostgreSQL, and for a driver that is not
        installed, naming the extra.
        """
        self._session = PostgresSession(database)
        self._clock = clock or SystemClock()
        self._holds: dict[str, _Hold] = {}
        self._mutex = threading.Lock()

    def acquire(self, key: str, owner: str, ttl: timedelta) -> bool:
        """True when `owner` holds the lock now; see `LockBackend.acquire`.

        Raises ConfigurationError behind a pooler that shares sessions.
        """
        hold = self._hold_from_now(owner, ttl)
        with self._mutex:
            self._connect()
            try:
                return self._take(key, hold)
            except SessionLostError as error:
                raise LockUnavailableError(
                    f"PostgreSQL ended the session while the lock {key!r} was being taken"
                ) from error

    def renew(self, key: str, owner: str, ttl: timedelta) -> bool:
        """True when `owner` still held the lock; see `LockBackend.renew`."""
        hold = self._hold_from_now(owner, ttl)
        with self._mutex, suppress(*_LOST):
            self._forget_what_is_lost()
            if self._owner_of(key) == owner:
                self._session.ask("true")
                self._holds[key] = hold
                self._limit_silence()
                return True
        return False

    def release(self, key: str, owner: str) -> None:
        """Give the lock up when `owner` holds it; see `LockBackend.release`."""
        with self._mutex, suppress(*_LOST):
            self._forget_what_is_lost()
            if self._owner_of(key) == owner:
                self._unlock(key)
                self._limit_silence()

    def close(self) -> None:
        """End the session, and with it every lock that this object holds."""
        with self._mutex:
            self._session.close()
            self._holds.clear()

    def _connect(self) -> None:
        try:
            self._forget_what_is_lost()
            self._session.ask("true")
        except SessionLostError:
            self._holds.clear()
            self._session.open()

    def _take(self, key: str, hold: "_Hold") -> bool:
        owner = self._owner_of(key)
        if owner is None:
            self._limit_silence(hold.ttl_ms)  # first: we may freeze once the lock is ours
            taken = self._session.ask(f"pg_try_advisory_lock({_KEY})", key=advisory_key(key))
        else:
            taken = owner == hold.owner
        if taken:
            self._holds[key] = hold
        self._limit_silence()
        return bool(taken)

    def _unlock(self, key: str) -> None:
        del self._holds[key]
        self._session.ask(f"pg_advisory_unlock({_KEY})", key=advisory_key(key))

    def _forget_what_is_lost(self) -> None:
        if not self._session.is_open:  # lost in an earlier call, or left to the parent of a fork
            self._holds.clear()
        now = self._clock.monotonic()
        for key in [key for key, hold in self._holds.items() if hold.ends_at <= now]:
            self._unlock(key)

    def _limit_silence(self, at_least_ms: int = 0) -> None:
        longest = max((hold.ttl_ms for hold in self._holds.values()), default=0)
        self._session.end_when_silent_for(max(longest, at_least_ms))

    def _owner_of(self, key: str) -> str | None:
        hold = self._holds.get(key)
        return hold.owner if hold else None

    def _hold_from_now(self, owner: str, ttl: timedelta) -> "_Hold":
        ttl_ms = milliseconds(ttl)
        return _Hold(owner, ttl_ms, self._clock.monotonic() + ttl_ms / 1000)


def advisory_key(key: str) -> int:
    """The number of a key's advisory lock: the first eight bytes of its SHA-256, signed.

    The same in every process and version; in SQL, from PostgreSQL 11 on:
    `('x' || encode(substr(sha256(convert_to(:key, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint`.
    """
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big", signed=True)


@fixed
class _Hold:
    owner: str
    ttl_ms: int
    ends_at: float
    """By the monotonic clock, in seconds."""


_KEY = "CAST(:key AS bigint)"
_LOST = (SessionLostError, ConfigurationError)
