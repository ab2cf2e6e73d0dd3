"""What the API answers with."""

from typing import Any

from typing_extensions import TypedDict  # pydantic takes typing's own from Python 3.12 on only

from jobsched.documents import (
    FiringDocument,
    FiringWithRunsDocument,
    HealthDocument,
    JobDocument,
    LogLineDocument,
    RunDocument,
    ScheduleDocument,
    WorkerDocument,
)


class ScheduleItem(ScheduleDocument):
    """A schedule as lists show it."""

    words: str | None
    """Its timing in plain English; null where that could be read otherwise."""
    last_result: str | None
    """How its latest ended firing ended."""
    overdue: bool


class ScheduleDetail(ScheduleItem):
    """A schedule with its coming occurrences."""

    next_runs: list[str]
    drift: bool
    """Whether a live daemon declares it otherwise than the last sync."""


class SchedulePage(TypedDict):
    """A page of schedules."""

    items: list[ScheduleItem]
    next: str | None


class FiringPage(TypedDict):
    """A page of firings, newest first."""

    items: list[FiringDocument]
    next: str | None
    searched_to: str | None
    """How far back was looked; with `next` there is more, even when nothing was found."""


class HistoryPage(TypedDict):
    """A page of firings with their job runs, newest first."""

    items: list[FiringWithRunsDocument]
    next: str | None
    searched_to: str | None


class RunPage(TypedDict):
    """A page of job runs, newest first."""

    items: list[RunDocument]
    next: str | None
    searched_to: str | None


class LogPage(TypedDict):
    """Log lines of a job run, in order."""

    items: list[LogLineDocument]
    next: str | None
    """Null when these were the last ones so far."""
    after: int
    """What to give as `after` for the lines that come."""
    ended: bool
    """Whether the job run has ended, so that no more will come."""


class JobPage(TypedDict):
    """The registered jobs."""

    items: list[JobDocument]
    next: str | None


class DaemonStatus(TypedDict):
    """Who is alive, what runs, and what is wrong."""

    app: str
    now: str
    daemon_running: bool
    daemons: list[WorkerDocument]
    health: str
    message: str
    problems: list[dict[str, Any]]
    queued: int
    running: int
    waiting: int


class StatsItem(TypedDict):
    """A schedule's figures."""

    schedule_id: str
    run_count: int
    failure_count: int
    last_firings: int
    """How many of its last firings the rest is about, at most 100."""
    success_rate: float | None
    duration_p50_ms: int | None
    duration_p95_ms: int | None


class StatsPage(TypedDict):
    """A page of figures."""

    items: list[StatsItem]
    next: str | None


class AuditItem(TypedDict):
    """One change."""

    id: int
    who: str
    what: str
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None
    created_at: str


class AuditPage(TypedDict):
    """A page of changes, newest first."""

    items: list[AuditItem]
    next: str | None
    searched_to: str | None


class ErrorDetail(TypedDict):
    """What is wrong."""

    code: str
    message: str


class ErrorDocument(TypedDict):
    """Why a request was refused."""

    error: ErrorDetail


__all__ = [
    "AuditItem",
    "AuditPage",
    "DaemonStatus",
    "ErrorDocument",
    "FiringDocument",
    "FiringPage",
    "FiringWithRunsDocument",
    "HealthDocument",
    "HistoryPage",
    "JobPage",
    "LogPage",
    "RunDocument",
    "RunPage",
    "ScheduleDetail",
    "ScheduleItem",
    "SchedulePage",
    "StatsItem",
    "StatsPage",
]
