"""What needs somebody's attention, the longest first, and of each kind at most so many."""

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from jobsched.model import FiringStatus, JobRunStatus, Overlap, Reason, ScheduleState
from jobsched.planning.facts import RunningJob, WaitingFiring
from jobsched.store import firings, rows, schedules
from jobsched.store.database import Transaction, duration
from jobsched.store.schedule_list import ScheduleView, view_holds

MOST = 50
"""How many of a kind are told one by one."""
LOOKED_AT = 1000
"""How many queued firings are asked whether an overlap holds them back."""
LONG_RUNNING = 500
"""How many job runs are looked at for one that is stuck."""


def troubled_schedules(tx: Transaction, app: str, overdue_before: datetime) -> list[ScheduleState]:
    """Schedules that are overdue or cannot be planned: the most overdue first."""
    table = tx.tables.job_schedule
    troubled = sa.or_(
        view_holds(tx, ScheduleView.OVERDUE, overdue_before),
        view_holds(tx, ScheduleView.PROBLEM, overdue_before),
    )
    selected = (
        sa.select(table)
        .where(table.c.app == app, troubled)
        .order_by(table.c.problem.is_not(None), table.c.next_run_at, table.c.id)
        .limit(MOST)
    )
    return schedules.legible(tx, selected)


def waiting_firings(
    tx: Transaction, app: str, overdue_before: datetime
) -> tuple[list[WaitingFiring], bool]:
    """Queued firings that wait since before then, or for a lock; and whether there are more.

    Those that an overlap holds back are left out. The `LOOKED_AT` that wait longest are asked.
    """
    firing, other = tx.tables.job_firing, tx.tables.job_firing.alias("ahead")
    schedule = tx.tables.job_schedule
    longest = (
        sa.select(firing.c.id, firing.c.schedule_id, firing.c.available_at, firing.c.reason)
        .where(firing.c.app == app, firing.c.status == FiringStatus.QUEUED.value)
        .order_by(firing.c.available_at, firing.c.id)
        .limit(LOOKED_AT)
        .subquery("longest")
    )
    is_ahead = (
        sa.select(sa.literal(1))
        .where(
            other.c.schedule_id == longest.c.schedule_id,
            other.c.status.in_(firings.LIVE),
            other.c.id != longest.c.id,
            sa.or_(other.c.status == FiringStatus.RUNNING.value, other.c.id < longest.c.id),
        )
        .correlate(longest)
        .exists()
    )
    # In a CASE, so that each is asked in its turn: a database would join all that is live.
    held_back = sa.case((sa.and_(schedule.c.overlap != Overlap.ALLOW.value, is_ahead), 1), else_=0)
    waits = sa.or_(
        longest.c.available_at < overdue_before, longest.c.reason.startswith(Reason.LOCK.value)
    )
    wanted = (
        sa.select(longest.c.id)
        .select_from(longest.outerjoin(schedule, schedule.c.id == longest.c.schedule_id))
        .where(waits, held_back == 0)
        .order_by(longest.c.available_at, longest.c.id)
        .limit(MOST + 1)
        .subquery("wanted")
    )
    selected = (
        sa.select(*(firing.c[field.name] for field in fields(WaitingFiring)))
        .join(wanted, wanted.c.id == firing.c.id)
        .order_by(firing.c.available_at, firing.c.id)
    )
    found = [WaitingFiring(*row) for row in tx.connection.execute(selected)]
    return found[:MOST], len(found) > MOST


def long_running(tx: Transaction, app: str, started_before: datetime) -> list[RunningJob]:
    """Running job runs with a limit that they may have passed, the oldest first.

    Those that were asked to cancel, and those with a timeout that started before then.
    """
    run, firing = tx.tables.job_run, tx.tables.job_firing
    schedule, job = tx.tables.job_schedule, tx.tables.job_definition
    own, its_schedules = job.c.timeout_s, schedule.c.timeout_s
    selected = (
        sa.select(
            run,
            own.label("job_timeout_s"),
            its_schedules.label("schedule_timeout_s"),
            firing.c.cancel_requested_at.label("firing_cancel_requested_at"),
        )
        .select_from(firing)
        .join(run, run.c.firing_id == firing.c.id)
        .outerjoin(schedule, schedule.c.id == firing.c.schedule_id)
        .outerjoin(job, sa.and_(job.c.app == firing.c.app, job.c.name == run.c.job_name))
        .where(
            firing.c.app == app,
            firing.c.status == FiringStatus.RUNNING.value,
            run.c.status == JobRunStatus.RUNNING.value,
            sa.or_(
                firing.c.cancel_requested_at.is_not(None),
                run.c.cancel_requested_at.is_not(None),
                sa.and_(
                    run.c.started_at < started_before,
                    sa.func.coalesce(own, its_schedules).is_not(None),
                ),
            ),
        )
        .order_by(run.c.started_at, run.c.id)
        .limit(LONG_RUNNING)
    )
    return rows.readable(tx, selected, run.c.id, _running)


def _running(row: sa.Row[Any]) -> RunningJob:
    limits = [duration(row.job_timeout_s), duration(row.schedule_timeout_s)]
    timeout: timedelta | None = min((one for one in limits if one is not None), default=None)
    return RunningJob(rows.job_run(row), timeout, row.firing_cancel_requested_at)
