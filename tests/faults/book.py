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
    """A process ended: by what was done to it, or, without a cause, by itself."""

    pid: int
    code: int
    cause: str | None
    at: float
    said: str = ""
    """The last line of its log, when it ended by itself."""


@dataclass
class Book:
    """What was done and what came of it; written from several threads."""

    faults: list[Fault] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What went wrong in a way that no row shows."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, kind: str, pid: int | None) -> Fault:
        """Write a fault down before it strikes."""
        fault = Fault(kind, pid, boot_clock())
        with self.lock:
            self.faults.append(fault)
        return fault

    def note(self, what: str) -> None:
        """Write down what went wrong."""
        with self.lock:
            self.notes.append(what)

    def end(self, fault: Fault) -> None:
        """The fault is over."""
        fault.ended = boot_clock()
