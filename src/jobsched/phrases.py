"""Values in words, for people: times with their zone, durations, states, and why. All pure."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from jobsched.model import (
    LIVE_RUNS,
    ExecutionMode,
    Firing,
    FiringStatus,
    JobDefinition,
    JobRun,
    JobRunStatus,
    OnLost,
    Reason,
    ScheduleDeclaration,
    ScheduleState,
    SyncReport,
    Timing,
    TriggerType,
)

NOTHING = "-"
"""What an empty cell of a table shows."""

_UNITS = (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1))

_FIRING_REASONS: Mapping[str, str] = {
    Reason.OVERLAP: "overlap: an earlier firing was live",
    Reason.MISSED: "missed: noticed too late",
    Reason.DEADLINE: "deadline: it could not start in time",
    Reason.PAUSED: "paused: the schedule was disabled",
    Reason.CAP: "cap: more than max_catchup occurrences were due",
    Reason.NO_WORKER: "no_worker: no daemon knows every job of its plan",
    Reason.REQUESTED: "requested: an operator cancelled it",
    Reason.SUPERSEDED: "superseded: a later firing took its place",
    Reason.TIMEOUT: "timeout: it took longer than its schedule allows",
}

_RUN_REASONS: Mapping[str, str] = {
    Reason.TIMEOUT: "timeout: it took longer than it may",
    Reason.REQUESTED: "requested: somebody cancelled it",
    Reason.SHUTDOWN: "shutdown: its daemon ended while it ran",
    Reason.WORKER_LOST: "worker_lost: its worker was declared dead while it ran",
    Reason.PARAMETERS: "parameters: they do not fit the job",
    Reason.NO_WORKER: "no_worker: no daemon knows every job of its plan",
}

_CAUSES: Mapping[TriggerType, str] = {
    TriggerType.CRON: "its schedule",
    TriggerType.MANUAL: "an operator",
    TriggerType.EVENT: "the app",
}


def moment(at: datetime | None, zone: str | None = None) -> str:
    """`2026-03-02 13:00 CET`; in the local zone of this process unless one is named."""
    if at is None:
        return NOTHING
    local = at.astimezone(ZoneInfo(zone) if zone else None)
    seconds = "" if local.second == 0 and local.microsecond == 0 else f":{local.second:02}"
    return f"{local:%Y-%m-%d %H:%M}{seconds} {local:%Z}"


def instant(at: datetime) -> str:
    """`2026-03-02 13:00:05.123 CET`: where the order of lines matters, as in logs."""
    local = at.astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03} {local:%Z}"


def relative(at: datetime, now: datetime) -> str:
    """`in 12 min`, `3 h ago`."""
    distance = at - now
    if abs(distance) < timedelta(seconds=1):
        return "now"
    return f"in {_about(distance)}" if distance > timedelta(0) else f"{_about(-distance)} ago"


def when(at: datetime | None, now: datetime, zone: str | None = None) -> str:
    """A time as people ask for it: absolute, and how far from now."""
    return NOTHING if at is None else f"{moment(at, zone)}, {relative(at, now)}"


def span(length: timedelta) -> str:
    """A length of time in at most two units: `850 ms`, `12.3 s`, `2 min 5 s`, `3 h`, `4 d 6 h`."""
    milliseconds = length // timedelta(milliseconds=1)
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s" if seconds < 59.95 else "1 min"
    first, second = _units(round(seconds))
    return f"{first} {second}".rstrip()


def duration(milliseconds: int | None) -> str:
    """How long a job run or a firing took."""
    return NOTHING if milliseconds is None else span(timedelta(milliseconds=milliseconds))


def took(firing: Firing) -> str:
    """From the start of a firing to its end."""
    if firing.started_at is None or firing.finished_at is None:
        return NOTHING
    return span(firing.finished_at - firing.started_at)


def timing(declared: Timing) -> str:
    """When a schedule is due, and in which zone."""
    if declared.every is not None:
        return f"every {span(declared.every)}"
    if declared.at is not None:
        return f"at {moment(declared.at, declared.timezone)}"
    return f"{declared.cron} {declared.timezone}"


def selection(declared: ScheduleDeclaration) -> str:
    """Which jobs a schedule runs."""
    if declared.execution_mode is ExecutionMode.GROUP:
        return f"group {declared.group}"
    if declared.execution_mode is ExecutionMode.JOBS:
        return ", ".join(declared.jobs)
    return "every job"


def state(schedule: ScheduleState) -> str:
    """One word for where a schedule stands: the strongest thing that can be said of it."""
    if schedule.retired_at is not None:
        return "retired"
    if not schedule.enabled:
        return "disabled"
    if not schedule.in_environment:
        return "elsewhere"
    return "problem" if schedule.problem else "enabled"


def last_result(schedule: ScheduleState) -> str:
    """How the schedule's latest ended firing ended."""
    return schedule.recent[-1].status.value if schedule.recent else NOTHING


def not_here(schedule: ScheduleState) -> str:
    """Why an enabled schedule does not fire in this environment."""
    wanted = ", ".join(schedule.declaration.environments or ())
    return f"runs in {wanted or 'no environment'}, not in {schedule.environment}"


