"""The schedules that are due: found in due order, and locked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobsched.fixed import fixed
from jobsched.model import ScheduleDeclaration
from jobsched.store import firings, rows, schedules
from jobsched.store.database import Transaction
from jobsched.store.statements import Statements
from jobsched.store.tables import Tables


@fixed
class DueSchedule:
    """What deciding looks at of a due schedule, whose row is locked."""

    declaration: ScheduleDeclaration
    """Without what only operators read: its name, description and environments."""
    app: str
    due_at: datetime
    """Its first undecided occurrence."""
    locked_by: str | None
    version: int
    has_live: bool
    """Whether it has live firings. What starts between the reading and the locking of the row
    holds the schedule's lock, so that nothing overlaps for want of the newest answer."""


@fixed
class Found:
    """The due schedules that no other transaction holds."""

    schedules: tuple[DueSchedule, ...] = ()
    among: int = 0
    """How many are due, held or not, up to the limit; as far as any was found."""
    following: datetime | None = None
    """When the next one is due that is not due now."""


def lock(tx: Transaction, app: str, retry_before: datetime, limit: int) -> Found:
    """Find the due schedules and lock them. Raises `rows.UNREADABLE` for a row that is."""
    statement = tx.statements.get(_lock_statement)
    found = rows.named(tx.connection.execute(statement, _parameters(tx, app, retry_before, limit)))
    if not found:
        return Found()
    return Found(tuple(map(_due_schedule, found)), found[0].among_due, found[0].following)


def lock_one(tx: Transaction, app: str, schedule_id: str) -> DueSchedule | None:
    """The schedule; None when it is not due, or held by another transaction."""
    table = tx.tables.job_schedule
    row = tx.connection.execute(
        sa.select(*_columns(table), _has_live(tx.tables))
        .where(table.c.id == schedule_id, schedules.due(table, app, tx.now))
        .where(table.c.next_run_at <= tx.now)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    return None if row is None else _due_schedule(row)


def _due_schedule(row: Any) -> DueSchedule:
    return DueSchedule(
        rows.declaration(row), row.app, row.next_run_at, row.locked_by, row.version, row.has_live
    )


def ids(tx: Transaction, app: str, retry_before: datetime, limit: int) -> list[str]:
    """The ids of due schedules, readable even when their rows are not."""
    table = tx.tables.job_schedule
    selected = _select(table, [table.c.id])
    parameters = _parameters(tx, app, retry_before, limit)
    return list(tx.connection.execute(selected, parameters).scalars())


def _select(table: sa.FromClause, what: Sequence[Any]) -> sa.Select[Any]:
    return (
        sa.select(*what)
        .where(
            schedules.due(
                table,
                sa.bindparam("app"),
                sa.bindparam("retry_before", type_=table.c.problem_at.type),
            ),
            table.c.next_run_at <= sa.bindparam("now", type_=table.c.next_run_at.type),
        )
        .order_by(table.c.next_run_at)
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )


def _columns(table: sa.Table) -> list[sa.ColumnElement[Any]]:
    spared: list[sa.ColumnElement[Any]] = [
        sa.literal_column(value).label(name) for name, value in _SPARED.items()
    ]
    return [*(table.c[name] for name in _NEEDED), *spared]


_NEEDED = (
    *("id", "app", "enabled", "next_run_at", "locked_by", "version"),
    *("cron", "every_s", "at", "timezone", "start_at", "end_at", "jitter_s"),
    *("execution_mode", "group_name", "jobs", "include_dependencies", "params", "priority"),
    *("overlap", "misfire", "misfire_grace_s", "catchup_window_s", "max_catchup"),
    *("start_deadline_s", "timeout_s"),
)
_SPARED = {"name": "''", "description": "''", "environments": "NULL"}
"""What deciding does not look at: many rows are read quicker without."""


def _parameters(tx: Transaction, app: str, retry_before: datetime, limit: int) -> dict[str, Any]:
    return {"app": app, "retry_before": retry_before, "now": tx.now, "limit": limit}


def _lock_statement(statements: Statements) -> sa.Select[Any]:
    table = statements.tables.job_schedule
    others = table.alias("others")
    all_due = _select(others, [others.c.id]).subquery("all_due")
    among_due = sa.select(sa.func.count()).select_from(all_due).scalar_subquery()
    return _select(
        table,
        [
            *_columns(table),
            _has_live(statements.tables),
            among_due.label("among_due"),
            _next_due(table).label("following"),
        ],
    ).with_for_update(skip_locked=True)


def _has_live(tables: Tables) -> sa.ColumnElement[bool]:
    schedule, firing = tables.job_schedule, tables.job_firing
    live = sa.select(firing.c.id).where(
        firing.c.schedule_id == schedule.c.id, firing.c.status.in_(firings.LIVE)
    )
    return live.correlate(schedule).exists().label("has_live")


def _next_due(table: sa.Table) -> sa.ScalarSelect[Any]:
    """When the next schedule is due that is not due now."""
    later = table.alias("later")
    retry_before = sa.bindparam("retry_before", type_=table.c.problem_at.type)
    return (
        sa.select(sa.func.min(later.c.next_run_at))
        .where(
            schedules.due(later, sa.bindparam("app"), retry_before),
            later.c.next_run_at > sa.bindparam("now", type_=table.c.next_run_at.type),
        )
        .scalar_subquery()
    )
