"""What is done to the processes, and what comes of it."""

import threading
from dataclasses import dataclass, field

from tests.faults.ledger import boot_clock


@dataclass
class Fault:
    """Something that was done to a process, or to all (`pid` None); times of the boot clock."""

    kind: str
    pid: int | None
    begun: float
    ended: float | None = None
    """None: for good."""


@dataclass(frozen=True)
class Exit:
    """A process ended."""

    pid: int
    code: int
    expected: bool


@dataclass
class Book:
    """What was done and what came of it; written from several threads."""

    faults: list[Fault] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, kind: str, pid: int | None) -> Fault:
        """Write a fault down before it strikes."""
        fault = Fault(kind, pid, boot_clock())
        with self.lock:
            self.faults.append(fault)
        return fault

    def end(self, fault: Fault) -> None:
        """The fault is over."""
        fault.ended = boot_clock()
