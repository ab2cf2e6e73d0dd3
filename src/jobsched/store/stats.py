"""Figures of schedules: what their last firings say, by schedule and by day."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from jobsched.fixed import fixed
from jobsched.model import LIVE_FIRINGS, FiringStatus
from jobsched.store.database import Transaction
from jobsched.store.for_each import Part, for_each

LAST = 100
"""How many ended firings of a schedule its rate and durations are about."""
LOOKED_AT = 150
"""Among how many of its latest firings these are looked for; occurrences that did not run count."""
IN_CALENDAR = 3000
"""How many firings a calendar of outcomes is made of at most."""

_ENDED = (FiringStatus.SUCCESS, FiringStatus.FAILED, FiringStatus.CANCELLED)


@fixed
class ScheduleStats:
    """A schedule's totals, and what its last firings that ran to an end say."""

    schedule_id: str
    run_count: int
    """Firings that ended SUCCESS, ever."""
    failure_count: int
    """Firings that ended FAILED, ever."""
    last_firings: int
    """How many of its last firings the rest is about; occurrences that did not run are not."""
    success_rate: float | None
    """Of those that ended SUCCESS or FAILED, the part that ended SUCCESS; None without any."""
    duration_p50_ms: int | None
    """From start to end, waiting for retries included; of those that started."""
    duration_p95_ms: int | None


@fixed
class DayOutcome:
    """How the firings for one day ended."""

    date: date
    succeeded: int
    failed: int
    other: int
    """Cancelled, or not run."""


@fixed
class Outcomes:
    """Outcomes by day, oldest first; days without a firing are not among them."""

    days: tuple[DayOutcome, ...]
    complete_from: datetime | None
    """Firings before this one were not counted, for there are too many; None when all were."""


@fixed
class PastFiring:
    """A firing, as far as a picture of many shows it."""

    id: int
    status: str
    scheduled_for: datetime
    started_at: datetime | None
    finished_at: datetime | None


def schedule_stats(tx: Transaction, app: str, ids: Sequence[str]) -> dict[str, ScheduleStats]:
    """The figures of these schedules of the app; unknown ids are left out."""
    table = tx.tables.job_schedule
    if not ids:
        return {}
    selected = sa.select(table.c.id, table.c.run_count, table.c.failure_count).where(
        table.c.app == app, table.c.id.in_(ids)
    )
    counted = {row.id: row for row in tx.connection.execute(selected)}
    found = {row.schedule_id: row for row in for_each(tx, list(counted), _last_ended(tx))}
    return {one: _figures(row, found.get(one)) for one, row in counted.items()}


def outcomes_by_day(
    tx: Transaction, app: str, schedule_id: str, since: datetime, zone: ZoneInfo
) -> Outcomes:
    """How a schedule's ended firings for each day of the zone ended, by `scheduled_for`.

    At most the `IN_CALENDAR` latest firings are looked at.
    """
    table = tx.tables.job_firing
    selected = (
        sa.select(table.c.status, table.c.scheduled_for)
        .where(table.c.schedule_id == schedule_id, table.c.app == app)
        .order_by(table.c.id.desc())
        .limit(IN_CALENDAR)
    )
    found = tx.connection.execute(selected).all()
    days: dict[date, list[str]] = {}
    for row in found:
        if row.scheduled_for >= since:
            days.setdefault(row.scheduled_for.astimezone(zone).date(), []).append(row.status)
    full = len(found) == IN_CALENDAR and found[-1].scheduled_for > since
    return Outcomes(
        days=tuple(_day(day, statuses) for day, statuses in sorted(days.items())),
        complete_from=found[-1].scheduled_for if full else None,
    )


def recent_firings(
    tx: Transaction, app: str, ids: Sequence[str], per_schedule: int, since: datetime
) -> dict[str, list[PastFiring]]:
    """Of the last firings of each schedule those that had not ended by then, newest first."""
    table = tx.tables.job_firing
    found: dict[str, list[PastFiring]] = {schedule_id: [] for schedule_id in ids}

    reach = sa.bindparam("since", since, type_=table.c.finished_at.type)

    def last(schedule_id: sa.ColumnElement[Any]) -> sa.Select[Any]:
        newest = (
            sa.select(
                *(table.c.id, table.c.app, table.c.schedule_id, table.c.status),
                *(table.c.scheduled_for, table.c.started_at, table.c.finished_at),
            )
            .where(table.c.schedule_id == schedule_id)
            .order_by(table.c.id.desc())
            .limit(per_schedule)
            .subquery("newest")
        )
        ended = newest.c.finished_at
        reaching = sa.or_(ended.is_(None), ended >= sa.literal_column(":since"))
        return sa.select(newest).where(reaching)

    for row in for_each(tx, list(found), last, reach):
        if row.app == app:
            found[row.schedule_id].append(_past(row))
    for firings in found.values():
        firings.sort(key=lambda one: one.id, reverse=True)
    return found


