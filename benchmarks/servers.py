"""The database servers: where they are, fresh databases on them, how PostgreSQL is set.

The same variables as for the tests name other addresses: JOBSCHED_TEST_POSTGRESQL_URL,
JOBSCHED_TEST_MARIADB_URL; BENCHMARK_BROKER_URL names RabbitMQ's.
"""

import itertools
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

DEFAULT_URLS = {
    "postgresql": "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
    "mariadb": "mariadb+pymysql://root@127.0.0.1:3306/test",
}
PORTS = {"postgresql": 5432, "mariadb": 3306, "amqp": 5672}
BROKER_URL = os.environ.get("BENCHMARK_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//")
SHOWN = (
    "server_version",
    "shared_buffers",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "max_connections",
    "max_wal_size",
)
"""The settings of PostgreSQL that its speed depends on."""
OURS = "jobsched_benchmark_"
"""How the names of databases begin; the process that made one follows."""
_numbers = itertools.count(1)


def server_url(backend: str) -> sa.URL:
    """Where a server is; SQLite has none."""
    variable = f"JOBSCHED_TEST_{backend.upper()}_URL"
    return sa.make_url(os.environ.get(variable) or DEFAULT_URLS[backend])


def why_silent(backend: str) -> str | None:
    """Why there is no such server, or None when something listens."""
    if backend == "sqlite":
        return None
    return why_unreachable(server_url(backend), PORTS[backend])


def why_no_broker() -> str | None:
    """The same of RabbitMQ."""
    return why_unreachable(sa.make_url(BROKER_URL), PORTS["amqp"])


def why_unreachable(url: sa.URL, port: int) -> str | None:
    """Why nothing can be sent there, or None."""
    host, port = url.host or "127.0.0.1", url.port or port
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        return f"nothing answers at {host}:{port} ({error.strerror or error})"
    return None


@contextmanager
def fresh_database(backend: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database, which is gone afterwards."""
    name = f"{OURS}{os.getpid()}_{next(_numbers)}"
    if backend == "sqlite":
        path = folder / f"{name}.db"
        try:
            yield f"sqlite:///{path}"
        finally:
            for left in folder.glob(f"{name}.db*"):
                left.unlink()
        return
    url = server_url(backend)
    drop = f"DROP DATABASE IF EXISTS {name}" + (" WITH (FORCE)" if backend == "postgresql" else "")
    engine = sa.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text(drop))


def drop_leftovers() -> None:
    """Drop the databases of benchmarks that were killed."""
    for backend, listing in (
        ("postgresql", "SELECT datname FROM pg_database"),
        ("mariadb", "SHOW DATABASES"),
    ):
        if why_silent(backend):
            continue
        engine = sa.create_engine(
            server_url(backend), poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            for name in connection.execute(sa.text(listing)).scalars().all():
                if name.startswith(OURS) and not _is_alive(int(name.split("_")[2])):
                    connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name}"))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def dsn(url: str) -> str:
    """A URL as drivers without SQLAlchemy want it."""
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def postgresql_settings() -> dict[str, str]:
    """What PostgreSQL says of itself; empty when there is none."""
    if why_silent("postgresql"):
        return {}
    engine = sa.create_engine(server_url("postgresql"), poolclass=NullPool)
    with engine.connect() as connection:
        return {
            name: str(connection.execute(sa.text(f"SHOW {name}")).scalar_one()) for name in SHOWN
        }


def wait_for_rows(url: str, counting: str, wanted: int, limit_s: float) -> int:
    """Until a query counts so many, or the time is over; what it counted last."""
    end = time.monotonic() + limit_s
    engine = sa.create_engine(url, poolclass=NullPool)
    while True:
        with engine.connect() as connection:
            found = int(connection.execute(sa.text(counting)).scalar_one())
        if found >= wanted or time.monotonic() > end:
            return found
        time.sleep(0.05)
