"""A firing's plan as its page shows it: every attempt, and the graph of the jobs. Pure."""

from collections.abc import Callable, Mapping, Sequence

from jobsched import phrases
from jobsched.admin.pictures.graph import Node
from jobsched.fixed import fixed
from jobsched.model import LIVE_RUNS, JobDefinition, JobRun, JobRunStatus, PlannedJob, Worker


@fixed
class Attempt:
    """A row of the table."""

    run: JobRun
    is_last: bool
    """Whether it is the job's last attempt so far."""
    place: str
    """`1`, or `2 of 4` where there may be several."""
    took: str
    """Of one that has ended."""
    why: str
    worker: Worker | None
    fraction: float | None
    """How far it is, from 0 to 1, if it says so."""
    message: str
    """What it is at."""

    @property
    def is_live(self) -> bool:
        """Whether it has not ended."""
        return self.run.status in LIVE_RUNS

    @property
    def has_run(self) -> bool:
        """Whether it has started, and so may have logged."""
        return self.run.started_at is not None


def attempts(
    runs: Sequence[JobRun],
    definitions: Mapping[str, JobDefinition],
    workers: Mapping[str, Worker],
) -> list[Attempt]:
    """The attempts in plan order."""
    last = {run.job_name: run.id for run in runs}
    return [
        Attempt(
            run=run,
            is_last=last[run.job_name] == run.id,
            place=_place(run, definitions.get(run.job_name)),
            took=phrases.duration(run.duration_ms),
            why=phrases.run_why(run),
            worker=workers.get(run.worker_id or ""),
            fraction=phrases.fraction(run),
            message=phrases.message(run),
        )
        for run in runs
    ]


def nodes(rows: Sequence[Attempt], href: Callable[[JobRun], str | None]) -> list[Node]:
    """The graph of the jobs by their last attempts."""
    return [
        Node(
            row.run.job_name,
            row.run.depends_on,
            row.run.status,
            href(row.run),
            row.took if row.took != phrases.NOTHING else "",
        )
        for row in rows
        if row.is_last
    ]


def planned_nodes(plan: Sequence[PlannedJob]) -> list[Node]:
    """The graph of what would run."""
    return [Node(job.name, job.depends_on) for job in plan]


def shown_run(rows: Sequence[Attempt], wanted: int | None) -> JobRun | None:
    """Whose log is shown: the one asked for, else what runs, what failed, or what ran last."""
    started = [row.run for row in rows if row.has_run]
    if wanted is not None:
        return next((row.run for row in rows if row.run.id == wanted), None)
    for status in (JobRunStatus.RUNNING, JobRunStatus.FAILED, JobRunStatus.LOST):
        found = [run for run in started if run.status is status]
        if found:
            return found[-1]
    return max(started, key=lambda run: run.id, default=None)


def _place(run: JobRun, definition: JobDefinition | None) -> str:
    most = 1 + definition.retries if definition else 1
    return f"{run.attempt} of {most}" if most > 1 and run.attempt <= most else str(run.attempt)
