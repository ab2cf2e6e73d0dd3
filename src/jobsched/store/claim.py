"""CLAIM: a worker takes firings that wait, and with them the right to run their jobs.

Overlap is decided here, by rows: under the lock of the schedule's row no other live firing of the
schedule may be ahead. The lock order is job_schedule, job_firing, job_run.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import sqlalchemy as sa

from jobsched.errors import DeclarationError
from jobsched.model import (
    LIVE_RUNS,
    Firing,
    FiringStatus,
    JobRun,
    JobRunStatus,
    JobState,
    Overlap,
    PlannedJob,
    Reason,
    ScheduleState,
)
from jobsched.planning.attempts import past_deadline
from jobsched.planning.plan import Standing, ready
from jobsched.store import definitions, firings, plans, rows, schedules
from jobsched.store.database import Transaction

PAGE = 100
PAGES = 20
"""How far a pass looks for a firing whose jobs it knows."""


@dataclass(frozen=True, slots=True)
class Claimer:
    """The worker that claims, the jobs it knows, and how many slots it has free."""

    worker_id: str
    app: str
    knows: frozenset[str]
    slots: int
    aside: int = 0
    """How many firings to leave to another worker that reaches for the same ones."""


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
class Wanted:
    """A firing that looks claimable and whose schedule's lock has to be taken first."""

    firing_id: int
    schedule_id: str


@dataclass(frozen=True, slots=True)
class ClaimOutcome:
    """What a claiming transaction did."""

    claimed: tuple[Claimed, ...] = ()
    too_late: tuple[Firing, ...] = ()
    """Firings that ended SKIPPED, past their schedule's start deadline."""
    contended: bool = False
    """Whether another worker held some of what could be claimed: worth another look soon."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    firing: Firing
    schedule: ScheduleState | None
    plan: tuple[PlannedJob, ...] | None
    """None when its job runs were written by an earlier claim."""
    needs: frozenset[str]
    """The jobs that still have to run."""

    @property
    def limited(self) -> bool:
        """Whether overlap is limited, so that the schedule's lock is taken."""
        return self.schedule is not None and is_limited(self.schedule)


def is_limited(schedule: ScheduleState) -> bool:
    """Whether the schedule lets no two of its firings run at once."""
    return schedule.declaration.overlap is not Overlap.ALLOW


def wanted(tx: Transaction, claimer: Claimer) -> list[Wanted]:
    """What a claim would lock, for a lock backend to be asked before the transaction."""
    candidates = _candidates(tx, claimer, definitions.states(tx, claimer.app))
    return [
        Wanted(one.firing.id, one.firing.schedule_id or "") for one in candidates if one.limited
    ]


def claim(
    tx: Transaction, claimer: Claimer, *, allowed: Collection[int] | None = None
) -> ClaimOutcome:
    """Claim waiting firings, in order of priority and due time, while slots are free.

    With `allowed`, of the firings whose overlap is limited only these: their locks are held.
    """
    if claimer.slots <= 0:
        return ClaimOutcome()
    jobs = definitions.states(tx, claimer.app)
    candidates = [
        one
        for one in _candidates(tx, claimer, jobs)
        if allowed is None or not one.limited or one.firing.id in allowed
    ]
    free = _lock_schedules(tx, candidates)
    mine = _lock_firings(tx, [one for one in candidates if not one.limited or one in free])
    late = [one for one in mine if _is_too_late(tx, one)]
    _end_too_late(tx, late)
    timely = [one for one in mine if one not in late]
    return ClaimOutcome(
        claimed=tuple(_take(tx, claimer, timely, jobs)),
        too_late=tuple(one.firing for one in late),
        contended=len(mine) < len(candidates),
    )


