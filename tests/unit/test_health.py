"""Whether the daemons do their work: each thing that can be wrong, at its limit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched.model import (
    Firing,
    FiringStatus,
    HealthLevel,
    JobRun,
    JobRunStatus,
    Problem,
    ScheduleDeclaration,
    ScheduleState,
    Timing,
    TriggerType,
    Worker,
    WorkerStatus,
    WorkerType,
)
from jobsched.planning.drift import Drift, Unclaimed
from jobsched.planning.facts import Facts, RunningJob, ScheduleCounts
from jobsched.planning.health import assess, is_overdue, live_daemons, overdue_limit

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HEALTHY, WARNING, CRITICAL = HealthLevel

DAEMON = Worker(
    id="w",
    app="shop",
    worker_type=WorkerType.SCHEDULE_DAEMON,
    status=WorkerStatus.RUNNING,
    hostname="host",
    pid=7,
    started_at=NOON - timedelta(hours=1),
    last_heartbeat_at=NOON,
    lock_timeout=60 * SECOND,
    version="1",
    capacity=10,
    running=0,
)

SCHEDULE = ScheduleState(
    declaration=ScheduleDeclaration("feed", Timing(cron="0 * * * *")),
    app="shop",
    enabled=True,
    next_run_at=NOON + timedelta(hours=1),
    last_run_at=None,
    last_scheduled_for=None,
    run_count=0,
    failure_count=0,
    problem=None,
    locked_by=None,
    retired_at=None,
    version=0,
    declaration_hash="abc",
)

FIRING = Firing(
    id=3,
    app="shop",
    schedule_id="feed",
    job_name=None,
    scheduled_for=NOON,
    trigger=TriggerType.CRON,
    status=FiringStatus.QUEUED,
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
    started_at=None,
    finished_at=None,
)

RUN = JobRun(
    id=5,
    firing_id=3,
    schedule_id="feed",
    job_name="import",
    attempt=1,
    status=JobRunStatus.RUNNING,
    reason=None,
    scheduled_for=NOON,
    available_at=NOON,
    queued_at=NOON,
    started_at=NOON,
    finished_at=None,
    duration_ms=None,
    error=None,
    traceback=None,
    result=None,
    progress=None,
    worker_id="w",
)


def facts(**changes: Any) -> Facts:
    """A daemon that has just beaten, and a schedule that is due in an hour."""
    counts = ScheduleCounts(total=1, enabled=1)
    usual = {"now": NOON, "app": "shop", "workers": [DAEMON], "counts": counts}
    return Facts(**usual | changes)


def problems(**changes: Any) -> dict[str, Problem]:
    return {problem.kind: problem for problem in assess(facts(**changes)).problems}


def silent(seconds: float, **changes: Any) -> Worker:
    return replace(DAEMON, last_heartbeat_at=NOON - seconds * SECOND, **changes)


def due(seconds_ago: float, **changes: Any) -> ScheduleState:
    return replace(SCHEDULE, next_run_at=NOON - seconds_ago * SECOND, **changes)


def waiting(seconds: float, **changes: Any) -> Firing:
    return replace(FIRING, available_at=NOON - seconds * SECOND, **changes)


def running(
    seconds: float,
    timeout: float | None = None,
    *,
    run: datetime | None = None,
    firing: datetime | None = None,
) -> RunningJob:
    """A job that started so long ago; `run` and `firing` are when each was asked to cancel."""
    started = replace(RUN, started_at=NOON - seconds * SECOND, cancel_requested_at=run)
    return RunningJob(started, None if timeout is None else timeout * SECOND, firing)


def test_all_is_well() -> None:
    """A fresh daemon and nothing late is healthy, and says how much there is to look after."""
    health = assess(facts(counts=ScheduleCounts(total=2, enabled=1, disabled=1)))
    assert (health.level, health.problems) == (HEALTHY, ())
    assert health.message == "1 daemon runs; 1 of 2 schedules are enabled"
    assert assess(facts(workers=[DAEMON, DAEMON])).message.startswith("2 daemons run;")


# Daemons


@pytest.mark.parametrize(
    ("age", "level"), [(0, HEALTHY), (30, HEALTHY), (31, WARNING), (60, WARNING), (61, CRITICAL)]
)
def test_a_daemon_is_judged_by_its_last_heartbeat(age: float, level: HealthLevel) -> None:
    """Healthy to half of its lock timeout, a warning to all of it, critical beyond."""
    assert assess(facts(workers=[silent(age)])).level is level


@pytest.mark.parametrize(
    ("age", "kind"), [(30, None), (31, "late_worker"), (60, "late_worker"), (61, "lost_worker")]
)
def test_a_worker_that_is_silent_while_others_live_is_a_warning(
    age: float, kind: str | None
) -> None:
    """Late from half of its lock timeout on and lost after all of it; with since when."""
    other = silent(age, id="other", hostname="elsewhere")
    found = problems(workers=[other, DAEMON])
    assert list(found) == ([] if kind is None else [kind])
    for problem in found.values():
        assert problem.level is WARNING
        assert problem.target == "worker other"
        assert problem.since == other.last_heartbeat_at
        assert "elsewhere:7" in problem.message


def test_daemons_that_are_all_late_are_one_problem() -> None:
    """The youngest heartbeat is told as the daemons'; only those behind it are told besides."""
    found = assess(facts(workers=[silent(40), silent(50, id="slower")])).problems
    assert [(one.kind, one.target) for one in found] == [
        ("late_daemon", "shop"),
        ("late_worker", "worker slower"),
    ]


