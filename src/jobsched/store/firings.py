"""Firings: writing them, looking at the live ones, ending them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from jobsched.errors import NotFoundError
from jobsched.fixed import fixed
from jobsched.model import LIVE_FIRINGS, Firing, FiringStatus, JobRun, JobRunStatus, TriggerType
from jobsched.planning.due import LiveFiring
from jobsched.planning.plan import ending
from jobsched.store import many, plans, rows, schedules
from jobsched.store.database import Transaction
from jobsched.store.statements import Statements

LIVE = [status.value for status in LIVE_FIRINGS]


@fixed
class NewFiring:
    """A firing to insert."""

    app: str
    scheduled_for: datetime
    trigger: TriggerType
    available_at: datetime
    schedule_id: str | None = None
    job_name: str | None = None
    status: FiringStatus = FiringStatus.QUEUED
    reason: str | None = None
    blocked_by: int | None = None
    missed_count: int | None = None
    missed_from: datetime | None = None
    params: Mapping[str, Any] | None = None
    priority: int = 0
    claimed_by: str | None = None
    requested_by: str | None = None
    dedup_key: str | None = None


@fixed
class FiringEnd:
    """How a firing ends."""

    firing: Firing
    status: FiringStatus
    reason: str | None = None


def cron_key(schedule_id: str, occurrence: datetime) -> str:
    """The unique key of a schedule's occurrence: the guarantee that it fires once."""
    return f"cron:{schedule_id}:{_stamp(occurrence)}"


@lru_cache(maxsize=64)
def _stamp(occurrence: datetime) -> str:
    """Of one instant for all that are due at it."""
    return f"{occurrence:%Y-%m-%dT%H:%M:%S.%fZ}"


def request_key(app: str, target: str, key: str) -> str:
    """The unique key of a caller's request: the same key gives the same firing."""
    return f"key:{app}:{target}:{key}"


def insert(tx: Transaction, new: Sequence[NewFiring]) -> None:
    """Write firings."""
    _INSERT.execute(tx, [_columns(firing, tx.now) for firing in new])


def insert_keyed(
    tx: Transaction, new: Sequence[NewFiring], wanted: Sequence[str]
) -> dict[str, Firing]:
    """Write firings; those of the `wanted` dedup keys as they stand then."""
    now = tx.now
    ids = _INSERT.ids(tx, [_columns(firing, now) for firing in new])
    if ids is None:
        return by_keys(tx, wanted)
    by_key = {firing.dedup_key: firing for firing in new}
    return {key: _written(by_key[key], ids[key], now) for key in wanted}


def _written(new: NewFiring, firing_id: int, now: datetime) -> Firing:
    return Firing(
        id=firing_id,
        app=new.app,
        schedule_id=new.schedule_id,
        job_name=new.job_name,
        scheduled_for=new.scheduled_for,
        trigger=new.trigger,
        status=new.status,
        reason=new.reason,
        blocked_by=new.blocked_by,
        missed_count=new.missed_count,
        missed_from=new.missed_from,
        params=new.params or {},
        available_at=new.available_at,
        claimed_by=new.claimed_by,
        requested_by=new.requested_by,
        cancel_requested_at=None,
        created_at=now,
        started_at=now if new.status is FiringStatus.RUNNING else None,
        finished_at=now if new.status is FiringStatus.SKIPPED else None,
        priority=new.priority,
    )


def insert_one(tx: Transaction, new: NewFiring) -> Firing:
    """Write one firing and read it back."""
    result = tx.connection.execute(sa.insert(tx.tables.job_firing).values(**_columns(new, tx.now)))
    key = result.inserted_primary_key
    return by_id(tx, key[0] if key else 0)


def _columns(new: NewFiring, now: datetime) -> dict[str, Any]:
    skipped = new.status is FiringStatus.SKIPPED
    return {
        "app": new.app,
        "schedule_id": new.schedule_id,
        "job_name": new.job_name,
        "scheduled_for": new.scheduled_for,
        "trigger_type": new.trigger.value,
        "status": new.status.value,
        "reason": new.reason,
        "blocked_by": new.blocked_by,
        "missed_count": new.missed_count,
        "missed_from": new.missed_from,
        "params": dict(new.params) if new.params else None,
        "priority": new.priority,
        "available_at": new.available_at,
        "claimed_by": new.claimed_by,
        "version": 0,
        "requested_by": new.requested_by,
        "dedup_key": new.dedup_key,
        "created_at": now,
        "started_at": now if new.status is FiringStatus.RUNNING else None,
        "finished_at": now if skipped else None,
    }


_INSERT = many.Insert(
    "job_firing",
    (
        *("app", "schedule_id", "job_name", "scheduled_for", "trigger_type", "status", "reason"),
        *("blocked_by", "missed_count", "missed_from", "params", "priority", "available_at"),
        *("claimed_by", "version", "requested_by", "dedup_key"),
        *("created_at", "started_at", "finished_at"),
    ),
    keys=("dedup_key",),
)


def by_id(tx: Transaction, firing_id: int, *, lock: bool = False) -> Firing:
    """One firing; raises NotFoundError."""
    table = tx.tables.job_firing
    selected = sa.select(table).where(table.c.id == firing_id)
    row = tx.connection.execute(selected.with_for_update() if lock else selected).one_or_none()
    if row is None:
        raise NotFoundError(
            f"there is no firing {firing_id}; `jobsched history` lists the latest ones"
        )
    return rows.firing(row)


