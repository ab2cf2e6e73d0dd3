"""Which waiting firings a worker could claim: looked for without a lock, decided by `claim`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from jobsched.errors import DeclarationError
from jobsched.fixed import fixed
from jobsched.model import (
    LIVE_RUNS,
    ExecutionMode,
    Firing,
    FiringStatus,
    JobRunStatus,
    Overlap,
    PlannedJob,
    Reason,
    ScheduleDeclaration,
    Timing,
)
from jobsched.store import definitions, firings, plans, rows
from jobsched.store.database import Transaction, duration
from jobsched.store.definitions import Known
from jobsched.store.statements import Statements

WAITING = [FiringStatus.QUEUED.value, FiringStatus.WAITING.value]
PAGE = 100
PAGES = 20
"""How far a pass looks for a firing whose jobs it knows."""


@fixed
class Claimer:
    """The worker that claims, the jobs it knows, and how many slots it has free."""

    worker_id: str
    app: str
    knows: frozenset[str]
    slots: int
    aside: int = 0
    """How many firings to leave to another worker that reaches for the same ones."""


@fixed
class Wanted:
    """A firing that looks claimable and whose schedule's lock has to be taken first."""

    firing_id: int
    schedule_id: str


@fixed
class Candidate:
    """A waiting firing with what it takes to claim it."""

    firing: Firing
    limited: bool
    """Whether overlap is limited, so that the schedule's lock is taken."""
    start_deadline: timedelta | None
    timeout: timedelta | None
    """Of its schedule."""
    plan: tuple[PlannedJob, ...] | None
    """None when its job runs were written by an earlier claim."""
    needs: frozenset[str]
    """The jobs that still have to run."""

    @property
    def roots(self) -> int:
        """How many of its jobs can start at once, as far as that is known without their rows."""
        return 1 if self.plan is None else plans.roots(self.plan)


def is_limited(declaration: ScheduleDeclaration) -> bool:
    """Whether the schedule lets no two of its firings run at once."""
    return declaration.overlap is not Overlap.ALLOW


def wanted(tx: Transaction, claimer: Claimer) -> list[Wanted]:
    """What a claim would lock, for a lock backend to be asked before the transaction."""
    known, _ = definitions.for_claimer(tx, claimer.app, claimer.worker_id)
    found = find(tx, claimer, known)
    return [Wanted(one.firing.id, one.firing.schedule_id or "") for one in found if one.limited]


def find(tx: Transaction, claimer: Claimer, known: Known) -> list[Candidate]:
    """Firings that look claimable, without a lock: no more than can start in the free slots."""
    wanted = claimer.slots + claimer.aside
    size = min(PAGE, wanted)
    found: list[Candidate] = []
    limited: set[str] = set()
    for page in range(PAGES):
        waiting = _waiting(tx, claimer, page * size, size)
        for one in _with_plans(tx, waiting, known):
            schedule_id = one.firing.schedule_id
            if not one.needs <= claimer.knows or (one.limited and schedule_id in limited):
                continue
            if one.limited and schedule_id is not None:
                limited.add(schedule_id)
            found.append(one)
            if len(found) == wanted:
                return _fitting(found, claimer.slots)
        if len(waiting) < size:
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


_Waiting = tuple[Firing, sa.Row[Any]]
"""A firing with its row, which holds the policies of its schedule too."""


def _waiting(tx: Transaction, claimer: Claimer, skip: int, limit: int) -> list[_Waiting]:
    statement = tx.statements.get(_waiting_statement)
    parameters = {
        "app": claimer.app,
        "now": tx.now,
        "jobs": sorted(claimer.knows),
        "skip": skip,
        "limit": limit,
    }
    try:
        found = tx.connection.execute(statement, parameters)
        return [(rows.firing(row), row) for row in found]
    except rows.UNREADABLE:
        key = tx.tables.job_firing.c.id
        legible = []
        for one in tx.connection.execute(statement.with_only_columns(key), parameters).all():
            alone = statement.where(key == one.id)
            with suppress(*rows.UNREADABLE):
                row = tx.connection.execute(alone, parameters | {"skip": 0}).one()
                legible.append((rows.firing(row), row))
        return legible


