"""How values are said to people."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobsched import phrases
from jobsched.model import (
    ExecutionMode,
    Firing,
    FiringStatus,
    FiringSummary,
    JobDefinition,
    JobRun,
    JobRunStatus,
    OnLost,
    Reason,
    ScheduleDeclaration,
    ScheduleState,
    SyncReport,
    Timing,
)


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(milliseconds=850), "850 ms"),
        (timedelta(seconds=1), "1 s"),
        (timedelta(seconds=12.34), "12.3 s"),
        (timedelta(seconds=59.99), "1 min"),
        (timedelta(minutes=2, seconds=5), "2 min 5 s"),
        (timedelta(minutes=15), "15 min"),
        (timedelta(hours=3, minutes=7, seconds=31), "3 h 7 min"),
        (timedelta(hours=23, minutes=59, seconds=59.8), "1 d"),
        (timedelta(days=4, hours=6), "4 d 6 h"),
        (timedelta(days=400), "400 d"),
        (timedelta(0), "0 ms"),
    ],
)
def test_a_span_has_at_most_two_units(length: timedelta, said: str) -> None:
    """A length of time is said as precisely as it matters, and no more."""
    assert phrases.span(length) == said


def test_a_time_names_its_zone(noon: datetime) -> None:
    """An absolute time is never said without its zone; seconds only where there are some."""
    assert phrases.moment(noon, "Europe/Oslo") == "2026-03-02 13:00 CET"
    assert phrases.moment(noon.replace(second=20), "UTC") == "2026-03-02 12:00:20 UTC"
    assert phrases.moment(noon).startswith("2026-03-0")
    assert phrases.moment(None) == "-"


def test_both_edges_of_summer_time_can_be_told_apart() -> None:
    """The hour that a clock shows twice in autumn is two different times."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert phrases.moment(first, "Europe/Oslo") == "2026-10-25 02:30 CEST"
    assert phrases.moment(first + timedelta(hours=1), "Europe/Oslo") == "2026-10-25 02:30 CET"


def test_a_distance_says_its_direction(noon: datetime) -> None:
    """What is to come is `in`, what has passed is `ago`."""
    assert phrases.relative(noon + timedelta(minutes=12), noon) == "in 12 min"
    assert phrases.relative(noon - timedelta(hours=3), noon) == "3 h ago"
    assert phrases.relative(noon + timedelta(milliseconds=300), noon) == "now"
    assert phrases.relative(noon + timedelta(seconds=12.9), noon) == "in 12 s"


def test_a_distance_is_said_roughly(noon: datetime) -> None:
    """Ten of a unit or more need no smaller one beside it."""
    said = [
        phrases.relative(noon + timedelta(seconds=seconds), noon)
        for seconds in (9 * 60 + 5, 14 * 60 + 51, 3 * 3600 + 7 * 60, 11 * 3600 + 59, 9 * 86400)
    ]
    assert said == ["in 9 min 5 s", "in 14 min", "in 3 h 7 min", "in 11 h", "in 9 d"]


def test_a_time_and_its_distance_are_said_together(noon: datetime) -> None:
    """Absolute with its zone first, so that it can be copied."""
    said = phrases.when(noon + timedelta(hours=1), noon, "UTC")
    assert said == "2026-03-02 13:00 UTC, in 1 h"
    assert phrases.when(None, noon) == "-"


def test_each_form_of_timing_is_said(noon: datetime) -> None:
    """Cron with its zone, intervals as a length, a single time as a time."""
    assert phrases.timing(Timing(cron="0 2 * * *", timezone="Asia/Tokyo")) == "0 2 * * * Asia/Tokyo"
    assert phrases.timing(Timing(every=timedelta(minutes=15))) == "every 15 min"
    assert phrases.timing(Timing(at=noon)) == "at 2026-03-02 12:00 UTC"


def test_each_selection_is_said() -> None:
    """A schedule runs every job, a group, or those that it names."""
    every = ScheduleDeclaration("s", Timing())
    assert phrases.selection(every) == "every job"
    group = replace(every, execution_mode=ExecutionMode.GROUP, group="feed")
    assert phrases.selection(group) == "group feed"
    jobs = replace(every, execution_mode=ExecutionMode.JOBS, jobs=("a", "b"))
    assert phrases.selection(jobs) == "a, b"


def test_the_strongest_state_is_said(schedule: ScheduleState, noon: datetime) -> None:
    """Retired before disabled, disabled before another environment, that before a problem."""
    troubled = replace(schedule, problem="unknown zone")
    declared = replace(schedule.declaration, environments=("staging",))
    elsewhere = replace(troubled, declaration=declared)
    disabled = replace(elsewhere, enabled=False)
    retired = replace(disabled, retired_at=noon)
    said = [phrases.state(one) for one in (schedule, troubled, elsewhere, disabled, retired)]
    assert said == ["enabled", "problem", "elsewhere", "disabled", "retired"]


def test_a_remark_says_what_stands_in_the_way(schedule: ScheduleState) -> None:
    """A problem, another environment, or the reason for which it was disabled."""
    assert phrases.remark(schedule) == ""
    assert phrases.remark(replace(schedule, problem="unknown zone")) == "unknown zone"
    declared = replace(schedule.declaration, environments=("staging", "test"))
    said = phrases.remark(replace(schedule, declaration=declared))
    assert said == "runs in staging, test, not in production"
    disabled = replace(schedule, enabled=False, disabled_reason="supplier down")
    assert phrases.remark(disabled) == "supplier down"


