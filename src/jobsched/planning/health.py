"""Whether the daemons do their work: a pure function of stored facts.

The same for a process that runs a daemon and for one that only looks, so that overdue is seen
although every daemon is dead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobsched.model import (
    Firing,
    Health,
    HealthLevel,
    JobRun,
    Problem,
    Reason,
    ScheduleState,
    Worker,
    WorkerStatus,
    WorkerType,
)

_HEALTHY, _WARNING, _CRITICAL = HealthLevel.HEALTHY, HealthLevel.WARNING, HealthLevel.CRITICAL


SKEW_LIMIT = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job run that executes, with the limits that apply to it."""

    run: JobRun
    timeout: timedelta | None
    cancel_requested_at: datetime | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database says, at its own time."""

    now: datetime
    app: str
    workers: Sequence[Worker]
    """Workers of the app that have not ended."""
    schedules: Sequence[ScheduleState]
    waiting: Sequence[Firing] = ()
    """Queued firings that no overlap holds back."""
    running: Sequence[RunningJob] = ()
    skew: timedelta = timedelta(0)
    """How far the clock of the host that asks is ahead of the database's."""
    stop_grace: timedelta = timedelta(seconds=30)
    """How long a job run may take to end after its timeout, or after it was asked to stop."""
    max_age: timedelta | None = None
    """How old the youngest heartbeat may be; by default what DESIGN says."""


def assess(facts: Facts) -> Health:
    """Healthy, or the problems: each says what, since when, and what to do."""
    problems = [
        *_daemons(facts),
        *_overdue(facts),
        *_locks(facts),
        *_stuck(facts),
        *_stopped(facts),
        *_drift(facts),
        *_skew(facts),
    ]
    worst = max((p.level for p in problems), default=_HEALTHY, key=_severity)
    if not problems:
        return Health(_HEALTHY, _all_well(facts))
    first = max(problems, key=lambda problem: _severity(problem.level))
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return Health(worst, first.message + more, tuple(problems))


def overdue_limit(workers: Sequence[Worker]) -> timedelta:
    """How far behind is overdue: max(lock timeout, 2 * poll interval) of the daemons."""
    limits = [max(one.lock_timeout, 2 * one.poll_interval) for one in workers]
    return max(limits, default=timedelta(seconds=60))


def _severity(level: HealthLevel) -> int:
    return (_HEALTHY, _WARNING, _CRITICAL).index(level)


def _live_daemons(facts: Facts) -> list[Worker]:
    return [
        worker
        for worker in facts.workers
        if worker.worker_type is WorkerType.SCHEDULE_DAEMON
        and worker.status in (WorkerStatus.STARTING, WorkerStatus.RUNNING)
        and _age(facts, worker) <= worker.lock_timeout
    ]


def _age(facts: Facts, worker: Worker) -> timedelta:
    return max(timedelta(0), facts.now - worker.last_heartbeat_at)


def _all_well(facts: Facts) -> str:
    daemons = _live_daemons(facts)
    enabled = sum(one.enabled for one in facts.schedules)
    what = "1 daemon runs" if len(daemons) == 1 else f"{len(daemons)} daemons run"
    return f"{what}; {enabled} of {len(facts.schedules)} schedules are enabled"


def _daemons(facts: Facts) -> list[Problem]:
    live = _live_daemons(facts)
    if not live:
        return [_no_daemon(facts)]
    youngest = min(_age(facts, worker) for worker in live)
    late = facts.max_age or min(worker.lock_timeout for worker in live) / 2
    if youngest <= late:
        return []
    level = _CRITICAL if facts.max_age is not None else _WARNING
    return [
        Problem(
            "late_daemon",
            facts.app,
            f"the last heartbeat of app {facts.app!r} is {_said(youngest)} old: the daemon or its "
            "database connection is slow; look at its log",
            level,
            facts.now - youngest,
        )
    ]


def _no_daemon(facts: Facts) -> Problem:
    known = [w for w in facts.workers if w.worker_type is WorkerType.SCHEDULE_DAEMON]
    last = max((worker.last_heartbeat_at for worker in known), default=None)
    seen = "" if last is None else f"; the last heartbeat was {_said(facts.now - last)} ago"
    return Problem(
        "no_daemon",
        facts.app,
        f"no daemon of app {facts.app!r} is running{seen}: start one with "
        "`python -m jobsched run APP`",
        _CRITICAL,
        last,
    )


