"""Firings that no daemon can run: they wait while one might come, and then end, saying why."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from jobsched.errors import DeclarationError
from jobsched.model import (
    Firing,
    FiringStatus,
    JobDefinition,
    JobRunStatus,
    Reason,
    ScheduleState,
    Worker,
    WorkerType,
)
from jobsched.store import candidates, definitions, firings, plans, rows, schedules, workers
from jobsched.store.database import Transaction
from jobsched.store.firings import FiringEnd

LIMIT = 100
"""How many firings one pass looks at."""


def end_orphans(tx: Transaction, app: str, lock_timeout: timedelta) -> list[FiringEnd]:
    """End as FAILED, reason no_worker, what no live daemon of the app declares the jobs for.

    Only when live daemons have been there for a lock timeout, and only what has waited as long
    for nothing else: no slot, overlap or `available_at`. A daemon that was there within the lock
    timeout counts, for it may be restarting: what waited for its slots waits on.
    """
    seen = [one for one in workers.listed(tx, app, ended=True) if _is_recent_daemon(one, tx)]
    alive = [one for one in seen if one.status in workers.ALIVE]
    if all(tx.now - daemon.started_at < lock_timeout for daemon in alive):
        return []
    waiting = _waiting(tx, app, tx.now - lock_timeout)
    orphans = [
        firing
        for firing, needs in _needs(tx, app, waiting)
        if not any(needs <= set(daemon.declares.get("jobs", {})) for daemon in seen)
    ]
    return _end(tx, orphans)


def _is_recent_daemon(worker: Worker, tx: Transaction) -> bool:
    fresh = tx.now - worker.last_heartbeat_at <= worker.lock_timeout
    return fresh and worker.worker_type is WorkerType.SCHEDULE_DAEMON


def _waiting(tx: Transaction, app: str, since: datetime) -> list[Firing]:
    """Firings that could have been claimed since then, and that no overlap holds back."""
    table = tx.tables.job_firing
    selected = (
        sa.select(table)
        .where(
            table.c.app == app,
            table.c.status.in_(candidates.WAITING),
            table.c.available_at <= since,
        )
        .where(sa.not_(candidates.held_back(tx)))
        .order_by(table.c.id)
        .limit(LIMIT)
    )
    return rows.readable(tx, selected, table.c.id, rows.firing)


def _needs(
    tx: Transaction, app: str, waiting: Sequence[Firing]
) -> list[tuple[Firing, frozenset[str]]]:
    """The jobs that each firing still has to run; those of an unreadable schedule are left out."""
    if not waiting:
        return []
    jobs = definitions.current(tx, app)
    states = schedules.by_ids(tx, {f.schedule_id for f in waiting if f.schedule_id is not None})
    written = candidates.unfinished_jobs(tx, [firing.id for firing in waiting])
    return [
        (firing, written[firing.id] if firing.id in written else _planned(firing, states, jobs))
        for firing in waiting
        if firing.schedule_id is None or firing.schedule_id in states
    ]


def _planned(
    firing: Firing, states: Mapping[str, ScheduleState], jobs: Mapping[str, JobDefinition]
) -> frozenset[str]:
    state = states.get(firing.schedule_id or "")
    try:
        declared = state.declaration if state is not None else None
        plan = plans.plan_of(declared, firing.job_name, jobs)
    except DeclarationError:
        return frozenset({""})  # a job that nobody declares
    return frozenset(job.name for job in plan)


def _end(tx: Transaction, orphans: Sequence[Firing]) -> list[FiringEnd]:
    locked = schedules.lock(tx, [f.schedule_id for f in orphans if f.schedule_id is not None])
    table = tx.tables.job_firing
    still = set(
        tx.connection.execute(
            sa.select(table.c.id)
            .where(
                table.c.id.in_([firing.id for firing in orphans]),
                table.c.status.in_(candidates.WAITING),
            )
            .order_by(table.c.id)
            .with_for_update()
        ).scalars()
    )
    ends = [
        FiringEnd(firing, FiringStatus.FAILED, Reason.NO_WORKER)
        for firing in orphans
        if firing.id in still
    ]
    if ends:
        ids = [end.firing.id for end in ends]
        firings.end_queued_runs(tx, ids, JobRunStatus.SKIPPED, Reason.NO_WORKER)
        firings.end(tx, ends)
        settlements = [firings.settlement(end, tx.now) for end in ends]
        schedules.settle(tx, locked, [one for one in settlements if one is not None])
    return ends
