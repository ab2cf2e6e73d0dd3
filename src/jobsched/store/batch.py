"""What a worker has to write of the firings that it runs: batches, and what became of them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobsched.fixed import fixed
from jobsched.model import Firing, FiringStatus, JobRunStatus
from jobsched.store import firings
from jobsched.store.plans import NewRun


@fixed
class RunEnd:
    """How an attempt ended."""

    run_id: int
    firing_id: int
    status: JobRunStatus
    finished_at: datetime
    reason: str | None = None
    error: str | None = None
    traceback: str | None = None
    result: Any = None
    duration_ms: int | None = None
    was: JobRunStatus = JobRunStatus.RUNNING
    """The state it leaves: QUEUED when it never started."""


@fixed
class RunNote:
    """A running attempt's reason or progress, for operators to see."""

    run_id: int
    firing_id: int
    reason: str | None = None
    progress: dict[str, Any] | None = None


@fixed
class LogRecord:
    """A captured log record."""

    run_id: int
    firing_id: int
    level: str
    message: str
    created_at: datetime


@fixed
class HandBack:
    """A firing that its worker gives up unfinished: to be claimed again from `available_at`."""

    firing: Firing
    status: FiringStatus
    available_at: datetime


@dataclass(slots=True)
class Batch:
    """What one worker has to write, in one transaction."""

    worker_id: str
    starts: list[tuple[int, int]] = field(default_factory=list)
    """(run id, firing id) of job runs that have a slot now."""
    ends: list[RunEnd] = field(default_factory=list)
    attempts: list[NewRun] = field(default_factory=list)
    notes: list[RunNote] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)
    firing_ends: list[firings.FiringEnd] = field(default_factory=list)
    hand_backs: list[HandBack] = field(default_factory=list)
    tried: bool = False
    """Whether an earlier try may have been committed after all, or found that a claim is lost."""

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(
            self.starts
            or self.ends
            or self.attempts
            or self.notes
            or self.logs
            or self.firing_ends
            or self.hand_backs
        )

    def firing_ids(self) -> set[int]:
        """Every firing that the batch touches."""
        return {
            *(firing_id for _, firing_id in self.starts),
            *(one.firing_id for one in self.ends),
            *(one.firing_id for one in self.attempts),
            *(one.firing_id for one in self.notes),
            *(one.firing_id for one in self.logs),
            *(one.id for one in self.leaving()),
        }

    def leaving(self) -> list[Firing]:
        """The firings that end, or are handed back."""
        return [
            *(one.firing for one in self.firing_ends),
            *(one.firing for one in self.hand_backs),
        ]

    def only(self, firing_ids: set[int]) -> "Batch":
        """The part of the batch that belongs to these firings."""
        return Batch(
            self.worker_id,
            [one for one in self.starts if one[1] in firing_ids],
            [one for one in self.ends if one.firing_id in firing_ids],
            [one for one in self.attempts if one.firing_id in firing_ids],
            [one for one in self.notes if one.firing_id in firing_ids],
            [one for one in self.logs if one.firing_id in firing_ids],
            [one for one in self.firing_ends if one.firing.id in firing_ids],
            [one for one in self.hand_backs if one.firing.id in firing_ids],
            self.tried,
        )


@fixed
class Recorded:
    """What became of a batch."""

    at: datetime
    """The database's time: the start of the job runs that were started."""
    fenced: frozenset[int]
    """Firings that are no longer this worker's; nothing of them was written."""
    others_wait: bool
    """Whether firings of the app may wait, for one of the slots that are free now or for a lock."""
    attempt_ids: dict[tuple[int, str, int], int]
    """The ids of new attempts by firing, job and attempt."""
