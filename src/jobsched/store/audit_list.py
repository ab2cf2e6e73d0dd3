"""The audit log as it is read: who changed what, newest first."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobsched.fixed import fixed
from jobsched.store.database import Transaction
from jobsched.store.paging import Page


@fixed
class AuditEntry:
    """One change: who did what to which target, what it was before and after, and why."""

    id: int
    who: str
    what: str
    target: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    reason: str | None
    created_at: datetime


@fixed
class AuditFilter:
    """Which changes are wanted; all of it must hold."""

    who: str | None = None
    what: str | None = None
    target: str | None = None
    """The whole of it, such as `schedule feed-refresh` or `firing 1234`."""
    since: datetime | None = None
    until: datetime | None = None


def audit_page(
    tx: Transaction, app: str, wanted: AuditFilter, *, before: int | None = None, limit: int = 100
) -> Page[AuditEntry]:
    """A page of the app's audit log, newest first; `before` is the id to go on from."""
    table = tx.tables.audit_log
    conditions = [table.c.app == app]
    for column, value in (
        (table.c.who, wanted.who),
        (table.c.what, wanted.what),
        (table.c.target, wanted.target),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.since is not None:
        conditions.append(table.c.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(table.c.created_at < wanted.until)
    if before is not None:
        conditions.append(table.c.id < before)
    selected = sa.select(table).where(*conditions).order_by(table.c.id.desc()).limit(limit + 1)
    found = [_entry(row) for row in tx.connection.execute(selected)]
    items = tuple(found[:limit])
    return Page(items, (items[-1].id,) if len(found) > limit and items else None)


def _entry(row: sa.Row[Any]) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        who=row.who,
        what=row.what,
        target=row.target,
        before=_document(row.before_state),
        after=_document(row.after_state),
        reason=row.reason,
        created_at=row.created_at,
    )


def _document(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, dict) else None
