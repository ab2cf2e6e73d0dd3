"""Firings that nobody can run: they wait while somebody might come, and then end, saying why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched import Schedule
from jobsched.model import FiringStatus, JobDefinition, JobRunStatus, PlannedJob, WorkerType
from jobsched.store import candidates, orphans
from jobsched.store.batch import Batch, HandBack, RunEnd
from jobsched.store.plans import NewRun

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LOCK_TIMEOUT = MINUTE
S = JobRunStatus
KNOWN, GONE = JobDefinition("known"), JobDefinition("gone")


def end_orphans(store: Any) -> list[int]:
    ends = store.transact(lambda tx: orphans.end_orphans(tx, "default", LOCK_TIMEOUT))
    return [end.firing.id for end in ends]


def daemon(store: Any, *jobs: JobDefinition, **kind: Any) -> str:
    """A live daemon that declares these jobs."""
    worker_id: str = store.worker(store.code(jobs=jobs), **kind)
    return worker_id


def declare(store: Any, **fields: Any) -> None:
    """The schedule s, of the job gone."""
    store.declare(Schedule("s", every=HOUR, jobs=["gone"], **fields), jobs=(KNOWN, GONE))


def wait(store: Any, length: timedelta, *alive: str) -> None:
    """Let time pass while these workers beat."""
    store.clock.advance(length)
    for worker_id in alive:
        store.beat(worker_id)


def test_what_nobody_can_run_ends_and_says_so(store: Any) -> None:
    """FAILED, reason no_worker, after a lock timeout in which a live daemon could not run it."""
    declare(store)
    me = daemon(store, KNOWN)
    fired = store.trigger()
    wait(store, LOCK_TIMEOUT - SECOND, me)
    assert end_orphans(store) == []
    wait(store, SECOND, me)
    assert end_orphans(store) == [fired.id]
    firing, state = store.firing(fired.id), store.schedule()
    assert (firing.status, firing.reason) == (FiringStatus.FAILED, "no_worker")
    assert firing.finished_at == store.now
    assert (state.failure_count, [entry.status for entry in state.recent]) == (1, ["FAILED"])
    assert end_orphans(store) == []


def test_with_no_daemon_alive_it_waits(store: Any) -> None:
    """I2: while nobody is there, nothing ends because nobody is there."""
    declare(store)
    store.trigger()
    daemon(store, KNOWN)
    store.clock.advance(10 * LOCK_TIMEOUT)
    assert end_orphans(store) == []


def test_a_daemon_must_have_been_there_for_a_lock_timeout(store: Any) -> None:
    """In the first moments of a deploy the one that knows the job may still be starting."""
    declare(store)
    fired = store.trigger()
    store.clock.advance(HOUR)
    me = daemon(store, KNOWN)
    assert end_orphans(store) == []
    wait(store, LOCK_TIMEOUT - SECOND, me)
    assert end_orphans(store) == []
    wait(store, SECOND, me)
    assert end_orphans(store) == [fired.id]


def test_what_somebody_declares_waits_for_a_slot(store: Any) -> None:
    """However long every slot is taken: a daemon that knows the jobs is there."""
    declare(store)
    store.trigger()
    me, busy = daemon(store, KNOWN), daemon(store, KNOWN, GONE)
    for _ in range(5):
        wait(store, LOCK_TIMEOUT, me, busy)
        assert end_orphans(store) == []


def test_one_daemon_must_declare_the_whole_plan(store: Any) -> None:
    """Two daemons that know half of it each cannot run it."""
    store.declare(Schedule("s", every=HOUR), jobs=(KNOWN, GONE))
    halves = daemon(store, KNOWN), daemon(store, GONE)
    fired = store.trigger()
    wait(store, LOCK_TIMEOUT, *halves)
    assert end_orphans(store) == [fired.id]


def test_a_process_that_only_runs_single_jobs_claims_nothing(store: Any) -> None:
    """A job worker that declares the job is no daemon that could take the firing."""
    declare(store)
    me = daemon(store, KNOWN)
    other = daemon(store, GONE, kind=WorkerType.JOB_WORKER)
    fired = store.trigger()
    wait(store, LOCK_TIMEOUT, me, other)
    assert end_orphans(store) == [fired.id]


def test_a_job_that_left_the_code_is_nobodys(store: Any) -> None:
    """A firing of a job that is retired, or of an empty group, ends too."""
    store.declare(
        Schedule("s", every=HOUR, group="g"), jobs=(KNOWN, JobDefinition("gone", group="g"))
    )
    ids = [store.enqueue("gone").id, store.trigger().id]
    store.declare(Schedule("s", every=HOUR, group="g"), jobs=(KNOWN,))
    me = daemon(store, KNOWN)
    wait(store, LOCK_TIMEOUT, me)
    assert end_orphans(store) == ids


def test_what_is_for_later_waits(store: Any) -> None:
    """An event for tomorrow is nobody's to run today."""
    declare(store)
    me = daemon(store, KNOWN)
    fired = store.enqueue("gone", run_at=NOON + HOUR)
    wait(store, HOUR + LOCK_TIMEOUT - SECOND, me)
    assert end_orphans(store) == []
    wait(store, SECOND, me)
    assert end_orphans(store) == [fired.id]


