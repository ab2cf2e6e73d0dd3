"""FINISH and START: what happened is written by the worker that has the firing, and by no other."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched import Schedule
from jobsched.clock import Clock
from jobsched.model import FiringStatus, JobDefinition, JobRunStatus, OnLost, PlannedJob
from jobsched.store import record, recover
from jobsched.store.batch import Batch, HandBack, LogRecord, RunEnd, RunNote
from jobsched.store.claim import Claimed
from jobsched.store.database import Database
from jobsched.store.firings import FiringEnd
from jobsched.store.plans import NewRun

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
S = JobRunStatus
SETTLING = r"(WITH .*)?UPDATE job_schedule"
FIRST_LOCK = rf"SELECT job_schedule.* FOR UPDATE|{SETTLING}"
JOBS = (
    JobDefinition("a", retries=3),
    JobDefinition("b", depends_on=("a",)),
    JobDefinition("c", on_lost=OnLost.RERUN),
)


def claimed_firing(store: Any, worker_id: str, schedule_id: str = "s", **fields: Any) -> Claimed:
    """A firing of a, b after it, and c, that this worker has just claimed: a and c run."""
    fields = {"enabled": True} | fields
    store.declare(Schedule(schedule_id, every=HOUR, **fields), jobs=JOBS)
    return store.fire_due(worker_id, schedule_id)


def runs(claimed: Claimed) -> dict[str, int]:
    return {run.job_name: run.id for run in claimed.runs}


def retry_of(claimed: Claimed, job: str, at: datetime) -> NewRun:
    firing = claimed.firing
    return NewRun(
        firing_id=firing.id,
        schedule_id=firing.schedule_id,
        job=PlannedJob(job),
        attempt=2,
        status=S.QUEUED,
        trigger=firing.trigger,
        scheduled_for=firing.scheduled_for,
        available_at=at,
        params={},
        worker_id=firing.claimed_by,
    )


def everything_of(claimed: Claimed, now: datetime) -> Batch:
    """Something of each kind, short of the firing's end."""
    firing, run = claimed.firing, runs(claimed)
    return Batch(
        firing.claimed_by or "",
        starts=[(run["b"], firing.id)],
        ends=[
            RunEnd(run["a"], firing.id, S.FAILED, now, error="E: no", traceback="Traceback"),
            RunEnd(run["c"], firing.id, S.SUCCESS, now, result={"n": 1}, duration_ms=1500),
        ],
        attempts=[retry_of(claimed, "a", now + 10 * SECOND)],
        notes=[RunNote(run["b"], firing.id, reason="timeout", progress={"fraction": 0.5})],
        logs=[LogRecord(run["a"], firing.id, "INFO", "one", now)],
    )


# What is written


@pytest.mark.parametrize("tried", [False, True])
def test_what_happened_is_written_as_it_was_said(store: Any, tried: bool) -> None:
    """Starts at the database's time, ends with result and error, attempts, progress, log lines.

    I15: all the same when an earlier try of the batch came to nothing.
    """
    claimed = claimed_firing(store, store.worker())
    run = runs(claimed)
    store.clock.advance(2 * SECOND)
    done = store.write(replace(everything_of(claimed, store.now), tried=tried))
    assert (done.at, done.fenced) == (store.now, frozenset())
    a, b, c = (store.run(run[name]) for name in "abc")
    assert (a.status, a.error, a.traceback) == (S.FAILED, "E: no", "Traceback")
    assert (b.status, b.started_at) == (S.RUNNING, store.now)
    assert (b.reason, b.progress) == ("timeout", {"fraction": 0.5})
    assert (c.status, c.result, c.duration_ms) == (S.SUCCESS, {"n": 1}, 1500)
    assert c.finished_at == store.now
    (retry_id,) = done.attempt_ids.values()
    assert done.attempt_ids == {(claimed.firing.id, "a", 2): retry_id}
    retry = store.run(retry_id)
    assert (retry.attempt, retry.status) == (2, S.QUEUED)
    assert retry.available_at == store.now + 10 * SECOND
    assert [row["message"] for row in store.rows("job_log")] == ["one"]


