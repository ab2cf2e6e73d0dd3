"""One trial: a database, daemons, faults for a while, calm, the end, and the evidence."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.faults import host, ledger, servers, witness
from tests.faults.book import Book
from tests.faults.evidence import Evidence
from tests.faults.injector import FAMILIES, Tormentor
from tests.faults.ledger import boot_clock
from tests.faults.nodes import Node
from tests.faults.pace import pause, until, watch_for_starvation
from tests.faults.workload import CAST, GRACE_S, LOCK_TIMEOUT_S

CALM_S = 8.0
"""How long nothing is struck before the end: time to recover and to catch up."""
STEPPED_S = 0.02
"""By how much the machine's clock may be set during a trial."""


@dataclass(frozen=True)
class Plan:
    """What to do to whom."""

    database: str
    family: str
    seconds: float
    """How long faults are injected."""
    seed: int
    nodes: int = 3
    mutant: str | None = None


def real_offset() -> float:
    """What turns this machine's boot clock into its real time, which is the database's too."""
    return time.clock_gettime(time.CLOCK_REALTIME) - boot_clock()


class Trial:
    """Runs a plan in a folder of its own."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.book = Book()
        self._doubts: list[str] = []

    def run(self) -> Evidence:
        """The evidence, for the checkers to judge."""
        with ExitStack() as stack:
            self._url = stack.enter_context(self._database())
            offset = real_offset()
            stack.enter_context(self._starvation())
            scheduler = host.scheduler(self._config(0))
            stack.callback(scheduler.close)
            scheduler.migrate()
            witness.install(scheduler.database.engine)
            nodes = self._nodes()
            stack.callback(lambda: [node.end(0, until) for node in nodes])
            self._torment(nodes)
            pause(CALM_S)
            disabled_at = boot_clock() + offset
            for spec in CAST:
                scheduler.disable(spec.id)
            self._wait_for_the_end(scheduler.database.engine, nodes)
            for node in nodes:
                if node.alive() and node.end(GRACE_S + 5, until) != 0:
                    self._doubts.append("a daemon did not drain in the calm")
            if abs(real_offset() - offset) > STEPPED_S:
                self._doubts.append("the machine's clock was set during the trial")
            return self._evidence(scheduler.database.engine, offset, disabled_at)

    @contextmanager
    def _database(self) -> Iterator[str]:
        name = self.plan.database
        if name == "sqlite":
            yield f"sqlite:///{self.folder / 'jobs.db'}"
            return
        server = servers.MAKERS[name](self.folder)
        try:
            url = servers.URLS[name].format(port=server.port)
            if name == "mariadb":
                _create_database(url)
            yield url
        finally:
            server.stop()

    @contextmanager
    def _starvation(self) -> Iterator[None]:
        stop = threading.Event()
        watch = threading.Thread(target=watch_for_starvation, args=(self.book, stop))
        watch.start()
        try:
            yield
        finally:
            stop.set()
            watch.join()

    def _config(self, number: int) -> dict[str, Any]:
        return {
            "url": self._url,
            "ledger": str(self.folder / "ledger"),
            "events": str(self.folder / "events"),
            "seed": f"{self.plan.seed}/{number}",
            "mutant": self.plan.mutant,
        }

    def _nodes(self) -> list[Node]:
        return [
            Node(self._config(number), self.book, {}, self.folder / f"node-{number}.log")
            for number in range(1, self.plan.nodes + 1)
        ]

    def _torment(self, nodes: list[Node]) -> None:
        over = threading.Event()
        tormentors = [
            Tormentor(
                node,
                self.book,
                random.Random(f"{self.plan.seed}/{number}"),
                FAMILIES[self.plan.family],
                over,
            )
            for number, node in enumerate(nodes)
        ]
        threads = [threading.Thread(target=one.run) for one in tormentors]
        for thread in threads:
            thread.start()
        pause(self.plan.seconds)
        over.set()
        for thread in threads:
            thread.join()

    def _wait_for_the_end(self, engine: sa.Engine, nodes: list[Node]) -> None:
        live = "SELECT count(*) FROM job_firing WHERE status IN ('QUEUED', 'RUNNING', 'WAITING')"

        def ended() -> bool:
            with engine.connect() as connection:
                return connection.exec_driver_sql(live).scalar_one() == 0

        until(ended, 4 * LOCK_TIMEOUT_S + 20)

    def _evidence(self, engine: sa.Engine, offset: float, disabled_at: float) -> Evidence:
        for fault in self.book.faults:
            fault.begun += offset
            fault.ended = None if fault.ended is None else fault.ended + offset
        records = ledger.read(self.folder / "ledger", offset)
        return Evidence(
            specs=CAST,
            **witness.rows(engine),
            ledger=tuple(records),
            faults=tuple(self.book.faults),
            exits=tuple(self.book.exits),
            disabled_at=disabled_at,
            lock_timeout=LOCK_TIMEOUT_S,
            doubts=tuple(self._doubts),
        )


def _create_database(url: str) -> None:
    engine = sa.create_engine(sa.make_url(url).set(database="mysql"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE DATABASE IF NOT EXISTS test")
    engine.dispose()
