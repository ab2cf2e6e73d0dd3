"""FINISH and START: what happened to job runs, written in groups by the worker that runs them.

A worker that lost its claim changes nothing: the firings of a batch are locked first, and what
belongs to one that is no longer this worker's is left out. Writing a batch twice is harmless, so
that a COMMIT whose answer was lost can be repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobsched.failpoints import failpoint
from jobsched.model import Firing, FiringStatus, JobRunStatus
from jobsched.store import firings, plans, schedules
from jobsched.store.database import Transaction
from jobsched.store.plans import NewRun


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class RunNote:
    """A running attempt's reason or progress, for operators to see."""

    run_id: int
    firing_id: int
    reason: str | None = None
    progress: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A captured log record."""

    run_id: int
    firing_id: int
    level: str
    message: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
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
    """Whether an earlier try may have been committed after all."""

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


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch."""

    at: datetime
    """The database's time: the start of the job runs that were started."""
    fenced: frozenset[int]
    """Firings that are no longer this worker's; nothing of them was written."""
    attempt_ids: dict[tuple[int, str, int], int]
    """The ids of new attempts by firing, job and attempt."""


def record(tx: Transaction, batch: Batch) -> Recorded:
    """Write the batch. The rows it changes are locked in the order schedule, firing, run."""
    leaving = batch.leaving()
    locked = schedules.lock(tx, [one.schedule_id for one in leaving if one.schedule_id])
    wanted = batch.firing_ids()
    mine = _lock_mine(tx, batch)
    written = _written_before(tx, batch, wanted - mine) if batch.tried else set()
    failpoint("record.locked")
    part = batch.only(mine)
    if batch.tried:
        _drop_what_is_written(tx, part)
    _start(tx, part)
    _note(tx, part.notes)  # before the ends: it is said of what runs, and the last one stays
    _end_runs(tx, part.ends)
    failpoint("record.ended")
    plans.insert(tx, part.attempts)
    _pass_requests_on(tx, part.attempts)
    _log(tx, part.logs)
    firings.end(tx, part.firing_ends)
    _hand_back(tx, part)
    settlements = [firings.settlement(one, tx.now) for one in part.firing_ends]
    settlements += [
        schedules.Settlement(one.firing.schedule_id, one.firing.id, None)
        for one in part.hand_backs
        if one.firing.schedule_id is not None
    ]
    schedules.settle(tx, locked, [one for one in settlements if one is not None])
    return Recorded(tx.now, frozenset(wanted - mine - written), _attempt_ids(tx, batch))


def _lock_mine(tx: Transaction, batch: Batch) -> set[int]:
    """The firings of the batch that its worker still has.

    One that leaves must be of the same version: an earlier try may have handed it back already,
    and the same worker have claimed it anew.
    """
    table = tx.tables.job_firing
    selected = (
        sa.select(table.c.id, table.c.version)
        .where(
            table.c.id.in_(sorted(batch.firing_ids())),
            table.c.claimed_by == batch.worker_id,
            table.c.status == FiringStatus.RUNNING.value,
        )
        .order_by(table.c.id)
        .with_for_update()
    )
    leaving = {one.id: one.version for one in batch.leaving()}
    found = tx.connection.execute(selected)
    return {row.id for row in found if leaving.get(row.id, row.version) == row.version}


def _written_before(tx: Transaction, batch: Batch, absent: set[int]) -> set[int]:
    """Firings that are not ours any more because an earlier try of this batch ended them."""
    ends = {one.run_id: one for one in batch.ends if one.firing_id in absent}
    found = _run_states(tx, ends)
    return {
        one.firing_id
        for run_id, one in ends.items()
        if found.get(run_id) == (one.status.value, batch.worker_id)
    }


def _drop_what_is_written(tx: Transaction, part: Batch) -> None:
    """Of firings that are still ours: what an earlier try has written is not written again."""
    ids = [run_id for run_id, _ in part.starts] + [one.run_id for one in part.ends]
    found = _run_states(tx, ids)
    present = _attempt_ids(tx, part)
    starts = [s for s in part.starts if _status(found, s[0]) == JobRunStatus.QUEUED]
    ends = [one for one in part.ends if _status(found, one.run_id) != one.status]
    attempts = [
        one for one in part.attempts if (one.firing_id, one.job.name, one.attempt) not in present
    ]
    if (starts, ends, attempts) != (part.starts, part.ends, part.attempts):
        part.logs = []  # one transaction: with any of them, the lines were committed too
    part.starts, part.ends, part.attempts = starts, ends, attempts


def _run_states(tx: Transaction, run_ids: Any) -> dict[int, tuple[str, str | None]]:
    table = tx.tables.job_run
    wanted = list(run_ids)
    if not wanted:
        return {}
    selected = sa.select(table.c.id, table.c.status, table.c.worker_id).where(
        table.c.id.in_(wanted)
    )
    return {row.id: (row.status, row.worker_id) for row in tx.connection.execute(selected)}


def _status(found: dict[int, tuple[str, str | None]], run_id: int) -> str | None:
    return found[run_id][0] if run_id in found else None


