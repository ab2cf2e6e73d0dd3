"""Firings as lists show them: newest first, a page at a time, looking back for a bounded time."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobsched.fixed import fixed
from jobsched.model import Firing, FiringStatus, TriggerType
from jobsched.store import history, rows
from jobsched.store.database import Transaction
from jobsched.store.looking_back import (
    Span,
    ended_early,
    look_back,
    newest_of,
    span_of,
)
from jobsched.store.paging import Page

RARE = 5000
"""Up to so many firings of the wanted states are found by an index, wherever they are."""
OF_SCHEDULE = 5000
"""How many firings of one schedule a page looks at, at most: they lie far apart."""


@fixed
class FiringFilter:
    """Which firings are wanted; all of it must hold."""

    schedule_id: str | None = None
    job_name: str | None = None
    """Firings of this single job; those of schedules that run it are not among them."""
    statuses: tuple[FiringStatus, ...] = ()
    """One of these; any when empty."""
    trigger: TriggerType | None = None
    since: datetime | None = None
    """Made (`created_at`) at this time or later: not when they were due, which may lie far off."""
    until: datetime | None = None
    """Made before this time."""


def firings_page(
    tx: Transaction,
    app: str,
    wanted: FiringFilter,
    *,
    before: int | None = None,
    limit: int = 100,
    with_runs: bool = False,
) -> Page[Firing]:
    """A page of the app's firings, newest first; `before` is the id to go on from.

    A page may end early, with `searched_to`, rather than look through all that ever was.
    """
    page = _page(tx, app, wanted, before, limit)
    if not with_runs:
        return page
    runs = history.runs_of(tx, [one.id for one in page.items])
    return replace(page, items=tuple(replace(one, runs=runs[one.id]) for one in page.items))


def _page(
    tx: Transaction, app: str, wanted: FiringFilter, before: int | None, limit: int
) -> Page[Firing]:
    table = tx.tables.job_firing
    span = span_of(tx, table.c.created_at, wanted.since, wanted.until).below(before)
    selected = sa.select(table).where(*_conditions(table, app, wanted))
    rare = _rare(tx, wanted)
    if rare is not None:
        among = selected.join(rare, rare.c.id == table.c.id).where(*span.holds(table.c.id))
        return newest_of(tx, among, table.c.id, limit, rows.firing)
    if wanted.schedule_id is not None:
        return _page_of_schedule(tx, wanted, selected, span, limit)
    return look_back(tx, selected, table.c.created_at, span, limit, rows.firing)


def _conditions(table: sa.Table, app: str, wanted: FiringFilter) -> list[sa.ColumnElement[bool]]:
    conditions = [table.c.app == app]
    if wanted.schedule_id is not None:
        conditions.append(table.c.schedule_id == wanted.schedule_id)
    if wanted.job_name is not None:
        conditions.append(table.c.job_name == wanted.job_name)
    if wanted.statuses:
        conditions.append(table.c.status.in_([status.value for status in wanted.statuses]))
    if wanted.trigger is not None:
        conditions.append(table.c.trigger_type == wanted.trigger.value)
    if wanted.since is not None:
        conditions.append(table.c.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(table.c.created_at < wanted.until)
    return conditions


def _rare(tx: Transaction, wanted: FiringFilter) -> sa.Subquery | None:
    """The ids of all firings of the wanted states, when they are few."""
    if not wanted.statuses:
        return None
    table = tx.tables.job_firing

    def some(column: sa.Column[Any]) -> sa.Subquery:
        """State by state, in the order of an index: a database will not read the table for it."""
        parts = []
        for status in wanted.statuses:
            part = sa.select(column).where(table.c.status == status.value)
            if wanted.schedule_id is None:
                part = part.order_by(table.c.available_at)
            else:
                part = part.where(table.c.schedule_id == wanted.schedule_id)
            parts.append(sa.select(part.limit(RARE + 1).subquery()))
        return sa.union_all(*parts).subquery("some")

    counted = sa.select(sa.func.count()).select_from(some(table.c.available_at))
    if tx.connection.execute(counted).scalar_one() > RARE:
        return None
    return some(table.c.id)


def _page_of_schedule(
    tx: Transaction, wanted: FiringFilter, selected: sa.Select[Any], span: Span, limit: int
) -> Page[Firing]:
    table = tx.tables.job_firing
    key = table.c.id
    latest = (
        sa.select(key)
        .where(table.c.schedule_id == wanted.schedule_id, *span.holds(key))
        .order_by(key.desc())
        .limit(OF_SCHEDULE)
        .subquery()
    )
    floor = tx.connection.execute(sa.select(sa.func.min(latest.c.id))).scalar_one()
    if floor is None:
        return Page((), None)
    within = selected.where(*Span(floor, span.high).holds(key))
    found = newest_of(tx, within, key, limit, rows.firing)
    if found.next is not None:
        return found
    older = (
        sa.select(key, table.c.created_at)
        .where(table.c.schedule_id == wanted.schedule_id, *Span(span.low, floor).holds(key))
        .order_by(key.desc())
        .limit(1)
    )
    row = tx.connection.execute(older).first()
    return found if row is None else ended_early(found, limit, row.id + 1, row.created_at)
