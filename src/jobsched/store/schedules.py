"""The mirrored schedules and their state."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from jobsched.errors import ConflictError, NotFoundError
from jobsched.fixed import fixed
from jobsched.model import FiringStatus, ScheduleState
from jobsched.store import many, rows
from jobsched.store.database import Transaction
from jobsched.store.statements import Statements

RECENT = 30
"""How many ended firings `job_schedule.recent` remembers."""


Locked = dict[str, Any]
"""Rows of `job_schedule` that this transaction has locked, by id."""


@fixed
class Settlement:
    """What the end, or the hand-back, of a firing means to its schedule."""

    schedule_id: str
    firing_id: int
    status: FiringStatus | None
    """How it ended; None when it was handed back."""
    duration_ms: int | None = None


def states(tx: Transaction, app: str, *, retired: bool = False) -> list[ScheduleState]:
    """The app's schedules by id; those that left the code only on request."""
    table = tx.tables.job_schedule
    selected = sa.select(table).where(table.c.app == app).order_by(table.c.id)
    if not retired:
        selected = selected.where(table.c.retired_at.is_(None))
    return legible(tx, selected)


def legible(tx: Transaction, selected: sa.Select[Any]) -> list[ScheduleState]:
    """Selected rows of `job_schedule`; one that cannot be read has that as its problem."""
    table = tx.tables.job_schedule
    try:
        return [rows.schedule_state(row) for row in rows.named(tx.connection.execute(selected))]
    except rows.UNREADABLE:
        ids = tx.connection.execute(selected.with_only_columns(table.c.id)).scalars().all()
        return [_legible(tx, schedule_id) for schedule_id in ids]


def _legible(tx: Transaction, schedule_id: str) -> ScheduleState:
    """The schedule, or what can be read of it."""
    table = tx.tables.job_schedule
    chosen = table.c.id == schedule_id
    try:
        return rows.schedule_state(tx.connection.execute(sa.select(table).where(chosen)).one())
    except rows.UNREADABLE as error:
        plain = [table.c[name] for name in _PLAIN]
        row = tx.connection.execute(sa.select(*plain).where(chosen)).one()
        return rows.unreadable_schedule(row, error)


_PLAIN = (
    *("id", "app", "name", "description", "cron", "timezone", "environment", "declaration_hash"),
    *("enabled", "disabled_reason", "problem", "retired_at", "locked_by", "version"),
    *("next_run_at", "last_run_at", "last_scheduled_for", "run_count", "failure_count"),
)
"""What is shown of a schedule whose row cannot be read as a whole."""


def state(tx: Transaction, app: str, schedule_id: str, *, lock: bool = False) -> ScheduleState:
    """One schedule, its row locked on request.

    Raises NotFoundError, and ConflictError for a row that cannot be read.
    """
    table = tx.tables.job_schedule
    selected = sa.select(table).where(table.c.id == schedule_id, table.c.app == app)
    try:
        row = tx.connection.execute(selected.with_for_update() if lock else selected).one_or_none()
        found = None if row is None else rows.schedule_state(row)
    except rows.UNREADABLE as error:
        raise ConflictError(
            f"schedule {schedule_id!r} of app {app!r} cannot be read from its row: {error}; the "
            "next sync of its declaration mends it"
        ) from error
    if found is None:
        raise NotFoundError(
            f"there is no schedule {schedule_id!r} in app {app!r}; `jobsched schedules` lists "
            "those that a daemon has synced"
        )
    return found


def by_ids(tx: Transaction, schedule_ids: Iterable[str]) -> dict[str, ScheduleState]:
    """The named schedules, without a lock; one whose row cannot be read is left out."""
    wanted = list(schedule_ids)
    if not wanted:
        return {}
    table = tx.tables.job_schedule
    selected = sa.select(table).where(table.c.id.in_(wanted))
    found = rows.readable(tx, selected, table.c.id, rows.schedule_state)
    return {one.declaration.id: one for one in found}


def not_retired(found: ScheduleState) -> ScheduleState:
    """The same; raises ConflictError when it has left the code."""
    if found.retired_at is not None:
        raise ConflictError(
            f"schedule {found.declaration.id!r} has left the code on {found.retired_at:%Y-%m-%d}: "
            "it can be looked at, and comes back when a daemon declares it again"
        )
    return found


def lock(tx: Transaction, schedule_ids: Iterable[str]) -> Locked:
    """Lock the rows in id order, as every transaction that touches several must."""
    wanted = sorted(set(schedule_ids))
    if not wanted:
        return {}
    statement = tx.statements.get(_lock_statement)
    try:
        return {row.id: row for row in tx.first(statement, {"ids": wanted})}
    except rows.UNREADABLE:
        return {schedule_id: row for schedule_id in wanted if (row := _locked(tx, schedule_id))}


def _locked(tx: Transaction, schedule_id: str) -> Any:
    """The row, locked; without its `recent` where somebody wrote something else into it."""
    table = tx.tables.job_schedule
    for recent in (table.c.recent, sa.null().label("recent")):
        with suppress(*rows.UNREADABLE):
            return tx.connection.execute(
                sa.select(table.c.id, recent, table.c.locked_by)
                .where(table.c.id == schedule_id)
                .with_for_update()
            ).one_or_none()
    return None