def test_a_worker_that_came_back_is_not_lost() -> None:
    """A process that was declared lost and goes on as a new worker is no problem."""
    lost = silent(600, id="before", status=WorkerStatus.LOST)
    assert assess(facts(workers=[lost, DAEMON])).level is HEALTHY
    gone = replace(lost, pid=8)
    assert "lost_worker" in problems(workers=[gone, DAEMON])
    assert list(problems(workers=[gone])) == ["no_daemon"]


def test_live_daemons_are_those_that_may_claim() -> None:
    """Not what is late beyond its lock timeout, about to stop, or runs single jobs only."""
    others = [
        silent(61),
        replace(DAEMON, status=WorkerStatus.STOPPING),
        replace(DAEMON, worker_type=WorkerType.JOB_WORKER),
    ]
    assert live_daemons(facts(workers=[*others, DAEMON])) == [DAEMON]


def test_every_daemon_is_judged_by_its_own_lock_timeout() -> None:
    """A daemon with a longer lock timeout is alive for longer."""
    patient = silent(100, lock_timeout=300 * SECOND)
    assert assess(facts(workers=[patient])).level is HEALTHY


@pytest.mark.parametrize(
    "workers",
    [
        [],
        [replace(DAEMON, worker_type=WorkerType.JOB_WORKER)],
        [replace(DAEMON, status=WorkerStatus.STOPPING)],
        [replace(DAEMON, status=WorkerStatus.LOST)],
    ],
)
def test_without_a_daemon_it_is_critical(workers: list[Worker]) -> None:
    """What runs single jobs only, or is about to stop, is no daemon; what to do is said."""
    problem = problems(workers=workers)["no_daemon"]
    assert problem.level is CRITICAL
    assert "python -m jobsched run" in problem.message


def test_a_dead_daemon_is_dated() -> None:
    """The last heartbeat of a daemon that is gone says since when."""
    problem = problems(workers=[silent(600), silent(300)])["no_daemon"]
    assert problem.since == NOON - 300 * SECOND
    assert "one went silent 5 min ago" in problem.message


@pytest.mark.parametrize(("age", "level"), [(5, HEALTHY), (6, CRITICAL)])
def test_a_caller_may_ask_for_a_younger_heartbeat(age: float, level: HealthLevel) -> None:
    """`max_age` is a limit of the caller's own, and past it is critical."""
    assert assess(facts(workers=[silent(age)], max_age=5 * SECOND)).level is level


