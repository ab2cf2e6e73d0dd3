"""The sibling of the host's engine, transactions and time, on every database."""

import os
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from jobsched.clock import SystemClock
from jobsched.errors import ConfigurationError, DatabaseError
from jobsched.store import database as database_module
from jobsched.store.database import Database, Transaction
from jobsched.store.sibling import engine_for

NUMBERS = sa.Table(
    "numbers", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Text)
)


@pytest.fixture
def host(database_url: str) -> Iterator[sa.Engine]:
    """An engine as a host makes it, on an empty database."""
    engine = sa.create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sibling(host: sa.Engine) -> Iterator[Database]:
    """A Database opened from the host's engine, with a table of numbers."""
    database = Database(host)
    with database.write() as tx:
        NUMBERS.create(tx.connection)
        tx.connection.execute(sa.insert(NUMBERS).values(id=1, n="one"))
    yield database
    database.dispose()


def ask(database: Database, sql: str) -> Any:
    return database.query(lambda tx: tx.connection.execute(sa.text(sql)).scalar_one())


# which database


@pytest.mark.parametrize(
    ("url", "name", "driver"),
    [
        ("sqlite:///jobs.db", "sqlite", "pysqlite"),
        ("postgres://u@host/name", "postgresql", "psycopg"),
        ("postgresql://u@host/name", "postgresql", "psycopg"),
        ("mysql://u@host/name", "mysql", "pymysql"),
        ("mariadb://u@host/name", "mariadb", "pymysql"),
        ("mariadb+pymysql://u@host/name", "mariadb", "pymysql"),
    ],
)
def test_urls_as_hosts_spell_them(url: str, name: str, driver: str) -> None:
    """Every usual spelling finds its database and a driver that an extra installs."""
    dialect = engine_for(url).dialect
    assert (dialect.name, dialect.driver) == (name, driver)
    assert engine_for(sa.make_url(url)).dialect.name == name


def test_a_password_survives() -> None:
    """Rewriting the driver keeps user, password, address and options."""
    url = engine_for("postgres://u:p%40ss@host:5433/name?sslmode=require").url
    assert (url.username, url.password, url.port) == ("u", "p@ss", 5433)
    assert url.query == {"sslmode": "require"}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("jobs.db", r"cannot be read; write sqlite:///jobs\.db"),
        ("redis://127.0.0.1/0", "redis is not supported: use SQLite, PostgreSQL"),
        ("mssql://u@host/name", "mssql is not supported"),
        (
            "mysql://u:secret@host",
            r"mysql\+pymysql://u:\*\*\*@host names no database: write mysql://",
        ),
        ("mariadb://u@host/", "names no database: write mariadb://user@host/name"),
        ("mysql+nosuch://u@host/name", r"pip install 'jobsched\[mysql\]' and write mysql://"),
        ("sqlite+nosuch:///jobs.db", "is not installed.*: write sqlite://"),
        ("postgresql+psycopg_async://u@host/name", r'set\(drivername="postgresql\+psycopg"\)'),
        (sa.create_engine("postgresql+psycopg_async://u@host/name"), "is asynchronous"),
        (42, "int is not an Engine, a URL or a string"),
    ],
)
def test_what_cannot_be_used_is_refused(url: Any, message: str) -> None:
    """An engine that jobsched cannot use is refused at once, with what to write or install."""
    with pytest.raises(ConfigurationError, match=message):
        Database(url)


def test_a_password_is_not_told() -> None:
    """A URL that cannot be read is not repeated: it may hold a password."""
    with pytest.raises(ConfigurationError) as caught:
        Database("secret@host")
    assert "secret" not in str(caught.value)


def test_sqlite_has_no_schema() -> None:
    """A schema on SQLite is refused, and the prefix named instead."""
    with pytest.raises(ConfigurationError, match="'jobs': use a table prefix"):
        Database("sqlite://", schema="jobs")


