"""What the end of a call means, and the sentences that tell of it."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from jobsched.daemon.events import emit, is_heard
from jobsched.daemon.launch import Launch, Outcome
from jobsched.daemon.reports import clipped, described, report_of
from jobsched.executors.remote import Report
from jobsched.model import Firing, FiringStatus, JobRun, JobRunStatus, Reason
from jobsched.store.batch import RunEnd
from jobsched.store.claim import Claimed
from jobsched.store.firings import FiringEnd

_ASKED = (Reason.REQUESTED, Reason.SUPERSEDED)
_LEAVING = (Reason.SHUTDOWN, Reason.WORKER_LOST)


def judge(outcome: Outcome, now: datetime, took: timedelta) -> tuple[RunEnd, bool]:
    """How the attempt ended, and whether its error is one that the job retries on.

    A run that was asked to cancel is CANCELLED if it raised, or returned after it had looked at
    `ctx.cancelled`; one that never looked and finished its work is a SUCCESS. A run past its
    timeout is FAILED however it ended. One that was ended from outside because its worker leaves,
    or that looked when it was asked for that, is LOST, so that `on_lost` decides. A result that
    cannot be kept is said in `reason`.
    """
    launch = outcome.launch
    report = outcome.report or report_of(launch.job, result=outcome.result, error=outcome.error)
    asked = launch.signal.reason
    ended = partial(
        RunEnd,
        run_id=launch.identity.run_id,
        firing_id=launch.identity.firing_id,
        finished_at=now,
        duration_ms=round(took.total_seconds() * 1000),
    )
    if launch.overran:
        killed = "; its process was killed" if report.stopped and launch.kill else ""
        late = TimeoutError(f"{_past(launch)}{killed}")
        failed = replace(report, error=described(late), reason=Reason.TIMEOUT.value)
        return _failed(ended, failed), launch.job.retries_on(late)
    if asked in _LEAVING and (report.stopped or report.seen or launch.signal.seen):
        return ended(status=JobRunStatus.LOST, reason=str(asked)), False
    if asked in _ASKED and (report.error is not None or report.seen or launch.signal.seen):
        return ended(status=JobRunStatus.CANCELLED, reason=str(asked)), False
    if report.error is None:
        success = JobRunStatus.SUCCESS
        return ended(status=success, result=report.result, reason=report.complaint), False
    return _failed(ended, report), report.retryable


def _past(launch: Launch) -> str:
    if launch.job.timeout is None or launch.deadline is None:
        return "past the timeout of its schedule"
    return f"past its timeout of {launch.job.timeout.total_seconds():g} s"


def _failed(ended: Callable[..., RunEnd], report: Report) -> RunEnd:
    return ended(
        status=JobRunStatus.FAILED,
        reason=report.reason,
        error=report.error,
        traceback=report.traceback,
    )


def without_reason(end: RunEnd) -> RunEnd:
    """The same end; what was said in `reason` went to the job's log."""
    return replace(end, reason=None)


def job_logger(job: str) -> logging.Logger:
    """The logger behind `ctx.log`: whatever the host's level, INFO is kept for the run."""
    logger = logging.getLogger(f"jobsched.job.{job}")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    return logger


def named(firing: Firing) -> str:
    """The firing as a sentence begins with it."""
    if firing.schedule_id is not None:
        return f"schedule {firing.schedule_id} firing {firing.id}"
    return f"job {firing.job_name} firing {firing.id}"


def fields(firing: Firing) -> dict[str, Any]:
    """The facts of a firing for a structured log."""
    return {
        "firing_id": firing.id,
        "schedule_id": firing.schedule_id,
        "job": firing.job_name,
        "trigger": firing.trigger.value,
        "scheduled_for": firing.scheduled_for.isoformat(),
    }


def say_run_ended(launch: Launch, end: RunEnd, again: bool) -> None:
    """One line for the end of a job run."""
    failed = end.status in (JobRunStatus.FAILED, JobRunStatus.LOST)
    level = logging.WARNING if failed else logging.INFO
    if not is_heard(level):
        return
    job, seconds = launch.job.name, (end.duration_ms or 0) / 1000
    why = f": {clipped(end.error).splitlines()[0]}" if end.error else ""
    then = "; it will be tried again" if again else ""
    emit(
        "run_ended",
        f"job {job} {end.status} in {seconds:.1f} s (firing {end.firing_id}){why}{then}",
        level=level,
        job=job,
        run_id=end.run_id,
        firing_id=end.firing_id,
        status=end.status.value,
        reason=end.reason,
        duration_ms=end.duration_ms,
        error=end.error,
    )


def say_firing_started(claimed: Claimed) -> None:
    """One line for the start of a firing, also when it goes on: after a retry, or elsewhere."""
    if is_heard():
        firing = claimed.firing
        goes_on = any(run.attempt > 1 or run.finished_at is not None for run in claimed.runs)
        emit(
            "firing_started",
            f"{named(firing)} {'goes on' if goes_on else 'started'} ({firing.trigger}, for "
            f"{firing.scheduled_for:%Y-%m-%d %H:%M:%S} UTC)",
            **fields(firing),
        )


def say_run_started(launch: Launch, run: JobRun) -> None:
    """One line for the start of a job run."""
    if is_heard():
        emit(
            "run_started",
            f"job {run.job_name} started (attempt {run.attempt}, firing {run.firing_id})",
            job=run.job_name,
            run_id=launch.identity.run_id,
            attempt=run.attempt,
            firing_id=run.firing_id,
        )


def say_firing_ended(end: FiringEnd, now: datetime) -> None:
    """One line for the end of a firing."""
    level = logging.WARNING if end.status is FiringStatus.FAILED else logging.INFO
    if not is_heard(level):
        return
    firing = end.firing
    took = now - (firing.started_at or now)
    emit(
        "firing_ended",
        f"{named(firing)} {end.status} in {took.total_seconds():.1f} s",
        level=level,
        status=end.status.value,
        reason=end.reason,
        duration_ms=round(took.total_seconds() * 1000),
        **fields(firing),
    )


def say_firing_skipped(schedule_id: str, scheduled_for: datetime, reason: str | None) -> None:
    """One line for an occurrence that does not run."""
    emit(
        "firing_skipped",
        f"schedule {schedule_id} skipped for {scheduled_for:%Y-%m-%d %H:%M:%S} UTC ({reason})",
        schedule_id=schedule_id,
        scheduled_for=scheduled_for.isoformat(),
        reason=reason,
    )