def test_a_clock_ahead_of_the_database_is_no_negative_age() -> None:
    """A heartbeat that seems to come from the future is fresh."""
    assert assess(facts(workers=[silent(-5)])).level is HEALTHY


# Overdue


def test_overdue_is_measured_by_the_daemons_that_are_there() -> None:
    """max(lock timeout, 2 * poll interval) of the daemons; a minute when there is none."""
    assert overdue_limit([DAEMON]) == 60 * SECOND
    assert overdue_limit([replace(DAEMON, poll_interval=90 * SECOND)]) == 180 * SECOND
    assert overdue_limit([]) == 60 * SECOND


@pytest.mark.parametrize(("late", "overdue"), [(60, False), (61, True)])
@pytest.mark.parametrize("workers", [[DAEMON], []], ids=["alive", "dead"])
def test_a_schedule_that_nobody_fires_is_overdue(
    workers: list[Worker], late: float, overdue: bool
) -> None:
    """Seen whether or not a daemon is alive, and critical."""
    found = problems(workers=workers, schedules=[due(late)])
    assert ("overdue" in found) is overdue
    if overdue:
        assert found["overdue"].level is CRITICAL
        assert found["overdue"].target == "schedule feed"
        assert found["overdue"].since == NOON - late * SECOND


@pytest.mark.parametrize(
    "schedule",
    [due(999, enabled=False), due(999, problem="bad cron"), replace(SCHEDULE, next_run_at=None)],
    ids=["disabled", "stopped", "exhausted"],
)
def test_what_is_not_to_fire_is_not_overdue(schedule: ScheduleState) -> None:
    """A disabled, stopped or exhausted schedule waits for nobody."""
    assert "overdue" not in problems(schedules=[schedule])


def test_what_has_left_the_code_is_not_overdue() -> None:
    """Retired schedules wait for nobody, whatever their row says."""
    assert is_overdue(due(61), NOON, 60 * SECOND)
    assert not is_overdue(due(61, retired_at=NOON), NOON, 60 * SECOND)


def test_of_many_overdue_schedules_the_rest_is_counted() -> None:
    """Where there are more than are told one by one, how many more is said, as critical."""
    counts = ScheduleCounts(total=9, enabled=9, overdue=5, problem=3)
    found = assess(facts(schedules=[due(99), due(99, problem="x")], counts=counts)).problems
    assert [(one.kind, one.target, one.level) for one in found] == [
        ("overdue", "schedule feed", CRITICAL),
        ("overdue", "4 more schedules", CRITICAL),
        ("schedule_stopped", "schedule feed", WARNING),
        ("schedule_stopped", "2 more schedules", WARNING),
    ]


@pytest.mark.parametrize(("queued", "said"), [(700, "700"), (10_000, "10000 or more")])
def test_of_many_waiting_firings_the_rest_is_counted(queued: int, said: str) -> None:
    """A backlog is told by its oldest firings and by how many are queued."""
    found = assess(facts(waiting=[waiting(99)], more_waiting=True, queued=queued)).problems
    assert [one.kind for one in found] == ["overdue", "overdue"]
    assert found[1].message == f"more firings have waited too long; {said} are queued in all"


@pytest.mark.parametrize(("wait", "overdue"), [(60, False), (61, True)])
def test_a_firing_that_nobody_claims_is_overdue(wait: float, overdue: bool) -> None:
    """A queued firing that no overlap holds back is overdue like a schedule."""
    found = problems(waiting=[waiting(wait)])
    assert ("overdue" in found) is overdue


# Stuck, stopped, locks, drift, skew


