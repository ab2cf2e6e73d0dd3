"""Schedules and jobs as JSON."""

from typing import Any

from typing_extensions import TypedDict  # pydantic takes typing's own from Python 3.12 on only

from jobsched.documents.values import optional_seconds, optional_time, params
from jobsched.model import JobState, ScheduleState


class FiringSummaryDocument(TypedDict):
    """How one of a schedule's last firings ended."""

    firing_id: int
    status: str
    duration_ms: int | None


class ScheduleDocument(TypedDict):
    """A schedule: its state, then its declaration."""

    id: str
    app: str
    name: str
    description: str
    enabled: bool
    disabled_reason: str | None
    problem: str | None
    retired_at: str | None
    next_run_at: str | None
    last_run_at: str | None
    last_scheduled_for: str | None
    run_count: int
    failure_count: int
    recent: list[FiringSummaryDocument]
    cron: str | None
    every_s: float | None
    at: str | None
    timezone: str
    start: str | None
    end: str | None
    execution_mode: str
    group: str | None
    jobs: list[str]
    environments: list[str] | None
    environment: str
    in_environment: bool
    overlap: str
    misfire: str
    misfire_grace_s: float
    catchup_window_s: float
    max_catchup: int
    start_deadline_s: float | None
    timeout_s: float | None
    priority: int
    jitter_s: float | None
    params: dict[str, Any]
    include_dependencies: bool


def schedule(state: ScheduleState) -> ScheduleDocument:
    """A schedule: its state, then its declaration."""
    declared, timing = state.declaration, state.declaration.timing
    return {
        "id": declared.id,
        "app": state.app,
        "name": declared.name,
        "description": declared.description,
        "enabled": state.enabled,
        "disabled_reason": state.disabled_reason,
        "problem": state.problem,
        "retired_at": optional_time(state.retired_at),
        "next_run_at": optional_time(state.next_run_at),
        "last_run_at": optional_time(state.last_run_at),
        "last_scheduled_for": optional_time(state.last_scheduled_for),
        "run_count": state.run_count,
        "failure_count": state.failure_count,
        "recent": [
            {"firing_id": one.firing_id, "status": one.status, "duration_ms": one.duration_ms}
            for one in state.recent
        ],
        "cron": timing.cron,
        "every_s": optional_seconds(timing.every),
        "at": optional_time(timing.at),
        "timezone": timing.timezone,
        "start": optional_time(timing.start),
        "end": optional_time(timing.end),
        "execution_mode": declared.execution_mode,
        "group": declared.group,
        "jobs": list(declared.jobs),
        "environments": None if declared.environments is None else list(declared.environments),
        "environment": state.environment,
        "in_environment": state.in_environment,
        "overlap": declared.overlap,
        "misfire": declared.misfire,
        "misfire_grace_s": declared.misfire_grace.total_seconds(),
        "catchup_window_s": declared.catchup_window.total_seconds(),
        "max_catchup": declared.max_catchup,
        "start_deadline_s": optional_seconds(declared.start_deadline),
        "timeout_s": optional_seconds(declared.timeout),
        "priority": declared.priority,
        "jitter_s": optional_seconds(declared.jitter),
        "params": params(declared.params),
        "include_dependencies": declared.include_dependencies,
    }


class JobDocument(TypedDict):
    """A registered job."""

    name: str
    app: str
    group: str | None
    depends_on: list[str]
    description: str
    is_async: bool
    retries: int
    backoff: dict[str, Any]
    timeout_s: float | None
    on_lost: str
    max_lost: int
    executor: str | None
    parameters: dict[str, Any]
    retired_at: str | None


def job(state: JobState) -> JobDocument:
    """A registered job."""
    defined = state.definition
    return {
        "name": defined.name,
        "app": state.app,
        "group": defined.group,
        "depends_on": list(defined.depends_on),
        "description": defined.description,
        "is_async": defined.is_async,
        "retries": defined.retries,
        "backoff": dict(defined.backoff.as_document()),
        "timeout_s": optional_seconds(defined.timeout),
        "on_lost": defined.on_lost,
        "max_lost": defined.max_lost,
        "executor": defined.executor,
        "parameters": dict(defined.parameters),
        "retired_at": optional_time(state.retired_at),
    }