def remark(schedule: ScheduleState) -> str:
    """What an operator should know of a schedule beside its state; empty when there is nothing."""
    if schedule.problem:
        return schedule.problem
    if not schedule.in_environment:
        return not_here(schedule)
    return schedule.disabled_reason or ""


def policies(definition: JobDefinition) -> str:
    """A job's retry, timeout and recovery, where they are not the defaults."""
    said = []
    if definition.retries:
        said.append(f"retries {definition.retries}")
    if definition.timeout is not None:
        said.append(f"timeout {span(definition.timeout)}")
    if definition.on_lost is OnLost.RERUN:
        said.append(f"when lost: run again, {definition.max_lost} times at most")
    if definition.executor:
        said.append(f"executor {definition.executor}")
    return ", ".join(said) or NOTHING


def target(firing: Firing) -> str:
    """What a firing runs: its schedule, or its single job."""
    return firing.schedule_id or f"job {firing.job_name}"


def why(firing: Firing) -> str:
    """Why a firing did not run, or ended as it did, or still waits; empty when all is well."""
    if firing.missed_count is not None or firing.missed_from is not None:
        return _missed(firing)
    if firing.reason == Reason.OVERLAP and firing.blocked_by is not None:
        return f"overlap: firing {firing.blocked_by} was live"
    if firing.reason:
        return _FIRING_REASONS.get(firing.reason, firing.reason)
    if firing.status is FiringStatus.FAILED:
        return "; ".join(failure(run) for run in failed_runs(firing))
    if firing.cancel_requested_at is not None and firing.finished_at is None:
        return "asked to cancel"
    return ""


def cause(firing: Firing) -> str:
    """Who or what made a firing: `its schedule`, `an operator, kari`."""
    who = _CAUSES[firing.trigger]
    return f"{who}, {firing.requested_by}" if firing.requested_by else who


def run_why(run: JobRun) -> str:
    """Why a job run did not run, or ended as it did, without its error; empty when all is well."""
    reason = run.reason or ""
    if reason.startswith(f"{Reason.DEPENDENCY}: "):
        return f"dependency: {reason.partition(': ')[2]} did not succeed"
    if not reason and run.cancel_requested_at is not None and run.status in LIVE_RUNS:
        return "asked to cancel"
    return _RUN_REASONS.get(reason, reason)


def failed_runs(firing: Firing) -> list[JobRun]:
    """The last attempts that failed or were lost."""
    last = {run.job_name: run for run in firing.runs}
    return [run for run in last.values() if run.status in (JobRunStatus.FAILED, JobRunStatus.LOST)]


def failure(run: JobRun) -> str:
    """Which job failed, and how."""
    return f"{run.job_name}: {run.error or run.reason or run.status.value}"


def attempt(run: JobRun) -> str:
    """A job run's name among its firing's: the job, and the attempt when it is not the first."""
    return run.job_name if run.attempt == 1 else f"{run.job_name} (attempt {run.attempt})"


def fraction(run: JobRun) -> float | None:
    """How far a job run is, from 0 to 1, if it says so."""
    found = (run.progress or {}).get("fraction")
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return None
    return min(max(float(found), 0.0), 1.0)


def message(run: JobRun) -> str:
    """What a job run says that it is at."""
    found = (run.progress or {}).get("message")
    return found if isinstance(found, str) else ""


def at_work(firing: Firing) -> str:
    """The jobs of a firing that run, each with its progress: `import_feeds 40 %: page 2 of 5`."""
    return ", ".join(_progress(run) for run in firing.runs if run.status is JobRunStatus.RUNNING)


def changes(report: SyncReport) -> str:
    """What a sync changed: `2 new, 1 retired`; empty when every schedule is as it was."""
    kinds = {
        "new": report.added,
        "changed": report.changed,
        "back": report.revived,
        "retired": report.retired,
    }
    return ", ".join(f"{len(ids)} {word}" for word, ids in kinds.items() if ids)


def counted(number: int, noun: str) -> str:
    """`1 job`, `3 jobs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def harmless(text: str) -> str:
    """The text with control characters shown, not obeyed: logs and errors are hostile text."""
    if text.isprintable():  # most are, and whole lists of them are shown
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """The text in one line, harmless."""
    return harmless(" ".join(text.split()))


def _progress(run: JobRun) -> str:
    done, at = fraction(run), message(run)
    far = "" if done is None else f" {int(done * 100)} %"
    return f"{attempt(run)}{far}{f': {at}' if at else ''}"


def _missed(firing: Firing) -> str:
    count = firing.missed_count
    how_many = "many occurrences" if count is None else counted(count, "occurrence")
    since = f" from {moment(firing.missed_from)}" if firing.missed_from else ""
    return f"{firing.reason or Reason.MISSED.value}: {how_many}{since}"


def _about(length: timedelta) -> str:
    """A length of time as far as one cares from a distance: `45 s`, `9 min 5 s`, `14 min`."""
    first, second = _units(int(length.total_seconds()))
    return f"{first} {second}".rstrip() if len(first.split()[0]) == 1 else first


def _units(seconds: int) -> tuple[str, str]:
    """The two largest units of a whole number of seconds; the second is empty when it is none."""
    for unit, size, smaller, part in _UNITS:
        if seconds >= size:
            rest = seconds % size // part
            return f"{seconds // size} {unit}", f"{rest} {smaller}" if rest else ""
    return f"{seconds} s", ""
