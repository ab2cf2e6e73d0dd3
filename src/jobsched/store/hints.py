"""Hints that something has changed: they save waiting for the next poll, and carry nothing else.

PostgreSQL sends a NOTIFY with the change; SQLite's `PRAGMA data_version` differs after another
connection has committed. Elsewhere, behind a pooler, and when a hint is lost, polling finds it.
"""

import hashlib
import select
import threading
from contextlib import suppress
from typing import Any, Protocol

import sqlalchemy as sa

from jobsched.store.database import Database, Transaction

CHECK_S = 0.5
"""How often SQLite is asked, and how soon a listener sees that it is to stop."""


class Hints(Protocol):
    """Changes that others commit."""

    def wait(self, stop: threading.Event) -> bool:
        """Block for a moment; True when something has changed. Raises when it cannot tell."""

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
        self._seen = self._ask()

    def wait(self, stop: threading.Event) -> bool:
        """Ask once after half a second."""
        self._clock.wait(stop, CHECK_S)
        before, self._seen = self._seen, self._ask()
        return self._seen != before

    def close(self) -> None:
        """Give the connection up."""
        self._connection.close()

    def _ask(self) -> int:
        cursor = self._connection.cursor()
        try:
            return int(cursor.execute("PRAGMA data_version").fetchone()[0])
        finally:
            cursor.close()


class Notifications:
    """LISTEN on a session of its own; needs psycopg 3."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._poll = select.poll()  # the driver's own waiting costs twenty times as much
        self._poll.register(connection.fileno(), select.POLLIN)

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
        """Whether a notification came within a moment."""
        if not self._poll.poll(1000 * CHECK_S):
            return False
        return any(True for _ in self._connection.notifies(timeout=0))

    def close(self) -> None:
        """End the session."""
        with suppress(Exception):  # it may have been cut already
            self._connection.close()
