"""Values as the scheduler returns them, and the command line as its users have it."""

from datetime import UTC, datetime, timedelta

import pytest

from jobsched.model import (
    Firing,
    FiringStatus,
    JobRun,
    JobRunStatus,
    ScheduleDeclaration,
    ScheduleState,
    Timing,
    TriggerType,
    Worker,
    WorkerStatus,
    WorkerType,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture
def schedule() -> ScheduleState:
    """An enabled schedule that is due in an hour."""
    return ScheduleState(
        declaration=ScheduleDeclaration(
            id="hourly-matching",
            timing=Timing(cron="0 * * * *", timezone="Europe/Oslo"),
            name="Matching",
        ),
        app="default",
        enabled=True,
        next_run_at=NOON + timedelta(hours=1),
        last_run_at=NOON,
        last_scheduled_for=NOON,
        run_count=3,
        failure_count=1,
        problem=None,
        locked_by=None,
        retired_at=None,
        version=1,
    )


@pytest.fixture
def job_run() -> JobRun:
    """A job run that succeeded."""
    return JobRun(
        id=21,
        firing_id=7,
        schedule_id="hourly-matching",
        job_name="build_user_traits",
        attempt=1,
        status=JobRunStatus.SUCCESS,
        reason=None,
        scheduled_for=NOON,
        available_at=NOON,
        queued_at=NOON,
        started_at=NOON,
        finished_at=NOON + timedelta(milliseconds=1500),
        duration_ms=1500,
        error=None,
        traceback=None,
        result={"users": 3},
        progress=None,
        worker_id="0f5c",
    )


@pytest.fixture
def firing(job_run: JobRun) -> Firing:
    """A firing that succeeded, with its one job run."""
    return Firing(
        id=7,
        app="default",
        schedule_id="hourly-matching",
        job_name=None,
        scheduled_for=NOON,
        trigger=TriggerType.CRON,
        status=FiringStatus.SUCCESS,
        reason=None,
        blocked_by=None,
        missed_count=None,
        missed_from=None,
        params={},
        available_at=NOON,
        claimed_by=None,
        requested_by=None,
        cancel_requested_at=None,
        created_at=NOON,
        started_at=NOON,
        finished_at=NOON + timedelta(seconds=2),
        runs=(job_run,),
    )


@pytest.fixture
def worker() -> Worker:
    """A daemon whose heart beat ten seconds before noon."""
    return Worker(
        id="0f5c",
        app="default",
        worker_type=WorkerType.SCHEDULE_DAEMON,
        status=WorkerStatus.RUNNING,
        hostname="web-1",
        pid=4711,
        started_at=NOON - timedelta(days=1),
        last_heartbeat_at=NOON - timedelta(seconds=10),
        lock_timeout=timedelta(seconds=60),
        version="0.1.0",
        capacity=10,
        running=2,
    )
