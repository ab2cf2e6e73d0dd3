"""Looking back through a long table for rows that no index finds, for a bounded time.

Ids grow with time. So a page looks at so many ids at most, from the newest down, and says how far
it came; and a time is turned into an id by halving.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from jobsched.fixed import fixed
from jobsched.store import rows
from jobsched.store.database import Transaction
from jobsched.store.paging import Page

T = TypeVar("T")

WINDOW = 20_000
"""How many ids a page looks at, at most."""
SLACK = timedelta(minutes=1)
"""By how much an id may be out of order: a transaction takes its time before it takes its ids."""
_CLOSE = 500
"""How near to the first row of a time it is enough to come."""


@fixed
class Span:
    """The ids that are looked at: from `low` on, and below `high` where that is known."""

    low: int = 0
    high: int | None = None

    def below(self, before: int | None) -> "Span":
        """What of it lies below this id."""
        if before is None:
            return self
        return Span(self.low, before if self.high is None else min(before, self.high))

    def holds(self, key: sa.ColumnElement[int]) -> list[sa.ColumnElement[bool]]:
        """That an id is in it."""
        found = [key >= self.low] if self.low else []
        return found if self.high is None else [*found, key < self.high]


def span_of(
    tx: Transaction, made_at: sa.Column[Any], since: datetime | None, until: datetime | None
) -> Span:
    """The ids of the rows made in that time, and a few more at both ends."""
    if since is None and until is None:
        return Span()
    table = made_at.table
    ends = sa.select(sa.func.min(table.c.id), sa.func.max(table.c.id))
    first, last = tx.connection.execute(ends).one()
    if first is None:
        return Span()
    low = 0 if since is None else _halved(tx, made_at, first, last + 1, since, -SLACK)[0]
    high = None if until is None else _halved(tx, made_at, first, last + 1, until, SLACK)[1]
    return Span(low, high)


def _halved(
    tx: Transaction,
    made_at: sa.Column[Any],
    first: int,
    end: int,
    moment: datetime,
    slack: timedelta,
) -> tuple[int, int]:
    """Two ids: below the one all rows are older than that, from the other on none is."""
    table = made_at.table
    below = sa.bindparam("below", type_=table.c.id.type)
    nearest = sa.select(table.c.id, made_at).where(table.c.id >= below).order_by(table.c.id)
    low, high = first, end
    while high - low > _CLOSE:
        middle = (low + high) // 2
        row = tx.connection.execute(nearest.limit(1), {"below": middle}).first()
        if row is not None and row.id < high and row[1] - moment < slack:
            low = row.id
        else:  # none of it is older; or there is a gap from here to there
            high = middle
    return low, high


def look_back(
    tx: Transaction,
    selected: sa.Select[Any],
    made_at: sa.Column[Any],
    span: Span,
    limit: int,
    read: Callable[[Any], T],
) -> Page[T]:
    """The newest of the selected rows within the span; it must hold the table of `made_at`.

    `next` is the id that the next page goes on before.
    """
    key = made_at.table.c.id
    top = span.high
    if top is None:
        newest = tx.connection.execute(sa.select(sa.func.max(key))).scalar_one()
        top = 0 if newest is None else newest + 1
    floor = max(span.low, top - WINDOW)
    within = selected.where(key < top, key >= floor)
    found = newest_of(tx, within, key, limit, read)
    if found.next is not None:
        return found
    older = sa.select(key, made_at).where(key < floor, key >= span.low)
    row = tx.connection.execute(older.order_by(key.desc()).limit(1)).first()
    return found if row is None else ended_early(found, limit, row[0] + 1, row[1])


def newest_of(
    tx: Transaction,
    selected: sa.Select[Any],
    key: sa.Column[int],
    limit: int,
    read: Callable[[Any], T],
    order: Sequence[sa.ColumnElement[Any]] = (),
) -> Page[T]:
    """The first of the selected rows, newest id first; one that cannot be read is left out."""
    page = selected.order_by(*(order or (key.desc(),))).limit(limit + 1)
    try:
        found: list[tuple[int, T | None]] = [
            (row.id, read(row)) for row in rows.named(tx.connection.execute(page))
        ]
    except rows.UNREADABLE:
        found = _each(tx, selected, page, key, read)
    shown = found[:limit]
    items = tuple(item for _, item in shown if item is not None)
    return Page(items, (shown[-1][0],) if len(found) > limit and shown else None)


def _each(
    tx: Transaction,
    selected: sa.Select[Any],
    page: sa.Select[Any],
    key: sa.Column[int],
    read: Callable[[Any], T],
) -> list[tuple[int, T | None]]:
    found: list[tuple[int, T | None]] = []
    for one in tx.connection.execute(page.with_only_columns(key)).scalars().all():
        item = None
        with suppress(*rows.UNREADABLE):
            item = read(tx.connection.execute(selected.where(key == one)).one())
        found.append((one, item))
    return found


def ended_early(found: Page[T], limit: int, before: int, looked_to: datetime) -> Page[T]:
    """The same page when there is more to look at before that id."""
    return Page(found.items, (before,), looked_to if len(found.items) < limit else None)
