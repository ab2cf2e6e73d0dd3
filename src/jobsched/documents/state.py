"""Who is alive, and what is wrong, as JSON."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict  # pydantic takes typing's own from Python 3.12 on only

from jobsched.documents.declared import schedule
from jobsched.documents.history import firing_with_runs
from jobsched.documents.values import optional_time, time
from jobsched.model import Health, Problem, Status, Worker

if TYPE_CHECKING:
    from jobsched.store.prune import Pruned


class WorkerDocument(TypedDict):
    """A worker, with the age of its last heartbeat."""

    id: str
    app: str
    worker_type: str
    status: str
    hostname: str
    pid: int
    environment: str
    version: str
    started_at: str
    last_heartbeat_at: str
    heartbeat_age_s: float
    lock_timeout_s: float
    capacity: int
    running: int


def worker(registered: Worker, now: datetime) -> WorkerDocument:
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
        "lock_timeout_s": registered.lock_timeout.total_seconds(),
        "capacity": registered.capacity,
        "running": registered.running,
    }


class ProblemDocument(TypedDict):
    """One thing that is wrong: what, since when, and what to do."""

    kind: str
    target: str
    message: str
    level: str
    since: str | None


class HealthDocument(TypedDict):
    """Whether the daemons do their work."""

    level: str
    message: str
    problems: list[ProblemDocument]


def health(found: Health) -> HealthDocument:
    """Whether the daemons do their work."""
    return {
        "level": found.level,
        "message": found.message,
        "problems": [_problem(one) for one in found.problems],
    }


def status(found: Status) -> dict[str, Any]:
    """What operators ask first."""
    return {
        "app": found.app,
        "now": optional_time(found.now),
        "health": health(found.health),
        "queued": found.queued,
        "running": found.running,
        "waiting": found.waiting,
        "running_firings": [firing_with_runs(one) for one in found.running_firings],
        "workers": [worker(one, found.now) for one in found.workers],
        "schedules": [schedule(one) for one in found.schedules],
    }


def problems(messages: Iterable[str]) -> dict[str, Any]:
    """What `check` found."""
    found = list(messages)
    return {"ok": not found, "problems": found}


def pruned(one: "Pruned") -> dict[str, Any]:
    """How many rows of each kind were deleted, or would be."""
    return {
        "firings": one.firings,
        "job_runs": one.job_runs,
        "log_lines": one.log_lines,
        "audit_rows": one.audit_rows,
        "workers": one.workers,
    }


def _problem(one: Problem) -> ProblemDocument:
    return {
        "kind": one.kind,
        "target": one.target,
        "message": one.message,
        "level": one.level,
        "since": optional_time(one.since),
    }