def _overdue(facts: Facts) -> list[Problem]:
    limit = overdue_limit(facts.workers)
    problems = []
    for one in facts.schedules:
        at = one.next_run_at
        if one.enabled and one.problem is None and at is not None and facts.now - at > limit:
            schedule_id = one.declaration.id
            problems.append(
                Problem(
                    "overdue",
                    f"schedule {schedule_id}",
                    f"schedule {schedule_id!r} is overdue: it was due {_said(facts.now - at)} ago "
                    "and no daemon has fired it",
                    _CRITICAL,
                    at,
                )
            )
    for firing in facts.waiting:
        if facts.now - firing.available_at > limit:
            target = firing.schedule_id or firing.job_name
            problems.append(
                Problem(
                    "overdue",
                    f"firing {firing.id}",
                    f"firing {firing.id} of {target!r} has waited "
                    f"{_said(facts.now - firing.available_at)}: every slot is taken, or no daemon "
                    "knows its jobs",
                    _CRITICAL,
                    firing.available_at,
                )
            )
    return problems


def _locks(facts: Facts) -> list[Problem]:
    return [
        Problem(
            "lock",
            f"firing {firing.id}",
            f"firing {firing.id} of schedule {firing.schedule_id!r} waits for its {firing.reason}",
            _WARNING,
            firing.scheduled_for,
        )
        for firing in facts.waiting
        if firing.reason is not None and firing.reason.startswith(Reason.LOCK)
    ]


def _stuck(facts: Facts) -> list[Problem]:
    problems = []
    for one in facts.running:
        since = _should_have_ended(one)
        if since is not None and facts.now - since > facts.stop_grace:
            problems.append(
                Problem(
                    "stuck",
                    f"run {one.run.id}",
                    f"job {one.run.job_name!r} (run {one.run.id}, firing {one.run.firing_id}) "
                    f"should have ended {_said(facts.now - since)} ago and still runs: a thread "
                    "cannot be killed; mend the job to look at ctx.cancelled, and restart its "
                    "daemon",
                    _CRITICAL,
                    since,
                )
            )
    return problems


def _should_have_ended(one: RunningJob) -> datetime | None:
    times = [one.cancel_requested_at, one.run.cancel_requested_at]
    if one.timeout is not None and one.run.started_at is not None:
        times.append(one.run.started_at + one.timeout)
    return min((at for at in times if at is not None), default=None)


def _skew(facts: Facts) -> list[Problem]:
    if abs(facts.skew) <= SKEW_LIMIT:
        return []
    ahead = "ahead of" if facts.skew > timedelta(0) else "behind"
    return [
        Problem(
            "clock_skew",
            "this host",
            f"this host's clock is {abs(facts.skew).total_seconds():.1f} s {ahead} the database's; "
            "schedules follow the database's clock, but logs and jobs do not: check time "
            "synchronisation",
            _WARNING,
        )
    ]


def _stopped(facts: Facts) -> list[Problem]:
    return [
        Problem(
            "schedule_stopped",
            f"schedule {one.declaration.id}",
            f"schedule {one.declaration.id!r} does not fire: {one.problem}",
            _WARNING,
        )
        for one in facts.schedules
        if one.problem is not None
    ]


def _drift(facts: Facts) -> list[Problem]:
    problems = []
    for worker in _live_daemons(facts):
        hashes = worker.declares.get("schedules", {})
        differing = [
            one.declaration.id
            for one in facts.schedules
            if hashes.get(one.declaration.id, one.declaration_hash) != one.declaration_hash
        ]
        if differing:
            problems.append(
                Problem(
                    "drift",
                    f"worker {worker.id}",
                    f"daemon {worker.hostname}:{worker.pid} declares {', '.join(differing)} "
                    "otherwise than the last sync: two versions of the code are running",
                    _WARNING,
                    worker.started_at,
                )
            )
    return problems


def _said(length: timedelta) -> str:
    seconds = round(length.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
