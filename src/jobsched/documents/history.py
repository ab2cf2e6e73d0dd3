"""What happened, and what comes, as JSON."""

from datetime import datetime
from typing import Any

from typing_extensions import TypedDict  # pydantic takes typing's own from Python 3.12 on only

from jobsched.documents.values import optional_time, params, time
from jobsched.model import Firing, JobRun, LogLine


class RunDocument(TypedDict):
    """One attempt of one job."""

    id: int
    firing_id: int
    schedule_id: str | None
    job_name: str
    attempt: int
    status: str
    reason: str | None
    scheduled_for: str
    available_at: str
    queued_at: str
    started_at: str | None
    finished_at: str | None
    duration_ms: int | None
    error: str | None
    traceback: str | None
    result: Any
    progress: dict[str, Any] | None
    params: dict[str, Any]
    depends_on: list[str]
    cancel_requested_at: str | None
    worker_id: str | None


def run(one: JobRun) -> RunDocument:
    """One attempt of one job."""
    return {
        "id": one.id,
        "firing_id": one.firing_id,
        "schedule_id": one.schedule_id,
        "job_name": one.job_name,
        "attempt": one.attempt,
        "status": one.status,
        "reason": one.reason,
        "scheduled_for": time(one.scheduled_for),
        "available_at": time(one.available_at),
        "queued_at": time(one.queued_at),
        "started_at": optional_time(one.started_at),
        "finished_at": optional_time(one.finished_at),
        "duration_ms": one.duration_ms,
        "error": one.error,
        "traceback": one.traceback,
        "result": one.result,
        "progress": None if one.progress is None else dict(one.progress),
        "params": params(one.params),
        "depends_on": list(one.depends_on),
        "cancel_requested_at": optional_time(one.cancel_requested_at),
        "worker_id": one.worker_id,
    }


class FiringDocument(TypedDict):
    """A firing."""

    id: int
    app: str
    schedule_id: str | None
    job_name: str | None
    scheduled_for: str
    trigger: str
    status: str
    reason: str | None
    blocked_by: int | None
    missed_count: int | None
    missed_from: str | None
    params: dict[str, Any]
    priority: int
    available_at: str
    claimed_by: str | None
    requested_by: str | None
    cancel_requested_at: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class FiringWithRunsDocument(FiringDocument):
    """A firing with its job runs, in the order of its plan."""

    runs: list[RunDocument]


def firing(one: Firing) -> FiringDocument:
    """A firing, without its job runs."""
    return {
        "id": one.id,
        "app": one.app,
        "schedule_id": one.schedule_id,
        "job_name": one.job_name,
        "scheduled_for": time(one.scheduled_for),
        "trigger": one.trigger,
        "status": one.status,
        "reason": one.reason,
        "blocked_by": one.blocked_by,
        "missed_count": one.missed_count,
        "missed_from": optional_time(one.missed_from),
        "params": params(one.params),
        "priority": one.priority,
        "available_at": time(one.available_at),
        "claimed_by": one.claimed_by,
        "requested_by": one.requested_by,
        "cancel_requested_at": optional_time(one.cancel_requested_at),
        "created_at": time(one.created_at),
        "started_at": optional_time(one.started_at),
        "finished_at": optional_time(one.finished_at),
    }


def firing_with_runs(one: Firing) -> FiringWithRunsDocument:
    """A firing with its job runs."""
    return {**firing(one), "runs": [run(each) for each in one.runs]}


class LogLineDocument(TypedDict):
    """One log line, and which attempt of which job said it."""

    id: int
    created_at: str
    level: str
    message: str
    job_run_id: int
    firing_id: int | None
    job_name: str | None
    attempt: int | None


def log_line(line: LogLine, of: JobRun | None) -> LogLineDocument:
    """One log line, and which attempt of which job said it."""
    return {
        "id": line.id,
        "created_at": time(line.created_at),
        "level": line.level,
        "message": line.message,
        "job_run_id": line.job_run_id,
        "firing_id": of.firing_id if of else None,
        "job_name": of.job_name if of else None,
        "attempt": of.attempt if of else None,
    }


class OccurrenceDocument(TypedDict):
    """A coming occurrence of a schedule."""

    schedule_id: str
    scheduled_for: str
    timezone: str


def occurrence(schedule_id: str, at: datetime, timezone: str) -> OccurrenceDocument:
    """A coming occurrence of a schedule."""
    return {"schedule_id": schedule_id, "scheduled_for": time(at), "timezone": timezone}
