"""The JSON that programs read: its keys are a promise."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from jobsched import documents
from jobsched.backoff import Backoff
from jobsched.cli.printing import show, show_line
from jobsched.model import (
    Firing,
    FiringStatus,
    FiringSummary,
    Health,
    HealthLevel,
    JobDefinition,
    JobRun,
    JobState,
    LogLine,
    Problem,
    ScheduleState,
    Status,
    Timing,
    Worker,
)


def test_times_are_utc_and_of_one_length(noon: datetime) -> None:
    """Times sort as text and parse as ISO 8601, whatever zone they came in."""
    oslo = noon.astimezone(timezone(timedelta(hours=1)))
    assert documents.time(oslo) == "2026-03-02T12:00:00.000000Z"
    assert datetime.fromisoformat(documents.time(oslo)) == noon
    assert documents.optional_time(None) is None


def test_the_keys_of_a_schedule(schedule: ScheduleState) -> None:
    """A schedule is one flat object: its state, then its declaration."""
    declared = replace(schedule.declaration, timing=Timing(every=timedelta(minutes=15)))
    recent = (FiringSummary(7, FiringStatus.SUCCESS, 2000),)
    document = documents.schedule(replace(schedule, declaration=declared, recent=recent))
    assert document == {
        "id": "hourly-matching",
        "app": "default",
        "name": "Matching",
        "description": "",
        "enabled": True,
        "disabled_reason": None,
        "problem": None,
        "retired_at": None,
        "next_run_at": "2026-03-02T13:00:00.000000Z",
        "last_run_at": "2026-03-02T12:00:00.000000Z",
        "last_scheduled_for": "2026-03-02T12:00:00.000000Z",
        "run_count": 3,
        "failure_count": 1,
        "recent": [{"firing_id": 7, "status": "SUCCESS", "duration_ms": 2000}],
        "cron": None,
        "every_s": 900.0,
        "at": None,
        "timezone": "UTC",
        "start": None,
        "end": None,
        "execution_mode": "ALL_JOBS",
        "group": None,
        "jobs": [],
        "environments": None,
        "environment": "production",
        "in_environment": True,
        "overlap": "skip",
        "misfire": "run_once",
        "misfire_grace_s": 300.0,
        "catchup_window_s": 86400.0,
        "max_catchup": 100,
        "start_deadline_s": None,
        "timeout_s": None,
        "priority": 0,
        "jitter_s": None,
        "params": {},
        "include_dependencies": False,
    }


def test_the_keys_of_a_firing(firing: Firing, job_run: JobRun) -> None:
    """A firing comes with its job runs, each with its error, traceback and result."""
    document = documents.firing_with_runs(firing)
    assert list(document) == [
        *("id", "app", "schedule_id", "job_name", "scheduled_for", "trigger", "status", "reason"),
        *("blocked_by", "missed_count", "missed_from", "params", "priority", "available_at"),
        *("claimed_by", "requested_by", "cancel_requested_at", "created_at", "started_at"),
        *("finished_at", "runs"),
    ]
    assert list(document["runs"][0]) == [
        *("id", "firing_id", "schedule_id", "job_name", "attempt", "status", "reason"),
        *("scheduled_for", "available_at", "queued_at", "started_at", "finished_at"),
        *("duration_ms", "error", "traceback", "result", "progress", "params", "depends_on"),
        *("cancel_requested_at", "worker_id"),
    ]
    assert document["status"] == "SUCCESS"
    assert document["runs"][0]["result"] == {"users": 3}
    assert "runs" not in documents.firing(firing)


def test_the_keys_of_a_job() -> None:
    """A job is its definition and whether it has left the code."""
    state = JobState(JobDefinition("index", timeout=timedelta(minutes=10)), "default", "x", None)
    assert documents.job(state) == {
        "name": "index",
        "app": "default",
        "group": None,
        "depends_on": [],
        "description": "",
        "is_async": False,
        "retries": 0,
        "backoff": Backoff().as_document(),
        "timeout_s": 600.0,
        "on_lost": "fail",
        "max_lost": 3,
        "executor": None,
        "parameters": {},
        "retired_at": None,
    }


def test_the_keys_of_the_status(
    schedule: ScheduleState, worker: Worker, firing: Firing, noon: datetime
) -> None:
    """The status is health, counts, what runs, who is alive and since when, and schedules."""
    problem = Problem("overdue", "feed-refresh", "it is late", HealthLevel.CRITICAL, noon)
    health = Health(HealthLevel.CRITICAL, "feed-refresh is overdue", (problem,))
    status = Status("default", noon, health, (worker,), (schedule,), 1, 2, 3, (firing,))
    document = documents.status(status)
    assert list(document) == [
        *("app", "now", "health", "queued", "running", "waiting", "running_firings", "workers"),
        "schedules",
    ]
    assert document["running_firings"] == [documents.firing_with_runs(firing)]
    assert document["health"] == {
        "level": "critical",
        "message": "feed-refresh is overdue",
        "problems": [
            {
                "kind": "overdue",
                "target": "feed-refresh",
                "message": "it is late",
                "level": "critical",
                "since": "2026-03-02T12:00:00.000000Z",
            }
        ],
    }
    assert document["workers"] == [
        {
            "id": "0f5c",
            "app": "default",
            "worker_type": "schedule_daemon",
            "status": "RUNNING",
            "hostname": "web-1",
            "pid": 4711,
            "environment": "production",
            "version": "0.1.0",
            "started_at": "2026-03-01T12:00:00.000000Z",
            "last_heartbeat_at": "2026-03-02T11:59:50.000000Z",
            "heartbeat_age_s": 10.0,
            "lock_timeout_s": 60.0,
            "capacity": 10,
            "running": 2,
        }
    ]


def test_the_keys_of_a_log_line(job_run: JobRun, noon: datetime) -> None:
    """A log line names the attempt that said it, where that is known."""
    line = LogLine(1, 21, "INFO", "three users", noon)
    assert documents.log_line(line, job_run) == {
        "id": 1,
        "created_at": "2026-03-02T12:00:00.000000Z",
        "level": "INFO",
        "message": "three users",
        "job_run_id": 21,
        "firing_id": 7,
        "job_name": "build_user_traits",
        "attempt": 1,
    }
    assert documents.log_line(line, None)["job_name"] is None


def test_what_is_printed_is_json(
    schedule: ScheduleState, firing: Firing, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lists are JSON arrays, state words are plain strings, letters are not escaped."""
    declared = replace(schedule.declaration, description="blåbær")
    show([documents.schedule(replace(schedule, declaration=declared))])
    printed = capsys.readouterr().out
    assert "blåbær" in printed
    assert json.loads(printed)[0]["overlap"] == "skip"
    show_line(documents.firing(firing))
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert json.loads(printed)["trigger"] == "CRON"


def test_the_result_of_a_check() -> None:
    """`ok` says whether there are problems; each problem is a sentence."""
    assert documents.problems([]) == {"ok": True, "problems": []}
    assert documents.problems(["a", "b"]) == {"ok": False, "problems": ["a", "b"]}


def test_an_occurrence_has_its_zone() -> None:
    """A coming occurrence is an instant in UTC, with the zone in which it was declared."""
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert documents.occurrence("s", at, "Europe/Oslo") == {
        "schedule_id": "s",
        "scheduled_for": "2026-03-02T12:00:00.000000Z",
        "timezone": "Europe/Oslo",
    }