def test_an_old_server_is_refused(sibling: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server older than the least version is refused with both versions; this one is not."""
    sibling.refuse_old_server()
    monkeypatch.setattr(
        database_module, "_MINIMUM", dict.fromkeys(database_module._MINIMUM, (99, 1))
    )
    with pytest.raises(ConfigurationError, match=r"\d+\.\d+.* is too old: jobsched needs 99\.1"):
        sibling.refuse_old_server()


def test_a_server_that_is_away_at_the_start_is_a_database_error() -> None:
    """Whoever starts a daemon while the server restarts gets the error to try again on."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        database = Database(f"postgresql://postgres@127.0.0.1:{nobody.getsockname()[1]}/x")
        with pytest.raises(DatabaseError, match="refused"):
            database.refuse_old_server()
    database.dispose()


@pytest.mark.backends("mariadb")
def test_mariadb_is_known_by_itself_whatever_the_url_says(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A MariaDB behind a mysql:// URL is judged as MariaDB."""
    database = Database(sa.make_url(database_url).set(drivername="mysql"))
    monkeypatch.setitem(database_module._MINIMUM, "mariadb", (99,))
    with pytest.raises(ConfigurationError, match=r"^mariadb 1\d\.\d+"):
        database.refuse_old_server()
    database.dispose()


# the host's engine is left as it is


def test_the_hosts_engine_gets_nothing_of_ours(host: sa.Engine, sibling: Database) -> None:
    """Neither its connections nor its listeners change, and it survives our dispose."""
    with host.connect() as connection:
        before = settings(connection)
    assert before != ask_settings(sibling)
    sibling.dispose()
    with host.connect() as connection:
        assert settings(connection) == before
        assert connection.execute(sa.select(NUMBERS.c.n)).scalar_one() == "one"


SETTINGS = {
    "sqlite": ("PRAGMA busy_timeout",),
    "postgresql": ("SHOW lock_timeout", "SHOW idle_in_transaction_session_timeout"),
    "mysql": ("SELECT @@time_zone", "SELECT @@tx_isolation", "SELECT @@lock_wait_timeout"),
    "mariadb": (
        "SELECT @@time_zone",
        "SELECT @@tx_isolation",
        "SELECT @@lock_wait_timeout",
        "SELECT @@idle_transaction_timeout",
    ),
}


def settings(connection: sa.Connection) -> list[Any]:
    return [connection.exec_driver_sql(s).scalar() for s in SETTINGS[connection.dialect.name]]


def ask_settings(database: Database) -> list[Any]:
    return database.query(lambda tx: settings(tx.connection))


def test_our_connections_are_prepared(sibling: Database) -> None:
    """Time-outs, isolation and zone are ours on every connection, also after a dispose."""
    wanted = {
        "sqlite": [30000],
        "postgresql": ["30s", "10s"],
        "mariadb": ["+00:00", "READ-COMMITTED", 30, 10],
    }
    assert ask_settings(sibling) == wanted[sibling.dialect]
    sibling.engine.dispose()
    assert ask_settings(sibling) == wanted[sibling.dialect]


@pytest.mark.backends("mariadb")
def test_a_new_connection_is_prepared_in_two_statements(sibling: Database) -> None:
    """After a cut the next heartbeat waits for them: over a slow network each one takes its time.

    The driver and SQLAlchemy ask three, and the question itself is one.
    """
    sibling.engine.dispose()
    with sibling.engine.connect() as connection:
        asked = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Questions'").one()
    assert int(asked[1]) <= 6


CREATE = {
    "sqlite": lambda url: sqlite3.connect(url.database, check_same_thread=False),
    "postgresql": lambda url: psycopg.connect(
        host=url.host, port=url.port, user=url.username, dbname=url.database
    ),
    "mariadb": lambda url: pymysql.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        database=url.database,
        client_flag=pymysql.constants.CLIENT.FOUND_ROWS,
    ),
}


def test_a_hosts_creator_and_listeners_are_kept(database_url: str) -> None:
    """What the host does to connect, such as fetching a token, happens for our connections too."""
    url = sa.make_url(database_url)
    seen: list[str] = []

    def creator() -> Any:
        seen.append("creator")
        return CREATE[url.get_backend_name()](url)

    host = sa.create_engine(database_url, creator=creator)
    sa.event.listen(host, "connect", lambda *_: seen.append("connect"))
    database = Database(host)
    assert ask(database, "SELECT 1") == 1
    assert seen == ["creator", "connect"]
    database.dispose()


def test_do_connect_listeners_and_arguments_are_kept(database_url: str) -> None:
    """`do_connect`, which may change the connect arguments, is called for our connections too."""
    host = sa.create_engine(database_url)
    seen: list[dict[str, Any]] = []
    sa.event.listen(host, "do_connect", lambda _d, _r, _a, arguments: seen.append(dict(arguments)))
    database = Database(host)
    assert ask(database, "SELECT 1") == 1
    assert len(seen) == 1
    database.dispose()


@pytest.mark.backends("postgresql")
def test_connect_arguments_are_kept(database_url: str) -> None:
    """A host's connect arguments, such as a search path, hold for our connections."""
    options = {"options": "-c search_path=elsewhere", "application_name": "shop"}
    database = Database(sa.create_engine(database_url, connect_args=options))
    assert ask(database, "SHOW search_path") == "elsewhere"
    assert ask(database, "SHOW application_name") == "shop"
    database.dispose()


@pytest.mark.parametrize("level", ["AUTOCOMMIT", "SERIALIZABLE"])
def test_the_hosts_isolation_is_not_ours(database_url: str, level: str) -> None:
    """On a host's autocommit or serializable engine our transactions are transactions still."""
    database = Database(sa.create_engine(database_url, isolation_level=level))
    with database.write() as tx:
        NUMBERS.create(tx.connection)

    def fail(tx: Transaction) -> None:
        tx.connection.execute(sa.insert(NUMBERS).values(id=1))
        raise LookupError

    with pytest.raises(LookupError):
        database.transact(fail)
    assert ask(database, "SELECT count(*) FROM numbers") == 0
    database.dispose()


@pytest.mark.parametrize("pool", [NullPool, QueuePool])
def test_any_pool_will_do(database_url: str, pool: type[sa.Pool]) -> None:
    """A host without a pool, or with a single connection in it, serves as well."""
    database = Database(sa.create_engine(database_url, poolclass=pool))
    assert type(database.engine.pool) is pool
    assert [ask(database, "SELECT 1") for _ in range(3)] == [1, 1, 1]
    database.dispose()


# SQLite


def test_a_relative_path_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that changes its folder later goes on with the same file."""
    monkeypatch.chdir(tmp_path)
    database = Database("sqlite:///jobs.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with database.write() as tx:
        NUMBERS.create(tx.connection)
    assert (tmp_path / "jobs.db").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    database.dispose()


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("sqlite://", {}),
        ("sqlite:///:memory:", {}),
        ("sqlite:///file:x?mode=memory&cache=shared&uri=true", {"poolclass": QueuePool}),
        ("sqlite:///ignored.db", {"creator": lambda: sqlite3.connect(":memory:")}),
    ],
)
def test_an_engine_in_memory_that_is_new_for_each_thread_is_refused(
    url: str, options: dict[str, Any]
) -> None:
    """Where threads or connections would not see each other's rows, the line to write is told."""
    database = Database(sa.create_engine(url, **options))
    with pytest.raises(ConfigurationError, match="poolclass=StaticPool"):
        ask(database, "SELECT 1")
    database.dispose()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_in_memory_by_url_all_threads_share_one_database(url: str) -> None:
    """Threads write one after the other into one database in memory, and none is lost."""
    database = Database(url)
    assert database.in_memory
    with database.write() as tx:
        NUMBERS.create(tx.connection)

    def add(number: int) -> None:
        with database.write() as tx:
            tx.connection.execute(sa.insert(NUMBERS).values(id=number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(200)))
    assert ask(database, "SELECT count(*) FROM numbers") == 200
    database.engine.dispose()


def test_a_host_in_memory_shares_its_own_engine() -> None:
    """With StaticPool the host sees our rows, and our dispose does not take its database away."""
    arguments = {"check_same_thread": False}
    host = sa.create_engine("sqlite://", poolclass=StaticPool, connect_args=arguments)
    database = Database(host)
    with database.write() as tx:
        NUMBERS.create(tx.connection)
    database.dispose()
    with host.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(NUMBERS)).scalar() == 0
    host.dispose()


