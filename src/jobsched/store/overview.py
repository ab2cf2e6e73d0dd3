"""What `status`, `health` and the home page are made of, in a handful of statements.

Whatever may be long is bounded: how many there are is counted, and the first of them are read.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from jobsched.fixed import fixed
from jobsched.model import Firing, FiringStatus, ScheduleState, Worker
from jobsched.planning import health
from jobsched.planning.facts import Facts, WaitingFiring
from jobsched.store import attention, declared, firings, rows, workers
from jobsched.store.counts import Counts, counts
from jobsched.store.database import Database, Transaction
from jobsched.store.paging import Cursor, Page
from jobsched.store.prepared import given, rows_of
from jobsched.store.schedule_list import ScheduleFilter, ScheduleSort, schedules_page

overdue_limit = workers.overdue_limit


@fixed
class Home:
    """What the home page shows."""

    facts: Facts
    page: Page[ScheduleState]
    running: Mapping[str, Firing]
    """The live firing of each listed schedule that has one: the one that runs, else the oldest."""


def facts(
    database: Database,
    tx: Transaction,
    app: str,
    *,
    stop_grace: timedelta,
    max_age: timedelta | None = None,
    tables_behind: tuple[str, str] | None = None,
) -> Facts:
    """What `health.assess` needs, at the database's time, which is measured for it."""
    now, found = _watched(database, tx, app)
    overdue_before = now - health.overdue_limit(found)
    counted = counts(tx, app, overdue_before)
    drifts, unclaimed = declared.differences(tx, app, _daemons(found, now), counted.declared)
    waiting, more_waiting = _waiting(tx, app, counted, overdue_before)
    troubled = counted.schedules.overdue or counted.schedules.problem
    return Facts(
        now=now,
        app=app,
        workers=found,
        counts=counted.schedules,
        schedules=attention.troubled_schedules(tx, app, overdue_before) if troubled else (),
        queued=counted.queued,
        in_progress=counted.running,
        retrying=counted.waiting,
        waiting=waiting,
        more_waiting=more_waiting,
        running=attention.long_running(tx, app, now - stop_grace) if counted.running else (),
        drifts=drifts,
        unclaimed=unclaimed,
        tables_behind=tables_behind,
        skew=database.time.skew,
        stop_grace=stop_grace,
        max_age=max_age,
    )


def home(
    database: Database,
    tx: Transaction,
    app: str,
    wanted: ScheduleFilter,
    *,
    sort: ScheduleSort = ScheduleSort.ID,
    after: Cursor | None = None,
    limit: int = 100,
    stop_grace: timedelta,
    tables_behind: tuple[str, str] | None = None,
) -> Home:
    """The facts, and a page of schedules with what runs of them."""
    found = facts(database, tx, app, stop_grace=stop_grace, tables_behind=tables_behind)
    page = schedules_page(
        tx,
        app,
        wanted,
        sort=sort,
        after=after,
        limit=limit,
        overdue_before=found.now - health.overdue_limit(found.workers),
    )
    live = found.queued or found.in_progress or found.retrying
    ids = [one.declaration.id for one in page.items] if live else []
    return Home(found, page, live_firings(tx, ids))


def live_firings(tx: Transaction, schedule_ids: Sequence[str]) -> dict[str, Firing]:
    """The live firing of each of these schedules that has one: what runs, else the oldest."""
    table = tx.tables.job_firing
    found: dict[str, Firing] = {}
    if not schedule_ids:
        return found
    running = table.c.status == FiringStatus.RUNNING.value
    first = (
        sa.select(
            sa.func.coalesce(
                sa.func.min(sa.case((running, table.c.id))), sa.func.min(table.c.id)
            ).label("id")
        )
        .where(table.c.schedule_id.in_(schedule_ids), table.c.status.in_(firings.LIVE))
        .group_by(table.c.schedule_id)
        .subquery("first")
    )
    selected = sa.select(table).join(first, first.c.id == table.c.id)
    for one in rows.readable(tx, selected, table.c.id, rows.firing):
        found[one.schedule_id or ""] = one
    return found


def drifting(tx: Transaction, app: str) -> frozenset[str]:
    """The schedules that a live daemon declares otherwise than the last sync."""
    found = workers.listed(tx, app, declares=False)
    counted = counts(tx, app, tx.now)
    drifts, _ = declared.differences(tx, app, _daemons(found, tx.now), counted.declared)
    return frozenset(schedule_id for one in drifts for schedule_id in one.schedule_ids)


def _watched(database: Database, tx: Transaction, app: str) -> tuple[datetime, list[Worker]]:
    """The workers that health looks at, and the database's time: one statement for both."""
    clock = database.now_expression
    since = tx.now - workers.LOST_IS_NEWS

    def build(tx: Transaction) -> sa.Select[Any]:
        table = tx.tables.worker_instance
        time = (sa.null() if clock is None else clock).label("database_time")
        one = sa.select(sa.literal(1).label("one")).subquery("one")  # a row, also without a worker
        return (
            sa.select(time, *workers.columns(table, declares=False))
            .select_from(one)
            .outerjoin(table, workers.watched(table, given("app"), given("lost_since")))
            .order_by(table.c.started_at, table.c.id)
        )

    sent = database.clock.monotonic()
    found = rows_of(tx, build, ("watched", clock is None), app=app, lost_since=since)
    told = found[0].database_time
    now = database.clock.now() if told is None else database.measured(told, sent)
    return now, [rows.worker(row) for row in found if row.id is not None]


def _daemons(found: Sequence[Worker], now: datetime) -> list[Worker]:
    return health.live_daemons(Facts(now=now, app="", workers=found))


def _waiting(
    tx: Transaction, app: str, counted: Counts, overdue_before: datetime
) -> tuple[list[WaitingFiring], bool]:
    oldest = counted.oldest_queued_at
    if not counted.lock_missing and (oldest is None or oldest >= overdue_before):
        return [], False
    return attention.waiting_firings(tx, app, overdue_before)
