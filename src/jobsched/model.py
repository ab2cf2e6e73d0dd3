"""The words of jobsched as types: states with their transitions, and frozen values.

Everything that travels between the layers is one of these. All datetimes are aware and UTC.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from jobsched.backoff import Backoff
from jobsched.fixed import fixed


class FiringStatus(StrEnum):
    """Where a firing stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"


class JobRunStatus(StrEnum):
    """Where one attempt of one job stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"
    LOST = "LOST"


class WorkerStatus(StrEnum):
    """Where a worker process stands."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    LOST = "LOST"


class WorkerType(StrEnum):
    """What a worker process does."""

    SCHEDULE_DAEMON = "schedule_daemon"
    JOB_WORKER = "job_worker"


class TriggerType(StrEnum):
    """What caused a firing."""

    CRON = "CRON"
    MANUAL = "MANUAL"
    EVENT = "EVENT"


class ExecutionMode(StrEnum):
    """Which jobs a schedule selects."""

    ALL_JOBS = "ALL_JOBS"
    GROUP = "GROUP"
    JOBS = "JOBS"


class Overlap(StrEnum):
    """What to do with an occurrence while an earlier firing of its schedule is live."""

    SKIP = "skip"
    QUEUE = "queue"
    ALLOW = "allow"
    CANCEL_PREVIOUS = "cancel_previous"


class Misfire(StrEnum):
    """What to do with occurrences that were noticed too late."""

    RUN_ONCE = "run_once"
    SKIP = "skip"
    RUN_ALL = "run_all"


class OnLost(StrEnum):
    """What to do with a job run whose worker died while it ran."""

    FAIL = "fail"
    RERUN = "rerun"


class Reason(StrEnum):
    """Why something did not run, or ended as it did."""

    OVERLAP = "overlap"
    MISSED = "missed"
    DEADLINE = "deadline"
    PAUSED = "paused"
    EXCLUDED = "excluded"
    CAP = "cap"
    NO_WORKER = "no_worker"
    LOCK = "lock"
    DEPENDENCY = "dependency"
    TIMEOUT = "timeout"
    REQUESTED = "requested"
    SUPERSEDED = "superseded"
    SHUTDOWN = "shutdown"
    WORKER_LOST = "worker_lost"
    PARAMETERS = "parameters"


LIVE_FIRINGS = frozenset({FiringStatus.QUEUED, FiringStatus.RUNNING, FiringStatus.WAITING})
"""The states of a firing that has not ended."""

LIVE_RUNS = frozenset({JobRunStatus.QUEUED, JobRunStatus.RUNNING})
"""The states of a job run that has not ended."""

_F, _R = FiringStatus, JobRunStatus

FIRING_TRANSITIONS: Mapping[FiringStatus, frozenset[FiringStatus]] = {
    _F.QUEUED: frozenset({_F.RUNNING, _F.SKIPPED, _F.CANCELLED, _F.FAILED}),
    _F.RUNNING: frozenset({_F.QUEUED, _F.WAITING, _F.SUCCESS, _F.FAILED, _F.CANCELLED, _F.SKIPPED}),
    _F.WAITING: frozenset({_F.RUNNING, _F.CANCELLED, _F.FAILED}),
    _F.SUCCESS: frozenset(),
    _F.FAILED: frozenset({_F.QUEUED}),
    _F.CANCELLED: frozenset({_F.QUEUED}),
    _F.SKIPPED: frozenset(),
}
"""The one table of allowed transitions of a firing; back to QUEUED is an operator's retry."""

RUN_TRANSITIONS: Mapping[JobRunStatus, frozenset[JobRunStatus]] = {
    _R.QUEUED: frozenset({_R.RUNNING, _R.SKIPPED, _R.CANCELLED}),
    _R.RUNNING: frozenset({_R.SUCCESS, _R.FAILED, _R.CANCELLED, _R.LOST}),
    _R.SUCCESS: frozenset(),
    _R.FAILED: frozenset(),
    _R.SKIPPED: frozenset(),
    _R.CANCELLED: frozenset(),
    _R.LOST: frozenset(),
}
"""The one table of allowed transitions of a job run; a retry is a new row, never a way back."""


@fixed
class Timing:
    """When a schedule is due: exactly one of `cron`, `every` and `at`, and its bounds."""

    cron: str | None = None
    every: timedelta | None = None
    at: datetime | None = None
    timezone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None


@fixed
class ScheduleDeclaration:
    """A schedule as it was declared, and as the database mirrors it."""

    id: str
    timing: Timing
    name: str = ""
    description: str = ""
    execution_mode: ExecutionMode = ExecutionMode.ALL_JOBS
    group: str | None = None
    jobs: tuple[str, ...] = ()
    environments: tuple[str, ...] | None = None
    enabled: bool = False
    overlap: Overlap = Overlap.SKIP
    misfire: Misfire = Misfire.RUN_ONCE
    misfire_grace: timedelta = timedelta(minutes=5)
    catchup_window: timedelta = timedelta(days=1)
    max_catchup: int = 100
    start_deadline: timedelta | None = None
    timeout: timedelta | None = None
    priority: int = 0
    jitter: timedelta | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    include_dependencies: bool = False


