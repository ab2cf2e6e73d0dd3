"""One job here and now, in this process, with its history and logs in the database."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from jobsched.daemon.daemon import Daemon, Parts
from jobsched.model import FiringStatus, JobState, PlannedJob, TriggerType, WorkerType
from jobsched.registry import Job
from jobsched.store import audit, firings, plans
from jobsched.store.claim import Claimed
from jobsched.store.database import Transaction
from jobsched.store.firings import NewFiring

LAST_WORDS = timedelta(seconds=5)
"""How long the writing down of what is left behind may take."""


def execute_here(parts: Parts, job: Job, params: Mapping[str, Any], by: str | None) -> int:
    """Run the job to its end, with its timeout and executor; the id of its firing.

    It is claimed by this process from the beginning, so that no daemon takes it. A retry whose
    time has not come is left to the daemons. When the caller is interrupted, the run is written
    down as LOST, reason shutdown.
    """
    worker = Daemon(parts, worker_type=WorkerType.JOB_WORKER)
    worker.register()
    try:
        worker.start_running()
        claimed = parts.database.transact(
            lambda tx: _claimed(tx, parts, job, params, worker.heart.worker_id, by)
        )
        worker.run_to_its_end(claimed)
        return claimed.firing.id
    except BaseException:
        worker.end_jobs()
        worker.abandon(LAST_WORDS)
        raise
    finally:
        worker.end()


def _claimed(
    tx: Transaction,
    parts: Parts,
    job: Job,
    params: Mapping[str, Any],
    worker_id: str,
    by: str | None,
) -> Claimed:
    firing = firings.insert_one(
        tx,
        NewFiring(
            app=parts.code.app,
            job_name=job.name,
            scheduled_for=tx.now,
            available_at=tx.now,
            trigger=TriggerType.MANUAL,
            status=FiringStatus.RUNNING,
            params=params,
            claimed_by=worker_id,
            requested_by=by,
        ),
    )
    audit.write(
        tx,
        app=parts.code.app,
        who=by,
        what="exec",
        target=f"job {job.name}",
        after={"firing_id": firing.id, "params": dict(params)},
    )
    definition = job.definition
    runs = plans.first_runs(
        firing,
        (PlannedJob(job.name),),
        {job.name: definition},
        worker_id=worker_id,
        now=tx.now,
        slots=1,
    )
    plans.insert(tx, runs)
    written = plans.runs_of(tx, [firing.id])[firing.id]
    jobs = {job.name: JobState(definition, parts.code.app, "", None)}
    return Claimed(firing, tuple(written), jobs, None)
