"""A text that changes whenever something changes that an operator would see, in one statement.

A page that asks again sends the text along; as long as it is the same, nothing need be rendered.
What another app in the same database does may change it too.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from jobsched.model import FiringStatus, JobRunStatus
from jobsched.store import workers
from jobsched.store.database import Transaction
from jobsched.store.prepared import given, rows_of
from jobsched.store.schedule_list import ScheduleView, view_holds

FIRST = 500
"""How many live firings of a kind, and late schedules, are looked at."""


def pulse(tx: Transaction, app: str) -> str:
    """Changes with firings, their states and ends, schedules, problems, workers and audit rows.

    A worker's heartbeat counts by its level only (fresh, late, lost), and a schedule's time by
    whether it is overdue. Of a backlog of more than `FIRST` firings some changes may be missed.
    """
    found = rows_of(tx, _of_app, app=app, **_times(tx))
    limit = _overdue_limit(found)
    return _text(_told(tx, row, limit) for row in found)


def schedule_pulse(tx: Transaction, app: str, schedule_id: str) -> str:
    """The same of one schedule and its firings."""
    found = rows_of(tx, _of_schedule, app=app, id=schedule_id, **_times(tx))
    limit = _overdue_limit(found)
    return _text(_told(tx, row, limit) for row in found if row.kind != "worker")


def firing_pulse(tx: Transaction, app: str, firing_id: int) -> str:
    """Changes with a firing's state, its job runs, their progress, and what they log."""
    firing, run, log = tx.tables.job_firing, tx.tables.job_run, tx.tables.job_log
    last_line = (
        sa.select(sa.func.max(log.c.id))
        .where(log.c.job_run_id == run.c.id)
        .correlate(run)
        .scalar_subquery()
    )
    selected = (
        sa.select(
            *(firing.c.version, firing.c.status, firing.c.reason, firing.c.cancel_requested_at),
            *(run.c.id, run.c.status, run.c.reason, run.c.cancel_requested_at),
            *(run.c.available_at, run.c.worker_id),
            run.c.progress,
            last_line,
        )
        .select_from(firing.outerjoin(run, run.c.firing_id == firing.c.id))
        .where(firing.c.id == firing_id, firing.c.app == app)
        .order_by(run.c.id)
    )
    return _text(repr(tuple(row)) for row in tx.connection.execute(selected))


def _times(tx: Transaction) -> dict[str, datetime]:
    return {"now": tx.now, "lost_since": tx.now - workers.LOST_IS_NEWS}


def _of_app(tx: Transaction) -> sa.CompoundSelect[Any]:
    tables, app = tx.tables, given("app")
    schedule, firing, job = tables.job_schedule, tables.job_firing, tables.job_definition
    return sa.union_all(
        _schedules(schedule, schedule.c.app == app),
        _part("jobs", sa.func.count(), at=sa.func.max(job.c.updated_at)).where(job.c.app == app),
        _part("firing", sa.func.max(firing.c.id)),
        _part("run", sa.func.max(tables.job_run.c.id)),
        _part("audit", sa.func.max(tables.audit_log.c.id)),
        *_live(firing, firing.c.app == app),
        _executing(tx),
        _late(tx, schedule.c.app == app),
        _workers(tx),
    )


def _of_schedule(tx: Transaction) -> sa.CompoundSelect[Any]:
    schedule, firing = tx.tables.job_schedule, tx.tables.job_firing
    this = sa.and_(schedule.c.app == given("app"), schedule.c.id == given("id"))
    its = firing.c.schedule_id == given("id")
    return sa.union_all(
        _schedules(schedule, this),
        _part("firing", sa.func.max(firing.c.id)).where(its),
        *_live(firing, its),
        _late(tx, this),
        _workers(tx),
    )


def _part(
    kind: str,
    a: Any = 0,
    b: Any = 0,
    c: Any = 0,
    d: Any = 0,
    *,
    word: Any = "",
    more: Any = "",
    at: Any = None,
) -> sa.Select[Any]:
    """A part of the one statement: each has the same columns."""
    values = {"kind": kind, "word": word, "more": more, "a": a, "b": b, "c": c, "d": d, "at": at}
    return sa.select(
        *(
            (value if isinstance(value, sa.ColumnElement) else _literal(value)).label(name)
            for name, value in values.items()
        )
    )