def _candidates(
    tx: Transaction, claimer: Claimer, jobs: Mapping[str, JobState]
) -> list[_Candidate]:
    """Firings that look claimable, without a lock: at most one per free slot."""
    wanted = claimer.slots + claimer.aside
    found: list[_Candidate] = []
    limited: set[str] = set()
    for page in range(PAGES):
        firings_page = _waiting(tx, claimer, page)
        for one in _with_plans(tx, firings_page, jobs):
            schedule_id = one.firing.schedule_id
            if not one.needs <= claimer.knows or (one.limited and schedule_id in limited):
                continue
            if one.limited and schedule_id is not None:
                limited.add(schedule_id)
            found.append(one)
            if len(found) == wanted:
                return found[-claimer.slots :]
        if len(firings_page) < PAGE:
            break
    return found[-claimer.slots :]


def _waiting(tx: Transaction, claimer: Claimer, page: int) -> list[Firing]:
    table = tx.tables.job_firing
    selected = (
        sa.select(table)
        .where(
            table.c.app == claimer.app,
            table.c.status.in_([FiringStatus.QUEUED.value, FiringStatus.WAITING.value]),
            table.c.available_at <= tx.now,
            sa.not_(held_back(tx)),
        )
        .order_by(table.c.priority.desc(), table.c.available_at, table.c.id)
        .limit(PAGE)
        .offset(page * PAGE)
    )
    return [rows.firing(row) for row in tx.connection.execute(selected)]


def held_back(tx: Transaction) -> sa.ColumnElement[bool]:
    """Overlap holds the firing back; a hint, for the decision is made under the row lock."""
    firing, schedule = tx.tables.job_firing, tx.tables.job_schedule
    other = firing.alias("other")
    # Named, since SQLAlchemy itself correlates with the nearest enclosing SELECT only.
    ahead = (
        sa.exists()
        .where(
            other.c.schedule_id == firing.c.schedule_id,
            other.c.id != firing.c.id,
            other.c.status.in_(firings.LIVE),
            sa.or_(other.c.status == FiringStatus.RUNNING.value, other.c.id < firing.c.id),
        )
        .correlate(firing)
    )
    return (
        sa.exists()
        .where(
            schedule.c.id == firing.c.schedule_id,
            schedule.c.overlap != Overlap.ALLOW.value,
            sa.or_(schedule.c.locked_by.is_not(None), ahead),
        )
        .correlate(firing)
    )


def _with_plans(
    tx: Transaction, waiting: Sequence[Firing], jobs: Mapping[str, JobState]
) -> list[_Candidate]:
    found = schedules.by_ids(tx, {f.schedule_id for f in waiting if f.schedule_id is not None})
    written = unfinished_jobs(tx, [firing.id for firing in waiting])
    current = definitions.in_code(jobs)
    candidates = []
    for firing in waiting:
        schedule = found.get(firing.schedule_id or "")
        if firing.schedule_id is not None and schedule is None:
            continue
        if firing.id in written:
            candidates.append(_Candidate(firing, schedule, None, written[firing.id]))
            continue
        try:
            declared = schedule.declaration if schedule is not None else None
            plan = plans.plan_of(declared, firing.job_name, current)
        except DeclarationError:
            continue  # nobody can run it now; recovery says so when that lasts
        needs = frozenset(job.name for job in plan)
        candidates.append(_Candidate(firing, schedule, plan, needs))
    return candidates


def unfinished_jobs(tx: Transaction, firing_ids: Sequence[int]) -> dict[int, frozenset[str]]:
    """Of the firings whose plan is written: the jobs that have not ended."""
    unfinished: dict[int, frozenset[str]] = {}
    if firing_ids:
        table = tx.tables.job_run
        selected = sa.select(table.c.firing_id, table.c.job_name, table.c.status).where(
            table.c.firing_id.in_(firing_ids)
        )
        for row in tx.connection.execute(selected):
            live = {row.job_name} if JobRunStatus(row.status) in LIVE_RUNS else set()
            unfinished[row.firing_id] = unfinished.get(row.firing_id, frozenset()) | live
    return unfinished


