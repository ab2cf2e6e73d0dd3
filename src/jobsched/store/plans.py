"""A firing's plan in the database: written once, when the firing is first claimed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobsched.fixed import fixed
from jobsched.model import (
    Firing,
    JobDefinition,
    JobRun,
    JobRunStatus,
    PlannedJob,
    ScheduleDeclaration,
)
from jobsched.planning.plan import Standing, order, select
from jobsched.store import many, rows
from jobsched.store.database import Transaction


@fixed
class NewRun:
    """An attempt to insert."""

    firing_id: int
    schedule_id: str | None
    job: PlannedJob
    attempt: int
    status: JobRunStatus
    trigger: str
    scheduled_for: datetime
    available_at: datetime
    params: Mapping[str, Any]
    worker_id: str | None


def plan_of(
    schedule: ScheduleDeclaration | None,
    job_name: str | None,
    definitions: Mapping[str, JobDefinition],
) -> tuple[PlannedJob, ...]:
    """The jobs of a firing of `schedule`, or of the single job `job_name`, in dependency order.

    Raises DeclarationError when a group or job is not known or the dependencies are a circle.
    """
    if schedule is not None and job_name is None:
        return select(schedule, definitions)
    return order([job_name or ""], definitions)


def roots(plan: Sequence[PlannedJob]) -> int:
    """How many jobs of a plan can start at once."""
    return sum(not job.depends_on for job in plan)


def accepted(params: Mapping[str, Any], definition: JobDefinition) -> dict[str, Any]:
    """Those of a firing's params that the job declares."""
    declared = definition.parameters.get("properties", {})
    return {name: value for name, value in params.items() if name in declared}


def first_runs(
    firing: Firing,
    plan: Sequence[PlannedJob],
    definitions: Mapping[str, JobDefinition],
    *,
    worker_id: str,
    now: datetime,
    slots: int,
) -> list[NewRun]:
    """The plan as job runs; up to `slots` of those with no dependency are RUNNING at once."""
    runs = []
    for job in plan:
        starts = slots > 0 and not job.depends_on
        slots -= starts
        runs.append(
            NewRun(
                firing_id=firing.id,
                schedule_id=firing.schedule_id,
                job=job,
                attempt=1,
                status=JobRunStatus.RUNNING if starts else JobRunStatus.QUEUED,
                trigger=firing.trigger,
                scheduled_for=firing.scheduled_for,
                available_at=now,
                params=accepted(firing.params, definitions[job.name]),
                worker_id=worker_id,
            )
        )
    return runs


def insert(tx: Transaction, runs: Sequence[NewRun]) -> None:
    """Write new attempts."""
    _INSERT.execute(tx, [_columns(run, tx.now) for run in runs])


def insert_told(tx: Transaction, runs: Sequence[NewRun]) -> dict[int, list[JobRun]]:
    """Write the first attempts of firings; the job runs of each firing as they stand then."""
    firing_ids, now = dict.fromkeys(run.firing_id for run in runs), tx.now
    ids = _INSERT.ids(tx, [_columns(run, now) for run in runs])
    if ids is None:
        return runs_of(tx, firing_ids)
    told: dict[int, list[JobRun]] = {firing_id: [] for firing_id in firing_ids}
    for run in runs:
        run_id = ids[run.firing_id, run.job.name, run.attempt]
        told[run.firing_id].append(_written(run, run_id, now))
    return told


def _columns(run: NewRun, now: datetime) -> dict[str, Any]:
    return {
        "firing_id": run.firing_id,
        "schedule_id": run.schedule_id,
        "job_name": run.job.name,
        "depends_on": list(run.job.depends_on) or None,
        "attempt": run.attempt,
        "status": run.status.value,
        "trigger_type": run.trigger,
        "scheduled_for": run.scheduled_for,
        "available_at": run.available_at,
        "queued_at": now,
        "started_at": now if run.status is JobRunStatus.RUNNING else None,
        "params": dict(run.params) or None,
        "worker_id": run.worker_id,
    }


def _written(run: NewRun, run_id: int, now: datetime) -> JobRun:
    return JobRun(
        id=run_id,
        firing_id=run.firing_id,
        schedule_id=run.schedule_id,
        job_name=run.job.name,
        attempt=run.attempt,
        status=run.status,
        reason=None,
        scheduled_for=run.scheduled_for,
        available_at=run.available_at,
        queued_at=now,
        started_at=now if run.status is JobRunStatus.RUNNING else None,
        finished_at=None,
        duration_ms=None,
        error=None,
        traceback=None,
        result=None,
        progress=None,
        worker_id=run.worker_id,
        depends_on=run.job.depends_on,
        params=run.params,
    )


_INSERT = many.Insert(
    "job_run",
    (
        *("firing_id", "schedule_id", "job_name", "depends_on", "attempt", "status"),
        *("trigger_type", "scheduled_for", "available_at", "queued_at", "started_at"),
        *("params", "worker_id"),
    ),
    keys=("firing_id", "job_name", "attempt"),
)


def runs_of(tx: Transaction, firing_ids: Iterable[int]) -> dict[int, list[JobRun]]:
    """The job runs of each firing, as they were written."""
    table = tx.tables.job_run
    found: dict[int, list[JobRun]] = {firing_id: [] for firing_id in firing_ids}
    if found:
        selected = sa.select(table).where(table.c.firing_id.in_(found)).order_by(table.c.id)
        for row in rows.named(tx.connection.execute(selected)):
            found[row.firing_id].append(rows.job_run(row))
    return found


def last_attempts(runs: Iterable[JobRun]) -> list[JobRun]:
    """The last attempt of each job, in plan order."""
    last: dict[str, JobRun] = {}
    for run in sorted(runs, key=lambda run: run.attempt):
        last[run.job_name] = run
    first_ids: dict[str, int] = {}
    for run in runs:
        first_ids.setdefault(run.job_name, run.id)
    return sorted(last.values(), key=lambda run: first_ids[run.job_name])


def standing(run: JobRun) -> Standing:
    """Where a job stands by its last attempt."""
    return Standing(PlannedJob(run.job_name, run.depends_on), run.status, run.available_at)