@fixed
class JobDefinition:
    """A registered job as the database mirrors it: all that planning and recovery need."""

    name: str
    group: str | None = None
    depends_on: tuple[str, ...] = ()
    description: str = ""
    is_async: bool = False
    retries: int = 0
    backoff: Backoff = field(default_factory=Backoff)
    timeout: timedelta | None = None
    on_lost: OnLost = OnLost.FAIL
    max_lost: int = 3
    executor: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None
    """Why its row cannot be read; no plan is made with it until a sync has mended it."""


@fixed
class PlannedJob:
    """One job of a firing's plan; `depends_on` names jobs of the same plan only."""

    name: str
    depends_on: tuple[str, ...] = ()


@fixed
class Firing:
    """One cause to run jobs, with where it stands."""

    id: int
    app: str
    schedule_id: str | None
    job_name: str | None
    scheduled_for: datetime
    trigger: TriggerType
    status: FiringStatus
    reason: str | None
    blocked_by: int | None
    missed_count: int | None
    missed_from: datetime | None
    params: Mapping[str, Any]
    available_at: datetime
    claimed_by: str | None
    requested_by: str | None
    cancel_requested_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    priority: int = 0
    version: int = 0
    runs: tuple["JobRun", ...] = ()
    """Its job runs in plan order, where the reader asked for them (`history`, `firing`)."""


@fixed
class JobRun:
    """One attempt of one job within a firing."""

    id: int
    firing_id: int
    schedule_id: str | None
    job_name: str
    attempt: int
    status: JobRunStatus
    reason: str | None
    scheduled_for: datetime
    available_at: datetime
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    duration_ms: int | None
    error: str | None
    traceback: str | None
    result: Any
    progress: Mapping[str, Any] | None
    worker_id: str | None
    depends_on: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    cancel_requested_at: datetime | None = None


@fixed
class LogLine:
    """One captured log record of a job run."""

    id: int
    job_run_id: int
    level: str
    message: str
    created_at: datetime


@fixed
class Worker:
    """A registered process."""

    id: str
    app: str
    worker_type: WorkerType
    status: WorkerStatus
    hostname: str
    pid: int
    started_at: datetime
    last_heartbeat_at: datetime
    lock_timeout: timedelta
    version: str
    capacity: int
    running: int
    environment: str = "production"
    poll_interval: timedelta = timedelta(seconds=5)
    declares: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Hashes of what its code declares: `{"schedules": {id: hash}, "jobs": {name: hash}}`."""


@fixed
class JobState:
    """A mirrored job: its definition, and whether it has left the code."""

    definition: JobDefinition
    app: str
    declaration_hash: str
    retired_at: datetime | None


class FiringSummary(NamedTuple):  # no dataclass: a page of schedules makes thousands
    """One entry of a schedule's `recent`: how a firing ended and how long it took."""

    firing_id: int
    status: FiringStatus
    duration_ms: int | None


@fixed
class ScheduleState:
    """A mirrored schedule with its state: what operators ask about it."""

    declaration: ScheduleDeclaration
    app: str
    enabled: bool
    next_run_at: datetime | None
    last_run_at: datetime | None
    last_scheduled_for: datetime | None
    run_count: int
    failure_count: int
    problem: str | None
    locked_by: str | None
    retired_at: datetime | None
    version: int
    environment: str = "production"
    disabled_reason: str | None = None
    declaration_hash: str = ""
    recent: tuple[FiringSummary, ...] = ()
    """The last 30 firings that ended, oldest first."""

    @property
    def in_environment(self) -> bool:
        """Whether its environments include the one that it was synced in."""
        wanted = self.declaration.environments
        return wanted is None or self.environment in wanted


class HealthLevel(StrEnum):
    """What `health` says: `critical` needs somebody now."""

    HEALTHY = "healthy"
    WARNING = "warning"
    CRITICAL = "critical"


@fixed
class Problem:
    """One thing that is wrong: what, since when, and what to do."""

    kind: str
    target: str
    message: str
    level: HealthLevel
    since: datetime | None = None


@fixed
class Health:
    """Whether the daemons of an app do their work, with one line that says why not."""

    level: HealthLevel
    message: str
    problems: tuple[Problem, ...] = ()


@fixed
class Status:
    """What operators ask first: who is alive, what is due, what runs (the first 20 firings)."""

    app: str
    now: datetime
    health: Health
    workers: tuple[Worker, ...]
    schedules: tuple[ScheduleState, ...]
    queued: int
    running: int
    waiting: int
    running_firings: tuple[Firing, ...] = ()


@fixed
class SyncReport:
    """What a sync changed."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    revived: tuple[str, ...] = ()