def _past(row: sa.Row[Any]) -> PastFiring:
    return PastFiring(row.id, row.status, row.scheduled_for, row.started_at, row.finished_at)


def _last_ended(tx: Transaction) -> Part:
    """Counted by the database: a hundred schedules' firings would take long to carry over."""
    table = tx.tables.job_firing
    took = milliseconds(tx.connection.dialect.name, table.c.started_at, table.c.finished_at)

    def last(schedule_id: sa.ColumnElement[Any]) -> sa.Select[Any]:
        newest = (
            sa.select(table.c.id, table.c.schedule_id, table.c.status, took.label("took"))
            .where(table.c.schedule_id == schedule_id)
            .order_by(table.c.id.desc())
            .limit(LOOKED_AT)
            .subquery("newest")
        )
        is_ended = newest.c.status.in_([status.value for status in _ENDED])
        ended = (
            sa.select(newest)
            .where(is_ended)
            .order_by(newest.c.id.desc())
            .limit(LAST)
            .subquery("ended")
        )
        in_order = (ended.c.took.is_(None), ended.c.took)
        ranked = sa.select(
            *(ended.c.schedule_id, ended.c.status, ended.c.took),
            sa.func.row_number().over(order_by=in_order).label("place"),
            sa.func.count(ended.c.took).over().label("known"),
        ).subquery("ranked")
        return sa.select(
            ranked.c.schedule_id,
            sa.func.count().label("firings"),
            _how_many(ranked.c.status, FiringStatus.SUCCESS).label("succeeded"),
            _how_many(ranked.c.status, FiringStatus.FAILED).label("failed"),
            _percentile(ranked, 50).label("p50"),
            _percentile(ranked, 95).label("p95"),
        ).group_by(ranked.c.schedule_id)

    return last


def _how_many(status: sa.ColumnElement[str], wanted: FiringStatus) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((status == wanted.value, 1), else_=0))


def _percentile(ranked: sa.Subquery, percent: int) -> sa.ColumnElement[float]:
    """The nearest rank: the least value that so many in a hundred do not exceed."""
    reached = ranked.c.place * 100 >= ranked.c.known * percent
    return sa.func.min(sa.case((reached, ranked.c.took)))


def milliseconds(
    dialect: str, start: sa.Column[Any], end: sa.Column[Any]
) -> sa.ColumnElement[float]:
    """How long it is from one time to another, in each database's words."""
    if dialect == "postgresql":
        return sa.cast(sa.extract("epoch", end - start) * 1000, sa.Double)
    if dialect == "sqlite":
        return (sa.func.julianday(end) - sa.func.julianday(start)) * 86_400_000.0
    took: sa.ColumnElement[float] = sa.func.timestampdiff(sa.text("MICROSECOND"), start, end)
    return took * sa.literal_column("0.001", sa.Double())


def _figures(counted: Any, found: Any) -> ScheduleStats:
    succeeded = 0 if found is None else int(found.succeeded)
    failed = 0 if found is None else int(found.failed)
    return ScheduleStats(
        schedule_id=counted.id,
        run_count=counted.run_count,
        failure_count=counted.failure_count,
        last_firings=0 if found is None else found.firings,
        success_rate=succeeded / (succeeded + failed) if succeeded + failed else None,
        duration_p50_ms=None if found is None or found.p50 is None else round(found.p50),
        duration_p95_ms=None if found is None or found.p95 is None else round(found.p95),
    )


def _day(day: date, statuses: Sequence[str]) -> DayOutcome:
    succeeded = statuses.count(FiringStatus.SUCCESS)
    failed = statuses.count(FiringStatus.FAILED)
    ended = sum(FiringStatus(status) not in LIVE_FIRINGS for status in statuses)
    return DayOutcome(day, succeeded, failed, ended - succeeded - failed)