def _lock_statement(statements: Statements) -> sa.Select[Any]:
    table = statements.tables.job_schedule
    return (
        sa.select(table.c.id, table.c.recent, table.c.locked_by, statements.time)
        .where(statements.among(table.c.id))
        .order_by(table.c.id)
        .with_for_update()
    )


def settle(tx: Transaction, locked: Locked, settlements: Sequence[Settlement]) -> None:
    """Give up the locks of firings that ended or were handed back, and count those that ended."""
    updates = []
    by_schedule: dict[str, list[Settlement]] = {}
    for settlement in settlements:
        by_schedule.setdefault(settlement.schedule_id, []).append(settlement)
    for schedule_id, of_schedule in sorted(by_schedule.items()):
        row = locked.get(schedule_id)
        if row is None:
            continue  # its schedule's row is gone: nothing to count
        ended = [one for one in of_schedule if one.status is not None]
        before = [one for one in _list(row.recent) if isinstance(one, dict)]
        recent = [*before, *(_recent(one) for one in ended)]
        holder = _holder(row.locked_by)
        released = any(one.firing_id == holder for one in of_schedule)
        updates.append(
            {
                "id": schedule_id,
                "succeeded": sum(one.status is FiringStatus.SUCCESS for one in ended),
                "failed": sum(one.status is FiringStatus.FAILED for one in ended),
                "recent": recent[-RECENT:],
                "released": released,
            }
        )
    _SETTLE.execute(tx, updates)


def _list(value: Any) -> list[Any]:
    """What the column holds, unless it was edited by hand to be something else."""
    return value if isinstance(value, list) else []


def _settle_types(statements: Statements) -> many.Types:
    table = statements.tables.job_schedule
    return {
        "id": table.c.id.type,
        "succeeded": table.c.run_count.type,
        "failed": table.c.failure_count.type,
        "recent": table.c.recent.type,
        "released": sa.Boolean(),
    }


def _settle_statement(statements: Statements, value: many.Values) -> sa.Update:
    table = statements.tables.job_schedule
    settled = settled_values(
        table,
        succeeded=value("succeeded"),
        failed=value("failed"),
        recent=value("recent"),
        released=value("released"),
    )
    return sa.update(table).where(table.c.id == value("id")).values(settled)


def settled_values(
    table: sa.Table,
    *,
    succeeded: sa.ColumnElement[int],
    failed: sa.ColumnElement[int],
    recent: sa.ColumnElement[Any],
    released: sa.ColumnElement[bool],
) -> dict[str, sa.ColumnElement[Any]]:
    """What a row becomes: so many firings more have ended, and its lock is given up or not."""
    return {
        "run_count": table.c.run_count + succeeded,
        "failure_count": table.c.failure_count + failed,
        "recent": recent,
        "locked_by": sa.case((released, sa.null()), else_=table.c.locked_by),
        "locked_at": sa.case((released, sa.null()), else_=table.c.locked_at),
    }


_SETTLE = many.Update("job_schedule", _settle_types, _settle_statement)


def _recent(settlement: Settlement) -> dict[str, Any]:
    status = settlement.status
    return {
        "firing_id": settlement.firing_id,
        "status": None if status is None else status.value,
        "duration_ms": settlement.duration_ms,
    }


def take_back_count(tx: Transaction, schedule_id: str, firing_id: int, status: str) -> None:
    """A firing was reopened: as if it had not ended yet."""
    row = lock(tx, [schedule_id]).get(schedule_id)
    if row is None:
        return
    table = tx.tables.job_schedule
    failed = status == FiringStatus.FAILED
    tx.connection.execute(
        sa.update(table)
        .where(table.c.id == schedule_id)
        .values(
            failure_count=table.c.failure_count - int(failed),
            recent=[item for item in row.recent or () if item["firing_id"] != firing_id],
        )
    )


def owner(worker_id: str, firing_id: int) -> str:
    """The owner of a schedule's lock, as `locked_by` and the lock backends know it."""
    return f"{worker_id}:{firing_id}"


def _holder(locked_by: str | None) -> int | None:
    firing_id = (locked_by or "").rpartition(":")[2]
    return int(firing_id) if firing_id.isdecimal() else None


def due(table: sa.FromClause, app: Any, retry_before: Any) -> sa.ColumnElement[bool]:
    """Schedules that fire when their time comes; one with a problem waits for its next try.

    `app` and `retry_before`, before which the problem was found, are values or parameters.
    """
    return sa.and_(
        table.c.enabled == sa.true(),  # `IS true` uses no index on MySQL and MariaDB
        table.c.next_run_at.is_not(None),
        table.c.app == app,
        table.c.retired_at.is_(None),
        sa.or_(table.c.problem_at.is_(None), table.c.problem_at <= retry_before),
    )


def set_problem(tx: Transaction, schedule_id: str, problem: str) -> None:
    """Take a schedule out of the due set until it is tried again, and say why."""
    table = tx.tables.job_schedule
    tx.connection.execute(
        sa.update(table)
        .where(table.c.id == schedule_id)
        .values(problem=problem, problem_at=tx.now, version=table.c.version + 1)
    )
