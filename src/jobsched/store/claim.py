"""CLAIM: a worker takes firings that wait, and with them the right to run their jobs.

Overlap is decided here, by rows: under the lock of the schedule's row no other live firing of the
schedule may be ahead. The lock order is job_schedule, job_firing, job_run.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

import sqlalchemy as sa

from jobsched.failpoints import failpoint
from jobsched.model import Firing, FiringStatus, JobRun, JobRunStatus, JobState, Reason
from jobsched.planning.attempts import past_deadline
from jobsched.planning.plan import ready
from jobsched.store import candidates, definitions, firings, plans, rows, schedules, workers
from jobsched.store.candidates import Candidate, Claimer
from jobsched.store.database import Transaction


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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
    if claimer.slots <= 0 or not workers.may_claim(tx, claimer.worker_id):
        return ClaimOutcome()
    jobs = definitions.states(tx, claimer.app)
    found = [
        one
        for one in candidates.find(tx, claimer, jobs)
        if allowed is None or not one.limited or one.firing.id in allowed
    ]
    free = _lock_schedules(tx, found)
    mine = _lock_firings(tx, [one for one in found if not one.limited or one in free])
    failpoint("claim.locked")
    late = [one for one in mine if _is_too_late(tx, one)]
    _end_too_late(tx, late)
    timely = [one for one in mine if one not in late]
    return ClaimOutcome(
        claimed=tuple(_take(tx, claimer, timely, jobs)),
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
    table = tx.tables.job_schedule
    selected = (
        sa.select(table.c.id)
        .where(
            table.c.id.in_([one.firing.schedule_id for one in limited]),
            table.c.locked_by.is_(None),
        )
        .with_for_update(skip_locked=True)
    )
    live = _live_of(tx, tx.connection.execute(selected).scalars().all())
    return [
        one
        for one in limited
        if one.firing.schedule_id in live
        and not any(
            firings.is_ahead(other, one.firing) for other in live[one.firing.schedule_id or ""]
        )
    ]


def _live_of(tx: Transaction, schedule_ids: Sequence[str]) -> dict[str, list[Firing]]:
    """The live firings of each schedule, without the schedules that have an unreadable one."""
    try:
        return firings.live_of_schedules(tx, schedule_ids)
    except rows.UNREADABLE:
        found: dict[str, list[Firing]] = {}
        for schedule_id in schedule_ids:
            with suppress(*rows.UNREADABLE):
                found |= firings.live_of_schedules(tx, [schedule_id])
        return found


def _lock_firings(tx: Transaction, found: Sequence[Candidate]) -> list[Candidate]:
    """The found that still wait, now that their rows are locked."""
    if not found:
        return []
    table = tx.tables.job_firing
    selected = (
        sa.select(table.c.id, table.c.version)
        .where(
            table.c.id.in_([one.firing.id for one in found]),
            table.c.status.in_([FiringStatus.QUEUED.value, FiringStatus.WAITING.value]),
        )
        .with_for_update(skip_locked=True)
    )
    seen = {row.id: row.version for row in tx.connection.execute(selected)}
    return [one for one in found if seen.get(one.firing.id) == one.firing.version]


def _is_too_late(tx: Transaction, candidate: Candidate) -> bool:
    schedule, firing = candidate.schedule, candidate.firing
    if schedule is None or firing.started_at is not None:
        return False
    return past_deadline(firing.scheduled_for, schedule.declaration.start_deadline, tx.now)


def _end_too_late(tx: Transaction, late: Sequence[Candidate]) -> None:
    firings.end(
        tx,
        [firings.FiringEnd(one.firing, FiringStatus.SKIPPED, Reason.DEADLINE) for one in late],
    )


def _take(
    tx: Transaction,
    claimer: Claimer,
    found: Sequence[Candidate],
    jobs: Mapping[str, JobState],
) -> list[Claimed]:
    if not found:
        return []
    taken = [one.firing for one in found]
    _mark_claimed(tx, claimer.worker_id, taken)
    _take_schedule_locks(tx, claimer.worker_id, [one.firing for one in found if one.limited])
    slots = claimer.slots
    new_runs: list[plans.NewRun] = []
    current = definitions.in_code(jobs)
    for one in found:
        if one.plan is not None:
            first = plans.first_runs(
                one.firing,
                one.plan,
                current,
                worker_id=claimer.worker_id,
                now=tx.now,
                slots=slots,
            )
            slots -= sum(run.status is JobRunStatus.RUNNING for run in first)
            new_runs.extend(first)
    failpoint("claim.marked")
    plans.insert(tx, new_runs)
    _go_on(tx, claimer.worker_id, [one.firing.id for one in found if one.plan is None], slots)
    runs = plans.runs_of(tx, [firing.id for firing in taken])
    return [claimed(tx, claimer.worker_id, one, runs, jobs) for one in _pairs(found)]


def _pairs(found: Sequence[Candidate]) -> list[tuple[Firing, timedelta | None]]:
    return [
        (one.firing, one.schedule.declaration.timeout if one.schedule else None) for one in found
    ]


def claimed(
    tx: Transaction,
    worker_id: str,
    taken: tuple[Firing, timedelta | None],
    runs: Mapping[int, Sequence[JobRun]],
    jobs: Mapping[str, JobState],
) -> Claimed:
    """The firing as its new owner sees it."""
    firing, timeout = taken
    owned = replace(
        firing,
        status=FiringStatus.RUNNING,
        claimed_by=worker_id,
        reason=None,
        started_at=firing.started_at or tx.now,
        version=firing.version + 1,
    )
    return Claimed(owned, tuple(runs[firing.id]), jobs, timeout)


def _mark_claimed(tx: Transaction, worker_id: str, taken: Sequence[Firing]) -> None:
    table = tx.tables.job_firing
    tx.connection.execute(
        sa.update(table)
        .where(table.c.id.in_([firing.id for firing in taken]))
        .values(
            status=FiringStatus.RUNNING.value,
            claimed_by=worker_id,
            reason=None,
            started_at=sa.func.coalesce(
                table.c.started_at, sa.literal(tx.now, table.c.started_at.type)
            ),
            version=table.c.version + 1,
        )
    )


def _take_schedule_locks(tx: Transaction, worker_id: str, taken: Sequence[Firing]) -> None:
    if not taken:
        return
    table = tx.tables.job_schedule
    tx.connection.execute(
        sa.update(table)
        .where(table.c.id == sa.bindparam("b_id"))
        .values(
            locked_by=sa.bindparam("b_owner"),
            locked_at=tx.now,
            last_run_at=sa.bindparam("b_started", type_=table.c.last_run_at.type),
            version=table.c.version + 1,
        ),
        [
            {
                "b_id": firing.schedule_id,
                "b_owner": schedules.owner(worker_id, firing.id),
                "b_started": firing.started_at or tx.now,
            }
            for firing in taken
        ],
    )


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
