"""The host's database as jobsched uses it: transactions, the database's time, old servers."""

import os
import random
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from jobsched.clock import Clock, DatabaseTime, SystemClock
from jobsched.errors import ConfigurationError, DatabaseError
from jobsched.failpoints import failpoint
from jobsched.store.sibling import READS_ONCE, WRITES, open_sibling
from jobsched.store.statements import Statements
from jobsched.store.tables import build_tables

T = TypeVar("T")

_ATTEMPTS = 5
"""How often a transaction is tried when it loses against another one."""
_MINIMUM = {
    "sqlite": (3, 35),
    "postgresql": (12,),
    "mysql": (8, 0),
    "mariadb": (10, 6),
}


class Transaction:
    """An open transaction: its connection, the tables, and the database's time in it."""

    __slots__ = ("_measure", "_now", "connection", "statements", "tables")

    def __init__(
        self,
        connection: sa.Connection,
        statements: Statements,
        now: datetime | None,
        measure: Callable[[sa.Connection], datetime],
    ) -> None:
        """Without `now` the time is that of the first statement that brings it, or asked for."""
        self.connection = connection
        self.statements = statements
        self.tables = statements.tables
        self._now = now
        self._measure = measure

    @property
    def now(self) -> datetime:
        """The database's time, the same for the whole transaction."""
        if self._now is None:
            self._now = self._measure(self.connection)
        return self._now

    def assume(self, now: datetime | None) -> None:
        """Its time is `now`, if it has none yet."""
        self._now = self._now or now

    def advance(self, now: datetime) -> None:
        """It has waited: its time is `now`, unless that is earlier."""
        self._now = max(self.now, now)

    def measure(self) -> None:
        """Ask for the database's time anew; this transaction's own stays."""
        self._measure(self.connection)

    def first(
        self, statement: sa.Select[Any], parameters: Mapping[str, Any] | None = None
    ) -> Sequence[sa.Row[Any]]:
        """The rows of a statement that selects `statements.time`: its time is the transaction's."""
        found = self.connection.execute(statement, parameters or {}).all()
        if self._now is None and found and found[0].database_time is not None:
            self._now = aware(found[0].database_time)
        return found


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
        self._statements: dict[bool, Statements] = {}
        self._source = engine
        self.engine = open_sibling(engine)
        self._own = not isinstance(engine, sa.Engine)
        if schema is not None and self.dialect == "sqlite":
            raise ConfigurationError(
                f"SQLite has no schemas such as {schema!r}: use a table prefix instead"
            )
        self._take_turns()
        _opened.add(self)

    def _take_turns(self) -> None:
        """Whose transactions wait for each other here, before they come to the database.

        In memory there is one connection for all threads. A file has one writer at a time, and
        SQLite looks whether it is its turn in ever longer sleeps.
        """
        self._reading: AbstractContextManager[Any] = nullcontext()
        self._writing: AbstractContextManager[Any] = nullcontext()
        if self.dialect == "sqlite":
            self._writing = threading.RLock()
        if self.in_memory:
            self._reading = self._writing

    def twin(self) -> "Database":
        """The same database through a pool of its own, for what must never wait for the others.

        In memory there is one connection: the twin is the database itself.
        """
        if self.in_memory:
            return self
        tables = self.tables
        return Database(self._source, prefix=tables.prefix, schema=tables.schema, clock=self.clock)

    @property
    def dialect(self) -> str:
        """`sqlite`, `postgresql`, `mysql` or `mariadb`."""
        return self.engine.dialect.name

    @property
    def in_memory(self) -> bool:
        """True for an in-memory SQLite database, which only this process can see."""
        return isinstance(self.engine.pool, StaticPool)

    def transact(self, work: Callable[[Transaction], T], *, at: datetime | None = None) -> T:
        """Run `work` in a writing transaction, again when it lost against another one.

        Once more, too, when its connection turns out to have been cut before the commit: while it
        idled in the pool, as a rule.

        With `at` that is the transaction's time, which the server is asked for otherwise.

        A deadlock, a lock wait that timed out or a busy SQLite file rolls back the whole
        transaction, so `work` must do nothing but SQL. Raises DatabaseError when the database
        does not answer or the losing does not end.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            done = False
            try:
                with self.write(at) as tx:
                    result = work(tx)
                    done = True
                return result
            except sa.exc.DBAPIError as error:
                if not _is_operational(error):
                    raise
                if error.connection_invalidated and attempt == 1 and not done:
                    continue
                if attempt == _ATTEMPTS or not lost_against_another(error):
                    raise DatabaseError(f"the database refused: {_said(error)}") from error
                self.clock.wait(threading.Event(), random.random() * 0.02 * 2**attempt)
            except sa.exc.TimeoutError as error:
                raise DatabaseError(f"no connection of the pool became free: {error}") from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def query(self, work: Callable[[Transaction], T], *, once: bool = False) -> T:
        """Run `work` in a reading transaction; raises DatabaseError as `transact` does.

        With `once` it is a single SELECT, which sees one state of the database by itself.
        """
        for is_last in (False, True):
            try:
                with self.read(once=once) as tx:
                    return work(tx)
            except sa.exc.DBAPIError as error:
                if not _is_operational(error):
                    raise
                if error.connection_invalidated and not is_last:
                    continue  # it was cut while it idled in the pool
                raise DatabaseError(f"the database refused: {_said(error)}") from error
            except sa.exc.TimeoutError as error:
                raise DatabaseError(f"no connection of the pool became free: {error}") from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    @contextmanager
    def write(self, at: datetime | None = None) -> Iterator[Transaction]:
        """A transaction that may write; it commits at the end, and rolls back on an error."""
        with self._writing, self.engine.connect() as connection:
            connection = connection.execution_options(**{WRITES: True})
            with connection.begin():
                yield self.transaction(connection, at)
                failpoint("commit.before")
        failpoint("commit.after")

    @contextmanager
    def read(self, *, once: bool = False) -> Iterator[Transaction]:
        """A transaction that only reads, at the estimated time of the database."""
        with self._reading, self.engine.connect() as connection:
            if once:
                connection = connection.execution_options(**{READS_ONCE: True})
            yield self.transaction(connection, self.time.now())

    def transaction(self, connection: sa.Connection, now: datetime | None = None) -> Transaction:
        """The transaction that is open on `connection`."""
        if now is None and self.now_expression is None:
            now = self.clock.now()
        return Transaction(connection, self.statements, now, self.measure)

    @property
    def statements(self) -> Statements:
        """Those that are built already, for the clock that is used now."""
        now = self.now_expression
        found = self._statements.get(now is None)
        if found is None:
            found = self._statements[now is None] = Statements(
                self.tables, self.dialect, self.engine.dialect, now
            )
        return found

    @property
    def now_expression(self) -> sa.ColumnElement[datetime] | None:
        """The server's clock in SQL; None where the host's clock is the database's."""
        if self.clock.replaces_database_time or self.dialect == "sqlite":
            return None
        return _NOW[self.dialect]

    def measure(self, connection: sa.Connection) -> datetime:
        """Ask the database for its time (UTC), and remember the offset for `self.time`."""
        expression = self.now_expression
        if expression is None:
            return self.clock.now()
        sent = self.clock.monotonic()
        return self.measured(connection.execute(sa.select(expression)).scalar_one(), sent)

    def measured(self, value: datetime, sent: float) -> datetime:
        """The server's answer, sent for at the monotonic second `sent`, as an aware time."""
        now = aware(value)
        self.time.measured(now, sent, self.clock.monotonic())
        return now

    def refuse_old_server(self) -> None:
        """Raise ConfigurationError when the server is older than jobsched can use."""
        dialect = self.query(lambda tx: tx.connection.dialect)  # knows it once it is connected
        found = dialect.server_version_info or ()
        name = "mariadb" if getattr(dialect, "is_mariadb", False) else self.dialect
        minimum = _MINIMUM[name]
        if found[: len(minimum)] < minimum:
            raise ConfigurationError(
                f"{name} {'.'.join(map(str, found))} is too old: jobsched needs "
                f"{'.'.join(map(str, minimum))} or newer"
            )

    def dispose(self) -> None:
        """Close our connections; the host's engine is not touched.

        In memory the one connection is the database: it ends here if it was made from a URL.
        """
        if self._own or not self.in_memory:
            self.engine.dispose()


