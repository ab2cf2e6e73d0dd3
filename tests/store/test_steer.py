"""What operators do to a firing: cancel it, or give what failed another attempt."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched import Registry, Schedule, Scheduler
from jobsched.errors import ConflictError, NotFoundError
from jobsched.model import Firing, FiringStatus, JobDefinition, JobRunStatus, PlannedJob
from jobsched.store import cancels, steer
from jobsched.store.batch import Batch, HandBack, RunEnd
from jobsched.store.claim import Claimed
from jobsched.store.firings import FiringEnd
from jobsched.store.plans import NewRun
from jobsched.testing import FakeClock

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
S = JobRunStatus
JOBS = (JobDefinition("a"), JobDefinition("b", depends_on=("a",)), JobDefinition("c"))


def declare(store: Any, **fields: Any) -> None:
    fields = {"enabled": True} | fields
    store.declare(Schedule("s", every=HOUR, **fields), jobs=JOBS)


def cancel(store: Any, firing_id: int, job: str | None = None, app: str = "default") -> Firing:
    found: Firing = store.transact(
        lambda tx: steer.cancel(tx, app, firing_id, job=job, by="ann", reason="late")
    )
    return found


def retry(store: Any, firing_id: int, app: str = "default") -> Firing:
    found: Firing = store.transact(lambda tx: steer.retry(tx, app, firing_id, by="ann"))
    return found


def statuses(store: Any, firing_id: int) -> list[tuple[str, int, str]]:
    """(job, attempt, status) of each run."""
    runs = store.firing(firing_id).runs
    return [(run.job_name, run.attempt, run.status.value) for run in runs]


def failed(store: Any, me: str) -> Claimed:
    """A firing in which a failed, b was skipped because of it, and c succeeded."""
    claimed: Claimed = store.fire_due(me)
    end = {"a": S.FAILED, "b": S.SKIPPED, "c": S.SUCCESS}
    ends = [
        RunEnd(run.id, claimed.firing.id, end[run.job_name], store.now, was=run.status)
        for run in claimed.runs
    ]
    ended = FiringEnd(claimed.firing, FiringStatus.FAILED)
    store.write(Batch(me, ends=ends, firing_ends=[ended]))
    return claimed


def waiting_for_a_retry(store: Any, me: str) -> Claimed:
    """A firing WAITING until a is tried again; b needs it, c succeeded."""
    claimed: Claimed = store.fire_due(me)
    firing, run = claimed.firing, {run.job_name: run.id for run in claimed.runs}
    again = store.now + MINUTE
    retried = NewRun(
        firing.id, "s", PlannedJob("a"), 2, S.QUEUED, "CRON", firing.scheduled_for, again, {}, me
    )
    ends = [
        RunEnd(run["a"], firing.id, S.FAILED, store.now),
        RunEnd(run["c"], firing.id, S.SUCCESS, store.now),
    ]
    back = HandBack(firing, FiringStatus.WAITING, again)
    store.write(Batch(me, ends=ends, attempts=[retried], hand_backs=[back]))
    return claimed


# Cancel


def test_a_firing_that_waits_ends_at_once(store: Any) -> None:
    """Nobody has it: it is CANCELLED here and now, and the next one is free to run."""
    declare(store)
    fired = store.trigger()
    ended = cancel(store, fired.id)
    assert (ended.status, ended.reason) == (FiringStatus.CANCELLED, "requested")
    assert ended.finished_at == store.now
    assert [entry.status for entry in store.schedule().recent] == ["CANCELLED"]
    assert store.claim(store.worker()).claimed == ()
    store.trigger()


def test_a_firing_that_waits_for_a_retry_ends_with_its_runs(store: Any) -> None:
    """The attempts that will not come end CANCELLED, what has ended stays."""
    declare(store)
    firing_id = waiting_for_a_retry(store, store.worker()).firing.id
    assert cancel(store, firing_id).status is FiringStatus.CANCELLED
    assert statuses(store, firing_id) == [
        ("a", 1, "FAILED"),
        ("a", 2, "CANCELLED"),
        ("c", 1, "SUCCESS"),
        ("b", 1, "CANCELLED"),
    ]


def test_a_firing_that_runs_is_asked_to(store: Any) -> None:
    """Its worker sees the request, once; the firing ends when its jobs have."""
    declare(store)
    claimed = store.fire_due(store.worker())
    firing_id = claimed.firing.id
    asked = cancel(store, firing_id)
    assert (asked.status, asked.cancel_requested_at) == (FiringStatus.RUNNING, store.now)
    assert store.query(lambda tx: cancels.requested(tx, [firing_id])) == [(firing_id, None)]
    store.clock.advance(SECOND)
    assert cancel(store, firing_id).cancel_requested_at == asked.cancel_requested_at
    store.finish(claimed, S.CANCELLED)
    assert store.firing(firing_id).status is FiringStatus.CANCELLED


def test_one_job_of_a_running_firing_is_asked_to(store: Any) -> None:
    """Only that job's run carries the request, and its worker sees which."""
    declare(store)
    claimed = store.fire_due(store.worker())
    firing_id = claimed.firing.id
    cancel(store, firing_id, "c")
    (run_id,) = [run.id for run in claimed.runs if run.job_name == "c"]
    assert store.firing(firing_id).cancel_requested_at is None
    assert store.run(run_id).cancel_requested_at == store.now
    assert store.query(lambda tx: cancels.requested(tx, [firing_id])) == [(firing_id, run_id)]
    store.finish(claimed)
    assert store.query(lambda tx: cancels.requested(tx, [firing_id])) == []


