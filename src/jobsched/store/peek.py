"""What a pass needs to know before it does anything: one statement while nothing is due."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobsched.model import FiringStatus
from jobsched.store import schedules
from jobsched.store.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class Peek:
    """The next times at which there is something to do, by the database's clock."""

    now: datetime
    due_at: datetime | None
    """The earliest `next_run_at`."""
    waiting_since: datetime | None
    """The earliest `available_at` of a firing that waits, past or future."""
    waiting_until: datetime | None
    """The earliest `available_at` that is still to come."""


def peek(database: Database, app: str, retry_before: datetime) -> Peek:
    """Look without a lock, and measure the database's time on the way."""
    return database.query(lambda tx: _peek(database, tx, app, retry_before))


def _peek(database: Database, tx: Transaction, app: str, retry_before: datetime) -> Peek:
    schedule, firing = tx.tables.job_schedule, tx.tables.job_firing
    waits = sa.and_(
        firing.c.app == app,
        firing.c.status.in_([FiringStatus.QUEUED.value, FiringStatus.WAITING.value]),
    )
    available_at = sa.func.min(firing.c.available_at)
    columns: list[Any] = [
        sa.select(sa.func.min(schedule.c.next_run_at))
        .where(schedules.due(schedule, app, retry_before))
        .scalar_subquery(),
        sa.select(available_at).where(waits).scalar_subquery(),
        sa.select(available_at).where(waits, firing.c.available_at > tx.now).scalar_subquery(),
    ]
    sent = database.clock.monotonic()
    expression = database.now_expression
    if expression is None:
        row = tx.connection.execute(sa.select(*columns)).one()
        return Peek(database.clock.now(), row[0], row[1], row[2])
    row = tx.connection.execute(sa.select(*columns, expression)).one()
    return Peek(database.measured(row[3], sent), row[0], row[1], row[2])
