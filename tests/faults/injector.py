"""Strikes the daemons and what they stand on, by a seed."""

import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.book import Book
from tests.faults.nodes import Node
from tests.faults.pace import until
from tests.faults.workload import LOCK_TIMEOUT_S

Strike = Callable[["Tormentor"], None]


@dataclass(frozen=True)
class Family:
    """Faults that are injected together."""

    name: str
    strikes: tuple[str, ...]


class Tormentor:
    """Strikes one daemon again and again, in a thread of its own, and starts it again."""

    def __init__(
        self, node: Node, book: Book, rng: random.Random, family: Family, over: threading.Event
    ) -> None:
        self.node = node
        self.book = book
        self.rng = rng
        self.over = over
        self._strikes = [_STRIKES[name] for name in family.strikes]

    def run(self) -> None:
        """Until the faults are over; then the daemon runs."""
        while not self.over.is_set():
            self.ensure_running()
            if self.over.wait(self.rng.uniform(0.5, 4.0)):
                break
            self.rng.choice(self._strikes)(self)
        self.ensure_running()

    def ensure_running(self, **environment: str) -> None:
        """Start a process when there is none; what ended by itself was noted."""
        if not self.node.alive():
            self.node.start(**environment)

    def gone(self, patience: float) -> None:
        """Wait for the end of a process that was told to end, or end it for good."""
        if not until(lambda: not self.node.alive(), patience):
            kill(self)


def kill(one: Tormentor) -> None:
    """SIGKILL."""
    one.node.deadly = one.book.begin("kill", one.node.pid)
    one.node.signal(signal.SIGKILL)
    one.gone(10)


def freeze(one: Tormentor) -> None:
    """SIGSTOP for half a lock timeout, a little more than one, or three."""
    share = one.rng.choice([0.5, 1.2, 3.0])
    fault = one.book.begin("freeze" if share > 1 else "nap", one.node.pid)
    one.node.signal(signal.SIGSTOP)
    one.over.wait(share * LOCK_TIMEOUT_S)
    one.node.signal(signal.SIGCONT)
    one.book.end(fault)


_STRIKES: dict[str, Strike] = {"kill": kill, "freeze": freeze}

FAMILIES = {
    family.name: family
    for family in (
        Family("kill", ("kill",)),
        Family("freeze", ("freeze",)),
    )
}
