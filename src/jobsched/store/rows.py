"""Between rows and values: the one place that knows how a value is spread over columns."""

import hashlib
import json
from collections import namedtuple
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sa

from jobsched.backoff import Backoff
from jobsched.model import (
    ExecutionMode,
    Firing,
    FiringStatus,
    FiringSummary,
    JobDefinition,
    JobRun,
    JobRunStatus,
    JobState,
    LogLine,
    Misfire,
    OnLost,
    Overlap,
    ScheduleDeclaration,
    ScheduleState,
    Timing,
    TriggerType,
    Worker,
    WorkerStatus,
    WorkerType,
)
from jobsched.store.database import Transaction, duration, seconds

T = TypeVar("T")

UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
"""What reading a row raises in which somebody has written what does not belong there."""


def readable(
    tx: Transaction, selected: sa.Select[Any], key: sa.Column[Any], read: Callable[[Any], T]
) -> list[T]:
    """What `read` makes of each selected row; a row that it refuses is left out, alone."""
    try:
        return [read(row) for row in named(tx.connection.execute(selected))]
    except UNREADABLE:
        found: list[T] = []
        for one in tx.connection.execute(selected.with_only_columns(key)).scalars().all():
            alone = selected.where(key == one).limit(None).offset(None)
            with suppress(*UNREADABLE):
                found.append(read(tx.connection.execute(alone).one()))
        return found


def named(found: sa.Result[Any]) -> list[Any]:
    """The rows as named tuples: SQLAlchemy's take ten times as long to give an attribute.

    That counts where many rows are read for many attributes.
    """
    make = _named(tuple(found.keys()))
    return [make(row) for row in found.all()]


@lru_cache(maxsize=64)
def _named(keys: tuple[str, ...]) -> Callable[[sa.Row[Any]], Any]:
    kind: Any = namedtuple("kind", keys)  # type: ignore[misc]  # each statement has its own names
    return kind._make


def schedule_state(row: sa.Row[Any]) -> ScheduleState:
    """A row of `job_schedule`. Raises ValueError or TypeError for a value that cannot be read."""
    return ScheduleState(
        declaration=declaration(row),
        app=row.app,
        enabled=row.enabled,
        next_run_at=row.next_run_at,
        last_run_at=row.last_run_at,
        last_scheduled_for=row.last_scheduled_for,
        run_count=row.run_count,
        failure_count=row.failure_count,
        problem=row.problem,
        locked_by=row.locked_by,
        retired_at=row.retired_at,
        version=row.version,
        environment=row.environment,
        disabled_reason=row.disabled_reason,
        declaration_hash=row.declaration_hash,
        recent=_recent(row),
    )


_ENDS = {status.value: status for status in FiringStatus}  # a lookup: a page reads thousands


def _recent(row: sa.Row[Any]) -> tuple[FiringSummary, ...]:
    return tuple(
        FiringSummary(item["firing_id"], _ENDS[item["status"]], item["duration_ms"])
        for item in row.recent or ()
    )


def unreadable_schedule(row: sa.Row[Any], error: Exception) -> ScheduleState:
    """What operators need of a row that `schedule_state` refuses."""
    return ScheduleState(
        declaration=ScheduleDeclaration(
            id=row.id,
            timing=Timing(cron=row.cron, timezone=row.timezone),
            name=row.name,
            description=row.description,
        ),
        app=row.app,
        enabled=row.enabled,
        next_run_at=row.next_run_at,
        last_run_at=row.last_run_at,
        last_scheduled_for=row.last_scheduled_for,
        run_count=row.run_count,
        failure_count=row.failure_count,
        problem=row.problem or f"its row cannot be read: {error}",
        locked_by=row.locked_by,
        retired_at=row.retired_at,
        version=row.version,
        environment=row.environment,
        disabled_reason=row.disabled_reason,
        declaration_hash=row.declaration_hash,
    )


def timing(row: sa.Row[Any]) -> Timing:
    """When the schedule of a row of `job_schedule` is due."""
    return Timing(
        cron=row.cron,
        every=duration(row.every_s),
        at=row.at,
        timezone=row.timezone,
        start=row.start_at,
        end=row.end_at,
    )


def declaration(row: sa.Row[Any]) -> ScheduleDeclaration:
    """The declaration that a row of `job_schedule` mirrors."""
    return ScheduleDeclaration(
        id=row.id,
        timing=timing(row),
        name=row.name,
        description=row.description,
        execution_mode=ExecutionMode(row.execution_mode),
        group=row.group_name,
        jobs=tuple(row.jobs or ()),
        environments=None if row.environments is None else tuple(row.environments),
        enabled=row.enabled,
        overlap=Overlap(row.overlap),
        misfire=Misfire(row.misfire),
        misfire_grace=_required(row.misfire_grace_s),
        catchup_window=_required(row.catchup_window_s),
        max_catchup=row.max_catchup,
        start_deadline=duration(row.start_deadline_s),
        timeout=duration(row.timeout_s),
        priority=row.priority,
        jitter=duration(row.jitter_s),
        params=row.params or {},
        include_dependencies=row.include_dependencies,
    )


