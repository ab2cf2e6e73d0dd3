"""Schedules as lists show them: by view, search, group and job; a page at a time."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from jobsched.fixed import fixed
from jobsched.model import ExecutionMode, FiringStatus, ScheduleState
from jobsched.planning.plan import dependents
from jobsched.store import definitions, firings, paging, schedules, workers
from jobsched.store.database import Transaction
from jobsched.store.json_columns import holds, last
from jobsched.store.paging import Cursor, Page


class ScheduleView(StrEnum):
    """Which schedules; all but `retired` leave out those that left the code."""

    ALL = "all"
    ENABLED = "enabled"
    DISABLED = "disabled"
    RUNNING = "running"
    """With a live firing."""
    FAILING = "failing"
    """Whose latest ended firing FAILED."""
    OVERDUE = "overdue"
    """Enabled, without a problem, and not fired in time."""
    PROBLEM = "problem"
    """That cannot be planned."""
    RETIRED = "retired"


class ScheduleSort(StrEnum):
    """In which order; those without the value come last, and equal ones by id."""

    ID = "id"
    NEXT_RUN = "next_run"
    """The one that is due next first."""
    LAST_RUN = "last_run"
    """The one that ran last first."""


@fixed
class ScheduleFilter:
    """Which schedules are wanted; all of it must hold."""

    view: ScheduleView = ScheduleView.ALL
    search: str | None = None
    """Part of the id, name or description, in any letter case (on SQLite: of ASCII letters)."""
    group: str | None = None
    job: str | None = None
    """The job that a firing of it would run."""


def schedules_page(
    tx: Transaction,
    app: str,
    wanted: ScheduleFilter,
    *,
    sort: ScheduleSort = ScheduleSort.ID,
    after: Cursor | None = None,
    limit: int = 100,
    overdue_before: datetime | None = None,
) -> Page[ScheduleState]:
    """A page of the app's schedules; `after` is the `next` of the page before.

    `overdue_before` is when what is overdue now was due at the latest; it is asked for when it is
    needed and not given. Raises ParameterError for an `after` that no page gave.
    """
    table = tx.tables.job_schedule
    if overdue_before is None and wanted.view is ScheduleView.OVERDUE:
        overdue_before = tx.now - workers.overdue_limit(tx, app)
    conditions = [table.c.app == app, view_holds(tx, wanted.view, overdue_before or tx.now)]
    conditions += _narrowing(tx, app, wanted)
    order = _ORDERS[sort](table)
    if after is not None:
        conditions.append(order.beyond(after))
    selected = sa.select(table).where(*conditions).order_by(*order.by).limit(limit + 1)
    found = schedules.legible(tx, selected)
    items = tuple(found[:limit])
    more = len(found) > limit
    return Page(items, order.key(items[-1]) if more and items else None)


def view_holds(tx: Transaction, view: ScheduleView, overdue_before: Any) -> sa.ColumnElement[bool]:
    """What a view asks of a row of `job_schedule`; the app must be asked for beside it.

    `overdue_before` is a value or a parameter.
    """
    table = tx.tables.job_schedule
    if view is ScheduleView.RETIRED:
        return table.c.retired_at.is_not(None)
    conditions: dict[ScheduleView, Callable[[], sa.ColumnElement[bool]]] = {
        ScheduleView.ALL: sa.true,
        ScheduleView.ENABLED: lambda: table.c.enabled == sa.true(),
        ScheduleView.DISABLED: lambda: table.c.enabled == sa.false(),
        ScheduleView.RUNNING: lambda: _has_live_firing(tx),
        ScheduleView.FAILING: lambda: (
            last(tx.connection.dialect, table.c.recent, "status") == FiringStatus.FAILED.value
        ),
        ScheduleView.OVERDUE: lambda: sa.and_(
            table.c.enabled == sa.true(),
            table.c.problem.is_(None),
            table.c.next_run_at < overdue_before,
        ),
        ScheduleView.PROBLEM: lambda: table.c.problem.is_not(None),
    }
    return sa.and_(table.c.retired_at.is_(None), conditions[view]())


def _has_live_firing(tx: Transaction) -> sa.ColumnElement[bool]:
    schedule, firing = tx.tables.job_schedule, tx.tables.job_firing
    return (
        sa.select(sa.literal(1))
        .where(firing.c.schedule_id == schedule.c.id, firing.c.status.in_(firings.LIVE))
        .correlate(schedule)
        .exists()
    )


def _narrowing(tx: Transaction, app: str, wanted: ScheduleFilter) -> list[sa.ColumnElement[bool]]:
    table = tx.tables.job_schedule
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.search:
        columns = (table.c.id, table.c.name, table.c.description)
        parts = [column.icontains(wanted.search, autoescape=True) for column in columns]
        conditions.append(sa.or_(*parts))
    if wanted.group is not None:
        conditions.append(table.c.group_name == wanted.group)
    if wanted.job is not None:
        conditions.append(_runs_job(tx, app, wanted.job))
    return conditions


def _runs_job(tx: Transaction, app: str, job: str) -> sa.ColumnElement[bool]:
    """Selected by name, by its group or with all; or as a dependency, where those are included."""
    table = tx.tables.job_schedule
    jobs = definitions.current(tx, app)
    if job not in jobs:
        return _selects(tx, [job], set())
    drawn_in = dependents(job, jobs)
    groups = {jobs[name].group for name in drawn_in}
    return sa.or_(
        table.c.execution_mode == ExecutionMode.ALL_JOBS.value,
        _selects(tx, [job], {jobs[job].group}),
        sa.and_(table.c.include_dependencies == sa.true(), _selects(tx, sorted(drawn_in), groups)),
    )


def _selects(tx: Transaction, names: list[str], groups: set[str | None]) -> sa.ColumnElement[bool]:
    table, dialect = tx.tables.job_schedule, tx.connection.dialect
    in_groups = [group for group in groups if group is not None]
    return sa.or_(
        table.c.group_name.in_(in_groups), *(holds(dialect, table.c.jobs, one) for one in names)
    )


@fixed
class _Order:
    """How a list is sorted: its columns, what comes beyond a cursor, and an item's cursor."""

    by: tuple[sa.ColumnElement[Any], ...]
    beyond: Callable[[Cursor], sa.ColumnElement[bool]]
    key: Callable[[ScheduleState], Cursor]


