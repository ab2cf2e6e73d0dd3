"""The context that a job run gets in the process that executes it."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from jobsched.context import CancelSignal, JobContext
from jobsched.daemon.capture import RunIdentity
from jobsched.daemon.outcomes import job_logger
from jobsched.daemon.reports import clipped
from jobsched.model import Firing, JobRun
from jobsched.store import history
from jobsched.store.batch import RunNote
from jobsched.store.database import Database


def context_for(
    firing: Firing, run: JobRun, identity: RunIdentity, signal: CancelSignal, database: Database
) -> JobContext:
    """What the job knows of itself; its progress goes where its log lines go."""

    def report_progress(fraction: float, message: str | None) -> None:
        text = None if message is None else clipped(str(message))
        progress = {"fraction": fraction, "message": text}
        identity.post(RunNote(identity.run_id, firing.id, progress=progress))

    return JobContext(
        run_id=identity.run_id,
        firing_id=firing.id,
        schedule_id=firing.schedule_id,
        job_name=run.job_name,
        scheduled_for=firing.scheduled_for,
        attempt=run.attempt,
        trigger=firing.trigger,
        params=deepcopy(dict(firing.params)),  # the firing's other jobs get the same
        log=job_logger(run.job_name),
        cancelled=signal,
        idempotency_key=f"{firing.app}:{firing.id}:{run.job_name}",
        report_progress=report_progress,
        find_result=_finder(database, firing.id),
    )


def _finder(database: Database, firing_id: int) -> Callable[[str], Any]:
    return lambda job: database.query(lambda tx: history.result(tx, firing_id, job))