def _waiting_statement(statements: Statements) -> sa.Select[Any]:
    firing, schedule = statements.tables.job_firing, statements.tables.job_schedule
    free = sa.or_(
        firing.c.schedule_id.is_(None),
        schedule.c.overlap == Overlap.ALLOW.value,
        sa.and_(schedule.c.locked_by.is_(None), sa.not_(_another_is_ahead(firing))),
    )
    run = statements.tables.job_run
    return (
        sa.select(
            firing,
            *(schedule.c[name].label(f"schedules_{name}") for name in _POLICIES),
            sa.exists().where(run.c.firing_id == firing.c.id).correlate(firing).label("planned"),
        )
        .select_from(firing.outerjoin(schedule, schedule.c.id == firing.c.schedule_id))
        .where(
            firing.c.app == sa.bindparam("app"),
            firing.c.status.in_(WAITING),
            firing.c.available_at <= sa.bindparam("now", type_=firing.c.available_at.type),
            sa.or_(firing.c.job_name.is_(None), statements.among(firing.c.job_name, "jobs")),
            free,
        )
        .order_by(firing.c.priority.desc(), firing.c.available_at, firing.c.id)
        .limit(sa.bindparam("limit", type_=sa.Integer))
        .offset(sa.bindparam("skip", type_=sa.Integer))
    )


_POLICIES = (
    *("id", "overlap", "start_deadline_s", "timeout_s"),
    *("execution_mode", "group_name", "jobs", "include_dependencies"),
)
"""What the claim of a firing takes from its schedule."""


def held_back(tx: Transaction) -> sa.ColumnElement[bool]:
    """Overlap holds the firing back; a hint, for the decision is made under the row lock."""
    firing, schedule = tx.tables.job_firing, tx.tables.job_schedule
    return (
        sa.exists()
        .where(
            schedule.c.id == firing.c.schedule_id,
            schedule.c.overlap != Overlap.ALLOW.value,
            sa.or_(schedule.c.locked_by.is_not(None), _another_is_ahead(firing)),
        )
        .correlate(firing)
    )


def _another_is_ahead(firing: sa.Table) -> sa.ColumnElement[bool]:
    other = firing.alias("other")
    # Named, since SQLAlchemy itself correlates with the nearest enclosing SELECT only.
    return (
        sa.exists()
        .where(
            other.c.schedule_id == firing.c.schedule_id,
            other.c.id != firing.c.id,
            other.c.status.in_(firings.LIVE),
            sa.or_(other.c.status == FiringStatus.RUNNING.value, other.c.id < firing.c.id),
        )
        .correlate(firing)
    )


def _with_plans(tx: Transaction, waiting: Sequence[_Waiting], known: Known) -> Iterator[Candidate]:
    written = unfinished_jobs(tx, [firing.id for firing, row in waiting if row.planned])
    for firing, row in waiting:
        if firing.schedule_id is not None and row.schedules_id is None:
            continue
        try:
            yield _candidate(firing, row, known, written.get(firing.id))
        except (DeclarationError, *rows.UNREADABLE):
            continue  # nobody can run it now; recovery says so when that lasts


def _candidate(
    firing: Firing, row: sa.Row[Any], known: Known, unfinished: frozenset[str] | None
) -> Candidate:
    plan = None
    if unfinished is None:
        if firing.schedule_id is None:
            plan = known.planner.of_job(firing.job_name or "")
        else:
            plan = known.planner.of_schedule(_selection(firing.schedule_id, row))
        unfinished = frozenset(job.name for job in plan)
    limited = firing.schedule_id is not None and Overlap(row.schedules_overlap) is not Overlap.ALLOW
    return Candidate(
        firing=firing,
        limited=limited,
        start_deadline=duration(row.schedules_start_deadline_s),
        timeout=duration(row.schedules_timeout_s),
        plan=plan,
        needs=unfinished,
    )


def _selection(schedule_id: str, row: sa.Row[Any]) -> ScheduleDeclaration:
    """Of the schedule's declaration, what says which jobs it runs."""
    return ScheduleDeclaration(
        id=schedule_id,
        timing=Timing(),
        execution_mode=ExecutionMode(row.schedules_execution_mode),
        group=row.schedules_group_name,
        jobs=tuple(row.schedules_jobs or ()),
        include_dependencies=row.schedules_include_dependencies,
    )


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
                table.c.status.in_(WAITING),
            )
            .values(
                available_at=tx.now + delay,
                reason=f"{Reason.LOCK}: {reason}"[:200],
                version=table.c.version + 1,
            )
        )
