"""Whether the daemons do their work: a pure function of stored facts.

The same for a process that runs a daemon and for one that only looks, so that overdue is seen
although every daemon is dead.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from jobsched.model import (
    Health,
    HealthLevel,
    Problem,
    Reason,
    ScheduleState,
    Worker,
    WorkerStatus,
    WorkerType,
)
from jobsched.planning.drift import Unclaimed
from jobsched.planning.facts import MOST_COUNTED, Facts, RunningJob

_HEALTHY, _WARNING, _CRITICAL = HealthLevel.HEALTHY, HealthLevel.WARNING, HealthLevel.CRITICAL


SKEW_LIMIT = timedelta(seconds=2)


def assess(facts: Facts) -> Health:
    """Healthy, or the problems: each says what, since when, and what to do."""
    problems = [
        *_daemons(facts),
        *_overdue(facts),
        *_waiting(facts),
        *_locks(facts),
        *_stuck(facts),
        *_workers(facts),
        *_stopped(facts),
        *_unclaimed(facts),
        *_drift(facts),
        *_tables(facts),
        *_skew(facts),
    ]
    worst = max((p.level for p in problems), default=_HEALTHY, key=_severity)
    if not problems:
        return Health(_HEALTHY, _all_well(facts))
    first = max(problems, key=lambda problem: _severity(problem.level))
    return Health(worst, first.message + _and_more(len(problems) - 1), tuple(problems))


def _and_more(count: int) -> str:
    if not count:
        return ""
    return " (and 1 more problem)" if count == 1 else f" (and {count} more problems)"


def overdue_limit(workers: Sequence[Worker]) -> timedelta:
    """How far behind is overdue: max(lock timeout, 2 * poll interval) of the daemons."""
    limits = [max(one.lock_timeout, 2 * one.poll_interval) for one in workers]
    return max(limits, default=timedelta(seconds=60))


def is_overdue(state: ScheduleState, now: datetime, limit: timedelta) -> bool:
    """Whether the schedule was due longer ago than that, and nobody has fired it."""
    at = state.next_run_at
    if not state.enabled or state.problem is not None or state.retired_at is not None:
        return False
    return at is not None and now - at > limit


def live_daemons(facts: Facts) -> list[Worker]:
    """The daemons that have beaten within their lock timeout and are not about to stop."""
    return [
        worker
        for worker in facts.workers
        if worker.worker_type is WorkerType.SCHEDULE_DAEMON
        and worker.status in (WorkerStatus.STARTING, WorkerStatus.RUNNING)
        and _age(facts, worker) <= worker.lock_timeout
    ]


def _severity(level: HealthLevel) -> int:
    return (_HEALTHY, _WARNING, _CRITICAL).index(level)


def _age(facts: Facts, worker: Worker) -> timedelta:
    return max(timedelta(0), facts.now - worker.last_heartbeat_at)


def _all_well(facts: Facts) -> str:
    daemons = live_daemons(facts)
    what = "1 daemon runs" if len(daemons) == 1 else f"{len(daemons)} daemons run"
    return f"{what}; {facts.counts.enabled} of {facts.counts.total} schedules are enabled"


def _daemons(facts: Facts) -> list[Problem]:
    live = live_daemons(facts)
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
    seen = "" if last is None else f"; one went silent {_said(facts.now - last)} ago"
    return Problem(
        "no_daemon",
        facts.app,
        f"no daemon of app {facts.app!r} is running{seen}: start one with "
        "`python -m jobsched run APP`",
        _CRITICAL,
        last,
    )


def _workers(facts: Facts) -> list[Problem]:
    """One that is silent while others live; with no daemon at all, that is what is said."""
    live = live_daemons(facts)
    if not live:
        return []
    processes = {(one.hostname, one.pid) for one in live}
    problems = []
    for one in facts.workers:
        age = _age(facts, one)
        if one.status is WorkerStatus.LOST or age > one.lock_timeout:
            if (one.hostname, one.pid) not in processes:  # else it is back, as a new worker
                problems.append(_lost_worker(facts, one))
        elif age > one.lock_timeout / 2 and any(_age(facts, other) < age for other in live):
            problems.append(_late_worker(facts, one))
    return problems


def _lost_worker(facts: Facts, worker: Worker) -> Problem:
    return Problem(
        "lost_worker",
        f"worker {worker.id}",
        f"worker {worker.hostname}:{worker.pid} is lost: its last heartbeat was "
        f"{_said(_age(facts, worker))} ago, and what it ran has been or will be taken from it; see "
        "whether its host lives, and why the process ended without stopping",
        _WARNING,
        worker.last_heartbeat_at,
    )


def _late_worker(facts: Facts, worker: Worker) -> Problem:
    return Problem(
        "late_worker",
        f"worker {worker.id}",
        f"the last heartbeat of worker {worker.hostname}:{worker.pid} is "
        f"{_said(_age(facts, worker))} old: it or its database connection is slow; look at its log",
        _WARNING,
        worker.last_heartbeat_at,
    )


def _overdue(facts: Facts) -> list[Problem]:
    limit = overdue_limit(facts.workers)
    problems = []
    for one in facts.schedules:
        at = one.next_run_at
        if at is not None and is_overdue(one, facts.now, limit):
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
    return problems + _untold("overdue", facts.counts.overdue - len(problems), "are overdue")


def _untold(kind: str, count: int, what: str) -> list[Problem]:
    """The schedules of which not each is told by itself."""
    if count <= 0:
        return []
    level = _CRITICAL if kind == "overdue" else _WARNING
    schedules = "1 more schedule" if count == 1 else f"{count} more schedules"
    return [Problem(kind, schedules, f"{schedules} {what}", level)]


def _waiting(facts: Facts) -> list[Problem]:
    limit = overdue_limit(facts.workers)
    problems = [
        Problem(
            "overdue",
            f"firing {firing.id}",
            f"firing {firing.id} of {firing.schedule_id or firing.job_name!r} has waited "
            f"{_said(facts.now - firing.available_at)}: every slot is taken, no daemon knows its "
            "jobs, or its row cannot be read",
            _CRITICAL,
            firing.available_at,
        )
        for firing in facts.waiting
        if facts.now - firing.available_at > limit
    ]
    if problems and facts.more_waiting:
        queued = f"{facts.queued} or more" if facts.queued >= MOST_COUNTED else f"{facts.queued}"
        said = f"more firings have waited too long; {queued} are queued in all"
        problems.append(Problem("overdue", "more firings", said, _CRITICAL))
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
    problems = [
        Problem(
            "schedule_stopped",
            f"schedule {one.declaration.id}",
            f"schedule {one.declaration.id!r} does not fire: {one.problem}",
            _WARNING,
        )
        for one in facts.schedules
        if one.problem is not None
    ]
    return problems + _untold(
        "schedule_stopped", facts.counts.problem - len(problems), "do not fire for a problem"
    )


def _unclaimed(facts: Facts) -> list[Problem]:
    if not live_daemons(facts):
        return []
    problems = [
        Problem(
            "unknown_jobs",
            f"schedule {one.schedule_id}",
            f"schedule {one.schedule_id!r} is enabled, but {_unknown(one)}: deploy the code that "
            "declares them, or disable the schedule",
            _WARNING,
        )
        for one in facts.unclaimed[:_TOLD]
    ]
    return problems + _untold(
        "unknown_jobs", len(facts.unclaimed) - _TOLD, "run jobs that no live daemon knows"
    )


def _unknown(one: Unclaimed) -> str:
    if one.missing:
        return f"no live daemon knows {_listed(one.missing)}"
    return "no live daemon knows all of its jobs"


def _drift(facts: Facts) -> list[Problem]:
    return [
        Problem(
            "drift",
            f"worker {one.worker.id}",
            f"daemon {one.worker.hostname}:{one.worker.pid} declares {_listed(one.schedule_ids)} "
            "otherwise than the last sync: two versions of the code are running",
            _WARNING,
            one.worker.started_at,
        )
        for one in facts.drifts
    ]


def _tables(facts: Facts) -> list[Problem]:
    if facts.tables_behind is None:
        return []
    found, wanted = facts.tables_behind
    return [
        Problem(
            "schema",
            "tables",
            f"the tables are of version {found}, older than this code's {wanted}: run "
            "`python -m jobsched migrate`",
            _WARNING,
        )
    ]


_TOLD = 50
"""How many schedules with the same problem are told one by one."""


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _said(length: timedelta) -> str:
    seconds = round(length.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
