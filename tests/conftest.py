"""What every test may ask for: an empty database on each backend, servers' addresses, a browser.

A test that takes `database_url` or `database` runs once on each backend; narrow that with
`@pytest.mark.backends("postgresql", "mariadb")`. A test that takes `redis_url` needs Redis, one
that takes `chromium` Debian's browser, and `axe_script` the checks of axe-core. Tests whose
server does not answer, or whose program is not there, are left out, and the summary says which and
why; what JOBSCHED_TEST_REQUIRE names (comma-separated) must be there, or the run fails.
"""

import os
import secrets
import shutil
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from jobsched.store import schema
from jobsched.store.database import Database
from jobsched.testing.clock import FakeClock

BACKENDS = ("sqlite", "postgresql", "mariadb")
DEFAULT_URLS = {
    "postgresql": "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
    "mariadb": "mariadb+pymysql://root@127.0.0.1:3306/test",
    "redis": "redis://127.0.0.1:6379/0",
}
DEFAULT_PORTS = {"postgresql": 5432, "mariadb": 3306, "redis": 6379}
FILES = {
    "browser": ("JOBSCHED_TEST_CHROMIUM", "/usr/bin/chromium"),
    "axe": ("JOBSCHED_TEST_AXE", "node_modules/axe-core/axe.min.js"),
}
"""What is no server: the variable that names the file, and where it is looked for without that."""
NEEDED_BY = {"redis_url": "redis", "chromium": "browser", "axe_script": "axe"}
"""What must be there for the tests that take a fixture."""
REQUIREMENTS = (*DEFAULT_URLS, *FILES)
OURS = "jobsched_test_"
"""How the names of test databases begin: `jobsched_test_<pid>_<random>_<number>`."""


# servers and programs: where they are, and whether they are there


def url_variable(server: str) -> str:
    return f"JOBSCHED_TEST_{server.upper()}_URL"


def server_url(server: str) -> str:
    return os.environ.get(url_variable(server)) or DEFAULT_URLS[server]


def file_of(name: str) -> Path:
    """Where Chromium or axe-core is, or ought to be."""
    variable, usual = FILES[name]
    given = os.environ.get(variable)
    path = Path(given or usual)
    if name == "browser" and not given and not path.exists():
        path = Path(shutil.which("chromium") or path)
    return path.absolute()


def why_missing(name: str) -> str | None:
    """Why a server or a file cannot be used, or None when it is there."""
    if name not in FILES:
        return why_silent(name)
    path = file_of(name)
    return None if path.is_file() else f"there is no {path}; {FILES[name][0]} names another file"


def why_silent(server: str) -> str | None:
    """Why the server cannot be used, or None when something listens at its address."""
    url = sa.make_url(server_url(server))
    host, port = url.host or "127.0.0.1", url.port or DEFAULT_PORTS[server]
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        return (
            f"nothing answers at {host}:{port} ({error.strerror or error}); "
            f"{url_variable(server)} names another address"
        )
    return None


def required() -> set[str]:
    wanted = os.environ.get("JOBSCHED_TEST_REQUIRE", "")
    names = {name.strip() for name in wanted.split(",") if name.strip()}
    if unknown := names - set(REQUIREMENTS):
        raise pytest.UsageError(
            f"JOBSCHED_TEST_REQUIRE names {', '.join(sorted(unknown))}; "
            f"it may name {', '.join(REQUIREMENTS)}"
        )
    return names


class LeftOut:
    """The tests that do not run for want of a server or a program, counted for the summary."""

    def __init__(self) -> None:
        self.why: dict[str, str | None] = {}
        self.tests: Counter[str] = Counter()

    def missing(self, server: str) -> bool:
        if server not in self.why:
            self.why[server] = why_missing(server)
        return self.why[server] is not None


