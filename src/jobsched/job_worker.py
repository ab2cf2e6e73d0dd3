"""Executing the job runs of a daemon in other processes: `run_job_run`.

An executor that hands jobs to an engine of other machines (a task queue, a cluster) sends two
values, the id of the job run and the APP reference, and calls this function there.
"""

import os
from dataclasses import asdict
from typing import Any

from jobsched.daemon.handed_over import execute
from jobsched.errors import ConfigurationError
from jobsched.executors.references import find
from jobsched.scheduler import Scheduler


def run_job_run(run_id: int, app: str | Scheduler | None = None) -> dict[str, Any]:
    """Execute a job run that a daemon has started, in this thread; how it ended, as JSON values.

    `app` is the Scheduler, or where to find it: `module:attribute`, of which the attribute may
    also be a function that returns it (default: `JOBSCHED_APP`). This process registers as a
    `job_worker` for the time. Log lines and progress are written from here; the end is not: what
    this returns has to reach the daemon, which still has the claim and records it. So a run whose
    daemon lost its claim is fenced here as it is there: the job is asked to stop, and nothing
    more of it is written.

    A run is executed once: a second call for it raises ConflictError, as does one for a run that
    has ended or is no longer its daemon's. Raises NotFoundError for an unknown run or job,
    ConfigurationError for an APP that leads to no Scheduler, and DatabaseError.
    """
    scheduler = app if isinstance(app, Scheduler) else _scheduler(app)
    return asdict(execute(scheduler._parts(), run_id))


def _scheduler(app: str | None) -> Scheduler:
    reference = app or os.environ.get("JOBSCHED_APP")
    if not reference:
        raise ConfigurationError(
            "run_job_run() needs the Scheduler: give app='myapp.jobs:scheduler', or set "
            "JOBSCHED_APP"
        )
    try:
        found = find(reference)
    except (ImportError, LookupError, ValueError) as error:
        raise ConfigurationError(f"APP {reference!r} cannot be found: {error}") from error
    made = found() if callable(found) and not isinstance(found, type) else found
    if not isinstance(made, Scheduler):
        raise ConfigurationError(
            f"APP {reference!r} leads to {type(made).__name__}; it must be a Scheduler, or a "
            "function without arguments that returns one"
        )
    return made
