"""Strikes the daemons and what they stand on, by a seed."""

import contextlib
import random
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis
import sqlalchemy as sa

from tests.faults.book import Book
from tests.faults.nodes import Node
from tests.faults.pace import pause, until
from tests.faults.points import Arm, Points
from tests.faults.proxy import Proxy
from tests.faults.servers import Server
from tests.faults.skew import Skew
from tests.faults.workload import GRACE_S, LOCK_TIMEOUT_S


@dataclass(frozen=True)
class Family:
    """Faults that are injected together, each named after its function below."""

    daemons: tuple[str, ...] = ()
    """What strikes each daemon in turn."""
    ground: tuple[str, ...] = ()
    """What strikes the servers that all stand on."""
    pace: tuple[float, float] = (0.5, 4.0)
    """How many seconds of peace there are between two strikes."""
    spared: int = 0
    """How many daemons are left alone, so that somebody looks after the others."""
    lock: str | None = None
    """`redis`, or `yes` for a backend that gives every lock to everybody."""
    databases: tuple[str, ...] = ("postgresql", "mariadb", "sqlite")

    @property
    def networked(self) -> bool:
        """Whether each daemon reaches the database through a proxy of its own."""
        return any(name in ("delay", "silence", "reset") for name in self.daemons)


_SERVERS = ("postgresql", "mariadb")
FAMILIES = {
    "kill": Family(("kill",)),
    "freeze": Family(("freeze",), spared=1),
    "term": Family(("term", "term_twice")),
    "cut": Family(ground=("cut",), databases=_SERVERS),
    "network": Family(("delay", "silence", "reset"), spared=1, databases=_SERVERS),
    "outage": Family(ground=("restart", "outage"), pace=(4.0, 8.0), databases=_SERVERS),
    "clock": Family(("step", "kill"), databases=_SERVERS),
    "failpoints": Family(("failpoint",), pace=(0.1, 0.5)),
    "fire-kills": Family(("fire_kill",), pace=(0.1, 0.5)),
    "long-freeze": Family(("long_freeze",), spared=1),
    "drain": Family(("term",), pace=(2.0, 4.0), spared=1),
    "doubt": Family(("doubt",), pace=(1.0, 2.0)),
    "redis": Family(("freeze",), ("flush", "redis_outage"), pace=(3.0, 6.0), lock="redis"),
    "yes-lock": Family(("kill", "freeze"), lock="yes"),
    "full": Family(("kill",), ("full",), pace=(4.0, 8.0), databases=("sqlite",)),
    "mixed": Family(
        ("kill", "freeze", "term", "failpoint", "delay", "silence", "reset"),
        ("cut", "restart"),
        databases=_SERVERS,
    ),
    "local": Family(("kill", "freeze", "term", "failpoint"), databases=("sqlite",)),
}


@dataclass
class Striker:
    """Strikes again and again in a thread of its own, until the faults are over."""

    book: Book
    rng: random.Random
    over: threading.Event
    pace: tuple[float, float]
    names: tuple[str, ...]
    node: Node | None = None
    proxy: Proxy | None = None
    skew: Skew | None = None
    server: Server | None = None
    admin: sa.Engine | None = None
    redis: Server | None = None
    disk: Path | None = None
    points: Points = field(default_factory=Points)

    def run(self) -> None:
        """Strike at the pace; a daemon that has ended is started again, also at the end."""
        while not self.over.is_set():
            self.ensure_running()
            if self.node is not None and self.rng.random() < 0.8:  # some are struck at the start
                until(lambda: self.over.is_set() or self.node.ready(), 10)
            if self.over.wait(self.rng.uniform(*self.pace)):
                break
            if self.names:
                _STRIKES[self.rng.choice(self.names)](self)
        self.ensure_running()

    def ensure_running(self) -> None:
        """Start a process when there is none; one that ended by itself was noted."""
        if self.node is not None and not self.node.alive():
            self.node.start()

    @property
    def target(self) -> Node:
        """The daemon that is struck."""
        assert self.node is not None, "a strike at a daemon, among those at the ground"
        return self.node

    def gone(self, patience: float) -> bool:
        """Whether the process ended by itself in time; it has ended afterwards in any case."""
        by_itself = until(lambda: not self.target.alive(), patience)
        if not by_itself:
            kill(self)
        return by_itself

    @contextlib.contextmanager
    def fault(self, kind: str, *, of_all: bool = False) -> Iterator[None]:
        """A fault from now on until the end of the block."""
        fault = self.book.begin(kind, None if of_all else self.target.pid)
        try:
            yield
        finally:
            self.book.end(fault)

    def lasts(self, *shares: float) -> float:
        """One of some numbers of lock timeouts, in seconds."""
        return self.rng.choice(shares) * LOCK_TIMEOUT_S


