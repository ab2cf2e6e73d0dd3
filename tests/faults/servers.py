"""Database servers of a trial's own, on free ports: they may be killed, restarted and left down."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults.pace import until

_POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def program(name: str) -> str | None:
    """Where a server's program is, or None where it is not installed."""
    folders = [os.environ.get("PATH", ""), "/usr/sbin", *map(str, _POSTGRESQL)]
    return shutil.which(name, path=os.pathsep.join(folders))


PROGRAMS = {
    "postgresql": ("initdb", "postgres"),
    "mariadb": ("mariadb-install-db", "mariadbd"),
    "redis": ("redis-server",),
    "sqlite": (),
}


def missing(database: str) -> list[str]:
    """The programs that a trial on this database wants and does not find."""
    return [name for name in PROGRAMS[database] if program(name) is None]


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server process; it refuses to run as root, so that root runs it as `user`."""

    def __init__(self, user: str, folder: Path, command: Sequence[str], port: int) -> None:
        self._user = user if os.getuid() == 0 else None
        self._folder = folder
        self._command = command
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, command: Sequence[str]) -> None:
        """Run a program to its end, as the server's user."""
        done = subprocess.run(
            command, user=self._user, cwd="/", capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")

    def start(self) -> None:
        """Start it, and wait until it answers; what a crash has left may still be in its way."""
        for _ in range(10):
            self._begin()
            if until(self._listens_or_ended, 30) and self._listens():
                return
            self.stop()
            until(lambda: False, 0.5)
        raise RuntimeError(f"{self._command[0]} does not listen at {self.port}")

    def _begin(self) -> None:
        with (self._folder.parent / f"{self._folder.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                user=self._user,
                cwd="/",
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it; SIGKILL as a crash does."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)  # PostgreSQL's backends with their parent
            self._process.wait()
            self._process = None

    def _listens_or_ended(self) -> bool:
        return self._listens() or self._process is None or self._process.poll() is not None

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


def _folder_of(user: str, folder: Path) -> Path:
    folder.mkdir()
    if os.getuid() == 0:
        folder.parent.chmod(0o711)
        found = pwd.getpwnam(user)
        os.chown(folder, found.pw_uid, found.pw_gid)
    return folder


def postgresql(folder: Path) -> Server:
    """A PostgreSQL cluster; what it says is committed survives its crash, but no power cut."""
    data, port = _folder_of("postgres", folder / "postgresql"), free_port()
    command = [program("postgres") or "postgres", "-D", str(data), "-k", str(data)]
    command += ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    server = Server("postgres", data, command, port)
    server.run(
        [program("initdb") or "initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", str(data)]
    )
    server.start()
    return server


def mariadb(folder: Path) -> Server:
    """A MariaDB server; the same."""
    data, port = _folder_of("mysql", folder / "mariadb"), free_port()
    command = [program("mariadbd") or "mariadbd", "--no-defaults", f"--datadir={data}"]
    command += [f"--socket={data}/socket", f"--pid-file={data}/pid", f"--port={port}"]
    command += ["--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=2"]
    command += ["--innodb-buffer-pool-size=32M", "--skip-log-bin"]
    server = Server("mysql", data, command, port)
    install = [program("mariadb-install-db") or "mariadb-install-db", "--no-defaults"]
    server.run([*install, "--auth-root-authentication-method=normal", f"--datadir={data}"])
    server.start()
    return server


def redis(folder: Path) -> Server:
    """A Redis server that keeps nothing on disk."""
    port = free_port()
    command = [program("redis-server") or "redis-server", "--port", str(port), "--save", ""]
    server = Server("redis", folder / "redis", [*command, "--bind", "127.0.0.1"], port)
    server.start()
    return server


MAKERS: dict[str, Callable[[Path], Server]] = {"postgresql": postgresql, "mariadb": mariadb}
URLS = {
    "postgresql": "postgresql+psycopg://postgres@127.0.0.1:{port}/postgres",
    "mariadb": "mariadb+pymysql://root@127.0.0.1:{port}/test",
}