@pytest.mark.parametrize("tried", [False, True])
def test_the_last_job_ends_the_firing_in_the_same_transaction(store: Any, tried: bool) -> None:
    """Status, times, counts, the memory of the last firings, and the lock: all or nothing."""
    claimed = claimed_firing(store, store.worker())
    store.clock.advance(3 * SECOND)
    before = store.everything()

    def fail(_: object) -> None:
        raise RuntimeError

    def write() -> None:
        store.write(replace(store.ending(claimed), tried=tried))

    with store.before(SETTLING, fail), pytest.raises(RuntimeError):
        write()
    assert store.everything() == before
    write()
    firing, state = store.firing(claimed.firing.id), store.schedule()
    assert (firing.status, firing.finished_at) == (FiringStatus.SUCCESS, store.now)
    assert {run.status for run in firing.runs} == {S.SUCCESS}
    assert (state.run_count, state.failure_count) == (1, 0)
    (entry,) = state.recent
    assert (entry.firing_id, entry.status, entry.duration_ms) == (firing.id, "SUCCESS", 3000)
    assert state.locked_by is None
    assert store.rows("job_schedule")[0]["locked_at"] is None


@pytest.mark.parametrize(
    ("status", "counts"), [(S.SUCCESS, (1, 0)), (S.FAILED, (0, 1)), (S.CANCELLED, (0, 0))]
)
def test_a_schedule_counts_its_ends(
    store: Any, status: JobRunStatus, counts: tuple[int, int]
) -> None:
    """`run_count` counts SUCCESS, `failure_count` counts FAILED, cancelled ones count nowhere."""
    store.finish(claimed_firing(store, store.worker()), status)
    state = store.schedule()
    assert (state.run_count, state.failure_count) == counts


def test_a_schedule_remembers_its_last_thirty_firings(store: Any) -> None:
    """`recent` keeps thirty, oldest first, and forgets the older ones."""
    me = store.worker()
    ids = []
    store.declare(Schedule("s", every=HOUR, enabled=True))
    for _ in range(32):
        claimed = store.fire_due(me)
        ids.append(claimed.firing.id)
        store.finish(claimed)
    assert [entry.firing_id for entry in store.schedule().recent] == ids[2:]


def test_two_ends_of_one_schedule_in_one_batch_are_both_counted(store: Any) -> None:
    """With `overlap="allow"` several firings of a schedule may end in one transaction."""
    me = store.worker()
    first = claimed_firing(store, me, overlap="allow")
    second = store.fire_due(me)
    one, two = store.ending(first), store.ending(second, S.FAILED)
    store.write(Batch(me, ends=one.ends + two.ends, firing_ends=one.firing_ends + two.firing_ends))
    state = store.schedule()
    assert (state.run_count, state.failure_count) == (1, 1)
    assert [entry.firing_id for entry in state.recent] == [first.firing.id, second.firing.id]


def test_log_lines_keep_their_order(store: Any) -> None:
    """I10: within a run the lines stand as they were written, over batches too."""
    claimed = claimed_firing(store, store.worker())
    firing_id, run_id = claimed.firing.id, runs(claimed)["a"]
    for start in (0, 50):
        lines = [
            LogRecord(run_id, firing_id, "INFO", str(n), NOON) for n in range(start, start + 50)
        ]
        store.write(Batch(claimed.firing.claimed_by, logs=lines))
    assert [row["message"] for row in store.rows("job_log")] == [str(n) for n in range(100)]


def test_of_several_notes_the_last_counts(store: Any) -> None:
    """Progress and reason are what was said last, and one does not undo the other."""
    claimed = claimed_firing(store, store.worker())
    firing_id, run_id = claimed.firing.id, runs(claimed)["a"]
    notes = [RunNote(run_id, firing_id, progress={"fraction": n / 10}) for n in range(5)]
    notes.append(RunNote(run_id, firing_id, reason="timeout"))
    store.write(Batch(claimed.firing.claimed_by, notes=notes))
    run = store.run(run_id)
    assert (run.progress, run.reason) == ({"fraction": 0.4}, "timeout")


@pytest.mark.parametrize("status", [FiringStatus.WAITING, FiringStatus.QUEUED])
def test_what_is_handed_back_is_free_for_others(store: Any, status: FiringStatus) -> None:
    """The firing, its lock and its queued runs belong to nobody; ended runs keep their worker."""
    me = store.worker()
    claimed = claimed_firing(store, me)
    firing = claimed.firing
    ends = [RunEnd(runs(claimed)[name], firing.id, S.SUCCESS, store.now) for name in "ac"]
    back = HandBack(firing, status, store.now + SECOND)
    store.write(Batch(me, ends=ends, hand_backs=[back]))
    found, state = store.firing(firing.id), store.schedule()
    assert (found.status, found.claimed_by) == (status, None)
    assert (found.available_at, found.version) == (store.now + SECOND, firing.version + 1)
    assert {run.job_name: run.worker_id for run in found.runs} == {"a": me, "b": None, "c": me}
    assert state.locked_by is None
    assert state.recent == ()


