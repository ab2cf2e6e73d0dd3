"""Deleting old history: only what has ended, in batches that hold no lock for long.

An occurrence that was pruned never fires again: schedules move forward only.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobsched.failpoints import failpoint
from jobsched.fixed import fixed
from jobsched.model import LIVE_FIRINGS, FiringStatus, WorkerStatus
from jobsched.store.database import Transaction

FIRINGS = 200
LOG_LINES = 5000
ROWS = 1000
"""How many rows of each kind one transaction deletes."""

_ENDED = [status.value for status in FiringStatus if status not in LIVE_FIRINGS]
_GONE = [WorkerStatus.STOPPED.value, WorkerStatus.LOST.value]


@fixed
class Pruned:
    """How many rows of each kind were deleted, or would be."""

    firings: int = 0
    job_runs: int = 0
    log_lines: int = 0
    audit_rows: int = 0
    workers: int = 0

    def __add__(self, other: "Pruned") -> "Pruned":
        """Both together."""
        return Pruned(
            self.firings + other.firings,
            self.job_runs + other.job_runs,
            self.log_lines + other.log_lines,
            self.audit_rows + other.audit_rows,
            self.workers + other.workers,
        )

    def __bool__(self) -> bool:
        """Whether anything was."""
        return self != Pruned()


def prune(tx: Transaction, app: str, before: datetime) -> Pruned:
    """Delete one batch of what ended before then; nothing is left when it deletes nothing."""
    old = _old_firings(tx, app, before)
    runs = _ids(tx, tx.tables.job_run.c.firing_id.in_(old), tx.tables.job_run) if old else []
    failpoint("prune.selected")
    lines = _delete_lines(tx, runs)
    if lines == LOG_LINES:
        return Pruned(log_lines=lines)  # a run that logged much: its rows go with a later batch
    _delete(tx, tx.tables.job_run, runs)
    if len(runs) == ROWS:
        return Pruned(job_runs=ROWS, log_lines=lines)  # the firings go with their last runs
    _delete(tx, tx.tables.job_firing, old)
    audits = _ids(tx, _old_audits(tx, app, before), tx.tables.audit_log)
    _delete(tx, tx.tables.audit_log, audits)
    workers = _ids(tx, _old_workers(tx, app, before), tx.tables.worker_instance)
    _delete(tx, tx.tables.worker_instance, workers)
    return Pruned(len(old), len(runs), lines, len(audits), len(workers))


def count(tx: Transaction, app: str, before: datetime) -> Pruned:
    """What `prune` would delete in all."""
    firing, run, log = tx.tables.job_firing, tx.tables.job_run, tx.tables.job_log
    ended = _ended(tx, app, before)
    runs = run.join(firing, firing.c.id == run.c.firing_id)
    lines = log.join(run, run.c.id == log.c.job_run_id).join(firing, firing.c.id == run.c.firing_id)
    return Pruned(
        _count(tx, firing, ended),
        _count(tx, runs, ended),
        _count(tx, lines, ended),
        _count(tx, tx.tables.audit_log, _old_audits(tx, app, before)),
        _count(tx, tx.tables.worker_instance, _old_workers(tx, app, before)),
    )


def _ended(tx: Transaction, app: str, before: datetime) -> sa.ColumnElement[bool]:
    table = tx.tables.job_firing
    return sa.and_(
        table.c.app == app,
        table.c.status.in_(_ENDED),
        table.c.available_at < before,  # never later than the end: the index finds them by it
        table.c.finished_at < before,
    )


def _old_firings(tx: Transaction, app: str, before: datetime) -> list[int]:
    table = tx.tables.job_firing
    selected = (
        sa.select(table.c.id)
        .where(_ended(tx, app, before))
        .order_by(table.c.id)
        .limit(FIRINGS)
        .with_for_update(skip_locked=True)
    )
    return list(tx.connection.execute(selected).scalars())


def _delete_lines(tx: Transaction, runs: Sequence[int]) -> int:
    if not runs:
        return 0
    table = tx.tables.job_log
    selected = sa.select(table.c.id).where(table.c.job_run_id.in_(runs)).limit(LOG_LINES)
    lines = list(tx.connection.execute(selected).scalars())
    _delete(tx, table, lines)
    return len(lines)


def _old_audits(tx: Transaction, app: str, before: datetime) -> sa.ColumnElement[bool]:
    table = tx.tables.audit_log
    return sa.and_(table.c.app == app, table.c.created_at < before)


def _old_workers(tx: Transaction, app: str, before: datetime) -> sa.ColumnElement[bool]:
    """Ended long ago; no live row refers to them, for recovery took what they held."""
    table = tx.tables.worker_instance
    return sa.and_(
        table.c.app == app, table.c.status.in_(_GONE), table.c.last_heartbeat_at < before
    )


def _ids(tx: Transaction, where: sa.ColumnElement[bool], table: sa.Table) -> list[Any]:
    return list(tx.connection.execute(sa.select(table.c.id).where(where).limit(ROWS)).scalars())


def _delete(tx: Transaction, table: sa.Table, ids: Sequence[Any]) -> None:
    for start in range(0, len(ids), ROWS):
        part = ids[start : start + ROWS]
        tx.connection.execute(sa.delete(table).where(table.c.id.in_(part)))


def _count(tx: Transaction, source: Any, where: sa.ColumnElement[bool]) -> int:
    selected = sa.select(sa.func.count()).select_from(source).where(where)
    return int(tx.connection.execute(selected).scalar_one())