def aware(value: datetime) -> datetime:
    """The server's answer to what time it is; MySQL and MariaDB leave the zone out."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_NOW: dict[str, sa.ColumnElement[datetime]] = {
    # now() stands still in a transaction
    "postgresql": sa.literal_column("clock_timestamp()", sa.DateTime(timezone=True)),
    "mysql": sa.literal_column("UTC_TIMESTAMP(6)", sa.DateTime()),
    "mariadb": sa.literal_column("UTC_TIMESTAMP(6)", sa.DateTime()),
}


def _said(error: sa.exc.DBAPIError) -> str:
    """The driver's message in one line, without the error number that PyMySQL wraps it in."""
    arguments: tuple[object, ...] = getattr(error.orig, "args", ())
    said = arguments[1] if len(arguments) > 1 else error.orig
    return " ".join(str(said).split())


# Deadlock, lock wait timeout, and "record has changed since last read".
_LOST_MYSQL = frozenset({1213, 1205, 1020})
# Serialization failure, deadlock, lock not available.
_LOST_POSTGRESQL = frozenset({"40001", "40P01", "55P03"})
# What stands in the file is no database, or no longer one: sqlite3 has no class of its own for it.
_BROKEN_SQLITE = frozenset({"SQLITE_NOTADB", "SQLITE_CORRUPT"})
# A check that a row failed, such as JSON's on MariaDB and MySQL: PyMySQL calls it operational.
_ROW_MYSQL = frozenset({4025, 3819, 3140})


def lost_against_another(error: sa.exc.DBAPIError) -> bool:
    """Whether the transaction was rolled back for another one's sake, and may be tried again."""
    if error.connection_invalidated:
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state in _LOST_POSTGRESQL
    if _number(error) in _LOST_MYSQL:
        return True
    return getattr(error.orig, "sqlite_errorname", "").startswith("SQLITE_BUSY")


def _is_operational(error: sa.exc.DBAPIError) -> bool:
    operational = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError)
    if _number(error) in _ROW_MYSQL:
        return False
    if getattr(error.orig, "sqlite_errorname", "") in _BROKEN_SQLITE:
        return True
    return error.connection_invalidated or isinstance(error, operational)


def _number(error: sa.exc.DBAPIError) -> object:
    return next(iter(getattr(error.orig, "args", ())), None)


_opened: "weakref.WeakSet[Database]" = weakref.WeakSet()


def _forget_connections_after_fork() -> None:
    """A child process must not use, nor close, the connections of its parent."""
    for database in _opened:
        database._take_turns()  # whoever had one is not here
        if not database.in_memory:
            database.engine.dispose(close=False)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_forget_connections_after_fork)


def seconds(value: timedelta | None) -> float | None:
    """A duration as its column stores it."""
    return None if value is None else value.total_seconds()


def duration(value: float | None) -> timedelta | None:
    """A duration as its column gave it."""
    return None if value is None else timedelta(seconds=value)
