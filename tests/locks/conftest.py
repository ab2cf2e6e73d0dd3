"""Servers of a test's own, which it may kill.

A test that takes `redis_server` or `pgbouncer` is left out, aloud, where the program is missing.
"""

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

PROGRAMS = {"redis_server": "redis-server", "pgbouncer": "pgbouncer"}
"""The program that each of our fixtures starts."""

LEFT_OUT = pytest.StashKey[Counter[str]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = {fixture: name for fixture, name in PROGRAMS.items() if not path_of(name)}
    left_out = config.stash[LEFT_OUT] = Counter[str]()
    dropped = []
    for item in items:
        wanted = missing.keys() & set(getattr(item, "fixturenames", ()))
        left_out.update(missing[fixture] for fixture in wanted)
        if wanted:
            dropped.append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for program, count in sorted(config.stash.get(LEFT_OUT, Counter[str]()).items()):
        terminalreporter.line(f"left out: {count} tests, for {program} is not installed")


def path_of(program: str) -> str | None:
    folders = [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    return shutil.which(program, path=os.pathsep.join(folders))


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait, at most ten seconds, until the condition holds."""
    pause = threading.Event()
    for _ in range(500):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError(f"not within ten seconds: {what}")


class Server:
    """A server process on a free port of 127.0.0.1."""

    def __init__(self, program: str, *arguments: str) -> None:
        self._command = [path_of(program) or program, *arguments]

    def start(self, port: int) -> None:
        """Start it, and wait until something listens at the port."""
        self.port = port
        self._process = subprocess.Popen(
            [part.format(port=port) for part in self._command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: listens(port), f"{self._command[0]} listens")

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.kill()
        self._process.wait(timeout=10)

    def freeze(self) -> None:
        """From now on it hears, and says nothing."""
        self._process.send_signal(signal.SIGSTOP)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool], str], None]:
    """Wait on a condition, for a bounded time."""
    return until


@pytest.fixture
def redis_server() -> Iterator[Server]:
    """A Redis server of this test's own, which keeps nothing on disk."""
    arguments = ("--bind", "127.0.0.1", "--port", "{port}", "--save", "", "--appendonly", "no")
    server = Server("redis-server", *arguments)
    server.start(free_port())
    yield server
    server.kill()


@pytest.fixture
def pgbouncer(tmp_path: Path) -> Iterator[Callable[[str, str], str]]:
    """Put pgbouncer in front of the database at a URL, in a pool mode; gives the URL through it."""
    started = []

    def start(url: str, pool_mode: str) -> str:
        database, port = sa.make_url(url), free_port()
        settings = tmp_path / f"{port}.ini"
        settings.write_text(PGBOUNCER.format(db=database, port=port, pool_mode=pool_mode))
        # It refuses to run as root.
        become = ("--user", "nobody") if os.getuid() == 0 else ()
        server = Server("pgbouncer", *become, str(settings))
        started.append(server)
        server.start(port)
        through = database.set(host="127.0.0.1", port=port, password=None)
        return through.render_as_string(hide_password=False)

    yield start
    for server in started:
        server.kill()


PGBOUNCER = """
[databases]
* = host={db.host} port={db.port} user={db.username} password={db.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {pool_mode}
"""