# At a daemon


def kill(one: Striker) -> None:
    """SIGKILL."""
    one.target.deadly = one.book.begin("kill", one.target.pid)
    one.target.signal(signal.SIGKILL)
    until(lambda: not one.target.alive(), 10)


def freeze(one: Striker) -> None:
    """SIGSTOP for half a lock timeout, a little more than one, or three."""
    seconds = one.lasts(0.5, 1.2, 3.0)
    with one.fault("freeze" if seconds > LOCK_TIMEOUT_S else "nap"):
        one.target.signal(signal.SIGSTOP)
        one.over.wait(seconds)
        one.target.signal(signal.SIGCONT)


def long_freeze(one: Striker) -> None:
    """SIGSTOP for so long that others have taken over everything."""
    with one.fault("freeze"):
        one.target.signal(signal.SIGSTOP)
        one.over.wait(2.5 * LOCK_TIMEOUT_S)
        one.target.signal(signal.SIGCONT)


def term(one: Striker) -> None:
    """SIGTERM: it drains, and ends with 0 when nothing else was struck."""
    one.target.deadly = one.book.begin("term", one.target.pid)
    one.target.signal(signal.SIGTERM)
    if not one.gone(GRACE_S + 10):
        one.book.note("a daemon did not end after SIGTERM")


def term_twice(one: Striker) -> None:
    """SIGTERM, and once more: it ends at once, whatever runs."""
    one.target.deadly = one.book.begin("term-twice", one.target.pid)
    one.target.signal(signal.SIGTERM)
    one.over.wait(one.rng.uniform(0.1, 1.0))
    one.target.signal(signal.SIGTERM)
    if not one.gone(GRACE_S + 10):
        one.book.note("a daemon did not end after the second SIGTERM")


def failpoint(one: Striker) -> None:
    """Start it anew with the next failpoint armed, and see it strike."""
    kill(one)
    _armed(one, one.points.next())


def _armed(one: Striker, arm: Arm) -> None:
    node = one.target
    node.start(JOBSCHED_FAILPOINTS=arm.text)
    if arm.action == "kill":
        node.deadly = one.book.begin("armed", node.pid)
    if arm.at_drain and not one.over.wait(3):
        node.deadly = one.book.begin("armed", node.pid)
        node.signal(signal.SIGTERM)
    struck = until(lambda: not node.alive() or node.frozen() or one.over.is_set(), arm.patience)
    if node.frozen():
        with one.fault("freeze"):
            one.over.wait(one.lasts(1.2, 2.0))
            node.signal(signal.SIGCONT)
        one.over.wait(1)
    if node.alive():
        kill(one)
    elif struck:
        one.book.begin("kill", node.last_pid)


def fire_kill(one: Striker) -> None:
    """Start it anew, to die between the writes of a firing transaction."""
    kill(one)
    _armed(one, Arm("fire.inserted", "kill", 0.5))


def doubt(one: Striker) -> None:
    """From now on some transactions are committed, and it is told that they are not."""
    kill(one)
    one.book.begin("doubt", None)
    one.target.start(JOBSCHED_FAILPOINTS="commit.after:raise:0.03")
    one.over.wait()


