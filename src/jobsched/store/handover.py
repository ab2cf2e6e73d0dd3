"""A job run that its daemon has started, and that another process executes for it.

The daemon keeps the claim of the firing, and alone says how the run ended. The other process is
written down as the run's worker, once, so that a request that is delivered twice runs once; it
writes what the run says while the daemon's claim stands and the run is still its own.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from jobsched.errors import ConflictError, NotFoundError
from jobsched.fixed import fixed
from jobsched.model import Firing, FiringStatus, JobRun, JobRunStatus
from jobsched.store import record, rows
from jobsched.store.batch import Batch, LogRecord, RunNote
from jobsched.store.database import Transaction


@fixed
class HandedOver:
    """A job run, the firing that its daemon has claimed, and the process that executes it."""

    firing: Firing
    run: JobRun
    worker_id: str

    @property
    def daemon_id(self) -> str:
        """The registration that claimed the firing."""
        return self.firing.claimed_by or ""


def take(tx: Transaction, run_id: int, worker_id: str) -> HandedOver:
    """Become the worker of a run that its daemon has marked RUNNING.

    Raises NotFoundError, and ConflictError when another process has taken it, when it has ended,
    or when its daemon has lost the claim.
    """
    table = tx.tables.job_run
    firing_id = tx.connection.execute(
        sa.select(table.c.firing_id).where(table.c.id == run_id)
    ).scalar_one_or_none()
    if firing_id is None:
        raise NotFoundError(f"there is no job run {run_id} in this database")
    firing = _locked(tx, firing_id)
    taken = tx.connection.execute(
        sa.update(table)
        .where(
            table.c.id == run_id,
            table.c.status == JobRunStatus.RUNNING.value,
            table.c.worker_id == firing.claimed_by,
        )
        .values(worker_id=worker_id)
    )
    row = tx.connection.execute(sa.select(table).where(table.c.id == run_id)).one()
    run = rows.job_run(row)
    if firing.status is not FiringStatus.RUNNING or not taken.rowcount:
        raise ConflictError(
            f"job run {run_id} is not to be executed here: it is {run.status} at worker "
            f"{run.worker_id}, and its firing {firing.id} is {firing.status} at worker "
            f"{firing.claimed_by}"
        )
    return HandedOver(firing, run, worker_id)


def append(
    tx: Transaction, held: HandedOver, logs: Sequence[LogRecord], notes: Sequence[RunNote]
) -> bool:
    """Write what the run says; False, and nothing is written, when it is no longer ours to run."""
    firing = _locked(tx, held.firing.id)
    table = tx.tables.job_run
    run = rows.job_run(
        tx.connection.execute(sa.select(table).where(table.c.id == held.run.id)).one()
    )
    if firing.claimed_by != held.daemon_id or firing.status is not FiringStatus.RUNNING:
        return False
    if run.worker_id != held.worker_id or run.status is not JobRunStatus.RUNNING:
        return False
    record.record(tx, Batch(held.daemon_id, logs=list(logs), notes=list(notes)))
    return True


def _locked(tx: Transaction, firing_id: int) -> Firing:
    table = tx.tables.job_firing
    selected = sa.select(table).where(table.c.id == firing_id).with_for_update()
    return rows.firing(tx.connection.execute(selected).one())