def _by_id(table: sa.Table) -> _Order:
    def beyond(after: Cursor) -> sa.ColumnElement[bool]:
        (schedule_id,) = paging.whole(after, 1)
        return table.c.id > str(schedule_id)

    return _Order((table.c.id,), beyond, lambda one: (one.declaration.id,))


def _by_next_run(table: sa.Table) -> _Order:
    at = table.c.next_run_at
    return _Order(
        (at.is_(None), at, table.c.id),
        lambda after: _beyond_time(table, at, after, lambda value: at > value),
        lambda one: (paging.text_of(one.next_run_at), one.declaration.id),
    )


def _by_last_run(table: sa.Table) -> _Order:
    at = table.c.last_run_at
    return _Order(
        (at.is_(None), at.desc(), table.c.id),
        lambda after: _beyond_time(table, at, after, lambda value: at < value),
        lambda one: (paging.text_of(one.last_run_at), one.declaration.id),
    )


def _beyond_time(
    table: sa.Table,
    at: sa.Column[Any],
    after: Cursor,
    further: Callable[[datetime], sa.ColumnElement[bool]],
) -> sa.ColumnElement[bool]:
    value, schedule_id = paging.whole(after, 2)
    time = paging.time_of(value)
    behind = table.c.id > str(schedule_id)
    if time is None:
        return sa.and_(at.is_(None), behind)
    return sa.or_(further(time), sa.and_(at == time, behind), at.is_(None))


_ORDERS: dict[ScheduleSort, Callable[[sa.Table], _Order]] = {
    ScheduleSort.ID: _by_id,
    ScheduleSort.NEXT_RUN: _by_next_run,
    ScheduleSort.LAST_RUN: _by_last_run,
}
