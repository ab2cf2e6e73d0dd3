"""What a pass needs to know before it does anything: one statement while nothing is due."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobsched.fixed import fixed
from jobsched.store import candidates, schedules
from jobsched.store.database import Database, Transaction
from jobsched.store.statements import Statements


@fixed
class Peek:
    """The next times at which there is something to do, by the database's clock."""

    now: datetime
    due_at: datetime | None
    """The earliest `next_run_at`."""
    waiting_since: datetime | None
    """The earliest `available_at` of a firing that waits, past or future."""
    waiting_until: datetime | None
    """The earliest `available_at` that is still to come."""

    @property
    def is_due(self) -> bool:
        """Whether a schedule is due."""
        return self.due_at is not None and self.due_at <= self.now

    @property
    def is_waiting(self) -> bool:
        """Whether a firing waits that is not for later; overlap may hold it back."""
        return self.waiting_since is not None and self.waiting_since <= self.now


def peek(database: Database, app: str, retry_before: datetime) -> Peek:
    """Look without a lock, and measure the database's time on the way."""
    return database.query(lambda tx: _peek(database, tx, app, retry_before), once=True)


def _peek(database: Database, tx: Transaction, app: str, retry_before: datetime) -> Peek:
    sent = database.clock.monotonic()
    parameters = {"app": app, "retry_before": retry_before, "now": tx.now}
    row = tx.connection.execute(tx.statements.get(_statement), parameters).one()
    brought = row.database_time
    now = database.clock.now() if brought is None else database.measured(brought, sent)
    return Peek(now, row.due_at, _first(row[1:3]), _first(row[3:5]))


def _first(times: Iterable[datetime | None]) -> datetime | None:
    return min((at for at in times if at is not None), default=None)


def _statement(statements: Statements) -> sa.Select[Any]:
    schedule, firing = statements.tables.job_schedule, statements.tables.job_firing
    app: sa.ColumnElement[str] = sa.bindparam("app", type_=schedule.c.app.type)
    retry_before = sa.bindparam("retry_before", type_=schedule.c.problem_at.type)
    later = firing.c.available_at > sa.bindparam("now", type_=firing.c.available_at.type)
    due_at = sa.select(sa.func.min(schedule.c.next_run_at)).where(
        schedules.due(schedule, app, retry_before)
    )
    # A subquery for each status: each is answered by the first row of an index.
    waiting = [
        sa.select(sa.func.min(firing.c.available_at)).where(
            firing.c.app == app, firing.c.status == status
        )
        for status in candidates.WAITING
    ]
    return sa.select(
        due_at.scalar_subquery().label("due_at"),
        *(one.scalar_subquery() for one in waiting),
        *(one.where(later).scalar_subquery() for one in waiting),
        statements.time,
    )
