"""One process at a time changes the tables, however many daemons start at once."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from jobsched.errors import SchemaError
from jobsched.store.database import Database

PATIENCE_S = 600
"""How long a process waits for another one that migrates, in seconds."""


@contextmanager
def alone(database: Database, connection: sa.Connection) -> Iterator[None]:
    """Keep other processes out of the same prefix and schema until the transaction has ended.

    On SQLite the transaction itself does that: it began with BEGIN IMMEDIATE.
    """
    if database.dialect == "postgresql":
        _lock_postgresql(database, connection)
        yield
    elif database.dialect in ("mysql", "mariadb"):
        with _locked_mysql(database, connection):
            yield
    else:
        yield


def _lock_postgresql(database: Database, connection: sa.Connection) -> None:
    # A lock of the transaction, not of the session: it holds behind pgbouncer too.
    key = int.from_bytes(_digest(database)[:8], signed=True)
    before = connection.scalar(sa.text("SHOW lock_timeout"))
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE_S}s'")
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{before}'")


@contextmanager
def _locked_mysql(database: Database, connection: sa.Connection) -> Iterator[None]:
    here = str(connection.scalar(sa.func.database()))  # these locks are the whole server's
    name = f"jobsched-{_digest(database, here).hex()[:40]}"
    if connection.scalar(sa.func.get_lock(name, PATIENCE_S)) != 1:
        raise SchemaError(
            f"another process has been changing the tables for {PATIENCE_S} s: "
            "see what it does with SHOW PROCESSLIST, then start again"
        )
    try:
        yield
        # The version's row must be there for all before the next process looks.
        connection.exec_driver_sql("COMMIT")
        connection.scalar(sa.func.release_lock(name))
    except BaseException:
        connection.invalidate()  # with its session ends the lock
        raise


def _digest(database: Database, *where: str) -> bytes:
    named = ("jobsched migrate", *where, database.tables.schema or "", database.tables.prefix)
    return hashlib.sha256("\0".join(named).encode()).digest()