def by_keys(tx: Transaction, dedup_keys: Iterable[str]) -> dict[str, Firing]:
    """The firings of these unique keys."""
    wanted = list(dedup_keys)
    if not wanted:
        return {}
    table = tx.tables.job_firing
    found = tx.connection.execute(sa.select(table).where(table.c.dedup_key.in_(wanted)))
    return {row.dedup_key: rows.firing(row) for row in found}


def live_of_schedules(tx: Transaction, schedule_ids: Iterable[str]) -> dict[str, list[Firing]]:
    """The live firings of each schedule, oldest first."""
    found: dict[str, list[Firing]] = {schedule_id: [] for schedule_id in schedule_ids}
    if found:
        table = tx.tables.job_firing
        selected = (
            sa.select(table)
            .where(table.c.schedule_id.in_(found), table.c.status.in_(LIVE))
            .order_by(table.c.id)
        )
        for row in tx.connection.execute(selected):
            found[row.schedule_id].append(rows.firing(row))
    return found


def live_ids(tx: Transaction, schedule_ids: Iterable[str]) -> dict[str, list[LiveFiring]]:
    """The same, without more of each firing than overlap is decided by."""
    found: dict[str, list[LiveFiring]] = {schedule_id: [] for schedule_id in schedule_ids}
    if found:
        selected = tx.connection.execute(tx.statements.get(_live_statement), {"ids": list(found)})
        for firing_id, schedule_id, status in selected:
            found[schedule_id].append(LiveFiring(firing_id, status == FiringStatus.RUNNING))
    return found


def _live_statement(statements: Statements) -> sa.Select[Any]:
    table = statements.tables.job_firing
    return (
        sa.select(table.c.id, table.c.schedule_id, table.c.status)
        .where(statements.among(table.c.schedule_id), table.c.status.in_(LIVE))
        .order_by(table.c.id)
    )


def is_ahead(other: Firing, firing: Firing) -> bool:
    """Whether a live firing of the same schedule goes first: it runs, or it is older."""
    if other.id == firing.id:
        return False
    return other.status is FiringStatus.RUNNING or other.id < firing.id


def end(tx: Transaction, ends: Sequence[FiringEnd]) -> None:
    """End firings whose rows and schedules this transaction has locked: status, time, counts.

    Job runs that are still queued must have been ended by the caller.
    """
    _END.execute(tx, [end_row(one) for one in ends], now=tx.now)


def end_row(one: FiringEnd) -> dict[str, Any]:
    """The values of `end_statement` for it."""
    return {"id": one.firing.id, "status": one.status.value, "reason": one.reason}


def _end_types(statements: Statements) -> many.Types:
    table = statements.tables.job_firing
    return {name: table.c[name].type for name in ("id", "status", "reason")}


def end_statement(table: sa.Table, value: many.Values) -> sa.Update:
    """Ends a firing, at the time `now`."""
    return (
        sa.update(table)
        .where(table.c.id == value("id"))
        .values(
            status=value("status"),
            reason=value("reason"),
            finished_at=sa.bindparam("now", type_=table.c.finished_at.type),
            version=table.c.version + 1,
        )
    )


_END = many.Update(
    "job_firing",
    _end_types,
    lambda statements, value: end_statement(statements.tables.job_firing, value),
    shared=("now",),
)


def settlement(one: FiringEnd, now: datetime) -> schedules.Settlement | None:
    """What the end of a firing means to its schedule; None for a single job's firing."""
    firing = one.firing
    if firing.schedule_id is None:
        return None
    return schedules.Settlement(firing.schedule_id, firing.id, one.status, took_ms(firing, now))


def took_ms(firing: Firing, now: datetime) -> int | None:
    """Milliseconds since the firing started, if it ever did."""
    if firing.started_at is None:
        return None
    return round((now - firing.started_at).total_seconds() * 1000)


def waiting(table: sa.FromClause, app: Any) -> sa.Exists:
    """Whether firings of the app wait for a slot, a lock or their time."""
    return sa.exists().where(
        table.c.app == app,
        table.c.status.in_([FiringStatus.QUEUED.value, FiringStatus.WAITING.value]),
    )


def cancel_waiting(tx: Transaction, waiting: Sequence[Firing], reason: str) -> list[FiringEnd]:
    """End firings that no worker has; their queued job runs end with them.

    CANCELLED, but FAILED where a job of the firing had failed for good before.
    """
    if not waiting:
        return []
    end_queued_runs(tx, [firing.id for firing in waiting], JobRunStatus.CANCELLED, reason)
    runs = plans.runs_of(tx, [firing.id for firing in waiting])
    ends = [FiringEnd(firing, _ending_of_cancelled(runs[firing.id]), reason) for firing in waiting]
    end(tx, ends)
    return ends


def _ending_of_cancelled(runs: Sequence[JobRun]) -> FiringStatus:
    statuses = [run.status for run in plans.last_attempts(runs)]
    return (ending(statuses) if statuses else None) or FiringStatus.CANCELLED


def request_cancel(tx: Transaction, firing_ids: Sequence[int]) -> None:
    """Ask the workers that run them to cancel; who asked first counts."""
    if firing_ids:
        table = tx.tables.job_firing
        tx.connection.execute(
            sa.update(table)
            .where(table.c.id.in_(firing_ids), table.c.cancel_requested_at.is_(None))
            .values(cancel_requested_at=tx.now)
        )


def end_queued_runs(
    tx: Transaction, firing_ids: Sequence[int], status: JobRunStatus, reason: str
) -> None:
    """End the job runs of these firings that have not started."""
    table = tx.tables.job_run
    tx.connection.execute(
        sa.update(table)
        .where(table.c.firing_id.in_(firing_ids), table.c.status == JobRunStatus.QUEUED.value)
        .values(status=status.value, reason=reason, finished_at=tx.now)
    )
