"""A connection of our own to the host's database: transactions, time, and dialect differences.

Nothing is installed on the host's engine: we open a sibling of it, with its own pool and
listeners, that keeps the host's creator, connect arguments and `do_connect` listeners.
"""

import os
import random
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import StaticPool

from jobsched.clock import Clock, DatabaseTime, SystemClock
from jobsched.errors import ConfigurationError, DatabaseError
from jobsched.store.tables import Tables, build_tables

T = TypeVar("T")

_WRITES = "jobsched_writes"
_ATTEMPTS = 5
"""How often a transaction is tried when it loses against another one."""
_DRIVERS = {
    "postgres": ("postgresql+psycopg", "postgres"),
    "postgresql": ("postgresql+psycopg", "postgres"),
    "mysql": ("mysql+pymysql", "mysql"),
    "mariadb": ("mariadb+pymysql", "mysql"),
}
_EXTRAS = {"psycopg": "postgres", "psycopg2": "postgres", "pymysql": "mysql"}
_MINIMUM = {
    "sqlite": (3, 35),
    "postgresql": (12,),
    "mysql": (8, 0),
    "mariadb": (10, 6),
}


@dataclass(frozen=True, slots=True)
class Transaction:
    """An open transaction: its connection, the tables, and the database's time in it."""

    connection: sa.Connection
    tables: Tables
    now: datetime


class Database:
    """The host's database as jobsched uses it."""

    def __init__(
        self,
        engine: sa.Engine | sa.URL | str,
        *,
        prefix: str = "",
        schema: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Open a sibling of `engine`, or an engine of our own for a URL; no connection yet.

        Raises ConfigurationError for an `AsyncEngine`, an unknown database or a missing driver.
        """
        self.clock = clock or SystemClock()
        self.time = DatabaseTime(self.clock)
        self.tables = build_tables(prefix, schema)
        self.engine = open_sibling(engine)
        # In memory there is one connection for all threads: one transaction at a time.
        self._turn = threading.RLock() if self.in_memory else nullcontext()
        _opened.add(self)

    @property
    def dialect(self) -> str:
        """`sqlite`, `postgresql`, `mysql` or `mariadb`."""
        return self.engine.dialect.name

    @property
    def in_memory(self) -> bool:
        """True for an in-memory SQLite database, which only this process can see."""
        return isinstance(self.engine.pool, StaticPool)

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a writing transaction, again when it lost against another one.

        A deadlock, a lock wait that timed out or a busy SQLite file rolls back the whole
        transaction, so `work` must do nothing but SQL. Raises DatabaseError when the database
        does not answer or the losing does not end.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self.write() as tx:
                    return work(tx)
            except sa.exc.DBAPIError as error:
                if not _is_operational(error):
                    raise
                if attempt == _ATTEMPTS or not lost_against_another(error):
                    raise DatabaseError(f"the database refused: {error.orig}") from error
                self.clock.wait(threading.Event(), random.random() * 0.02 * 2**attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def query(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a reading transaction; raises DatabaseError as `transact` does."""
        try:
            with self.read() as tx:
                return work(tx)
        except sa.exc.DBAPIError as error:
            if not _is_operational(error):
                raise
            raise DatabaseError(f"the database refused: {error.orig}") from error

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that may write; it commits at the end, and rolls back on an error."""
        with self._turn, self.engine.connect() as connection:
            connection = connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield Transaction(connection, self.tables, self.measure(connection))

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that only reads, at the estimated time of the database."""
        with self._turn, self.engine.connect() as connection:
            yield Transaction(connection, self.tables, self.time.now())

    def measure(self, connection: sa.Connection) -> datetime:
        """Ask the database for its time (UTC), and remember the offset for `self.time`."""
        if self.clock.replaces_database_time or self.dialect == "sqlite":
            return self.clock.now()  # SQLite's time is the host's
        sent = self.clock.monotonic()
        now: datetime = connection.execute(sa.text(_NOW[self.dialect])).scalar_one()
        now = now.replace(tzinfo=UTC) if now.tzinfo is None else now.astimezone(UTC)
        self.time.measured(now, sent, self.clock.monotonic())
        return now

    def refuse_old_server(self) -> None:
        """Raise ConfigurationError when the server is older than jobsched can use."""
        with self.engine.connect() as connection:
            found = connection.dialect.server_version_info or ()
            name = "mariadb" if getattr(connection.dialect, "is_mariadb", False) else self.dialect
        minimum = _MINIMUM[name]
        if found[: len(minimum)] < minimum:
            raise ConfigurationError(
                f"{name} {'.'.join(map(str, found))} is too old: jobsched needs "
                f"{'.'.join(map(str, minimum))} or newer"
            )

    def dispose(self) -> None:
        """Close our connections; the host's engine is not touched."""
        if not self.in_memory:
            self.engine.dispose()


_NOW = {
    "postgresql": "SELECT clock_timestamp()",  # now() stands still in a transaction
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "mariadb": "SELECT UTC_TIMESTAMP(6)",
}


# Deadlock, lock wait timeout, and "record has changed since last read".
_LOST_MYSQL = frozenset({1213, 1205, 1020})
# Serialization failure, deadlock, lock not available.
_LOST_POSTGRESQL = frozenset({"40001", "40P01", "55P03"})


def lost_against_another(error: sa.exc.DBAPIError) -> bool:
    """Whether the transaction was rolled back for another one's sake, and may be tried again."""
    if error.connection_invalidated:
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state in _LOST_POSTGRESQL
    arguments = getattr(error.orig, "args", ())
    if arguments and arguments[0] in _LOST_MYSQL:
        return True
    return getattr(error.orig, "sqlite_errorname", "").startswith("SQLITE_BUSY")


def _is_operational(error: sa.exc.DBAPIError) -> bool:
    operational = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError)
    return error.connection_invalidated or isinstance(error, operational)


