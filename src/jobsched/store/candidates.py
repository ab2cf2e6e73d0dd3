"""Which waiting firings a worker could claim: looked for without a lock, decided by `claim`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from jobsched.errors import DeclarationError
from jobsched.model import (
    LIVE_RUNS,
    Firing,
    FiringStatus,
    JobRunStatus,
    JobState,
    Overlap,
    PlannedJob,
    Reason,
    ScheduleState,
)
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
class Wanted:
    """A firing that looks claimable and whose schedule's lock has to be taken first."""

    firing_id: int
    schedule_id: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A waiting firing with what it takes to claim it."""

    firing: Firing
    schedule: ScheduleState | None
    plan: tuple[PlannedJob, ...] | None
    """None when its job runs were written by an earlier claim."""
    needs: frozenset[str]
    """The jobs that still have to run."""

    @property
    def roots(self) -> int:
        """How many of its jobs can start at once, as far as that is known without their rows."""
        return 1 if self.plan is None else plans.roots(self.plan)

    @property
    def limited(self) -> bool:
        """Whether overlap is limited, so that the schedule's lock is taken."""
        return self.schedule is not None and is_limited(self.schedule)


def is_limited(schedule: ScheduleState) -> bool:
    """Whether the schedule lets no two of its firings run at once."""
    return schedule.declaration.overlap is not Overlap.ALLOW


def wanted(tx: Transaction, claimer: Claimer) -> list[Wanted]:
    """What a claim would lock, for a lock backend to be asked before the transaction."""
    found = find(tx, claimer, definitions.states(tx, claimer.app))
    return [Wanted(one.firing.id, one.firing.schedule_id or "") for one in found if one.limited]


def find(tx: Transaction, claimer: Claimer, jobs: Mapping[str, JobState]) -> list[Candidate]:
    """Firings that look claimable, without a lock: no more than can start in the free slots."""
    wanted = claimer.slots + claimer.aside
    found: list[Candidate] = []
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
                return _fitting(found, claimer.slots)
        if len(firings_page) < PAGE:
            break
    return _fitting(found, claimer.slots)


def _fitting(found: Sequence[Candidate], slots: int) -> list[Candidate]:
    """Of the last ones, as many as have a slot for a job at once: the others are for others."""
    fitting: list[Candidate] = []
    for one in found[-slots:]:
        if slots <= 0:
            break
        fitting.append(one)
        slots -= one.roots
    return fitting


def _waiting(tx: Transaction, claimer: Claimer, page: int) -> list[Firing]:
    table = tx.tables.job_firing
    selected = (
        sa.select(table)
        .where(
            table.c.app == claimer.app,
            table.c.status.in_([FiringStatus.QUEUED.value, FiringStatus.WAITING.value]),
            table.c.available_at <= tx.now,
            sa.or_(table.c.job_name.is_(None), table.c.job_name.in_(sorted(claimer.knows))),
            sa.not_(held_back(tx)),
        )
        .order_by(table.c.priority.desc(), table.c.available_at, table.c.id)
        .limit(PAGE)
        .offset(page * PAGE)
    )
    return rows.readable(tx, selected, table.c.id, rows.firing)


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
) -> list[Candidate]:
    found = schedules.by_ids(tx, {f.schedule_id for f in waiting if f.schedule_id is not None})
    written = unfinished_jobs(tx, [firing.id for firing in waiting])
    current = definitions.in_code(jobs)
    candidates = []
    for firing in waiting:
        schedule = found.get(firing.schedule_id or "")
        if firing.schedule_id is not None and schedule is None:
            continue
        if firing.id in written:
            candidates.append(Candidate(firing, schedule, None, written[firing.id]))
            continue
        try:
            declared = schedule.declaration if schedule is not None else None
            plan = plans.plan_of(declared, firing.job_name, current)
        except DeclarationError:
            continue  # nobody can run it now; recovery says so when that lasts
        needs = frozenset(job.name for job in plan)
        candidates.append(Candidate(firing, schedule, plan, needs))
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
