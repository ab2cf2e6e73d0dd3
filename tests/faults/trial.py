"""One trial: a database, daemons, faults for a while, calm, the end, and the evidence."""

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.faults import host, ledger, witness
from tests.faults.book import Book
from tests.faults.evidence import Evidence
from tests.faults.injector import FAMILIES, Family, Striker
from tests.faults.ledger import boot_clock
from tests.faults.nodes import Node
from tests.faults.pace import pause, until, watch_for_starvation
from tests.faults.points import AT_MIGRATION, Points
from tests.faults.stage import Stage, engine, stage
from tests.faults.workload import CAST, GRACE_S, LOCK_TIMEOUT_S

CALM_S = 13.0
"""How long nothing is struck before the end: time to recover, to catch up, and to be in time."""
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
    calm: float = CALM_S

    @property
    def faults(self) -> Family:
        """The family of faults."""
        return FAMILIES[self.family]


_FORESEEN = ("jobsched.errors.DatabaseError", "sqlalchemy.exc.OperationalError")
"""Errors that a database that is away must bring; any other is a mistake of the daemon's."""


def real_offset() -> float:
    """What turns this machine's boot clock into its real time, which is the database's too."""
    return time.clock_gettime(time.CLOCK_REALTIME) - boot_clock()


class Trial:
    """Runs a plan in a folder of its own, which keeps the ledger, the events and the logs."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.book = Book()
        self._doubts: list[str] = []

    def run(self) -> Evidence:
        """The evidence, for the checkers to judge."""
        plan = self.plan
        with ExitStack() as stack:
            made = stack.enter_context(stage(plan.database, plan.faults, plan.nodes, self.folder))
            offset = real_offset()
            stack.enter_context(self._starvation())
            nodes = [self._node(made, number) for number in range(plan.nodes)]
            stack.callback(lambda: [node.end(0, until) for node in nodes])
            if "failpoint" in plan.faults.daemons:
                self._die_migrating(nodes[0])
            scheduler = host.scheduler(self._config(made.url, made, 0))
            stack.callback(scheduler.close)
            scheduler.migrate()
            admin = engine(made.url)
            witness.install(admin)
            for node in nodes:
                node.start()
            if not until(lambda: any(node.ready() for node in nodes), 30) or not all(
                node.alive() for node in nodes
            ):
                raise RuntimeError(f"no daemon came up; see {self.folder}/node-*.log")
            self._strike(made, nodes, admin)
            pause(plan.calm)
            disabled_at = boot_clock() + offset
            for spec in CAST:
                scheduler.disable(spec.id)
            disabled = (disabled_at, boot_clock() + offset)
            self._wait_for_the_end(admin)
            for node in nodes:
                if node.alive() and node.end(GRACE_S + 5, until) != 0:
                    self.book.note(f"daemon {node.last_pid} did not drain in the calm")
            if abs(real_offset() - offset) > STEPPED_S:
                self._doubts.append("the machine's clock was set during the trial")
            return self._evidence(admin, offset, disabled)

    def events(self) -> list[dict[str, Any]]:
        """What the daemons told, in order."""
        path = self.folder / "events"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

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

    def _config(self, url: str, made: Stage, number: int) -> dict[str, Any]:
        return {
            "url": url,
            "ledger": str(self.folder / "ledger"),
            "events": str(self.folder / "events"),
            "seed": f"{self.plan.seed}/{number}",
            "mutant": self.plan.mutant,
            "lock": made.lock_url or self.plan.faults.lock,
        }

    def _node(self, made: Stage, number: int) -> Node:
        environment = made.skews[number].environment if made.skews else {}
        config = self._config(made.url_of(number), made, number)
        return Node(config, self.book, environment, self.folder / f"node-{number}.log")

    def _die_migrating(self, node: Node) -> None:
        """The tables are made by a third process, after two that died at it."""
        for arm in AT_MIGRATION:
            node.start(JOBSCHED_FAILPOINTS=arm.text)
            node.deadly = self.book.begin("armed", node.pid)
            if not until(lambda: not node.alive(), 20):
                self.book.note(f"{arm.name} was not reached on an empty database")
                node.end(0, until)

    def _strike(self, made: Stage, nodes: list[Node], admin: sa.Engine) -> None:
        over, points, family = threading.Event(), Points(), self.plan.faults
        struck = nodes[: max(1, len(nodes) - family.spared)]
        strikers = [
            Striker(
                self.book,
                random.Random(f"{self.plan.seed}/{number}"),
                over,
                family.pace,
                family.daemons if node in struck else (),
                node=node,
                proxy=made.proxies[number] if made.proxies else None,
                skew=made.skews[number] if made.skews else None,
                points=points,
            )
            for number, node in enumerate(nodes)
        ]
        if family.ground:
            strikers.append(
                Striker(
                    self.book,
                    random.Random(f"{self.plan.seed}/ground"),
                    over,
                    family.pace,
                    family.ground,
                    server=made.server,
                    admin=admin,
                    redis=made.redis,
                    disk=made.disk,
                )
            )
        threads = [threading.Thread(target=self._run, args=(one,)) for one in strikers]
        for thread in threads:
            thread.start()
        pause(self.plan.seconds)
        over.set()
        for thread in threads:
            thread.join()

    def _run(self, striker: Striker) -> None:
        try:
            striker.run()
        except Exception as error:
            self._doubts.append(f"a striker failed: {error!r}")

    def _wait_for_the_end(self, admin: sa.Engine) -> None:
        live = "SELECT count(*) FROM job_firing WHERE status IN ('QUEUED', 'RUNNING', 'WAITING')"

        def ended() -> bool:
            with admin.connect() as connection:
                return connection.exec_driver_sql(live).scalar_one() == 0

        patience = 4 * LOCK_TIMEOUT_S + 10
        if not until(ended, patience):
            self.book.note(f"firings were still live {patience} s after the last could begin")

    def _note_faults_of_ours(self) -> None:
        for event in self.events():
            last = (event["error"] or "").strip().rpartition("\n")[2]
            if last and event["event"] != "run_ended" and not last.startswith(_FORESEEN):
                self.book.note(f"{event['event']}: {event['message'][:100]}: {last[:200]}")

    def _evidence(self, admin: sa.Engine, offset: float, disabled: tuple[float, float]) -> Evidence:
        for fault in self.book.faults:
            fault.begun += offset
            fault.ended = None if fault.ended is None else fault.ended + offset
        self._note_faults_of_ours()
        exits = [replace(one, at=one.at + offset) for one in self.book.exits]
        return Evidence(
            specs=CAST,
            **witness.rows(admin),
            ledger=tuple(ledger.read(self.folder / "ledger", offset)),
            faults=tuple(self.book.faults),
            exits=tuple(exits),
            disabled_at=disabled[0],
            disabled_by=disabled[1],
            lock_timeout=LOCK_TIMEOUT_S,
            one_writer=self.plan.database == "sqlite",
            notes=tuple(self.book.notes),
            doubts=tuple(self._doubts),
        )
