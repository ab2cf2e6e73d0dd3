"""CLAIM: a worker takes firings that wait, and with them the right to run their jobs.

Overlap is decided here, by rows: under the lock of the schedule's row no other live firing of the
schedule may be ahead. The lock order is job_schedule, job_firing, job_run.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from jobsched.failpoints import failpoint
from jobsched.fixed import fixed
from jobsched.model import Firing, FiringStatus, JobRun, JobRunStatus, JobState, Reason
from jobsched.planning.attempts import past_deadline
from jobsched.planning.plan import ready
from jobsched.store import candidates, definitions, firings, many, plans, rows, schedules
from jobsched.store.candidates import Candidate, Claimer
from jobsched.store.database import Transaction
from jobsched.store.definitions import Known
from jobsched.store.statements import Statements


@fixed
class Claimed:
    """A firing that this worker now runs, with its plan; some of its runs may be RUNNING."""

    firing: Firing
    runs: tuple[JobRun, ...]
    jobs: Mapping[str, JobState]
    timeout: timedelta | None

    @property
    def started(self) -> int:
        """How many slots its running job runs take."""
        return sum(run.status is JobRunStatus.RUNNING for run in self.runs)


@fixed
class ClaimOutcome:
    """What a claiming transaction did."""

    claimed: tuple[Claimed, ...] = ()
    too_late: tuple[Firing, ...] = ()
    """Firings that ended SKIPPED, past their schedule's start deadline."""
    contended: bool = False
    """Whether another worker held some of what could be claimed: worth another look soon."""


def claim(
    tx: Transaction, claimer: Claimer, *, allowed: Collection[int] | None = None
) -> ClaimOutcome:
    """Claim waiting firings, in order of priority and due time, while slots are free.

    With `allowed`, of the firings whose overlap is limited only these: their locks are held.
    """
    if claimer.slots <= 0:
        return ClaimOutcome()
    known, may_claim = definitions.for_claimer(tx, claimer.app, claimer.worker_id)
    if not may_claim:
        return ClaimOutcome()
    found = [
        one
        for one in candidates.find(tx, claimer, known)
        if allowed is None or not one.limited or one.firing.id in allowed
    ]
    free = {one.firing.id for one in _lock_schedules(tx, found)}
    mine = _lock_firings(tx, [one for one in found if not one.limited or one.firing.id in free])
    failpoint("claim.locked")
    late = [one for one in mine if _is_too_late(tx, one)]
    _end_too_late(tx, late)
    timely = [one for one in mine if one not in late] if late else mine
    return ClaimOutcome(
        claimed=tuple(_take(tx, claimer, timely, known)),
        too_late=tuple(one.firing for one in late),
        contended=len(mine) < len(found),
    )


def held(tx: Transaction, claimer: Claimer) -> list[Claimed]:
    """All that the worker holds by the database's word, also what it was never told of."""
    table = tx.tables.job_firing
    selected = sa.select(table).where(
        table.c.claimed_by == claimer.worker_id, table.c.status == FiringStatus.RUNNING.value
    )
    found = [rows.firing(row) for row in tx.connection.execute(selected.order_by(table.c.id))]
    if not found:
        return []
    jobs = definitions.states(tx, claimer.app)
    states = schedules.by_ids(tx, {one.schedule_id for one in found if one.schedule_id is not None})
    runs = plans.runs_of(tx, [one.id for one in found])
    timeouts = {name: state.declaration.timeout for name, state in states.items()}
    return [
        Claimed(one, tuple(runs[one.id]), jobs, timeouts.get(one.schedule_id or ""))
        for one in found
    ]


def _lock_schedules(tx: Transaction, found: Sequence[Candidate]) -> list[Candidate]:
    """The found whose schedule this transaction holds now and lets them go first."""
    limited = [one for one in found if one.limited]
    if not limited:
        return []
    statement = tx.statements.get(_free_schedules)
    ids = [one.firing.schedule_id for one in limited]
    live = firings.live_ids(tx, tx.connection.execute(statement, {"ids": ids}).scalars().all())
    return [
        one
        for one in limited
        if one.firing.schedule_id in live
        and not any(
            other.id != one.firing.id and (other.running or other.id < one.firing.id)
            for other in live[one.firing.schedule_id]
        )
    ]


def _free_schedules(statements: Statements) -> sa.Select[Any]:
    table = statements.tables.job_schedule
    return (
        sa.select(table.c.id)
        .where(statements.among(table.c.id), table.c.locked_by.is_(None))
        .with_for_update(skip_locked=True)
    )


def _lock_firings(tx: Transaction, found: Sequence[Candidate]) -> list[Candidate]:
    """The found that still wait, now that their rows are locked."""
    if not found:
        return []
    statement = tx.statements.get(_still_waiting)
    ids = [one.firing.id for one in found]
    seen = {row.id: row.version for row in tx.connection.execute(statement, {"ids": ids})}
    return [one for one in found if seen.get(one.firing.id) == one.firing.version]


