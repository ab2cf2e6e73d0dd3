"""The schedules that are due: found in due order, and locked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobsched.store import firings, schedules
from jobsched.store.database import Transaction
from jobsched.store.statements import Statements
from jobsched.store.tables import Tables


def lock(tx: Transaction, app: str, retry_before: datetime, limit: int) -> Sequence[sa.Row[Any]]:
    """The due rows that no other transaction holds.

    Each says whether it `has_live` firings, how many schedules are `among_due`, held or not, up
    to the limit, and when the `following` one is due. What starts between the reading and the
    locking of a row holds its schedule's lock, so that nothing overlaps for want of the newest
    answer.
    """
    statement = tx.statements.get(_lock_statement)
    return tx.connection.execute(statement, _parameters(tx, app, retry_before, limit)).all()


def lock_one(tx: Transaction, app: str, schedule_id: str) -> Any:
    """The row of a schedule; None when it is not due, or held by another transaction."""
    table = tx.tables.job_schedule
    return tx.connection.execute(
        sa.select(*_columns(table), _has_live(tx.tables))
        .where(table.c.id == schedule_id, schedules.due(table, app, tx.now))
        .where(table.c.next_run_at <= tx.now)
        .with_for_update(skip_locked=True)
    ).one_or_none()


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


def _columns(table: sa.Table) -> list[sa.Column[Any]]:
    return [column for column in table.c if column.name not in _NOT_NEEDED]


_NOT_NEEDED = {"recent", "overrides", "source", "declared_by", "created_at", "updated_at"}
"""What deciding does not look at."""


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
