"""A sibling of the host's engine: its database and connect arguments, our pool and listeners.

Nothing is installed on the host's engine. The sibling keeps the host's `creator`, connect
arguments, `do_connect` and pool listeners; each of its connections is set up the same way,
whatever the host's are like.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import StaticPool

from jobsched.errors import ConfigurationError

WRITES = "jobsched_writes"
"""The execution option of a connection whose next transaction may write."""
READS_ONCE = "jobsched_reads_once"
"""The execution option of a connection whose next transaction is one SELECT."""

SYNCHRONOUS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
"""The databases that jobsched can use, each with the driver that it prefers."""
_SPELLINGS = {**SYNCHRONOUS, "postgres": SYNCHRONOUS["postgresql"]}
_EXTRAS = {"postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql"}

# One statement each: a connection that was cut is made anew over a slow network, too, and the
# next heartbeat waits for it.
_PREPARATION = {
    "sqlite": "PRAGMA synchronous = FULL",
    "postgresql": (
        "SELECT set_config('lock_timeout', '30s', false),"
        # Who froze within a transaction holds its rows: ours never idle for so long.
        " set_config('idle_in_transaction_session_timeout', '10s', false)"
    ),
    "mysql": (
        "SET SESSION autocommit = 0, time_zone = '+00:00',"
        " innodb_lock_wait_timeout = 30, lock_wait_timeout = 30,"
        # Without it a value that is too long is cut, and two keys may become one.
        " sql_mode = CONCAT_WS(',', 'STRICT_TRANS_TABLES', NULLIF(@@sql_mode, ''))"
        # MariaDB alone can end the session of who froze within a transaction, and its locks.
        " /*M!100300 , idle_transaction_timeout = 10 */"
    ),
}
_PREPARATION["mariadb"] = _PREPARATION["mysql"]
_FOUND_ROWS = 2
"""The flag of the MySQL protocol that makes an UPDATE count the rows it found."""


def open_sibling(engine: sa.Engine | sa.URL | str) -> sa.Engine:
    """Our own engine on the same database; it connects later, at its first use.

    An engine with a StaticPool, as in-memory SQLite needs, is shared instead: its one
    connection is the database. Raises ConfigurationError for what jobsched cannot use.
    """
    host = engine_for(engine) if isinstance(engine, str | sa.URL) else engine
    host = getattr(host, "sync_engine", host)  # an AsyncEngine's; its driver is refused below
    if not isinstance(host, sa.Engine):
        raise ConfigurationError(f"{type(engine).__name__} is not an Engine, a URL or a string")
    name = host.dialect.name
    _refuse_unknown(name)
    if host.dialect.is_async:
        wanted = SYNCHRONOUS[name]
        raise ConfigurationError(
            f"the engine is asynchronous (driver {host.dialect.driver}), and the daemon works in "
            f"threads: give a synchronous URL, {wanted}://…; from an AsyncEngine that is "
            f'async_engine.url.set(drivername="{wanted}")'
        )
    shared = isinstance(host.pool, StaticPool)
    pool = host.pool if shared else host.pool.recreate()
    sibling = sa.Engine(pool=pool, dialect=host.dialect, url=host.url)
    if not shared:
        _prepare_connections(sibling)
        _notice_dead_networks(sibling)
    if name == "sqlite":
        event.listen(sibling, "begin", _begin_sqlite)
    return sibling


_TIMEOUTS: dict[str, dict[str, int]] = {
    # libpq's parameters, in seconds but for the last, which is in milliseconds.
    "psycopg": {
        "connect_timeout": 10,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    },
    "pymysql": {"connect_timeout": 10, "read_timeout": 60, "write_timeout": 60},
}


def _notice_dead_networks(sibling: sa.Engine) -> None:
    """A connection that was cut without a word must not be waited for for ever.

    What the host itself has set stays.
    """
    timeouts = _TIMEOUTS.get(sibling.dialect.driver)
    if timeouts is None:
        return

    @event.listens_for(sibling, "do_connect")
    def add(
        _dialect: sa.Dialect, _record: Any, _arguments: list[Any], parameters: dict[str, Any]
    ) -> None:
        for name, value in timeouts.items():
            parameters.setdefault(name, value)


def engine_for(url: sa.URL | str) -> sa.Engine:
    """An engine for a URL in any of the spellings that hosts use (`postgres://`, `mysql://`)."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigurationError(
            "the database URL cannot be read; write sqlite:///jobs.db, "
            "postgresql://user@host/name or mysql://user@host/name"
        ) from error
    parsed = parsed.set(drivername=_SPELLINGS.get(parsed.drivername, parsed.drivername))
    name = parsed.get_backend_name()
    _refuse_unknown(name)
    if name in ("mysql", "mariadb") and not parsed.database:
        raise ConfigurationError(
            f"the URL {parsed.render_as_string(hide_password=True)} names no database: write "
            f"{name}://user@host/name"
        )
    options: dict[str, Any] = {}
    if name == "sqlite" and parsed.database in (None, "", ":memory:"):
        options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    try:
        return sa.create_engine(parsed, **options)
    except (ImportError, sa.exc.NoSuchModuleError) as error:
        extra = _EXTRAS.get(name)
        install = f"pip install 'jobsched[{extra}]' and " if extra else ""
        raise ConfigurationError(
            f"the driver of {parsed.drivername}:// is not installed ({error}): "
            f"{install}write {name}://…"
        ) from error


