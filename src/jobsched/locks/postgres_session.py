"""The one database session in which PostgreSQL keeps the advisory locks of a process."""

import os
from contextlib import closing, suppress
from typing import Any

import sqlalchemy as sa

from jobsched.errors import ConfigurationError
from jobsched.locks.backend import LockUnavailableError
from jobsched.store.sibling import engine_for, open_sibling

_DATABASE_ERRORS = (sa.exc.SQLAlchemyError, OSError)
_TIMEOUTS = {
    "connect_timeout": "5",  # seconds
    "tcp_user_timeout": "5000",  # milliseconds without an acknowledgement
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}
"""What libpq is told with a URL, so that a network that swallows packets shows in seconds."""
_LONGEST_LIMIT_MS = 2**31 - 1


class SessionLostError(Exception):
    """The session has ended, and with it every lock that was taken in it."""


class PostgresSession:
    """A connection of our own, and the server process that it belongs to.

    Every statement has effect only in the server process that we began with. Behind a pooler that
    passes sessions from client to client, a lock would stay behind in somebody else's session.
    """

    def __init__(self, engine: sa.Engine | sa.URL | str) -> None:
        """Raises ConfigurationError for what is not PostgreSQL; connects in `open`."""
        self._engine = _engine_of_our_own(engine)
        self._connection: sa.Connection | None = None
        self._server_process = 0
        self._idle_limit_ms = 0
        self._process = os.getpid()
        self._inherited: list[sa.Connection] = []

    @property
    def is_open(self) -> bool:
        """True when this process has a session; it may have died since its last statement."""
        if self._process != os.getpid():
            self._leave_to_parent()
        return self._connection is not None

    def open(self) -> None:
        """Begin a session.

        Raises LockUnavailableError when the server cannot be reached, and ConfigurationError
        behind a pooler that shares sessions, as pgbouncer does in transaction mode.
        """
        try:
            self._connection = _connect(self._engine)
            self._server_process = _server_process(self._connection)
            shared = self._is_shared(self._connection)
        except _DATABASE_ERRORS as error:
            self._drop()
            reason = getattr(error, "orig", None) or error  # without SQLAlchemy's decoration
            raise LockUnavailableError(f"{self._place} cannot be reached: {reason}") from error
        self._idle_limit_ms = 0
        if shared:
            self._drop()
            raise self._pooler_error()

    def ask(self, expression: str, **values: object) -> Any:
        """The value of an SQL expression, computed in our session.

        Raises SessionLostError when the session has ended, and ConfigurationError when a pooler
        sent the statement to another one; then the expression is not computed.
        """
        if not self.is_open or self._connection is None:
            raise SessionLostError
        ours = "pg_backend_pid() = :ours"
        statement = sa.text(f"SELECT {ours}, CASE WHEN {ours} THEN {expression} END")
        try:
            row = self._connection.execute(statement, {"ours": self._server_process, **values})
            in_our_session, answer = row.one()
        except _DATABASE_ERRORS as error:
            self._drop()
            raise SessionLostError from error
        if not in_our_session:
            self._drop()
            raise self._pooler_error()
        return answer

    def end_when_silent_for(self, limit_ms: int) -> None:
        """Let the server end the session when it hears nothing for so long; 0 lets it live.

        Does nothing before PostgreSQL 14, which cannot do that. Raises as `ask`.
        """
        limit_ms = min(limit_ms, _LONGEST_LIMIT_MS)
        version = self._engine.dialect.server_version_info or ()
        if limit_ms != self._idle_limit_ms and version >= (14,):
            self.ask("set_config('idle_session_timeout', :limit, false)", limit=str(limit_ms))
            self._idle_limit_ms = limit_ms

    def close(self) -> None:
        """End the session, and with it its locks; `open` begins another."""
        if self.is_open:
            self._drop()

    def _is_shared(self, connection: sa.Connection) -> bool:
        if _announced_process(connection) == self._server_process:
            return False  # no pooler in between
        with closing(_connect(self._engine)) as another:
            # A pooler gives the server process that was used last to whoever asks next.
            if _server_process(another) == self._server_process:
                return True
            return _server_process(connection) != self._server_process

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*_DATABASE_ERRORS):
                connection.close()

    def _leave_to_parent(self) -> None:
        # After a fork the socket is the parent's. Closing our copy would end its session, so the
        # connection is kept from the garbage collector and never used.
        if self._connection is not None:
            self._inherited.append(self._connection)
        self._connection = None
        self._process = os.getpid()

    @property
    def _place(self) -> str:
        url = self._engine.url
        return f"PostgreSQL at {url.host or 'localhost'}:{url.port or 5432}/{url.database or ''}"

    def _pooler_error(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self._place} is behind a pooler that shares sessions between clients, as pgbouncer "
            "does in transaction mode, and advisory locks do not live there: give "
            "PostgresAdvisoryLock the server's own address or a pool in session mode, or use "
            "DatabaseLock"
        )


def _engine_of_our_own(engine: sa.Engine | sa.URL | str) -> sa.Engine:
    if isinstance(engine, str | sa.URL):
        engine = engine_for(engine)
        if engine.dialect.driver in ("psycopg", "psycopg2"):
            url = engine.url.update_query_dict({**_TIMEOUTS, **engine.url.query})
            engine = engine_for(url)
    sibling = open_sibling(engine)
    if sibling.dialect.name != "postgresql":
        raise ConfigurationError(
            f"PostgresAdvisoryLock cannot use {sibling.dialect.name}: give it a PostgreSQL engine "
            "or URL, or use DatabaseLock"
        )
    return sibling


def _connect(engine: sa.Engine) -> sa.Connection:
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.detach()  # it takes no place in the pool, and closing it ends the session
    return connection


def _server_process(connection: sa.Connection) -> int:
    return int(connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one())


def _announced_process(connection: sa.Connection) -> int | None:
    """The server process as the other end named it when we connected: a pooler makes one up."""
    driver_connection = connection.connection.driver_connection
    return getattr(getattr(driver_connection, "info", None), "backend_pid", None)
