"""Requests to cancel that operators have written for what a worker runs."""

from collections.abc import Sequence

import sqlalchemy as sa

from jobsched.model import JobRunStatus
from jobsched.store.database import Transaction


def requested(tx: Transaction, firing_ids: Sequence[int]) -> list[tuple[int, int | None]]:
    """(firing id, job run id) of each request among these firings; None means the whole firing."""
    if not firing_ids:
        return []
    firing, run = tx.tables.job_firing, tx.tables.job_run
    whole = sa.select(firing.c.id, sa.null().label("run_id")).where(
        firing.c.id.in_(firing_ids), firing.c.cancel_requested_at.is_not(None)
    )
    single = sa.select(run.c.firing_id, run.c.id).where(
        run.c.firing_id.in_(firing_ids),
        run.c.cancel_requested_at.is_not(None),
        run.c.status.in_([JobRunStatus.QUEUED.value, JobRunStatus.RUNNING.value]),
    )
    found = tx.connection.execute(sa.union_all(whole, single))
    return [(row[0], row[1]) for row in found]
