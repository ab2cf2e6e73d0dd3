"""Hints that something has changed: they save waiting for the next poll, and carry nothing else.

PostgreSQL sends a NOTIFY with the change; SQLite's `PRAGMA data_version` differs after another
connection has committed. Elsewhere, behind a pooler, and when a hint is lost, polling finds it.
"""

import hashlib
import selectors
import socket
import threading
from contextlib import suppress
from typing import Any, Protocol

import sqlalchemy as sa

from jobsched.store.database import Database, Transaction

CHECK_S = 0.75
"""How often SQLite is asked."""
LONGEST_WAIT_S = 60.0
"""How long a wait for PostgreSQL's notifications may take: it ends by itself now and then."""


class Hints(Protocol):
    """Changes that others commit."""

    def wait(self, stop: threading.Event) -> bool:
        """Block until `wake`, or for a while; whether something has changed.

        Raises when it cannot tell.
        """

    def wake(self) -> None:
        """Let a wait end, after `stop` was set; from any thread."""

    def close(self) -> None:
        """Give the connection up."""


def hints_of(database: Database) -> Hints | None:
    """What this database can tell; None where only polling does. Opens a connection of its own."""
    if database.dialect == "sqlite" and not database.in_memory:
        return DataVersion(database)
    if database.dialect == "postgresql":
        return Notifications.listening(database)
    return None


def announce(tx: Transaction) -> None:
    """Say, with this transaction's commit, that there may be something to do."""
    if tx.connection.dialect.name == "postgresql":
        tx.connection.execute(sa.select(sa.func.pg_notify(channel(tx.tables.job_firing), "")))


def channel(table: sa.Table) -> str:
    """The name of the channel of one installation: PostgreSQL's limit is 63 bytes."""
    return f"jobsched_{hashlib.blake2b(table.fullname.encode(), digest_size=8).hexdigest()}"


def _own_connection(database: Database) -> Any:
    """A driver's connection that no longer belongs to the pool, which may be a small one."""
    pooled = database.engine.raw_connection()
    connection = pooled.driver_connection
    pooled.detach()
    return connection


class DataVersion:
    """`PRAGMA data_version` (SQLite's manual): a read of the file's header, no lock, no SQL."""

    def __init__(self, database: Database) -> None:
        self._clock = database.clock
        self._connection = _own_connection(database)
        self._cursor = self._connection.cursor()
        self._seen = self._ask()

    def wait(self, stop: threading.Event) -> bool:
        """Ask once after a moment."""
        self._clock.wait(stop, CHECK_S)
        before, self._seen = self._seen, self._ask()
        return self._seen != before

    def wake(self) -> None:
        """Nothing is to be done: it waits on `stop` itself."""

    def close(self) -> None:
        """Give the connection up."""
        self._connection.close()

    def _ask(self) -> int:
        (version,) = self._cursor.execute("PRAGMA data_version").fetchone()
        return int(version)


class Notifications:
    """LISTEN on a session of its own; needs psycopg 3."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._woken, self._waker = socket.socketpair()
        self._waiting = selectors.DefaultSelector()  # the driver's own costs twenty times as much
        self._waiting.register(connection.fileno(), selectors.EVENT_READ)
        self._waiting.register(self._woken, selectors.EVENT_READ)

    @classmethod
    def listening(cls, database: Database) -> "Notifications | None":
        """A session that listens; None with a driver that cannot."""
        if database.engine.dialect.driver != "psycopg":
            return None
        connection = _own_connection(database)
        connection.autocommit = True
        connection.execute(f'LISTEN "{channel(database.tables.job_firing)}"')
        return cls(connection)

    def wait(self, stop: threading.Event) -> bool:
        """Whether a notification came."""
        ready = self._waiting.select(LONGEST_WAIT_S)
        if all(key.fileobj is self._woken for key, _ in ready):
            return False
        return any(True for _ in self._connection.notifies(timeout=0))

    def wake(self) -> None:
        """End the wait; those to come end at once."""
        with suppress(OSError):  # it has just been closed
            self._waker.send(b"!")

    def close(self) -> None:
        """End the session."""
        self._waiting.close()
        self._woken.close()
        self._waker.close()
        with suppress(Exception):  # it may have been cut already
            self._connection.close()