def test_what_overlap_holds_back_waits(store: Any) -> None:
    """I9: a firing behind a live one is no orphan, and the one in front of it may be."""
    declare(store, misfire="run_all", enabled=True)
    me = daemon(store, KNOWN)
    first = store.trigger()
    store.clock.advance(HOUR)
    store.beat(me)
    store.fire(me)
    wait(store, LOCK_TIMEOUT, me)
    second = store.firings()[-1].id
    assert end_orphans(store) == [first.id]
    assert end_orphans(store) == [second]


def test_what_waits_for_a_lock_waits(store: Any) -> None:
    """I12: a lock backend that is down for hours fails nothing."""
    declare(store)
    me = daemon(store, KNOWN)
    fired = store.trigger()
    for _ in range(5):
        wait(store, LOCK_TIMEOUT, me)
        store.transact(lambda tx: candidates.postpone(tx, {fired.id: "RedisLock"}, 5 * SECOND))
        assert end_orphans(store) == []


def test_a_retry_that_nobody_can_run_ends(store: Any) -> None:
    """A firing WAITING for a job that left the code ends, and blocks its schedule no more."""
    declare(store, enabled=True)
    other = daemon(store, KNOWN, GONE)
    claimed = store.fire_due(other, knows="known gone")
    firing = claimed.firing
    again = NewRun(
        firing_id=firing.id,
        schedule_id="s",
        job=PlannedJob("gone"),
        attempt=2,
        status=S.QUEUED,
        trigger="CRON",
        scheduled_for=firing.scheduled_for,
        available_at=store.now,
        params={},
        worker_id=other,
    )
    end = RunEnd(claimed.runs[0].id, firing.id, S.FAILED, store.now)
    back = HandBack(firing, FiringStatus.WAITING, store.now)
    store.write(Batch(other, ends=[end], attempts=[again], hand_backs=[back]))
    me = daemon(store, KNOWN)
    wait(store, LOCK_TIMEOUT + SECOND, me)
    assert end_orphans(store) == [firing.id]
    found = store.firing(firing.id)
    assert (found.status, found.reason) == (FiringStatus.FAILED, "no_worker")
    assert [(run.status, run.reason) for run in found.runs] == [
        (S.FAILED, None),
        (S.SKIPPED, "no_worker"),
    ]


def test_other_apps_are_left_alone(store: Any) -> None:
    """An app's daemons judge their own firings only."""
    declare(store)
    store.declare(Schedule("theirs", every=HOUR), jobs=(GONE,), app="other")
    store.trigger("theirs", app="other")
    me = daemon(store, KNOWN)
    wait(store, LOCK_TIMEOUT, me)
    assert end_orphans(store) == []


@pytest.mark.parametrize("change", [{"overlap": "sometimes"}, {"jobs": 5}])
def test_a_poisoned_schedule_ends_no_firing(store: Any, change: dict[str, Any]) -> None:
    """I14: what waits of a schedule whose row cannot be read waits until it is mended."""
    store.declare(Schedule("s", every=HOUR, jobs=["known"]), jobs=(KNOWN,))
    me = daemon(store, KNOWN)
    store.trigger()
    lost = store.enqueue("known")
    store.edit("job_firing", lost.id, job_name="unknown")
    store.edit("job_schedule", "s", **change)
    wait(store, LOCK_TIMEOUT, me)
    assert end_orphans(store) == [lost.id]