def test_the_last_result_is_the_latest_end(schedule: ScheduleState) -> None:
    """`recent` is oldest first, and a schedule that never ran has none."""
    assert phrases.last_result(schedule) == "-"
    ends = (
        FiringSummary(1, FiringStatus.SUCCESS, 10),
        FiringSummary(2, FiringStatus.FAILED, 10),
    )
    assert phrases.last_result(replace(schedule, recent=ends)) == "FAILED"


def test_only_policies_that_differ_are_said() -> None:
    """A job with nothing but defaults has no policy to read."""
    assert phrases.policies(JobDefinition("j")) == "-"
    job = JobDefinition("j", retries=3, timeout=timedelta(minutes=10), on_lost=OnLost.RERUN)
    assert phrases.policies(job) == (
        "retries 3, timeout 10 min, when lost: run again, 3 times at most"
    )
    assert phrases.policies(JobDefinition("j", executor="process")) == "executor process"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_said(firing: Firing, reason: Reason) -> None:
    """Whatever the reason, its word of the glossary is there."""
    assert phrases.why(replace(firing, reason=reason.value)).startswith(reason.value)


def test_why_names_what_was_in_the_way(firing: Firing, noon: datetime) -> None:
    """An overlap names the other firing, a misfire how many occurrences and from when."""
    overlap = replace(firing, reason="overlap", blocked_by=6)
    assert phrases.why(overlap) == "overlap: firing 6 was live"
    missed = replace(firing, reason="missed", missed_count=12, missed_from=noon)
    assert phrases.why(missed).startswith("missed: 12 occurrences from 2026-03-0")
    assert phrases.why(replace(missed, missed_count=None)).startswith("missed: many occurrences")
    assert phrases.why(replace(firing, reason="lock redis: no answer")) == "lock redis: no answer"
    assert phrases.why(firing) == ""


def test_why_names_the_job_that_failed(firing: Firing, job_run: JobRun, noon: datetime) -> None:
    """A FAILED firing is explained by the last attempts that failed or were lost."""
    runs = (
        replace(job_run, id=1, status=JobRunStatus.FAILED, error="ValueError: first"),
        replace(job_run, id=2, attempt=2),
        replace(job_run, id=3, job_name="index", status=JobRunStatus.FAILED, error="OSError: x"),
        replace(job_run, id=4, job_name="other", status=JobRunStatus.LOST, reason="worker_lost"),
    )
    failed = replace(firing, status=FiringStatus.FAILED, runs=runs)
    assert phrases.why(failed) == "index: OSError: x; other: worker_lost"


def test_a_request_to_cancel_shows_until_the_end(firing: Firing, noon: datetime) -> None:
    """Between the request and the end an operator sees that it was made."""
    asked = replace(firing, status=FiringStatus.RUNNING, cancel_requested_at=noon)
    assert phrases.why(replace(asked, finished_at=None)) == "asked to cancel"
    assert phrases.why(asked) == ""


def test_hostile_text_is_shown_not_obeyed() -> None:
    """Escape sequences of a log line neither colour nor clear an operator's terminal."""
    assert phrases.harmless("a\x1b[2Jb\tc\nd\r\x00") == "a\\x1b[2Jb\tc\nd\\r\\x00"
    assert phrases.harmless("blåbær 漢字") == "blåbær 漢字"
    assert phrases.one_line(" a\n  b\x07 ") == "a b\\x07"


def test_counts_have_their_plural() -> None:
    """One job, three jobs."""
    assert [phrases.counted(n, "job") for n in (0, 1, 3)] == ["0 jobs", "1 job", "3 jobs"]


def test_what_is_at_work_is_said_with_its_progress(firing: Firing, job_run: JobRun) -> None:
    """The job runs of a firing that run, how far each is, and what it is at."""
    runs = [
        replace(job_run, status=JobRunStatus.RUNNING, job_name="silent"),
        replace(job_run, status=JobRunStatus.RUNNING, job_name="far", progress={"fraction": 0.999}),
        replace(
            job_run,
            status=JobRunStatus.RUNNING,
            job_name="told",
            attempt=2,
            progress={"fraction": 0.4, "message": "page 2 of 5"},
        ),
        replace(job_run, status=JobRunStatus.SUCCESS, job_name="ended"),
        replace(job_run, status=JobRunStatus.QUEUED, job_name="waits"),
    ]
    said = phrases.at_work(replace(firing, runs=tuple(runs)))
    assert said == "silent, far 99 %, told (attempt 2) 40 %: page 2 of 5"
    assert phrases.at_work(replace(firing, runs=())) == ""


def test_only_what_a_sync_changed_is_said() -> None:
    """Counts by kind; nothing when every schedule is as it was."""
    report = SyncReport(added=("a", "b"), changed=("c",), retired=("d",), revived=("e",))
    assert phrases.changes(report) == "2 new, 1 changed, 1 back, 1 retired"
    assert phrases.changes(SyncReport(retired=("d",))) == "1 retired"
    assert phrases.changes(SyncReport()) == ""