LEFT_OUT = pytest.StashKey[LeftOut]()


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what runs in the background so, and the programs that tests start inherit
        # it: none of them would end by Ctrl+C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    left_out = config.stash[LEFT_OUT] = LeftOut()
    silent = [server for server in sorted(required()) if left_out.missing(server)]
    if silent:
        reasons = "; ".join(f"{server}: {left_out.why[server]}" for server in silent)
        raise pytest.UsageError(f"JOBSCHED_TEST_REQUIRE is not met: {reasons}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("backends")
    names = marker.args if marker else BACKENDS
    if not names or set(names) - set(BACKENDS):
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid}: backends{names} must be some of {', '.join(BACKENDS)}"
        )
    metafunc.parametrize("backend", names, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = config.stash[LEFT_OUT]
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        silent = [server for server in needed(item) if left_out.missing(server)]
        left_out.tests.update(silent)
        (dropped if silent else kept).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def needed(item: pytest.Item) -> set[str]:
    callspec = getattr(item, "callspec", None)
    found = {callspec.params.get("backend")} if callspec else set()
    found |= {NEEDED_BY.get(name) for name in getattr(item, "fixturenames", ())}
    return found & set(REQUIREMENTS)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    left_out = config.stash[LEFT_OUT]
    if left_out.tests:
        terminalreporter.section("left out for want of a server or a program", sep="=", yellow=True)
    for server, count in sorted(left_out.tests.items()):
        terminalreporter.line(f"{server}: {count} tests; {left_out.why[server]}")


# databases: a fresh one for each test


class Server:
    """A database server on which this run makes databases of its own, and drops them.

    The run holds a lock named after itself. When it is killed the server frees the lock, and a
    later run that can take it knows that those databases are left over.
    """

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url)
        engine = sa.create_engine(self._url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._connection = engine.connect()
        self._postgresql = engine.dialect.name == "postgresql"
        self._run = f"{OURS}{os.getpid()}_{secrets.token_hex(4)}"
        self._made = 0
        self._clean: list[str] = []
        assert self._lock(self._run)
        self._drop_leftovers()

    def take(self) -> str:
        """The name of an empty database."""
        if self._clean:
            return self._clean.pop()
        self._made += 1
        name = f"{self._run}_{self._made}"
        self._sql(f"CREATE DATABASE {name}")
        if self._postgresql:
            self._sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
        return name

    def give_back(self, name: str) -> None:
        """Drop the database, or empty it for the next test where that is much faster."""
        if self._postgresql and not self._connections(name):
            self._empty(name)
            self._clean.append(name)
        else:
            self._drop(name)

    def url(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    def close(self) -> None:
        for name in self._databases(f"{self._run}_%"):
            self._drop(name)
        self._connection.close()

    def _drop_leftovers(self) -> None:
        for name in self._databases(f"{OURS}%"):
            run, _, _ = name.rpartition("_")
            if run != self._run and self._lock(run):
                self._drop(name)

    def _lock(self, name: str) -> bool:
        take = "pg_try_advisory_lock(hashtext(:name))" if self._postgresql else "GET_LOCK(:name, 0)"
        return bool(self._sql(f"SELECT {take}", name=name).scalar_one())

    def _databases(self, pattern: str) -> list[str]:
        names = (
            "SELECT datname FROM pg_database WHERE datname LIKE :pattern"
            if self._postgresql
            else "SELECT schema_name FROM information_schema.schemata"
            " WHERE schema_name LIKE :pattern"
        )
        return list(self._sql(names, pattern=pattern.replace("_", r"\_")).scalars())

    def _connections(self, name: str) -> int:
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = :name"
        return int(self._sql(count, name=name).scalar_one())

    def _empty(self, name: str) -> None:
        engine = sa.create_engine(self.url(name), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            schemas = connection.execute(
                sa.text("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information_'")
            ).scalars()
            for schema in list(schemas):
                connection.exec_driver_sql(f'DROP SCHEMA "{schema}" CASCADE')
            connection.exec_driver_sql("CREATE SCHEMA public")

    def _drop(self, name: str) -> None:
        if self._postgresql:
            self._sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            return
        users = "SELECT id FROM information_schema.processlist WHERE db = :name"
        for user in list(self._sql(users, name=name).scalars()):
            with suppress(sa.exc.OperationalError):  # it has just gone by itself
                self._sql(f"KILL SOFT CONNECTION {user}")
        self._sql(f"DROP DATABASE IF EXISTS {name}")

    def _sql(self, statement: str, **values: str) -> sa.CursorResult[Any]:
        return self._connection.execute(sa.text(statement), values)


class Servers:
    """The servers that this run has met, connected at their first use."""

    @cached_property
    def postgresql(self) -> Server:
        return Server(server_url("postgresql"))

    @cached_property
    def mariadb(self) -> Server:
        return Server(server_url("mariadb"))

    def close(self) -> None:
        for server in vars(self).values():
            server.close()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.close()


@pytest.fixture
def database_url(backend: str, servers: Servers, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, on each backend in turn."""
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'jobs.db'}"
        return
    server: Server = getattr(servers, backend)
    name = server.take()
    yield server.url(name)
    server.give_back(name)


@pytest.fixture
def fake_clock() -> FakeClock:
    """A clock at 2026-01-01 00:00 UTC that only the test moves."""
    return FakeClock()


@pytest.fixture
def database(database_url: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A `Database` with its tables, on each backend in turn.

    Its time is `fake_clock`'s where the test takes that too.
    """
    faked = "fake_clock" in request.fixturenames
    clock = request.getfixturevalue("fake_clock") if faked else None
    database = Database(database_url, clock=clock)
    schema.ensure(database, auto_migrate=True)
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The URL of a Redis server that other tests share: use keys of your own."""
    return server_url("redis")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Debian's browser."""
    return file_of("browser")


@pytest.fixture(scope="session")
def axe_script() -> str:
    """axe-core, which looks a page over for what keeps people out."""
    return file_of("axe").read_text("utf-8")
