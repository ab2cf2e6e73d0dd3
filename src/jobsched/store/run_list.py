"""Job runs as lists show them: newest first, a page at a time, looking back for a bounded time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from jobsched.fixed import fixed
from jobsched.model import LIVE_RUNS, FiringStatus, JobRun, JobRunStatus
from jobsched.store import rows
from jobsched.store.database import Transaction
from jobsched.store.looking_back import Span, ended_early, look_back, newest_of, span_of
from jobsched.store.paging import Page

OF_SCHEDULE = 1000
"""How many firings of one schedule a page looks at, at most."""
_LATELY = timedelta(hours=1)


@fixed
class RunFilter:
    """Which job runs are wanted; all of it must hold."""

    schedule_id: str | None = None
    job_name: str | None = None
    statuses: tuple[JobRunStatus, ...] = ()
    """One of these; any when empty."""
    firing_id: int | None = None
    worker_id: str | None = None
    since: datetime | None = None
    """Made (`queued_at`) at this time or later; of one schedule: of a firing made then."""
    until: datetime | None = None
    """Made before this time; of one schedule: of a firing made before."""


def runs_page(
    tx: Transaction, app: str, wanted: RunFilter, *, before: int | None = None, limit: int = 100
) -> Page[JobRun]:
    """A page of the app's job runs, newest first; `before` is the id to go on from.

    Those of one schedule come in the order of their firings, so that a firing's stand together.
    A page may end early, with `searched_to`, rather than look through all that ever was.
    """
    run, firing = tx.tables.job_run, tx.tables.job_firing
    selected = (
        sa.select(run)
        .join(firing, firing.c.id == run.c.firing_id)
        .where(firing.c.app == app, *_conditions(run, wanted))
    )
    if wanted.firing_id is None and wanted.schedule_id is not None:
        return _page_of_schedule(tx, wanted, selected, before, limit)
    selected = selected.where(*_made(tx, wanted))
    if wanted.firing_id is not None:
        within = selected.where(*Span().below(before).holds(run.c.id))
        return newest_of(tx, within, run.c.id, limit, rows.job_run)
    if wanted.statuses and LIVE_RUNS.issuperset(wanted.statuses):
        within = selected.where(_under_way(firing), *Span().below(before).holds(run.c.id))
        return newest_of(tx, within, run.c.id, limit, rows.job_run)
    wanted = _while_alive(tx, wanted)
    span = span_of(tx, run.c.queued_at, wanted.since, wanted.until).below(before)
    selected = selected.where(_of_no_other_app(tx, app))
    return look_back(tx, selected, run.c.queued_at, span, limit, rows.job_run)


def _conditions(run: sa.Table, wanted: RunFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.job_name is not None:
        conditions.append(run.c.job_name == wanted.job_name)
    if wanted.schedule_id is not None:
        conditions.append(run.c.schedule_id == wanted.schedule_id)
    if wanted.firing_id is not None:
        conditions.append(run.c.firing_id == wanted.firing_id)
    if wanted.worker_id is not None:
        conditions.append(run.c.worker_id == wanted.worker_id)
    if wanted.statuses:
        conditions.append(run.c.status.in_([status.value for status in wanted.statuses]))
    return conditions


def _made(tx: Transaction, wanted: RunFilter) -> list[sa.ColumnElement[bool]]:
    queued_at = tx.tables.job_run.c.queued_at
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.since is not None:
        conditions.append(queued_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(queued_at < wanted.until)
    return conditions


def _under_way(firing: sa.Table) -> sa.ColumnElement[bool]:
    """Only these have live runs; one that is QUEUED has runs if it has been claimed before."""
    queued = sa.and_(firing.c.status == FiringStatus.QUEUED.value, firing.c.started_at.is_not(None))
    moving = firing.c.status.in_([FiringStatus.RUNNING.value, FiringStatus.WAITING.value])
    return sa.or_(moving, queued)


def _of_no_other_app(tx: Transaction, app: str) -> sa.ColumnElement[bool]:
    """Spares the look at the firings of another app's schedules."""
    run, schedule = tx.tables.job_run, tx.tables.job_schedule
    others = sa.select(schedule.c.id).where(schedule.c.app != app)
    return sa.or_(run.c.schedule_id.is_(None), run.c.schedule_id.not_in(others))


def _while_alive(tx: Transaction, wanted: RunFilter) -> RunFilter:
    """A worker has no runs that were made after its last heartbeat."""
    if wanted.worker_id is None:
        return wanted
    worker = tx.tables.worker_instance
    selected = sa.select(worker.c.last_heartbeat_at).where(worker.c.id == wanted.worker_id)
    last = tx.connection.execute(selected).scalar()
    if last is None or tx.now - last < _LATELY:
        return wanted  # looking from the end on is as good
    return replace(wanted, until=last if wanted.until is None else min(last, wanted.until))


def _page_of_schedule(
    tx: Transaction, wanted: RunFilter, selected: sa.Select[Any], before: int | None, limit: int
) -> Page[JobRun]:
    run, firing = tx.tables.job_run, tx.tables.job_firing
    span = span_of(tx, firing.c.created_at, wanted.since, wanted.until)
    beyond: sa.ColumnElement[bool] = sa.true()
    if before is not None:
        of = tx.connection.execute(sa.select(run.c.firing_id).where(run.c.id == before)).scalar()
        if of is None:  # pruned, and with it all that is older
            return Page((), None)
        span = span.below(of + 1)
        beyond = sa.or_(firing.c.id < of, sa.and_(firing.c.id == of, run.c.id < before))
    selected = selected.where(firing.c.schedule_id == wanted.schedule_id)
    if wanted.since is not None:
        selected = selected.where(firing.c.created_at >= wanted.since)
    if wanted.until is not None:
        selected = selected.where(firing.c.created_at < wanted.until)
    order = (firing.c.id.desc(), run.c.id.desc())
    while True:
        ids = _window(tx, wanted.schedule_id, span)
        if ids is None:
            return Page((), None)
        within = [*ids.holds(firing.c.id), beyond]
        found = newest_of(tx, selected.where(*within), run.c.id, limit, rows.job_run, order)
        if found.next is not None:
            return found
        rest = Span(span.low, ids.low)
        if _window(tx, wanted.schedule_id, rest) is None:
            return found
        last = _last_run(tx, wanted.schedule_id, within)
        if last is not None:
            return ended_early(found, limit, last.id, last.queued_at)
        span = rest  # nothing but occurrences that did not run


def _window(tx: Transaction, schedule_id: str | None, span: Span) -> Span | None:
    """Where the newest firings of the schedule in the span are; None when there are none."""
    firing = tx.tables.job_firing
    latest = (
        sa.select(firing.c.id)
        .where(firing.c.schedule_id == schedule_id, *span.holds(firing.c.id))
        .order_by(firing.c.id.desc())
        .limit(OF_SCHEDULE)
        .subquery()
    )
    floor = tx.connection.execute(sa.select(sa.func.min(latest.c.id))).scalar_one()
    return None if floor is None else Span(floor, span.high)


def _last_run(
    tx: Transaction, schedule_id: str | None, within: Sequence[sa.ColumnElement[bool]]
) -> Any:
    """The run that comes last in the order of a schedule's list, whatever is wanted of it."""
    run, firing = tx.tables.job_run, tx.tables.job_firing
    selected = (
        sa.select(run.c.id, run.c.queued_at)
        .join(firing, firing.c.id == run.c.firing_id)
        .where(firing.c.schedule_id == schedule_id, *within)
        .order_by(firing.c.id, run.c.id)
        .limit(1)
    )
    return tx.connection.execute(selected).first()