def _refuse_unknown(name: str) -> None:
    if name not in SYNCHRONOUS:
        raise ConfigurationError(
            f"{name} is not supported: use SQLite, PostgreSQL, MySQL or MariaDB"
        )


def _prepare_connections(engine: sa.Engine) -> None:
    dialect = engine.dialect

    @event.listens_for(engine.pool, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        try:
            _prepare(connection, dialect)
        except BaseException:
            connection.close()  # the pool would leave it open until it is collected
            raise


def _prepare(connection: Any, dialect: sa.Dialect) -> None:
    cursor = connection.cursor()
    if dialect.name == "sqlite":
        _prepare_sqlite(connection, cursor, dialect)
    elif dialect.name == "postgresql":
        dialect.set_isolation_level(connection, "AUTOCOMMIT")
    else:
        _refuse_lost_rows(connection)
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    cursor.execute(_PREPARATION[dialect.name])
    cursor.close()
    if dialect.name == "postgresql":
        dialect.set_isolation_level(connection, "READ COMMITTED")


def _prepare_sqlite(connection: Any, cursor: Any, dialect: sa.Dialect) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    files = {name: file for _, name, file in cursor.execute("PRAGMA database_list")}
    if not files["main"]:
        raise ConfigurationError(
            "with this pool an in-memory SQLite database is a new, empty one for each thread: "
            'give the URL "sqlite://" itself, or create_engine("sqlite://", '
            'poolclass=StaticPool, connect_args={"check_same_thread": False})'
        )
    cursor.execute("PRAGMA busy_timeout = 30000")
    try:
        cursor.execute("PRAGMA journal_mode = WAL")
    except dialect.loaded_dbapi.OperationalError as error:
        # Switching does not wait, whatever the timeout. The mode is the file's, not ours: another
        # connection is switching it just now, or the next one will.
        if "locked" not in str(error):
            raise


def _refuse_lost_rows(connection: Any) -> None:
    # SQLAlchemy sets the flag; a host's own `creator` may not.
    flags = getattr(connection, "client_flag", _FOUND_ROWS)
    if not flags & _FOUND_ROWS:
        raise ConfigurationError(
            "the engine's creator connects without FOUND_ROWS, so that an UPDATE miscounts: "
            "give it client_flag=pymysql.constants.CLIENT.FOUND_ROWS"
        )


def _begin_sqlite(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    if options.get(READS_ONCE, False):
        return
    # A deferred transaction that upgrades to a write fails at once, whatever the busy timeout.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(WRITES, False) else "BEGIN")