def test_a_lock_of_another_firing_is_not_given_up(store: Any) -> None:
    """I9: a firing frees the lock that it holds, never the one that another firing holds."""
    me = store.worker()
    claimed = claimed_firing(store, me, overlap="allow")
    store.edit("job_schedule", "s", locked_by=f"{me}:999999", locked_at=NOON)
    store.finish(claimed)
    assert store.schedule().locked_by == f"{me}:999999"


# Fencing


def leaves(claimed: Claimed, now: datetime) -> Batch:
    batch = everything_of(claimed, now)
    batch.firing_ends = [FiringEnd(claimed.firing, FiringStatus.FAILED)]
    return batch


def hands_back(claimed: Claimed, now: datetime) -> Batch:
    return Batch("worker-0", hand_backs=[HandBack(claimed.firing, FiringStatus.QUEUED, now)])


def only_logs(claimed: Claimed, now: datetime) -> Batch:
    batch = everything_of(claimed, now)
    return Batch("worker-0", logs=batch.logs, notes=batch.notes)


@pytest.mark.parametrize("tried", [False, True])
@pytest.mark.parametrize("kind", [everything_of, leaves, hands_back, only_logs])
@pytest.mark.parametrize("after", ["lost", "claimed by another", "ended by another"])
def test_a_worker_that_lost_its_claim_writes_nothing(
    store: Any, kind: Callable[[Claimed, datetime], Batch], after: str, tried: bool
) -> None:
    """I3: no result, no log, no state, whatever became of the firing, in a repeated batch too."""
    me = store.worker()
    assert me == "worker-0"
    claimed = claimed_firing(store, me)
    store.clock.advance(61 * SECOND)
    batch = kind(claimed, store.now)
    batch.tried = tried
    other = store.worker()
    store.recover(me)
    if after != "lost":
        (again,) = store.claim(other).claimed
        if after == "ended by another":
            store.write(Batch(other, firing_ends=[FiringEnd(again.firing, FiringStatus.FAILED)]))
    before = store.everything()
    assert store.write(batch).fenced == {claimed.firing.id}
    assert store.everything() == before


def test_fencing_is_firing_by_firing(store: Any) -> None:
    """I3: of a batch of two firings, the one that is lost is left out and the other written."""
    me = store.worker()
    lost = claimed_firing(store, me, "s1")
    kept = claimed_firing(store, me, "s2")
    store.edit("job_firing", lost.firing.id, claimed_by="somebody", version=9)
    one, two = store.ending(lost), store.ending(kept)
    logs = [LogRecord(runs(c)["a"], c.firing.id, "INFO", "x", NOON) for c in (lost, kept)]
    batch = Batch(me, ends=one.ends + two.ends, logs=logs)
    batch.firing_ends = one.firing_ends + two.firing_ends
    assert store.write(batch).fenced == {lost.firing.id}
    assert store.firing(kept.firing.id).status == FiringStatus.SUCCESS
    assert store.firing(lost.firing.id).status == FiringStatus.RUNNING
    assert [row["job_run_id"] for row in store.rows("job_log")] == [runs(kept)["a"]]


def test_a_start_is_only_of_a_queued_run_of_ones_own(store: Any) -> None:
    """I5: a run that has ended, or is another's, is not started."""
    me = store.worker()
    claimed = claimed_firing(store, me)
    run_id = runs(claimed)["b"]
    store.edit("job_run", run_id, worker_id="somebody")
    store.write(Batch(me, starts=[(run_id, claimed.firing.id)]))
    assert store.run(run_id).status is S.QUEUED
    store.edit("job_run", run_id, worker_id=me, status="CANCELLED")
    store.write(Batch(me, starts=[(run_id, claimed.firing.id)]))
    assert store.run(run_id).status is S.CANCELLED


def test_an_end_leaves_only_the_state_it_knows(store: Any) -> None:
    """I3: a run that is not as its worker believes keeps its state: ended once is ended."""
    claimed = claimed_firing(store, store.worker())
    run_id = runs(claimed)["a"]
    store.edit("job_run", run_id, status="LOST")
    end = RunEnd(run_id, claimed.firing.id, S.SUCCESS, NOON)
    store.write(Batch(claimed.firing.claimed_by, ends=[end]))
    assert store.run(run_id).status is S.LOST