def _lock_schedules(tx: Transaction, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The candidates whose schedule this transaction holds now and lets them go first."""
    limited = [one for one in candidates if one.limited]
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
    held = set(tx.connection.execute(selected).scalars())
    live = firings.live_of_schedules(tx, held)
    return [
        one
        for one in limited
        if one.firing.schedule_id in held
        and not any(
            firings.is_ahead(other, one.firing) for other in live[one.firing.schedule_id or ""]
        )
    ]


def _lock_firings(tx: Transaction, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The candidates that still wait, now that their rows are locked."""
    if not candidates:
        return []
    table = tx.tables.job_firing
    selected = (
        sa.select(table.c.id, table.c.version)
        .where(
            table.c.id.in_([one.firing.id for one in candidates]),
            table.c.status.in_([FiringStatus.QUEUED.value, FiringStatus.WAITING.value]),
        )
        .with_for_update(skip_locked=True)
    )
    seen = {row.id: row.version for row in tx.connection.execute(selected)}
    return [one for one in candidates if seen.get(one.firing.id) == one.firing.version]


def _is_too_late(tx: Transaction, candidate: _Candidate) -> bool:
    schedule, firing = candidate.schedule, candidate.firing
    if schedule is None or firing.started_at is not None:
        return False
    return past_deadline(firing.scheduled_for, schedule.declaration.start_deadline, tx.now)


def _end_too_late(tx: Transaction, late: Sequence[_Candidate]) -> None:
    firings.end(
        tx,
        [firings.FiringEnd(one.firing, FiringStatus.SKIPPED, Reason.DEADLINE) for one in late],
    )


def _take(
    tx: Transaction,
    claimer: Claimer,
    candidates: Sequence[_Candidate],
    jobs: Mapping[str, JobState],
) -> list[Claimed]:
    if not candidates:
        return []
    taken = [one.firing for one in candidates]
    _mark_claimed(tx, claimer.worker_id, taken)
    _take_schedule_locks(tx, claimer.worker_id, [one.firing for one in candidates if one.limited])
    slots = claimer.slots
    new_runs: list[plans.NewRun] = []
    current = definitions.in_code(jobs)
    for one in candidates:
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
    plans.insert(tx, new_runs)
    _go_on(tx, claimer.worker_id, [one.firing.id for one in candidates if one.plan is None], slots)
    runs = plans.runs_of(tx, [firing.id for firing in taken])
    return [claimed(tx, claimer.worker_id, one, runs, jobs) for one in _pairs(candidates)]


def _pairs(candidates: Sequence[_Candidate]) -> list[tuple[Firing, timedelta | None]]:
    return [
        (one.firing, one.schedule.declaration.timeout if one.schedule else None)
        for one in candidates
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
        startable = set(ready([standing(run) for run in last], tx.now))
        starts.extend(run.id for run in last if run.job_name in startable)
    if starts[:slots]:
        tx.connection.execute(
            sa.update(table)
            .where(table.c.id.in_(starts[:slots]))
            .values(status=JobRunStatus.RUNNING.value, started_at=tx.now)
        )


def postpone(tx: Transaction, reasons: Mapping[int, str], delay: timedelta) -> None:
    """Leave firings waiting for a while, and say which lock they wait for."""
    table = tx.tables.job_firing
    for firing_id, reason in reasons.items():
        tx.connection.execute(
            sa.update(table)
            .where(
                table.c.id == firing_id,
                table.c.status.in_([FiringStatus.QUEUED.value, FiringStatus.WAITING.value]),
            )
            .values(
                available_at=tx.now + delay,
                reason=f"{Reason.LOCK}: {reason}"[:200],
                version=table.c.version + 1,
            )
        )


def standing(run: JobRun) -> Standing:
    """Where a job stands by its last attempt."""
    return Standing(PlannedJob(run.job_name, run.depends_on), run.status, run.available_at)