def _literal(value: str | int | None) -> sa.ColumnElement[Any]:
    return sa.null() if value is None else sa.literal(value)


def _schedules(schedule: sa.Table, where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Switches, problems and occurrences change `version`; ends change the counts."""
    c = schedule.c
    return _part(
        "schedules",
        sa.func.count(),
        sa.func.sum(c.version),
        sa.func.sum(c.run_count),
        sa.func.sum(c.failure_count),
        at=sa.func.max(c.updated_at),
    ).where(where)


def _live(firing: sa.Table, where: sa.ColumnElement[bool]) -> list[sa.Select[Any]]:
    """What is under way by itself, so that no backlog hides it."""
    under_way = (FiringStatus.RUNNING.value, FiringStatus.WAITING.value)
    found = []
    for kind, statuses in (("under way", under_way), ("queued", (FiringStatus.QUEUED.value,))):
        first = (
            sa.select(firing.c.id, firing.c.version, firing.c.cancel_requested_at)
            .where(where, firing.c.status.in_(statuses))
            .order_by(firing.c.available_at)
            .limit(FIRST)
            .subquery()
        )
        found.append(
            _part(
                kind,
                sa.func.count(),
                sa.func.sum(first.c.id),
                sa.func.sum(first.c.version),
                sa.func.count(first.c.cancel_requested_at),
            ).select_from(first)
        )
    return found


def _executing(tx: Transaction) -> sa.Select[Any]:
    run, worker = tx.tables.job_run, tx.tables.worker_instance
    return (
        _part("executing", sa.func.count(), sa.func.sum(run.c.id))
        .select_from(worker.join(run, run.c.worker_id == worker.c.id))
        .where(_watched(worker), run.c.status == JobRunStatus.RUNNING.value)
    )


def _late(tx: Transaction, where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Whatever is due: when it is overdue, the workers say."""
    schedule = tx.tables.job_schedule
    due = view_holds(tx, ScheduleView.OVERDUE, given("now"))
    first = (
        sa.select(schedule.c.id, schedule.c.next_run_at)
        .where(where, due)
        .order_by(schedule.c.next_run_at)
        .limit(FIRST)
        .subquery()
    )
    return _part("late", word=first.c.id, at=first.c.next_run_at).select_from(first)


def _workers(tx: Transaction) -> sa.Select[Any]:
    c = tx.tables.worker_instance.c
    return _part(
        *("worker", c.running, c.lock_timeout_s, c.poll_interval_s),
        word=c.id,
        more=c.status,
        at=c.last_heartbeat_at,
    ).where(_watched(tx.tables.worker_instance))


def _watched(worker: sa.Table) -> sa.ColumnElement[bool]:
    return workers.watched(worker, given("app"), given("lost_since"))


def _overdue_limit(found: Iterable[sa.Row[Any]]) -> timedelta:
    limits = [max(float(row.b), 2 * float(row.c)) for row in found if row.kind == "worker"]
    return timedelta(seconds=max(limits, default=60.0))


def _told(tx: Transaction, row: sa.Row[Any], limit: timedelta) -> str:
    if row.kind == "late":
        return f"overdue {row.word}" if tx.now - row.at > limit else ""
    if row.kind == "worker":
        return f"worker {row.word} {row.more} {row.a} {_level(tx, row)}"
    return f"{row.kind} {row.a} {row.b} {row.c} {row.d} {row.at}"


def _level(tx: Transaction, row: sa.Row[Any]) -> int:
    """Fresh, late or lost."""
    age, timeout = tx.now - row.at, timedelta(seconds=float(row.b))
    return int(age > timeout / 2) + int(age > timeout)


def _text(told: Iterable[str]) -> str:
    whole = "\n".join(sorted(told))
    return hashlib.blake2b(whole.encode(), digest_size=12).hexdigest()