def _still_waiting(statements: Statements) -> sa.Select[Any]:
    table = statements.tables.job_firing
    return (
        sa.select(table.c.id, table.c.version)
        .where(statements.among(table.c.id), table.c.status.in_(candidates.WAITING))
        .with_for_update(skip_locked=True)
    )


def _is_too_late(tx: Transaction, candidate: Candidate) -> bool:
    firing = candidate.firing
    if candidate.start_deadline is None or firing.started_at is not None:
        return False
    return past_deadline(firing.scheduled_for, candidate.start_deadline, tx.now)


def _end_too_late(tx: Transaction, late: Sequence[Candidate]) -> None:
    firings.end(
        tx,
        [firings.FiringEnd(one.firing, FiringStatus.SKIPPED, Reason.DEADLINE) for one in late],
    )


def _take(
    tx: Transaction, claimer: Claimer, found: Sequence[Candidate], known: Known
) -> list[Claimed]:
    if not found:
        return []
    _mark_claimed(tx, claimer.worker_id, [one.firing for one in found])
    _take_schedule_locks(tx, claimer.worker_id, [one.firing for one in found if one.limited])
    slots = claimer.slots
    new_runs: list[plans.NewRun] = []
    for one in found:
        if one.plan is not None:
            first = plans.first_runs(
                one.firing,
                one.plan,
                known.planner.definitions,
                worker_id=claimer.worker_id,
                now=tx.now,
                slots=slots,
            )
            slots -= sum(run.status is JobRunStatus.RUNNING for run in first)
            new_runs.extend(first)
    failpoint("claim.marked")
    runs = plans.insert_told(tx, new_runs)
    written = [one.firing.id for one in found if one.plan is None]
    if written:
        _go_on(tx, claimer.worker_id, written, slots)
        runs |= plans.runs_of(tx, written)
    return [
        Claimed(
            firing=_owned(tx, claimer.worker_id, one.firing),
            runs=tuple(runs[one.firing.id]),
            jobs=known.states,
            timeout=one.timeout,
        )
        for one in found
    ]


def _owned(tx: Transaction, worker_id: str, firing: Firing) -> Firing:
    """The firing as its new owner sees it."""
    return replace(
        firing,
        status=FiringStatus.RUNNING,
        claimed_by=worker_id,
        reason=None,
        started_at=firing.started_at or tx.now,
        version=firing.version + 1,
    )


def _mark_claimed(tx: Transaction, worker_id: str, taken: Sequence[Firing]) -> None:
    tx.connection.execute(
        tx.statements.get(_mark_statement),
        {"ids": [firing.id for firing in taken], "worker": worker_id, "now": tx.now},
    )


def _mark_statement(statements: Statements) -> sa.Update:
    table = statements.tables.job_firing
    now = sa.bindparam("now", type_=table.c.started_at.type)
    return (
        sa.update(table)
        .where(statements.among(table.c.id))
        .values(
            status=FiringStatus.RUNNING.value,
            claimed_by=sa.bindparam("worker"),
            reason=None,
            started_at=sa.func.coalesce(table.c.started_at, now),
            version=table.c.version + 1,
        )
    )


def _take_schedule_locks(tx: Transaction, worker_id: str, taken: Sequence[Firing]) -> None:
    _LOCK.execute(
        tx,
        [
            {
                "id": firing.schedule_id,
                "owner": schedules.owner(worker_id, firing.id),
                "started": firing.started_at or tx.now,
            }
            for firing in taken
        ],
        now=tx.now,
    )


def _lock_types(statements: Statements) -> many.Types:
    table = statements.tables.job_schedule
    return {
        "id": table.c.id.type,
        "owner": table.c.locked_by.type,
        "started": table.c.last_run_at.type,
    }


def _lock_statement(statements: Statements, value: many.Values) -> sa.Update:
    table = statements.tables.job_schedule
    return (
        sa.update(table)
        .where(table.c.id == value("id"))
        .values(
            locked_by=value("owner"),
            locked_at=sa.bindparam("now", type_=table.c.locked_at.type),
            last_run_at=value("started"),
            version=table.c.version + 1,
        )
    )


_LOCK = many.Update("job_schedule", _lock_types, _lock_statement, shared=("now",))


def _go_on(tx: Transaction, worker_id: str, firing_ids: Sequence[int], slots: int) -> None:
    """Take over the queued job runs of plans that are written; start those that may start."""
    if not firing_ids:
        return
    table = tx.tables.job_run
    tx.connection.execute(
        sa.update(table)
        .where(table.c.firing_id.in_(firing_ids), table.c.status == JobRunStatus.QUEUED.value)
        .values(worker_id=worker_id)
    )
    starts: list[int] = []
    for runs in plans.runs_of(tx, firing_ids).values():
        last = plans.last_attempts(runs)
        startable = set(ready([plans.standing(run) for run in last], tx.now))
        starts.extend(run.id for run in last if run.job_name in startable)
    if starts[:slots]:
        tx.connection.execute(
            sa.update(table)
            .where(table.c.id.in_(starts[:slots]))
            .values(status=JobRunStatus.RUNNING.value, started_at=tx.now)
        )