@pytest.mark.backends("sqlite")
def test_a_fresh_file_is_opened_by_many_at_once(tmp_path: Path) -> None:
    """Switching a new file to WAL does not fail for those who come at the same moment."""
    for number in range(20):
        databases = [Database(f"sqlite:///{tmp_path / str(number)}.db") for _ in range(8)]
        barrier = threading.Barrier(len(databases))

        def use(database: Database, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            with database.write() as tx:
                tx.connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (a INTEGER)")

        with ThreadPoolExecutor(len(databases)) as pool:
            list(pool.map(use, databases))
        assert ask(databases[0], "PRAGMA journal_mode") in ("wal", "delete")
        for database in databases:
            database.dispose()


@pytest.mark.backends("sqlite")
def test_sqlite_is_durable(sibling: Database) -> None:
    """A file is in WAL mode, and a commit is on the disk before it counts."""
    assert ask(sibling, "PRAGMA journal_mode") == "wal"
    assert ask(sibling, "PRAGMA synchronous") == 2


@pytest.mark.backends("sqlite")
def test_a_reader_that_writes_later_waits_its_turn(sibling: Database) -> None:
    """Writers take the lock at BEGIN: two that read first and write then both succeed."""
    barrier = threading.Barrier(2)

    def increment(tx: Transaction) -> None:
        value = int(tx.connection.execute(sa.select(NUMBERS.c.n)).scalar_one())
        tx.connection.execute(sa.update(NUMBERS).values(n=str(value + 1)))

    def work(_: int) -> None:
        barrier.wait()
        for _number in range(20):
            sibling.transact(increment)

    with sibling.write() as tx:
        tx.connection.execute(sa.update(NUMBERS).values(n="0"))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    assert ask(sibling, "SELECT n FROM numbers") == "40"


# MySQL and MariaDB


def test_an_update_counts_the_rows_it_found(sibling: Database) -> None:
    """A row that already has the value counts, on every database: guards rely on the count."""
    with sibling.write() as tx:
        update = sa.update(NUMBERS).where(NUMBERS.c.id == 1).values(n="one")
        assert tx.connection.execute(update).rowcount == 1


@pytest.mark.backends("mariadb")
def test_a_creator_without_found_rows_is_refused(database_url: str) -> None:
    """A host's creator that would make counts lie is refused with the flag to give."""
    url = sa.make_url(database_url)

    def creator() -> Any:
        return pymysql.connect(
            host=url.host, port=url.port, user=url.username, database=url.database
        )

    database = Database(sa.create_engine(database_url, creator=creator))
    with pytest.raises(
        ConfigurationError, match=r"client_flag=pymysql\.constants\.CLIENT\.FOUND_ROWS"
    ):
        ask(database, "SELECT 1")
    database.dispose()


@pytest.mark.backends("mariadb")
def test_a_value_that_is_too_long_is_never_cut(database_url: str) -> None:
    """On a server that is not strict our sessions are: a cut key would equal another one."""
    lax = sa.create_engine(database_url, connect_args={"init_command": "SET sql_mode = ''"})
    database = Database(lax)
    database.tables.metadata.create_all(database.engine)

    def insert(tx: Transaction) -> None:
        worker = dict.fromkeys(("app", "worker_type", "status", "hostname", "version"), "x")
        times = dict.fromkeys(("started_at", "last_heartbeat_at"), tx.now)
        numbers = dict.fromkeys(("pid", "capacity", "running"), 1)
        rest = {"lock_timeout_s": 60, "poll_interval_s": 5, "environment": "e" * 101}
        row = {"id": "w", **worker, **times, **numbers, **rest}
        tx.connection.execute(sa.insert(tx.tables.worker_instance).values(row))

    with pytest.raises(sa.exc.DataError, match="too long"):
        database.transact(insert)
    database.dispose()


# transactions


def test_an_error_rolls_back(sibling: Database) -> None:
    """Nothing of a transaction that raised is kept, and the error is the caller's own."""

    def fail(tx: Transaction) -> None:
        tx.connection.execute(sa.insert(NUMBERS).values(id=2))
        raise LookupError

    with pytest.raises(LookupError):
        sibling.transact(fail)
    assert ask(sibling, "SELECT count(*) FROM numbers") == 1


def test_a_constraint_is_not_a_database_that_is_gone(sibling: Database) -> None:
    """An integrity error is passed on as it is, at the first attempt."""
    attempts = []

    def twice(tx: Transaction) -> None:
        attempts.append(1)
        tx.connection.execute(sa.insert(NUMBERS).values(id=1))

    with pytest.raises(sa.exc.IntegrityError):
        sibling.transact(twice)
    assert len(attempts) == 1


@pytest.mark.backends("postgresql", "mariadb")
def test_a_value_that_the_server_refuses_is_the_rows_fault(database: Database) -> None:
    """JSON that the server cannot take is no outage: it would fail again for ever."""

    def poison(tx: Transaction) -> None:
        texts = dict.fromkeys(("app", "who", "what", "target"), "x")
        row = {"before_state": {"n": float("nan")}, "created_at": tx.now, **texts}
        tx.connection.execute(sa.insert(tx.tables.audit_log).values(row))

    with pytest.raises(sa.exc.DBAPIError):
        database.transact(poison)


@pytest.mark.parametrize("verb", ["query", "transact"])
@pytest.mark.backends("postgresql")
def test_a_pool_that_is_exhausted_is_a_database_error(database_url: str, verb: str) -> None:
    """A host whose pool is too small gets the same error as for a database that is gone."""
    small = sa.create_engine(database_url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    database = Database(small)
    with (
        database.read(),
        pytest.raises(DatabaseError, match="no connection of the pool became free"),
    ):
        getattr(database, verb)(lambda tx: None)
    database.dispose()


@pytest.mark.backends("postgresql", "mariadb")
def test_a_deadlock_is_tried_again(sibling: Database) -> None:
    """Two transactions that lock the same rows crosswise both succeed in the end."""
    with sibling.write() as tx:
        tx.connection.execute(sa.insert(NUMBERS).values(id=2, n="two"))
    crossed = threading.Barrier(2)
    attempts: list[int] = []

    def lock(tx: Transaction, first: int, second: int, name: str) -> None:
        attempts.append(first)
        update = sa.update(NUMBERS).values(n=NUMBERS.c.n + name)
        tx.connection.execute(update.where(NUMBERS.c.id == first))
        if attempts.count(first) == 1:
            crossed.wait(10)
        tx.connection.execute(update.where(NUMBERS.c.id == second))

    with ThreadPoolExecutor(2) as pool:
        there = pool.submit(sibling.transact, lambda tx: lock(tx, 1, 2, "a"))
        back = pool.submit(sibling.transact, lambda tx: lock(tx, 2, 1, "b"))
        there.result(30)
        back.result(30)
    assert len(attempts) == 3
    with sibling.read() as tx:
        texts = tx.connection.execute(sa.select(NUMBERS.c.n)).scalars()
        assert [sorted(text[3:]) for text in texts] == [["a", "b"], ["a", "b"]]


@pytest.mark.parametrize("verb", ["query", "transact"])
def test_a_database_that_does_not_answer(verb: str) -> None:
    """No answer is a DatabaseError, and is not tried again here."""
    with pytest.raises(DatabaseError):
        getattr(Database("mysql://root@127.0.0.1:1/none"), verb)(lambda tx: None)


MY_SESSION = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT connection_id()"}
END_SESSION = {"postgresql": "SELECT pg_terminate_backend({})", "mariadb": "KILL {}"}


@pytest.mark.backends("postgresql", "mariadb")
def test_a_connection_that_was_cut_is_replaced(sibling: Database) -> None:
    """After a cut connection the next transaction has a new one."""

    def cut_myself(tx: Transaction) -> None:
        number = tx.connection.execute(sa.text(MY_SESSION[sibling.dialect])).scalar_one()
        other = sa.create_engine(sibling.engine.url, poolclass=NullPool)
        with other.connect() as connection:
            connection.exec_driver_sql(END_SESSION[sibling.dialect].format(number))
        tx.connection.execute(sa.select(NUMBERS))

    with pytest.raises(DatabaseError):
        sibling.transact(cut_myself)
    assert ask(sibling, "SELECT count(*) FROM numbers") == 1


@pytest.mark.backends("postgresql", "mariadb")
@pytest.mark.parametrize("verb", ["query", "transact"])
def test_a_connection_that_was_cut_while_it_idled_costs_nothing(
    sibling: Database, verb: str
) -> None:
    """A server that was restarted meanwhile is no error: the work is done on a new connection."""
    before = ask(sibling, MY_SESSION[sibling.dialect])
    other = sa.create_engine(sibling.engine.url, poolclass=NullPool)
    with other.connect() as connection:
        connection.exec_driver_sql(END_SESSION[sibling.dialect].format(before))
    work = getattr(sibling, verb)
    seen: list[int] = []

    def look(tx: Transaction) -> None:
        seen.append(tx.connection.execute(sa.text(MY_SESSION[sibling.dialect])).scalar_one())

    work(look)
    assert len(seen) == 1
    assert seen != [before]


@pytest.mark.backends("sqlite", "postgresql")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_process_opens_its_own_connections(sibling: Database) -> None:
    """After a fork the child neither uses nor closes what its parent has open."""
    assert ask(sibling, "SELECT count(*) FROM numbers") == 1
    child = os.fork()
    if child == 0:
        ok = False
        try:
            ok = ask(sibling, "SELECT count(*) FROM numbers") == 1
        finally:
            os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert ask(sibling, "SELECT count(*) FROM numbers") == 1


@pytest.mark.backends("sqlite")
def test_writers_of_one_process_wait_for_each_other_here(sibling: Database) -> None:
    """SQLite would have them sleep, each time longer; here the next one is woken."""
    with sibling.engine.connect() as connection:
        file = connection.connection.dbapi_connection
        assert file is not None
        file.execute("PRAGMA busy_timeout = 0")  # whoever comes to SQLite out of turn fails

    @sa.event.listens_for(sibling.engine.pool, "connect")
    def never_wait(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA busy_timeout = 0")

    def write(number: int) -> None:
        with sibling.write() as tx:
            tx.connection.execute(sa.insert(NUMBERS).values(id=number))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(2, 102)))
    assert ask(sibling, "SELECT count(*) FROM numbers") == 101


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_process_has_its_own_turn() -> None:
    """It does not wait for a thread that it has not: its parent's, in the middle of a write."""
    database = Database("sqlite://")
    begun, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with database.write():
            begun.set()
            go_on.wait()

    def read_in_a_child() -> int:
        child = os.fork()
        if child:
            return os.waitpid(child, 0)[1]
        found = None
        signal.alarm(10)  # its default is to end the child
        try:
            found = database.query(lambda tx: tx.connection.scalar(sa.text("SELECT 1")), once=True)
        finally:
            os._exit(0 if found == 1 else 1)

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        begun.wait()
        try:
            assert read_in_a_child() == 0
        finally:
            go_on.set()
        writing.result()
    database.dispose()


# time


def test_the_databases_time_is_aware_and_near_ours(sibling: Database) -> None:
    """A transaction carries the database's time in UTC; the estimate follows it."""
    with sibling.write() as tx:
        assert tx.now.utcoffset() == timedelta(0)
        assert abs(tx.now - SystemClock().now()) < timedelta(minutes=1)
        first = tx.now
    assert first <= sibling.time.now() < first + timedelta(minutes=1)


@pytest.mark.backends("postgresql", "mariadb")
def test_the_time_moves_on_within_a_transaction(sibling: Database) -> None:
    """The database's time is that of the reading, not of the transaction's beginning."""
    with sibling.write() as tx:
        began = tx.now
        assert sibling.measure(tx.connection) > began
        assert tx.now == began


INSTANTS = [
    datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2))),
    datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
]


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_instants_keep_their_microseconds(database: Database, instant: datetime) -> None:
    """An instant comes back as it was, aware and in UTC, and can be compared with others."""
    table = database.tables.job_log
    with database.write() as tx:
        row = {"job_run_id": 1, "level": "INFO", "message": "", "created_at": instant}
        tx.connection.execute(sa.insert(table).values(row))
        found = tx.connection.execute(
            sa.select(table.c.created_at).where(
                table.c.created_at <= instant,
                table.c.created_at > instant - timedelta(microseconds=1),
            )
        ).scalar_one()
    assert found == instant
    assert found.utcoffset() == timedelta(0)