def declaration_columns(declared: ScheduleDeclaration) -> dict[str, Any]:
    """The mirrored columns of a declaration; `enabled` is state, not among them."""
    timing = declared.timing
    return {
        "name": declared.name or declared.id,
        "description": declared.description,
        "cron": timing.cron,
        "every_s": seconds(timing.every),
        "at": timing.at,
        "timezone": timing.timezone,
        "start_at": timing.start,
        "end_at": timing.end,
        "execution_mode": declared.execution_mode.value,
        "group_name": declared.group,
        "jobs": list(declared.jobs) or None,
        "environments": None if declared.environments is None else list(declared.environments),
        "overlap": declared.overlap.value,
        "misfire": declared.misfire.value,
        "misfire_grace_s": seconds(declared.misfire_grace),
        "catchup_window_s": seconds(declared.catchup_window),
        "max_catchup": declared.max_catchup,
        "start_deadline_s": seconds(declared.start_deadline),
        "timeout_s": seconds(declared.timeout),
        "priority": declared.priority,
        "jitter_s": seconds(declared.jitter),
        "params": dict(declared.params) or None,
        "include_dependencies": declared.include_dependencies,
    }


def declaration_hash(columns: Mapping[str, Any]) -> str:
    """The same for the same declaration, in every process and version of Python."""
    text = json.dumps(columns, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def job_state(row: sa.Row[Any]) -> JobState:
    """A row of `job_definition`."""
    return JobState(definition(row), row.app, row.declaration_hash, row.retired_at)


def unreadable_job(row: Any, error: Exception) -> JobState:
    """What planning needs of a row that `job_state` refuses: that it must not go on without it."""
    definition = JobDefinition(row.name, group=row.group_name, problem=str(error))
    return JobState(definition, row.app, row.declaration_hash, row.retired_at)


def definition(row: sa.Row[Any]) -> JobDefinition:
    """The definition that a row of `job_definition` mirrors."""
    return JobDefinition(
        name=row.name,
        group=row.group_name,
        depends_on=tuple(row.depends_on or ()),
        description=row.description,
        is_async=row.is_async,
        retries=row.retries,
        backoff=Backoff.from_document(row.backoff),
        timeout=duration(row.timeout_s),
        on_lost=OnLost(row.on_lost),
        max_lost=row.max_lost,
        executor=row.executor,
        parameters=row.parameters or {},
    )


def definition_columns(declared: JobDefinition) -> dict[str, Any]:
    """The mirrored columns of a definition."""
    return {
        "name": declared.name,
        "group_name": declared.group,
        "depends_on": list(declared.depends_on) or None,
        "description": declared.description,
        "is_async": declared.is_async,
        "retries": declared.retries,
        "backoff": declared.backoff.as_document(),
        "timeout_s": seconds(declared.timeout),
        "on_lost": declared.on_lost.value,
        "max_lost": declared.max_lost,
        "executor": declared.executor,
        "parameters": dict(declared.parameters) or None,
    }


def firing(row: sa.Row[Any], runs: tuple[JobRun, ...] = ()) -> Firing:
    """A row of `job_firing`."""
    return Firing(
        id=row.id,
        app=row.app,
        schedule_id=row.schedule_id,
        job_name=row.job_name,
        scheduled_for=row.scheduled_for,
        trigger=TriggerType(row.trigger_type),
        status=FiringStatus(row.status),
        reason=row.reason,
        blocked_by=row.blocked_by,
        missed_count=row.missed_count,
        missed_from=row.missed_from,
        params=row.params or {},
        available_at=row.available_at,
        claimed_by=row.claimed_by,
        requested_by=row.requested_by,
        cancel_requested_at=row.cancel_requested_at,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        priority=row.priority,
        version=row.version,
        runs=runs,
    )


def job_run(row: sa.Row[Any]) -> JobRun:
    """A row of `job_run`."""
    return JobRun(
        id=row.id,
        firing_id=row.firing_id,
        schedule_id=row.schedule_id,
        job_name=row.job_name,
        attempt=row.attempt,
        status=JobRunStatus(row.status),
        reason=row.reason,
        scheduled_for=row.scheduled_for,
        available_at=row.available_at,
        queued_at=row.queued_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        duration_ms=row.duration_ms,
        error=row.error,
        traceback=row.traceback,
        result=row.result,
        progress=row.progress,
        worker_id=row.worker_id,
        depends_on=tuple(row.depends_on or ()),
        params=row.params or {},
        cancel_requested_at=row.cancel_requested_at,
    )


def log_line(row: sa.Row[Any]) -> LogLine:
    """A row of `job_log`."""
    return LogLine(row.id, row.job_run_id, row.level, row.message, row.created_at)


def worker(row: sa.Row[Any]) -> Worker:
    """A row of `worker_instance`."""
    return Worker(
        id=row.id,
        app=row.app,
        worker_type=WorkerType(row.worker_type),
        status=WorkerStatus(row.status),
        hostname=row.hostname,
        pid=row.pid,
        started_at=row.started_at,
        last_heartbeat_at=row.last_heartbeat_at,
        lock_timeout=_required(row.lock_timeout_s),
        version=row.version,
        capacity=row.capacity,
        running=row.running,
        environment=row.environment,
        poll_interval=_required(row.poll_interval_s),
        declares=row.declares or {},
    )


def _required(value: float) -> Any:
    found = duration(value)
    if found is None:
        raise TypeError("a duration that is never empty was empty")
    return found
