"""What a trial leaves behind for the checkers: plain rows, with times in seconds of the epoch.

All times are by the database's clock; the ledger's are turned into it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from tests.faults.book import Exit, Fault
from tests.faults.ledger import Record
from tests.faults.workload import Spec


@dataclass(frozen=True)
class Schedule:
    """The state of a schedule at the end."""

    id: str
    created_at: float
    last_scheduled_for: float | None
    run_count: int
    failure_count: int
    problem: str | None
    locked_by: str | None


@dataclass(frozen=True)
class Firing:
    """A row of `job_firing` at the end."""

    id: int
    schedule_id: str
    scheduled_for: float
    status: str
    reason: str | None
    blocked_by: int | None
    missed_count: int | None
    missed_from: float | None
    created_at: float
    started_at: float | None
    finished_at: float | None

    @property
    def occurrence(self) -> int:
        """Its nominal time; whole seconds in this workload."""
        return round(self.scheduled_for)


@dataclass(frozen=True)
class Run:
    """A row of `job_run` at the end."""

    id: int
    firing_id: int
    schedule_id: str
    job_name: str
    attempt: int
    status: str
    reason: str | None
    started_at: float | None
    finished_at: float | None
    worker_id: str | None


@dataclass(frozen=True)
class Move:
    """A change of state, as a trigger saw it: of a `firing`, a `run` or a `worker`.

    `seq` orders the moves of one firing and its runs, which change under the firing's lock.
    """

    seq: int
    kind: str
    row: str
    was: str | None
    became: str
    worker: str | None
    at: float
    transaction: int | None = None
    """What was changed together, as far as the database tells."""


@dataclass(frozen=True)
class Evidence:
    """Everything that a verdict rests on."""

    specs: tuple[Spec, ...]
    schedules: tuple[Schedule, ...]
    firings: tuple[Firing, ...]
    runs: tuple[Run, ...]
    moves: tuple[Move, ...]
    workers: Mapping[str, int]
    """The pid of each registration."""
    ledger: tuple[Record, ...]
    faults: tuple[Fault, ...]
    exits: tuple[Exit, ...]
    disabled_at: float
    """When the schedules were disabled at the end; everything due before must be accounted for."""
    disabled_by: float
    """When the last of them was: an occurrence in between may have fired, or not."""
    lock_timeout: float
    one_writer: bool = False
    """Whether a process that is frozen while it writes holds up all others, as on SQLite."""
    notes: tuple[str, ...] = ()
    """Broken promises that no row shows."""
    doubts: tuple[str, ...] = ()
    """What keeps the evidence from being believed."""

    @cached_property
    def firing_by_id(self) -> dict[int, Firing]:
        """Firings by id."""
        return {firing.id: firing for firing in self.firings}

    @cached_property
    def run_by_id(self) -> dict[int, Run]:
        """Job runs by id."""
        return {run.id: run for run in self.runs}

    @cached_property
    def starts(self) -> list[Record]:
        """The ledger's starts in the order of time."""
        return sorted((r for r in self.ledger if r.kind == "start"), key=lambda r: r.at)

    @cached_property
    def lost_at(self) -> dict[int, float]:
        """When each job run that was lost was declared so."""
        return {
            int(move.row): move.at
            for move in self.moves
            if move.kind == "run" and move.became == "LOST"
        }

    def struck(self, pid: int | None, kinds: Iterable[str], since: float, until: float) -> bool:
        """Whether a fault of these kinds struck the process, or all, between two times."""
        wanted = set(kinds)
        return any(
            fault.kind in wanted
            and fault.pid in (None, pid)
            and fault.begun <= until
            and (fault.ended is None or fault.ended >= since)
            for fault in self.faults
        )
