"""What a trial stands on: its database, its lock server, and what is between them and a daemon."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.faults import servers, skew
from tests.faults.injector import Family
from tests.faults.proxy import Proxy
from tests.faults.servers import Server

DISK_MB = 24


@dataclass
class Stage:
    """The servers of a trial, and the URLs by which they are reached."""

    url: str
    server: Server | None = None
    redis: Server | None = None
    disk: Path | None = None
    """The small disk that the database is on, if it is on one of its own."""
    proxies: list[Proxy] = field(default_factory=list)
    skews: list[skew.Skew] = field(default_factory=list)

    def url_of(self, number: int) -> str:
        """The URL for one of the daemons."""
        if not self.proxies:
            return self.url
        through = sa.make_url(self.url).set(port=self.proxies[number].port)
        return through.render_as_string(hide_password=False)

    @property
    def lock_url(self) -> str | None:
        """The URL of the lock server."""
        return f"redis://127.0.0.1:{self.redis.port}/0" if self.redis else None


@contextmanager
def stage(database: str, family: Family, nodes: int, folder: Path) -> Iterator[Stage]:
    """Start what the family's faults need, on free ports; all of it ends with the block."""
    with ExitStack() as stack:
        made = _database(database, family, folder, stack)
        if family.networked:
            assert made.server is not None
            made.proxies = [Proxy(made.server.port) for _ in range(nodes)]
            for proxy in made.proxies:
                stack.callback(proxy.close)
        if "step" in family.daemons:
            library = skew.build(folder)
            made.skews = [skew.Skew(library, folder / f"skew-{n}") for n in range(nodes)]
        if family.lock == "redis":
            made.redis = servers.redis(folder)
            stack.callback(made.redis.stop)
        yield made


def _database(database: str, family: Family, folder: Path, stack: ExitStack) -> Stage:
    if database == "sqlite":
        disk = stack.enter_context(small_disk(folder / "disk")) if "full" in family.ground else None
        return Stage(f"sqlite:///{(disk or folder) / 'jobs.db'}", disk=disk)
    server = servers.MAKERS[database](folder)
    stack.callback(server.stop)
    url = servers.URLS[database].format(port=server.port)
    if database == "mariadb":
        with engine(sa.make_url(url).set(database="mysql")).begin() as connection:
            connection.exec_driver_sql("CREATE DATABASE IF NOT EXISTS test")
    return Stage(url, server=server)


def engine(url: sa.URL | str) -> sa.Engine:
    """An engine of the harness, which keeps no connection that a fault could break."""
    return sa.create_engine(url, poolclass=NullPool)


def may_mount() -> bool:
    """Whether this process may make a small disk: root may, where the machine lets it."""
    return shutil.which("mount") is not None and _mounts()


def _mounts() -> bool:
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    subprocess.run(["mount", *options], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