@pytest.mark.backends("postgresql", "mariadb")
@pytest.mark.parametrize("first", ["recovery", "end"])
def test_of_an_end_and_a_recovery_at_once_one_wins(
    store: Any, open_database: Callable[[Clock], Database], first: str
) -> None:
    """I3: the guard stands on a locked row: whoever comes second sees what the first has done."""
    me = store.worker()
    claimed = claimed_firing(store, me)
    store.clock.advance(61 * SECOND)
    store.worker()
    batch = store.ending(claimed)
    steps: dict[str, Callable[[Any], Any]] = {
        "recovery": lambda tx: recover.recover(tx, me),
        "end": lambda tx: record.record(tx, batch),
    }
    apart: dict[str, Callable[[], Any]] = {
        "recovery": lambda: store.transact(steps["recovery"]),
        "end": lambda: store.write(batch),
    }
    second = "end" if first == "recovery" else "recovery"
    waits = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        with open_database(store.clock).write() as tx:
            steps[first](tx)
            with store.before(FIRST_LOCK, lambda _: waits.set()):
                future = pool.submit(apart[second])
                assert waits.wait(20)
        outcome = future.result(timeout=20)
    firing = store.firing(claimed.firing.id)
    if first == "recovery":
        assert outcome.fenced == {firing.id}
        assert {run.status for run in firing.runs} == {S.LOST, S.SKIPPED, S.QUEUED}
        assert firing.status is FiringStatus.QUEUED
    else:
        assert outcome.lost_runs == ()
        assert {run.status for run in firing.runs} == {S.SUCCESS}
        assert firing.status is FiringStatus.SUCCESS


# A COMMIT whose answer was lost


def started(claimed: Claimed, now: datetime) -> Batch:
    run, firing = runs(claimed), claimed.firing
    end = RunEnd(run["a"], firing.id, S.SUCCESS, now)
    log = LogRecord(run["c"], firing.id, "INFO", "one", now)
    return Batch("worker-0", starts=[(run["b"], firing.id)], ends=[end], logs=[log])


def only_starts(claimed: Claimed, now: datetime) -> Batch:
    batch = started(claimed, now)
    return Batch("worker-0", starts=batch.starts, logs=batch.logs)


def only_attempts(claimed: Claimed, now: datetime) -> Batch:
    batch = started(claimed, now)
    return Batch("worker-0", attempts=[retry_of(claimed, "a", now)], logs=batch.logs)


@pytest.mark.parametrize(
    "kind", [everything_of, leaves, hands_back, started, only_starts, only_attempts]
)
def test_a_batch_that_was_committed_after_all_is_not_written_twice(
    store: Any, kind: Callable[[Claimed, datetime], Batch]
) -> None:
    """I3: the repeat of a batch whose COMMIT was answered by silence changes nothing."""
    me = store.worker()
    claimed = claimed_firing(store, me)
    batch = kind(claimed, store.now)
    done = store.write(batch)
    before = store.everything()
    batch.tried = True
    store.clock.advance(SECOND)
    again = store.write(batch)
    assert store.everything() == before
    assert again.attempt_ids == done.attempt_ids
    if batch.ends:
        assert again.fenced == frozenset()


def test_a_firing_that_came_back_to_its_worker_is_not_handed_back_again(store: Any) -> None:
    """I3: a hand-back was committed unseen, and its worker has claimed the firing anew: both hold.

    The firing is this worker's and RUNNING again, but it is not the claim that the batch is of.
    """
    me = store.worker()
    claimed = claimed_firing(store, me)
    ends = [RunEnd(runs(claimed)[name], claimed.firing.id, S.SUCCESS, store.now) for name in "ac"]
    back = HandBack(claimed.firing, FiringStatus.QUEUED, store.now)
    batch = Batch(me, ends=ends, hand_backs=[back])
    store.write(batch)
    (again,) = store.claim(me).claimed
    before = store.everything()
    batch.tried = True
    assert store.write(batch).fenced == frozenset()
    assert store.everything() == before
    done = RunEnd(runs(again)["b"], again.firing.id, S.SUCCESS, store.now)
    end = FiringEnd(again.firing, FiringStatus.SUCCESS)
    assert store.write(Batch(me, ends=[done], firing_ends=[end])).fenced == frozenset()


# What it tells


def test_it_tells_whether_others_wait(store: Any) -> None:
    """Who has a slot free looks at once when something waits, and spares the look otherwise."""
    me = store.worker()
    first, second = claimed_firing(store, me, "s"), claimed_firing(store, me, "t")
    quiet = store.transact(lambda tx: record.record(tx, everything_of(first, store.now)))
    assert not quiet.others_wait
    store.trigger("t")
    busy = store.transact(lambda tx: record.record(tx, everything_of(second, store.now)))
    assert busy.others_wait


def test_what_is_handed_back_waits(store: Any) -> None:
    """It may be claimed again by the same worker, which must know until when it waits."""
    me = store.worker()
    claimed = claimed_firing(store, me)
    back = Batch(me, hand_backs=[HandBack(claimed.firing, FiringStatus.WAITING, store.now + HOUR)])
    assert store.transact(lambda tx: record.record(tx, back)).others_wait