def test_one_job_of_a_waiting_firing_ends_at_once(store: Any) -> None:
    """What needs it is skipped, and with the last job the firing ends and is counted."""
    declare(store)
    firing_id = waiting_for_a_retry(store, store.worker()).firing.id
    ended = cancel(store, firing_id, "a")
    assert statuses(store, firing_id) == [
        ("a", 1, "FAILED"),
        ("a", 2, "CANCELLED"),
        ("c", 1, "SUCCESS"),
        ("b", 1, "SKIPPED"),
    ]
    assert ended.status is FiringStatus.CANCELLED
    assert len(store.schedule().recent) == 1


def test_what_is_left_of_a_waiting_firing_goes_on(store: Any) -> None:
    """Cancelling one job does not end the others."""
    declare(store)
    firing_id = waiting_for_a_retry(store, store.worker()).firing.id
    assert cancel(store, firing_id, "b").status is FiringStatus.WAITING
    store.clock.advance(MINUTE)
    (claimed,) = store.claim(store.worker()).claimed
    assert [run.job_name for run in claimed.runs if run.status is S.RUNNING] == ["a"]


def test_what_cannot_be_cancelled_says_why(store: Any) -> None:
    """Ended is a conflict with its state; what is unknown, or another app's, is not found."""
    declare(store)
    claimed = store.fire_due(store.worker())
    firing_id = claimed.firing.id
    with pytest.raises(NotFoundError, match=f"firing {firing_id} has no job 'x' in its plan"):
        cancel(store, firing_id, "x")
    with pytest.raises(NotFoundError, match="no firing 999999"):
        cancel(store, 999999)
    with pytest.raises(NotFoundError, match="belongs to app 'default', not 'other'"):
        cancel(store, firing_id, app="other")
    run_id = claimed.runs[0].id
    store.write(
        Batch(claimed.firing.claimed_by, ends=[RunEnd(run_id, firing_id, S.SUCCESS, store.now)])
    )
    with pytest.raises(ConflictError, match=r"job 'a' of firing \d+ has ended \(SUCCESS\)"):
        cancel(store, firing_id, "a")
    store.edit("job_firing", firing_id, status="SUCCESS")
    with pytest.raises(ConflictError, match=r"has ended \(SUCCESS\): nothing to cancel"):
        cancel(store, firing_id)


# Retry


def test_a_retry_gives_new_attempts_to_what_did_not_succeed(store: Any) -> None:
    """In the same firing: what failed and what was skipped because of it, not what succeeded."""
    declare(store)
    me = store.worker()
    firing_id = failed(store, me).firing.id
    store.clock.advance(MINUTE)
    again = retry(store, firing_id)
    assert (again.status, again.reason, again.finished_at) == (FiringStatus.QUEUED, None, None)
    assert again.available_at == store.now
    assert statuses(store, firing_id) == [
        ("a", 1, "FAILED"),
        ("a", 2, "QUEUED"),
        ("c", 1, "SUCCESS"),
        ("b", 1, "SKIPPED"),
        ("b", 2, "QUEUED"),
    ]
    (claimed,) = store.claim(me).claimed
    assert [run.job_name for run in claimed.runs if run.status is S.RUNNING] == ["a"]


def test_a_retry_takes_back_the_count(store: Any) -> None:
    """As if the firing had not ended yet: it is counted once, when it ends for good."""
    declare(store)
    me = store.worker()
    firing_id = failed(store, me).firing.id
    assert (store.schedule().failure_count, len(store.schedule().recent)) == (1, 1)
    retry(store, firing_id)
    assert (store.schedule().failure_count, len(store.schedule().recent)) == (0, 0)
    (claimed,) = store.claim(me).claimed
    ends = [
        RunEnd(run.id, firing_id, S.SUCCESS, store.now, was=run.status)
        for run in claimed.runs
        if run.status in (S.QUEUED, S.RUNNING)
    ]
    store.write(Batch(me, ends=ends, firing_ends=[FiringEnd(claimed.firing, FiringStatus.SUCCESS)]))
    state = store.schedule()
    assert (state.failure_count, state.run_count, len(state.recent)) == (0, 1, 1)


def test_a_retry_of_a_cancelled_firing_forgets_the_request(store: Any) -> None:
    """It was cancelled then; now it is wanted, and runs to its end."""
    declare(store)
    claimed = store.fire_due(store.worker())
    cancel(store, claimed.firing.id)
    store.finish(claimed, S.CANCELLED)
    again = retry(store, claimed.firing.id)
    assert (again.status, again.cancel_requested_at) == (FiringStatus.QUEUED, None)
    assert store.query(lambda tx: cancels.requested(tx, [again.id])) == []
    assert len(store.claim(store.worker()).claimed) == 1