def _start(tx: Transaction, part: Batch) -> None:
    if not part.starts:
        return
    table = tx.tables.job_run
    tx.connection.execute(
        sa.update(table)
        .where(
            table.c.id.in_([run_id for run_id, _ in part.starts]),
            table.c.status == JobRunStatus.QUEUED.value,
            table.c.worker_id == part.worker_id,
        )
        .values(status=JobRunStatus.RUNNING.value, started_at=tx.now)
    )


def _end_runs(tx: Transaction, ends: Sequence[RunEnd]) -> None:
    if not ends:
        return
    table = tx.tables.job_run
    statement = (
        sa.update(table)
        .where(table.c.id == sa.bindparam("b_id"), table.c.status == sa.bindparam("b_was"))
        .values(
            status=sa.bindparam("b_status"),
            reason=sa.bindparam("b_reason"),
            error=sa.bindparam("b_error"),
            traceback=sa.bindparam("b_traceback"),
            result=sa.bindparam("b_result", type_=table.c.result.type),
            finished_at=sa.bindparam("b_finished_at", type_=table.c.finished_at.type),
            duration_ms=sa.bindparam("b_duration_ms"),
        )
    )
    tx.connection.execute(
        statement,
        [
            {
                "b_id": one.run_id,
                "b_was": one.was.value,
                "b_status": one.status.value,
                "b_reason": one.reason,
                "b_error": one.error,
                "b_traceback": one.traceback,
                "b_result": one.result,
                "b_finished_at": one.finished_at,
                "b_duration_ms": one.duration_ms,
            }
            for one in sorted(ends, key=lambda one: one.run_id)
        ],
    )


def _pass_requests_on(tx: Transaction, attempts: Sequence[NewRun]) -> None:
    """A request to cancel a job reaches its next attempt, if the last one ended before it."""
    table = tx.tables.job_run
    for one in attempts:
        of_job = (table.c.firing_id == one.firing_id, table.c.job_name == one.job.name)
        asked = tx.connection.execute(
            sa.select(table.c.cancel_requested_at).where(
                *of_job, table.c.attempt == one.attempt - 1
            )
        ).scalar_one_or_none()
        if asked is not None:
            tx.connection.execute(
                sa.update(table)
                .where(*of_job, table.c.attempt == one.attempt)
                .values(cancel_requested_at=asked)
            )


def _note(tx: Transaction, notes: Sequence[RunNote]) -> None:
    table = tx.tables.job_run
    running = table.c.status == JobRunStatus.RUNNING.value
    latest: dict[int, dict[str, Any]] = {}
    for note in notes:  # of several in one batch the last counts
        values = latest.setdefault(note.run_id, {})
        if note.reason is not None:
            values["reason"] = note.reason
        if note.progress is not None:
            values["progress"] = note.progress
    for run_id, values in sorted(latest.items()):
        tx.connection.execute(
            sa.update(table).where(table.c.id == run_id, running).values(**values)
        )


def _log(tx: Transaction, logs: Sequence[LogRecord]) -> None:
    if logs:
        tx.connection.execute(
            sa.insert(tx.tables.job_log),
            [
                {
                    "job_run_id": one.run_id,
                    "level": one.level,
                    "message": one.message,
                    "created_at": one.created_at,
                }
                for one in logs
            ],
        )


def _hand_back(tx: Transaction, part: Batch) -> None:
    if not part.hand_backs:
        return
    table, run = tx.tables.job_firing, tx.tables.job_run
    later = sa.bindparam("b_available_at", type_=table.c.available_at.type)
    at_once = sa.literal(tx.now, table.c.available_at.type)
    tx.connection.execute(
        sa.update(table)
        .where(table.c.id == sa.bindparam("b_id"))
        .values(
            status=sa.bindparam("b_status"),
            # A request to cancel that we have not seen must not wait for a retry's time.
            available_at=sa.case((table.c.cancel_requested_at.is_not(None), at_once), else_=later),
            claimed_by=None,
            version=table.c.version + 1,
        ),
        [
            {"b_id": o.firing.id, "b_status": o.status.value, "b_available_at": o.available_at}
            for o in part.hand_backs
        ],
    )
    tx.connection.execute(
        sa.update(run)
        .where(
            run.c.firing_id.in_([one.firing.id for one in part.hand_backs]),
            run.c.status == JobRunStatus.QUEUED.value,
        )
        .values(worker_id=None)
    )


def _attempt_ids(tx: Transaction, batch: Batch) -> dict[tuple[int, str, int], int]:
    """The ids of the batch's new attempts, as far as they are written."""
    if not batch.attempts:
        return {}
    table = tx.tables.job_run
    wanted = {(one.firing_id, one.job.name, one.attempt) for one in batch.attempts}
    selected = sa.select(table.c.id, table.c.firing_id, table.c.job_name, table.c.attempt).where(
        table.c.firing_id.in_({firing_id for firing_id, _, _ in wanted})
    )
    return {
        key: row.id
        for row in tx.connection.execute(selected)
        if (key := (row.firing_id, row.job_name, row.attempt)) in wanted
    }
