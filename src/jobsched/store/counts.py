"""How many schedules and live firings there are, in one statement."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobsched.fixed import fixed
from jobsched.model import FiringStatus, Reason
from jobsched.planning.facts import MOST_COUNTED, ScheduleCounts
from jobsched.store.database import Transaction
from jobsched.store.prepared import given, rows_of
from jobsched.store.schedule_list import ScheduleView, view_holds

FIRST_QUEUED = 1000
"""How many queued firings are looked at for one that waits for a lock."""


@fixed
class Counts:
    """What one look at the tables counts."""

    schedules: ScheduleCounts
    queued: int
    """Of firings at most `MOST_COUNTED`, which stands for that many or more."""
    running: int
    waiting: int
    oldest_queued_at: datetime | None
    """The earliest `available_at` of a queued firing."""
    lock_missing: bool
    """Whether a queued firing waits for its schedule's lock."""
    declared: tuple[object, ...]
    """Changes with every declaration of a schedule or a job that changes."""


def schedule_counts(tx: Transaction, app: str, overdue_before: datetime) -> ScheduleCounts:
    """How many schedules each view shows; overdue is what was due before then."""
    (row,) = rows_of(tx, _schedules_alone, app=app, overdue_before=overdue_before)
    return _schedule_counts(row)


def counts(tx: Transaction, app: str, overdue_before: datetime) -> Counts:
    """The same, with the live firings and what tells whether a declaration has changed."""
    (row,) = rows_of(tx, _everything, app=app, overdue_before=overdue_before)
    found = _schedule_counts(row)
    return Counts(
        schedules=found,
        queued=row.QUEUED,
        running=row.RUNNING,
        waiting=row.WAITING,
        oldest_queued_at=row.oldest_queued_at,
        lock_missing=bool(row.lock_missing),
        declared=(
            *(found.total, found.retired, row.schedules_at),
            *(row.jobs, row.retired_jobs, row.jobs_at),
        ),
    )


_LIVE = (FiringStatus.QUEUED, FiringStatus.RUNNING, FiringStatus.WAITING)
_COUNTED = {
    "total": ScheduleView.ALL,
    "enabled": ScheduleView.ENABLED,
    "disabled": ScheduleView.DISABLED,
    "failing": ScheduleView.FAILING,
    "overdue": ScheduleView.OVERDUE,
    "problem": ScheduleView.PROBLEM,
    "retired": ScheduleView.RETIRED,
}


def _schedules_alone(tx: Transaction) -> sa.Select[Any]:
    return sa.select(*_of_schedules(tx)).where(tx.tables.job_schedule.c.app == given("app"))


def _everything(tx: Transaction) -> sa.Select[Any]:
    app = given("app")
    schedule, job = tx.tables.job_schedule, tx.tables.job_definition
    firing = tx.tables.job_firing
    queued = sa.and_(firing.c.app == app, firing.c.status == FiringStatus.QUEUED.value)
    first = (
        sa.select(firing.c.reason)
        .where(queued)
        .order_by(firing.c.available_at)
        .limit(FIRST_QUEUED)
        .subquery()
    )
    of_app = job.c.app == app
    return sa.select(
        *_of_schedules(tx),
        sa.func.max(schedule.c.updated_at).label("schedules_at"),
        *(_live(firing, app, status) for status in _LIVE),
        _scalar(sa.func.min(firing.c.available_at), queued).label("oldest_queued_at"),
        sa.select(sa.func.count())
        .select_from(first)
        .where(first.c.reason.startswith(Reason.LOCK.value))
        .scalar_subquery()
        .label("lock_missing"),
        _scalar(sa.func.count(), of_app).label("jobs"),
        _scalar(sa.func.count(job.c.retired_at), of_app).label("retired_jobs"),
        _scalar(sa.func.max(job.c.updated_at), of_app).label("jobs_at"),
    ).where(schedule.c.app == app)


def _of_schedules(tx: Transaction) -> list[sa.Label[Any]]:
    overdue_before = given("overdue_before")

    def counted(view: ScheduleView) -> sa.ColumnElement[Any]:
        return sa.func.sum(sa.case((view_holds(tx, view, overdue_before), 1), else_=0))

    # By itself: within the sum a database would look for firings schedule by schedule.
    table = tx.tables.job_schedule
    running = (
        sa.select(sa.func.count())
        .select_from(table)
        .where(table.c.app == given("app"), view_holds(tx, ScheduleView.RUNNING, overdue_before))
        .correlate(None)
        .scalar_subquery()
    )
    return [
        *(counted(view).label(name) for name, view in _COUNTED.items()),
        running.label("running"),
    ]


def _live(firing: sa.Table, app: sa.ColumnElement[str], status: FiringStatus) -> sa.Label[Any]:
    some = (
        sa.select(firing.c.available_at)
        .where(firing.c.app == app, firing.c.status == status.value)
        .order_by(firing.c.available_at)  # in the order of an index: none other will do
        .limit(MOST_COUNTED)
        .subquery()
    )
    counted = sa.select(sa.func.count()).select_from(some).scalar_subquery()
    return counted.label(status.value)


def _scalar(what: Any, where: sa.ColumnElement[bool]) -> sa.ScalarSelect[Any]:
    return sa.select(what).where(where).scalar_subquery()


def _schedule_counts(row: sa.Row[Any]) -> ScheduleCounts:
    return ScheduleCounts(
        running=row.running, **{name: int(getattr(row, name) or 0) for name in _COUNTED}
    )
