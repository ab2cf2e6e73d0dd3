"""Values as JSON, for programs: the keys are a promise, kept within a major version.

Times are ISO 8601 in UTC with microseconds and a final `Z`, durations are seconds (keys that end
in `_s`) or milliseconds (`_ms`), states are the words of the glossary. Keys may be added.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from jobsched.model import (
    Firing,
    Health,
    JobRun,
    JobState,
    LogLine,
    Problem,
    ScheduleState,
    Status,
    Worker,
)

if TYPE_CHECKING:
    from jobsched.store.prune import Pruned

Document = dict[str, Any]


def show(document: Document | list[Document]) -> None:
    """Print one JSON document, indented."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def show_line(document: Document) -> None:
    """Print one line of JSON Lines."""
    click.echo(json.dumps(document, ensure_ascii=False))


def time(at: datetime | None) -> str | None:
    """`2026-03-02T12:00:00.000000Z`: all of one length, so that they sort as text."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def schedule(state: ScheduleState) -> Document:
    """A schedule: its declaration and its state."""
    declared, timing = state.declaration, state.declaration.timing
    return {
        "id": declared.id,
        "app": state.app,
        "name": declared.name,
        "description": declared.description,
        "enabled": state.enabled,
        "disabled_reason": state.disabled_reason,
        "problem": state.problem,
        "retired_at": time(state.retired_at),
        "next_run_at": time(state.next_run_at),
        "last_run_at": time(state.last_run_at),
        "last_scheduled_for": time(state.last_scheduled_for),
        "run_count": state.run_count,
        "failure_count": state.failure_count,
        "recent": [
            {"firing_id": one.firing_id, "status": one.status, "duration_ms": one.duration_ms}
            for one in state.recent
        ],
        "cron": timing.cron,
        "every_s": _seconds(timing.every),
        "at": time(timing.at),
        "timezone": timing.timezone,
        "start": time(timing.start),
        "end": time(timing.end),
        "execution_mode": declared.execution_mode,
        "group": declared.group,
        "jobs": list(declared.jobs),
        "environments": None if declared.environments is None else list(declared.environments),
        "environment": state.environment,
        "in_environment": state.in_environment,
        "overlap": declared.overlap,
        "misfire": declared.misfire,
        "misfire_grace_s": _seconds(declared.misfire_grace),
        "catchup_window_s": _seconds(declared.catchup_window),
        "max_catchup": declared.max_catchup,
        "start_deadline_s": _seconds(declared.start_deadline),
        "timeout_s": _seconds(declared.timeout),
        "priority": declared.priority,
        "jitter_s": _seconds(declared.jitter),
        "params": dict(declared.params),
        "include_dependencies": declared.include_dependencies,
    }


def job(state: JobState) -> Document:
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
        "backoff": defined.backoff.as_document(),
        "timeout_s": _seconds(defined.timeout),
        "on_lost": defined.on_lost,
        "max_lost": defined.max_lost,
        "executor": defined.executor,
        "parameters": dict(defined.parameters),
        "retired_at": time(state.retired_at),
    }


def worker(registered: Worker, now: datetime) -> Document:
    """A worker, with the age of its last heartbeat at `now`, the database's time."""
    return {
        "id": registered.id,
        "app": registered.app,
        "worker_type": registered.worker_type,
        "status": registered.status,
        "hostname": registered.hostname,
        "pid": registered.pid,
        "environment": registered.environment,
        "version": registered.version,
        "started_at": time(registered.started_at),
        "last_heartbeat_at": time(registered.last_heartbeat_at),
        "heartbeat_age_s": (now - registered.last_heartbeat_at).total_seconds(),
        "lock_timeout_s": _seconds(registered.lock_timeout),
        "capacity": registered.capacity,
        "running": registered.running,
    }


def firing(one: Firing, *, runs: bool = True) -> Document:
    """A firing with its job runs."""
    document: Document = {
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
        "missed_from": time(one.missed_from),
        "params": dict(one.params),
        "priority": one.priority,
        "available_at": time(one.available_at),
        "claimed_by": one.claimed_by,
        "requested_by": one.requested_by,
        "cancel_requested_at": time(one.cancel_requested_at),
        "created_at": time(one.created_at),
        "started_at": time(one.started_at),
        "finished_at": time(one.finished_at),
    }
    return {**document, "runs": [run(each) for each in one.runs]} if runs else document


def run(one: JobRun) -> Document:
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
        "started_at": time(one.started_at),
        "finished_at": time(one.finished_at),
        "duration_ms": one.duration_ms,
        "error": one.error,
        "traceback": one.traceback,
        "result": one.result,
        "progress": None if one.progress is None else dict(one.progress),
        "params": dict(one.params),
        "depends_on": list(one.depends_on),
        "cancel_requested_at": time(one.cancel_requested_at),
        "worker_id": one.worker_id,
    }


def log_line(line: LogLine, of: JobRun | None) -> Document:
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


def occurrence(schedule_id: str, at: datetime, timezone: str) -> Document:
    """A coming occurrence of a schedule."""
    return {"schedule_id": schedule_id, "scheduled_for": time(at), "timezone": timezone}


def health(found: Health) -> Document:
    """Whether the daemons do their work."""
    return {
        "level": found.level,
        "message": found.message,
        "problems": [_problem(one) for one in found.problems],
    }


def status(found: Status) -> Document:
    """What operators ask first."""
    return {
        "app": found.app,
        "now": time(found.now),
        "health": health(found.health),
        "queued": found.queued,
        "running": found.running,
        "waiting": found.waiting,
        "workers": [worker(one, found.now) for one in found.workers],
        "schedules": [schedule(one) for one in found.schedules],
    }


def problems(messages: Iterable[str]) -> Document:
    """What `check` found."""
    found = list(messages)
    return {"ok": not found, "problems": found}


def pruned(one: "Pruned") -> Document:
    """How many rows of each kind were deleted, or would be."""
    return {
        "firings": one.firings,
        "job_runs": one.job_runs,
        "log_lines": one.log_lines,
        "audit_rows": one.audit_rows,
        "workers": one.workers,
    }


def _problem(one: Problem) -> Document:
    return {
        "kind": one.kind,
        "target": one.target,
        "message": one.message,
        "level": one.level,
        "since": time(one.since),
    }


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()