_opened: "weakref.WeakSet[Database]" = weakref.WeakSet()


def _forget_connections_after_fork() -> None:
    """A child process must not use, nor close, the connections of its parent."""
    for database in _opened:
        if not database.in_memory:
            database.engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget_connections_after_fork)


def open_sibling(engine: sa.Engine | sa.URL | str) -> sa.Engine:
    """Our own engine on the same database, with our own pool and listeners."""
    if isinstance(engine, str | sa.URL):
        host = engine_for(engine)
    elif isinstance(engine, sa.Engine):
        host = engine
    else:
        raise ConfigurationError(
            f"{type(engine).__name__} is not an Engine, a URL or a string; "
            "with an AsyncEngine write Scheduler(async_engine.sync_engine.url)"
        )
    if host.dialect.name not in _MINIMUM:
        raise ConfigurationError(
            f"{host.dialect.name} is not supported: use SQLite, PostgreSQL, MySQL or MariaDB"
        )
    if host.dialect.is_async:
        raise ConfigurationError(
            f"the driver {host.dialect.driver} is asynchronous; give a synchronous URL, such as "
            "postgresql+psycopg://… or mysql+pymysql://…"
        )
    shared = isinstance(host.pool, StaticPool)
    pool = host.pool if shared else host.pool.recreate()
    sibling = sa.Engine(pool=pool, dialect=host.dialect, url=host.url)
    if not shared:
        _prepare_connections(sibling)
    if sibling.dialect.name == "sqlite":
        event.listen(sibling, "begin", _begin_sqlite)
    return sibling


def engine_for(url: sa.URL | str) -> sa.Engine:
    """An engine for a URL in any of the spellings that hosts use (`postgres://`, `mysql://`)."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigurationError(
            "the database URL cannot be read; write sqlite:///jobs.db, "
            "postgresql://user@host/name or mysql://user@host/name"
        ) from error
    if parsed.drivername in _DRIVERS:
        parsed = parsed.set(drivername=_DRIVERS[parsed.drivername][0])
    options: dict[str, Any] = {}
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    elif parsed.get_backend_name() != "sqlite":
        options = {"pool_pre_ping": True}
    try:
        return sa.create_engine(parsed, **options)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(error.name or "", "")
        hint = f"pip install 'jobsched[{extra}]'" if extra else f"pip install {error.name}"
        raise ConfigurationError(f"the driver {error.name} is not installed: {hint}") from error
    except sa.exc.NoSuchModuleError as error:
        raise ConfigurationError(
            f"{parsed.drivername!r} is no database that SQLAlchemy knows: use sqlite, postgresql, "
            "mysql or mariadb"
        ) from error


def _prepare_connections(engine: sa.Engine) -> None:
    name = engine.dialect.name

    @event.listens_for(engine.pool, "connect")
    def prepare(dbapi_connection: Any, _record: Any) -> None:
        if name == "sqlite":
            dbapi_connection.isolation_level = None  # we say BEGIN ourselves
            statements = [
                "PRAGMA busy_timeout = 30000",
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = FULL",
            ]
        elif name == "postgresql":
            engine.dialect.set_isolation_level(dbapi_connection, "READ COMMITTED")
            statements = [
                "SET lock_timeout = '30s'",
                "SET idle_in_transaction_session_timeout = '60s'",
            ]
        else:
            engine.dialect.set_isolation_level(dbapi_connection, "READ COMMITTED")
            statements = ["SET SESSION time_zone = '+00:00'"]
        cursor = dbapi_connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
        if name != "sqlite":
            dbapi_connection.commit()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A deferred transaction that upgrades to a write fails at once, whatever the busy timeout.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def seconds(value: timedelta | None) -> float | None:
    """A duration as its column stores it."""
    return None if value is None else value.total_seconds()


def duration(value: float | None) -> timedelta | None:
    """A duration as its column gave it."""
    return None if value is None else timedelta(seconds=value)