def test_a_retry_of_what_never_had_a_plan_makes_one(store: Any) -> None:
    """A firing that was cancelled before it was claimed runs the jobs that are declared now."""
    declare(store)
    fired = store.trigger()
    cancel(store, fired.id)
    retry(store, fired.id)
    (claimed,) = store.claim(store.worker()).claimed
    assert sorted(run.job_name for run in claimed.runs) == ["a", "b", "c"]


def test_a_retry_has_the_schedules_timeout_anew(store: Any) -> None:
    """An hour later the firing has its whole time again, and is past no start deadline."""
    declare(store, timeout=60, start_deadline=60)
    me = store.worker()
    firing_id = failed(store, me).firing.id
    store.clock.advance(HOUR)
    retry(store, firing_id)
    (claimed,) = store.claim(me).claimed
    assert claimed.firing.started_at == store.now


def test_a_retry_waits_its_turn(store: Any) -> None:
    """I9: while another firing of the schedule runs the retried one is queued."""
    declare(store)
    me = store.worker()
    first = failed(store, me)
    second = store.fire_due(me)
    retry(store, first.firing.id)
    assert store.claim(me).claimed == ()
    store.finish(second)
    assert [one.firing.id for one in store.claim(me).claimed] == [first.firing.id]


def test_a_retry_while_a_manual_firing_waits_is_a_conflict(store: Any) -> None:
    """One firing by hand waits at most; the error names it."""
    declare(store)
    me = store.worker()
    firing_id = failed(store, me).firing.id
    waiting = store.trigger()
    with pytest.raises(ConflictError, match=f"firing {waiting.id} of schedule 's' waits already"):
        retry(store, firing_id)


def test_what_cannot_be_retried_says_why(store: Any) -> None:
    """Only FAILED and CANCELLED; a schedule that left the code runs nothing any more."""
    declare(store)
    me = store.worker(store.code(jobs=JOBS))
    claimed = store.fire_due(me)
    with pytest.raises(ConflictError, match="is RUNNING: only a FAILED or CANCELLED one"):
        retry(store, claimed.firing.id)
    store.finish(claimed)
    with pytest.raises(ConflictError, match="is SUCCESS"):
        retry(store, claimed.firing.id)
    with pytest.raises(NotFoundError, match="no firing 999999"):
        retry(store, 999999)
    second = failed(store, me)
    with pytest.raises(NotFoundError, match="belongs to app"):
        retry(store, second.firing.id, app="other")
    store.declare(Schedule("other", every=HOUR), jobs=JOBS)
    with pytest.raises(ConflictError, match="has left the code"):
        retry(store, second.firing.id)


def test_single_jobs_are_steered_too(store: Any) -> None:
    """An event's firing has no schedule: it is cancelled and retried like any other."""
    declare(store)
    fired = store.enqueue()
    assert cancel(store, fired.id).status is FiringStatus.CANCELLED
    retry(store, fired.id)
    (claimed,) = store.claim(store.worker()).claimed
    store.finish(claimed, S.FAILED)
    retry(store, fired.id)
    (claimed,) = store.claim(store.worker()).claimed
    assert [(run.attempt, run.status) for run in claimed.runs] == [(1, S.FAILED), (2, S.RUNNING)]


def test_steering_is_audited(store: Any) -> None:
    """Who did what to which firing or job, and what it was before."""
    declare(store)
    fired = store.trigger()
    cancel(store, fired.id)
    retry(store, fired.id)
    store.claim(store.worker())
    cancel(store, fired.id, "a")
    target = f"firing {fired.id}"
    lines = [(line["what"], line["target"], line["who"]) for line in store.rows("audit_log")[1:]]
    assert lines == [
        ("cancel", target, "ann"),
        ("retry", target, "ann"),
        ("cancel", f"{target} job a", "ann"),
    ]
    assert store.rows("audit_log")[1]["before_state"] == {"status": "QUEUED"}
    assert store.rows("audit_log")[1]["reason"] == "late"


def test_cancelling_what_waits_for_a_retry_keeps_a_failure(
    database_url: str, fake_clock: FakeClock
) -> None:
    """A firing ends by the last attempt of each job: one that failed for good makes it FAILED,
    though the job that waited for its retry is CANCELLED."""
    registry = Registry()

    @registry.job
    def broken() -> None:
        raise ValueError("no")

    @registry.job(retries=3)
    def flaky() -> None:
        raise ValueError("not yet")

    scheduler = Scheduler(
        database_url,
        registry=registry,
        clock=fake_clock,
        schedules=[Schedule("both", cron="0 0 1 1 *")],
    )
    scheduler.tick()
    firing = scheduler.trigger("both")
    scheduler.tick()
    assert scheduler.firing(firing.id).status is FiringStatus.WAITING
    scheduler.cancel(firing.id)
    ended = scheduler.firing(firing.id)
    assert ended.status is FiringStatus.FAILED
    assert {run.job_name: run.status for run in ended.runs} == {
        "broken": JobRunStatus.FAILED,
        "flaky": JobRunStatus.CANCELLED,
    }
    scheduler.close()
