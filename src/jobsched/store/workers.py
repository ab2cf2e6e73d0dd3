"""Registered processes and their heartbeats."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from jobsched.failpoints import failpoint
from jobsched.fixed import fixed
from jobsched.model import JobRun, JobRunStatus, Worker, WorkerStatus, WorkerType
from jobsched.planning import health
from jobsched.store import rows
from jobsched.store.database import Transaction, seconds
from jobsched.store.statements import Statements

ALIVE = (WorkerStatus.STARTING, WorkerStatus.RUNNING, WorkerStatus.STOPPING)
_ALIVE = [status.value for status in ALIVE]
LOST_IS_NEWS = timedelta(hours=1)
"""How long after its last heartbeat a lost worker is a problem to tell of."""


@fixed
class Registration:
    """What a process says of itself when it registers."""

    id: str
    app: str
    worker_type: WorkerType
    hostname: str
    pid: int
    version: str
    environment: str
    capacity: int
    lock_timeout: timedelta
    poll_interval: timedelta
    declares: Mapping[str, Mapping[str, str]]


def register(tx: Transaction, new: Registration) -> None:
    """Write a new worker; its heartbeat starts now."""
    tx.connection.execute(
        sa.insert(tx.tables.worker_instance).values(
            id=new.id,
            app=new.app,
            worker_type=new.worker_type.value,
            status=WorkerStatus.STARTING.value,
            hostname=new.hostname,
            pid=new.pid,
            started_at=tx.now,
            last_heartbeat_at=tx.now,
            lock_timeout_s=seconds(new.lock_timeout),
            poll_interval_s=seconds(new.poll_interval),
            version=new.version,
            environment=new.environment,
            capacity=new.capacity,
            running=0,
            declares={kind: dict(hashes) for kind, hashes in new.declares.items()},
        )
    )


def beat(tx: Transaction, worker_id: str, status: WorkerStatus, running: int) -> bool:
    """A sign of life; False when the worker has been declared lost, or its row is gone."""
    said: dict[str, Any] = {"worker": worker_id, "says": status.value, "busy": running}
    if tx.statements.now is None:
        said["now"] = tx.now
    result = tx.connection.execute(tx.statements.get(_beat_statement), said)
    failpoint("beat.written")
    return bool(result.rowcount)


def _beat_statement(statements: Statements) -> sa.Update:
    """At the server's time, without asking for it before."""
    table = statements.tables.worker_instance
    now = sa.bindparam("now", type_=table.c.last_heartbeat_at.type)
    return (
        sa.update(table)
        .where(table.c.id == sa.bindparam("worker"), table.c.status != WorkerStatus.LOST.value)
        .values(
            last_heartbeat_at=now if statements.now is None else statements.now,
            status=sa.bindparam("says"),
            running=sa.bindparam("busy"),
        )
    )


def may_claim(tx: Transaction, worker_id: str) -> bool:
    """Whether this worker is still one: others may have declared it lost since it last looked."""
    table = tx.tables.worker_instance
    row = tx.connection.execute(
        sa.select(table.c.status, table.c.last_heartbeat_at, table.c.lock_timeout_s).where(
            table.c.id == worker_id
        )
    ).one_or_none()
    if row is None or row.status not in _ALIVE:
        return False
    return bool(tx.now - row.last_heartbeat_at <= timedelta(seconds=row.lock_timeout_s))


def listed(
    tx: Transaction, app: str | None = None, *, ended: bool = False, declares: bool = True
) -> list[Worker]:
    """The workers that have not ended (or all), oldest first; of one app or of every one.

    Without `declares` what they declare is left out: it is long where there are many schedules.
    """
    table = tx.tables.worker_instance
    selected = sa.select(*columns(table, declares=declares)).order_by(
        table.c.started_at, table.c.id
    )
    if app is not None:
        selected = selected.where(table.c.app == app)
    if not ended:
        selected = selected.where(table.c.status.in_(_ALIVE))
    return [rows.worker(row) for row in tx.connection.execute(selected)]


def overdue_limit(tx: Transaction, app: str) -> timedelta:
    """How long after its time a schedule of the app is overdue, by the workers that are there."""
    table = tx.tables.worker_instance
    selected = sa.select(*columns(table, declares=False)).where(
        watched(table, app, tx.now - LOST_IS_NEWS)
    )
    return health.overdue_limit([rows.worker(row) for row in tx.connection.execute(selected)])


def watched(table: sa.Table, app: Any, lost_since: Any) -> sa.ColumnElement[bool]:
    """The app's workers that health looks at: alive, or lost a short while ago.

    `app` and `lost_since`, which is `LOST_IS_NEWS` ago, are values or parameters.
    """
    lost = sa.and_(
        table.c.status == WorkerStatus.LOST.value,
        table.c.last_heartbeat_at > lost_since,
    )
    return sa.and_(table.c.app == app, sa.or_(table.c.status.in_(_ALIVE), lost))


def runs_of(tx: Transaction, worker_ids: Iterable[str]) -> dict[str, list[JobRun]]:
    """The job runs that each worker executes now, oldest first."""
    found: dict[str, list[JobRun]] = {worker_id: [] for worker_id in worker_ids}
    if found:
        table = tx.tables.job_run
        selected = (
            sa.select(table)
            .where(table.c.worker_id.in_(found), table.c.status == JobRunStatus.RUNNING.value)
            .order_by(table.c.id)
        )
        for run in rows.readable(tx, selected, table.c.id, rows.job_run):
            found[run.worker_id or ""].append(run)
    return found


def columns(table: sa.Table, *, declares: bool) -> list[sa.ColumnElement[Any]]:
    """What a worker is read from, with or without what it declares."""
    nothing = sa.null().label("declares")
    return [
        nothing if column is table.c.declares and not declares else column for column in table.c
    ]


def mark_lost(tx: Transaction, worker: Worker) -> bool:
    """Declare a worker dead unless it has beaten since it was looked at, or is beating just now."""
    table = tx.tables.worker_instance
    unchanged = (table.c.id == worker.id, table.c.last_heartbeat_at == worker.last_heartbeat_at)
    # Whoever froze in the midst of a beat holds its row: we must not wait, for we fire as well.
    free = sa.select(table.c.id).where(*unchanged).with_for_update(skip_locked=True)
    if tx.connection.execute(free).first() is None:
        return False
    tx.connection.execute(
        sa.update(table).where(*unchanged).values(status=WorkerStatus.LOST.value, running=0)
    )
    return True