def test_a_naive_time_is_refused_where_it_enters(database: Database) -> None:
    """A datetime without a zone never reaches the database."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - that it is naive is the point
    table = database.tables.job_log
    query = sa.select(table.c.id).where(table.c.created_at < naive)
    with database.read() as tx, pytest.raises(sa.exc.StatementError, match="naive datetime"):
        tx.connection.execute(query)


def test_ids_differ_by_letter_case(database: Database) -> None:
    """`Sync` and `sync` are two keys on every database, whatever the server's collation is."""
    table = database.tables.job_firing
    with database.write() as tx:
        texts = dict.fromkeys(("app", "trigger_type", "status"), "x")
        times = dict.fromkeys(("scheduled_for", "available_at", "created_at"), tx.now)
        rows = [
            {"dedup_key": key, "priority": 0, "version": 0, **texts, **times}
            for key in ("key:Sync", "key:sync", None, None)
        ]
        tx.connection.execute(sa.insert(table), rows)
        assert tx.connection.scalar(sa.select(sa.func.count()).select_from(table)) == 4


class FixedClock(SystemClock):
    """A clock that takes the database's place, as the public FakeClock does."""

    replaces_database_time = True

    def now(self) -> datetime:
        return INSTANTS[1]


def test_a_clock_may_replace_the_databases_time(database_url: str) -> None:
    """With such a clock the transaction's time is the clock's, and the database is not asked."""
    database = Database(database_url, clock=FixedClock())
    with database.write() as tx:
        assert tx.now == INSTANTS[1]
    assert database.time.now() == INSTANTS[1]
    assert database.time.skew == timedelta(0)
    database.dispose()
