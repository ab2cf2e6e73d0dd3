"""What health is judged by: how many there are, and of long lists what comes first."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from jobsched.fixed import fixed
from jobsched.model import JobRun, ScheduleState, Worker
from jobsched.planning.drift import Drift, Unclaimed

MOST_COUNTED = 10_000
"""Up to how many firings are counted: a long backlog takes long to count."""


@fixed
class RunningJob:
    """A job run that executes, with the limits that apply to it."""

    run: JobRun
    timeout: timedelta | None
    cancel_requested_at: datetime | None


@fixed
class WaitingFiring:
    """Of a queued firing what is told of it; it can be read although its row as a whole cannot."""

    id: int
    schedule_id: str | None
    job_name: str | None
    scheduled_for: datetime
    available_at: datetime
    reason: str | None


@fixed
class ScheduleCounts:
    """How many schedules of the app there are; all but `retired` are of those in the code."""

    total: int = 0
    enabled: int = 0
    disabled: int = 0
    running: int = 0
    """With a live firing."""
    failing: int = 0
    """Whose latest ended firing FAILED."""
    overdue: int = 0
    problem: int = 0
    retired: int = 0


@fixed
class Facts:
    """What the database says, at its own time; of long lists what comes first."""

    now: datetime
    app: str
    workers: Sequence[Worker]
    """Workers of the app that have not ended, and those that were lost a short while ago."""
    counts: ScheduleCounts = ScheduleCounts()
    schedules: Sequence[ScheduleState] = ()
    """Those that are overdue or have a problem."""
    queued: int = 0
    """How many firings are QUEUED (`MOST_COUNTED` stands for that many or more),"""
    in_progress: int = 0
    """RUNNING,"""
    retrying: int = 0
    """or WAITING for a retry."""
    waiting: Sequence[WaitingFiring] = ()
    """Queued firings that no overlap holds back, and that have waited long or for a lock."""
    more_waiting: bool = False
    """Whether there are more of them."""
    running: Sequence[RunningJob] = ()
    """Job runs that may be stuck."""
    drifts: Sequence[Drift] = ()
    unclaimed: Sequence[Unclaimed] = ()
    """Enabled schedules whose jobs no live daemon declares."""
    tables_behind: tuple[str, str] | None = None
    """The version of the tables and the one that this code wants, when theirs is older."""
    skew: timedelta = timedelta(0)
    """How far the clock of the host that asks is ahead of the database's."""
    stop_grace: timedelta = timedelta(seconds=30)
    """How long a job run may take to end after its timeout, or after it was asked to stop."""
    max_age: timedelta | None = None
    """How old the youngest heartbeat may be; by default what DESIGN says."""