def delay(one: Striker) -> None:
    """Each piece of each answer comes a little late."""
    assert one.proxy is not None
    with one.fault("delay"):
        one.proxy.delay(one.rng.uniform(0.01, 0.08))
        one.over.wait(one.lasts(0.5, 2.0))
        one.proxy.heal()


def silence(one: Striker) -> None:
    """Nothing comes through, and nobody is told; then it does again, or the connections end."""
    assert one.proxy is not None
    seconds = one.lasts(0.5, 1.5, 3.0)
    with one.fault("silence" if seconds > LOCK_TIMEOUT_S else "pause"):
        one.proxy.blackhole()
        one.over.wait(seconds)
        if one.rng.random() < 0.5:
            one.proxy.reset()
        one.proxy.heal()


def reset(one: Striker) -> None:
    """Every connection of the daemon ends."""
    assert one.proxy is not None
    with one.fault("reset"):
        one.proxy.reset()


def step(one: Striker) -> None:
    """The host's clock is set: minutes ahead, or behind."""
    assert one.skew is not None
    with one.fault("step"):
        one.skew.set(one.rng.choice([-3600, -90, -5, 0, 5, 90, 3600]) + one.rng.random())


# At the ground


def cut(one: Striker) -> None:
    """The server ends some of its connections."""
    assert one.admin is not None
    with one.fault("cut", of_all=True), one.admin.connect() as connection:
        postgresql = connection.dialect.name == "postgresql"
        listed, end, own = _CONNECTIONS["postgresql" if postgresql else "mariadb"]
        mine = connection.exec_driver_sql(own).scalar_one()
        for number in connection.exec_driver_sql(listed.format(mine)).scalars().all():
            if one.rng.random() < 0.5:
                with contextlib.suppress(sa.exc.DBAPIError):  # it has just gone by itself
                    connection.exec_driver_sql(end.format(number))


_CONNECTIONS = {
    "postgresql": (
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> {}",
        "SELECT pg_terminate_backend({})",
        "SELECT pg_backend_pid()",
    ),
    "mariadb": (
        "SELECT id FROM information_schema.processlist WHERE user = 'root' AND id <> {}",
        "KILL {}",
        "SELECT connection_id()",
    ),
}


def restart(one: Striker) -> None:
    """The server crashes and comes back at once."""
    _outage(one, 0.0)


def outage(one: Striker) -> None:
    """The server is away for two lock timeouts, or a little less than one."""
    _outage(one, one.lasts(0.8, 2.0))


def _outage(one: Striker, seconds: float) -> None:
    assert one.server is not None
    with one.fault("outage", of_all=True):
        one.server.stop()
        one.over.wait(seconds)
        one.server.start()


def flush(one: Striker) -> None:
    """Redis forgets every lock."""
    assert one.redis is not None
    with one.fault("flush", of_all=True), redis.Redis(port=one.redis.port) as client:
        client.flushall()


def redis_outage(one: Striker) -> None:
    """Redis is away; what needs a lock does not start meanwhile."""
    assert one.redis is not None
    with one.fault("no-lock", of_all=True):
        one.redis.stop()
        one.over.wait(one.lasts(1.5, 2.0))
        one.redis.start()


def full(one: Striker) -> None:
    """The disk under the database is full for a while."""
    assert one.disk is not None
    filler = one.disk / "filler"
    with one.fault("full", of_all=True):
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while not one.over.is_set():
                file.write(b"\0" * 4096)
        one.over.wait(one.lasts(0.8, 2.0))
        filler.unlink()
        pause(0.1)


_STRIKES: dict[str, Callable[[Striker], None]] = {
    strike.__name__: strike
    for strike in (
        kill,
        freeze,
        long_freeze,
        term,
        term_twice,
        failpoint,
        fire_kill,
        doubt,
        delay,
        silence,
        reset,
        step,
        cut,
        restart,
        outage,
        flush,
        redis_outage,
        full,
    )
}