@pytest.mark.parametrize(
    ("job", "stuck"),
    [
        (running(10_000), False),
        (running(90, timeout=60), False),
        (running(91, timeout=60), True),
        (running(40, firing=NOON - 30 * SECOND), False),
        (running(40, firing=NOON - 31 * SECOND), True),
        (running(40, run=NOON - 31 * SECOND), True),
        (running(91, timeout=60, firing=NOON), True),
    ],
)
def test_a_run_past_its_limit_by_more_than_the_grace_is_stuck(job: RunningJob, stuck: bool) -> None:
    """I11: past its timeout, or a request to cancel, by more than the grace: health is critical."""
    found = problems(running=[job])
    assert ("stuck" in found) is stuck
    if stuck:
        assert found["stuck"].level is CRITICAL


def test_a_stopped_schedule_is_a_warning_with_its_reason() -> None:
    """I14: the problem of a poisoned row is what health says of it."""
    problem = problems(schedules=[due(999, problem="cron='x' is no cron")])["schedule_stopped"]
    assert problem.level is WARNING
    assert "'feed' does not fire: cron='x' is no cron" in problem.message


def test_a_firing_that_waits_for_a_lock_names_it() -> None:
    """A lock backend that is down shows as the reason of what waits for it."""
    found = problems(waiting=[waiting(1, reason="lock: RedisLock failed")])
    assert "waits for its lock: RedisLock failed" in found["lock"].message
    assert found["lock"].level is WARNING


def test_two_versions_of_the_code_are_a_drift() -> None:
    """A daemon that declares schedules otherwise than the last sync is shown, as a warning."""
    drift = Drift(DAEMON, ("a", "b", "c", "d", "e", "f", "g"))
    problem = problems(drifts=[drift])["drift"]
    assert (problem.level, problem.since) == (WARNING, DAEMON.started_at)
    assert "host:7 declares a, b, c, d, e and 2 more otherwise" in problem.message


def test_a_schedule_whose_jobs_nobody_knows_is_a_warning() -> None:
    """It names the jobs and what to do; without a live daemon that is the problem instead."""
    lacking = [Unclaimed("feed", ("import",)), Unclaimed("mixed")]
    found = assess(facts(unclaimed=lacking)).problems
    assert [(one.kind, one.target, one.level) for one in found] == [
        ("unknown_jobs", "schedule feed", WARNING),
        ("unknown_jobs", "schedule mixed", WARNING),
    ]
    assert "no live daemon knows import: deploy the code" in found[0].message
    assert "no live daemon knows all of its jobs" in found[1].message
    assert list(problems(unclaimed=lacking, workers=[])) == ["no_daemon"]


def test_schedules_without_known_jobs_are_told_up_to_a_number() -> None:
    """A daemon of the wrong code is one line more, not ten thousand."""
    many = [Unclaimed(f"s{number}", ("a",)) for number in range(10_000)]
    found = assess(facts(unclaimed=many)).problems
    assert len(found) == 51
    assert found[-1].message == "9950 more schedules run jobs that no live daemon knows"


def test_tables_that_are_older_than_the_code_are_a_warning() -> None:
    """With both versions and the command that mends it."""
    problem = problems(tables_behind=("1.1", "1.2"))["schema"]
    assert problem.level is WARNING
    assert "version 1.1, older than this code's 1.2" in problem.message
    assert "python -m jobsched migrate" in problem.message


@pytest.mark.parametrize(
    ("skew", "said"), [(2.0, None), (2.1, "2.1 s ahead of"), (-2.1, "2.1 s behind"), (-2.0, None)]
)
def test_a_host_whose_clock_is_wrong_is_told(skew: float, said: str | None) -> None:
    """More than two seconds between the host's clock and the database's are a warning."""
    found = [p.message for p in assess(facts(skew=skew * SECOND)).problems]
    assert len(found) == (0 if said is None else 1)
    assert all(said in message for message in found if said)


def test_the_worst_problem_speaks_first() -> None:
    """The level and the line are the worst problem's; the others are counted."""
    health = assess(facts(schedules=[due(999)], skew=5 * SECOND))
    assert health.level is CRITICAL
    assert health.message.startswith("schedule 'feed' is overdue: it was due 16 min ago")
    assert health.message.endswith("(and 1 more problem)")
