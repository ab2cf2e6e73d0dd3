"""RECOVER: what a dead worker held goes back to the others, by the jobs' own policies."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched import Schedule
from jobsched.clock import Clock
from jobsched.model import (
    FiringStatus,
    JobDefinition,
    JobRunStatus,
    OnLost,
    WorkerStatus,
    WorkerType,
)
from jobsched.store import fire, recover, steer
from jobsched.store.batch import Batch, RunEnd
from jobsched.store.claim import Claimed
from jobsched.store.database import Database

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
S = JobRunStatus


def candidates(store: Any) -> list[str]:
    found: list[str] = store.query(recover.candidates)
    return found


def dying(store: Any, *jobs: JobDefinition, worker_id: str | None = None, **fields: Any) -> Claimed:
    """A firing of these jobs whose worker falls silent for longer than its lock timeout."""
    me = worker_id or store.worker()
    store.declare(Schedule("s", every=HOUR, enabled=True, **fields), jobs=jobs)
    claimed: Claimed = store.fire_due(me)
    store.clock.advance(61 * SECOND)
    return claimed


def outcome(store: Any, claimed: Claimed) -> list[tuple[str, int, str, str | None]]:
    """(job, attempt, status, reason) of each run."""
    return [
        (run.job_name, run.attempt, run.status.value, run.reason)
        for run in store.firing(claimed.firing.id).runs
    ]


# Whether to look more closely


def looked(store: Any, lock_timeout: timedelta = 60 * SECOND) -> recover.Look:
    found: recover.Look = store.query(lambda tx: recover.look(tx, "default", lock_timeout))
    return found


def test_a_look_is_one_statement(store: Any) -> None:
    """It is asked every ten seconds, by every daemon."""
    store.worker()
    with store.statements() as made:
        looked(store)
    assert len([one for one in made if one.startswith("SELECT")]) == 1


def test_while_all_is_well_a_look_finds_nothing(store: Any) -> None:
    """Live workers hold what they run; the app's daemons are told."""
    me, other = store.worker(), store.worker(app="other")
    aside = store.worker(kind=WorkerType.JOB_WORKER)
    store.declare(Schedule("s", every=HOUR, enabled=True), jobs=[JobDefinition("a")])
    store.fire_due(me)
    for one in (me, other, aside):
        store.beat(one)
    found = looked(store)
    assert found == recover.Look(frozenset({me}), somebody_is_dead=False, something_waits=False)


@pytest.mark.parametrize("status", ["STOPPED", "LOST", None])
@pytest.mark.parametrize("what", ["claim", "lock"])
def test_what_nobody_holds_any_more_is_seen(store: Any, what: str, status: str | None) -> None:
    """A claim or a schedule's lock of who has ended, or whose row is gone."""
    me, living = store.worker(), store.worker()
    claimed = dying(store, JobDefinition("a"), worker_id=me)
    store.beat(me)
    store.beat(living)
    assert not looked(store).somebody_is_dead
    if what == "claim":
        store.edit("job_schedule", "s", locked_by=None, locked_at=None)
    else:
        store.edit("job_firing", claimed.firing.id, status="SUCCESS")
    if status is None:
        store.edit("worker_instance", me, id="another", status="STOPPED")
    else:
        store.edit("worker_instance", me, status=status)
    assert looked(store).somebody_is_dead


def test_a_silent_worker_is_seen(store: Any) -> None:
    """By its own lock timeout, whichever app's it is."""
    store.beat(store.worker(app="other"))
    assert not looked(store).somebody_is_dead
    store.clock.advance(61 * SECOND)
    store.worker()
    assert looked(store).somebody_is_dead


def test_a_firing_that_waits_for_long_is_seen(store: Any) -> None:
    """After a lock timeout, of the own app."""
    me = store.worker()
    store.declare(Schedule("s", every=HOUR, enabled=True), jobs=[JobDefinition("a")])
    store.clock.advance(HOUR)
    store.fire(me, slots=0)
    assert not looked(store).something_waits
    store.clock.advance(61 * SECOND)
    assert looked(store).something_waits
    assert not looked(store, HOUR).something_waits


def test_who_is_not_even_there_looks_closely(store: Any) -> None:
    """Without a worker that has not ended the answer would be that of nobody."""
    assert looked(store) == recover.Look(frozenset(), True, True)


# Who is dead


def test_a_worker_is_judged_by_its_own_lock_timeout(store: Any) -> None:
    """I4: past it without a beat a worker is a candidate, at it it is not; each has its own."""
    quick, patient = store.worker(), store.worker(lock_timeout=300 * SECOND)
    store.clock.advance(60 * SECOND)
    assert candidates(store) == []
    store.clock.advance(timedelta.resolution)
    assert candidates(store) == [quick]
    store.beat(quick)
    assert candidates(store) == []
    store.clock.advance(301 * SECOND)
    assert sorted(candidates(store)) == sorted([quick, patient])


def test_who_has_ended_well_is_no_candidate(store: Any) -> None:
    """A worker that stopped and holds nothing needs no recovery, however long ago."""
    store.beat(store.worker(), WorkerStatus.STOPPED)
    store.clock.advance(HOUR)
    assert candidates(store) == []


@pytest.mark.parametrize("status", ["STOPPED", "LOST", None])
def test_who_still_holds_something_is_a_candidate(store: Any, status: str | None) -> None:
    """Whatever its status, or if its row is gone: what it holds is not left behind."""
    me = store.worker()
    claimed = dying(store, JobDefinition("a"), worker_id=me)
    store.beat(me)
    if status is None:
        store.edit("worker_instance", me, id="another-id", status="STOPPED")
    else:
        store.edit("worker_instance", me, status=status)
    assert candidates(store) == [me]
    assert store.recover(me).lost_runs[0].id == claimed.runs[0].id
    assert candidates(store) == []


def test_who_holds_only_a_lock_is_a_candidate(store: Any) -> None:
    """A schedule's lock that nobody alive holds is freed."""
    store.declare(Schedule("s", every=HOUR))
    store.edit("job_schedule", "s", locked_by="gone:7", locked_at=NOON)
    assert candidates(store) == ["gone"]
    store.recover("gone")
    assert store.schedule().locked_by is None
    assert candidates(store) == []


def test_who_beats_again_in_time_lives(store: Any) -> None:
    """I4: a worker that has beaten since it was looked at keeps everything."""
    me = store.worker()
    claimed = dying(store, JobDefinition("a"), worker_id=me)
    assert candidates(store) == [me]
    store.beat(me)
    before = store.everything()
    assert store.recover(me) is None
    assert store.everything() == before
    assert store.finish(claimed).fenced == frozenset()


@pytest.mark.backends("postgresql", "mariadb")
def test_a_beat_between_the_look_and_the_verdict_saves(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I4: LOST is a compare-and-swap on the last heartbeat that was seen."""
    me = store.worker()
    dying(store, JobDefinition("a"), worker_id=me)
    other = open_database(store.clock)
    store.clock.advance(SECOND)

    def beat(_: object) -> None:
        beat_at = store.now.replace(tzinfo=None)
        with other.engine.connect() as connection, connection.begin():
            connection.exec_driver_sql(
                f"UPDATE worker_instance SET last_heartbeat_at = '{beat_at}' WHERE id = '{me}'"
            )

    with store.before("SELECT worker_instance.id FROM", beat):
        assert store.recover(me) is None
    assert [row["status"] for row in store.rows("worker_instance")] == ["STARTING"]


@pytest.mark.backends("postgresql", "mariadb")
@pytest.mark.timeout(20)
def test_a_worker_frozen_in_the_midst_of_its_beat_is_not_waited_for(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I4: it holds its row until its session ends, and must not hold up who recovers and fires;
    then it is recovered as any other."""
    me = store.worker()
    dying(store, JobDefinition("a"), worker_id=me)
    frozen = open_database(store.clock)
    with frozen.engine.connect() as connection, connection.begin() as beat:
        connection.exec_driver_sql(f"UPDATE worker_instance SET running = 1 WHERE id = '{me}'")
        assert store.recover(me) is None
        beat.rollback()
    assert store.recover(me) is not None


# What becomes of its job runs


def test_what_ran_is_lost_and_what_needs_it_is_skipped(store: Any) -> None:
    """I5: by default a lost run is a failure; the firing ends with its counts and its lock."""
    claimed = dying(store, JobDefinition("a"), JobDefinition("b", depends_on=("a",)))
    done = store.recover(claimed.firing.claimed_by)
    assert outcome(store, claimed) == [
        ("a", 1, "LOST", "worker_lost"),
        ("b", 1, "SKIPPED", "dependency: a"),
    ]
    assert [run.job_name for run in done.lost_runs] == ["a"]
    assert [end.firing.id for end in done.ended] == [claimed.firing.id]
    firing, state = store.firing(claimed.firing.id), store.schedule()
    assert (firing.status, firing.finished_at) == (FiringStatus.FAILED, store.now)
    assert (state.failure_count, state.locked_by) == (1, None)
    assert [entry.status for entry in state.recent] == ["FAILED"]
    assert [row["status"] for row in store.rows("worker_instance")] == ["LOST"]


def test_what_has_not_started_runs_elsewhere(store: Any) -> None:
    """I5: not started is always safe: unrelated jobs go on with another worker at once."""
    me = store.worker()
    store.declare(Schedule("s", every=HOUR, enabled=True))
    store.clock.advance(HOUR)
    (claimed,) = store.fire(me, slots=1).claimed
    store.clock.advance(61 * SECOND)
    done = store.recover(me)
    assert done.requeued == (claimed.firing.id,)
    firing = store.firing(claimed.firing.id)
    assert (firing.status, firing.claimed_by) == (FiringStatus.QUEUED, None)
    assert (firing.available_at, firing.version) == (store.now, claimed.firing.version + 1)
    assert [(run.status, run.worker_id) for run in firing.runs] == [
        (S.LOST, me),
        (S.QUEUED, None),
        (S.QUEUED, None),
    ]
    (again,) = store.claim(store.worker()).claimed
    assert again.started == 2


def test_what_has_succeeded_is_not_run_again(store: Any) -> None:
    """I10: an end that was written stands; only what was under way is lost."""
    jobs = (JobDefinition("a"), JobDefinition("b", depends_on=("a",)))
    claimed = dying(store, *jobs)
    end = RunEnd(claimed.runs[0].id, claimed.firing.id, S.SUCCESS, store.now)
    store.write(Batch(claimed.firing.claimed_by, ends=[end]))
    store.recover(claimed.firing.claimed_by)
    assert outcome(store, claimed) == [("a", 1, "SUCCESS", None), ("b", 1, "QUEUED", None)]


def test_a_job_that_may_run_twice_does(store: Any) -> None:
    """I5: `on_lost="rerun"` gives it another attempt at once, and its dependents wait for it."""
    rerun = JobDefinition("a", on_lost=OnLost.RERUN)
    claimed = dying(store, rerun, JobDefinition("b", depends_on=("a",)))
    store.recover(claimed.firing.claimed_by)
    assert outcome(store, claimed) == [
        ("a", 1, "LOST", "worker_lost"),
        ("a", 2, "QUEUED", None),
        ("b", 1, "QUEUED", None),
    ]
    (again,) = store.claim(store.worker()).claimed
    assert [run.job_name for run in again.runs if run.status is S.RUNNING] == ["a"]


def test_reruns_are_bounded_over_workers(store: Any) -> None:
    """I5: a job that takes its process down does not take every daemon down in turn."""
    claimed = dying(store, JobDefinition("a", on_lost=OnLost.RERUN, max_lost=2))
    for worker_id in (claimed.firing.claimed_by, store.worker(), store.worker()):
        store.claim(worker_id)
        store.clock.advance(61 * SECOND)
        store.recover(worker_id)
    assert [status for _, _, status, _ in outcome(store, claimed)] == ["LOST"] * 3
    assert store.firing(claimed.firing.id).status is FiringStatus.FAILED


def test_a_firing_that_was_to_be_cancelled_ends_so(store: Any) -> None:
    """A request to cancel survives its worker: nothing of the firing is run again."""
    rerun = JobDefinition("a", on_lost=OnLost.RERUN)
    claimed = dying(store, rerun, JobDefinition("b", depends_on=("a",)))
    firing_id = claimed.firing.id
    store.transact(
        lambda tx: steer.cancel(tx, "default", firing_id, job=None, by=None, reason=None)
    )
    store.recover(claimed.firing.claimed_by)
    assert outcome(store, claimed) == [
        ("a", 1, "LOST", "worker_lost"),
        ("b", 1, "CANCELLED", "requested"),
    ]
    assert store.firing(firing_id).status is FiringStatus.FAILED


def test_a_job_that_was_to_be_cancelled_is_not_run_again(store: Any) -> None:
    """A request to cancel one job survives its worker too; the other jobs follow their policy."""
    jobs = [JobDefinition(name, on_lost=OnLost.RERUN) for name in "ab"]
    claimed = dying(store, *jobs)
    store.transact(
        lambda tx: steer.cancel(tx, "default", claimed.firing.id, job="a", by=None, reason=None)
    )
    store.recover(claimed.firing.claimed_by)
    assert [(job, status) for job, _, status, _ in outcome(store, claimed)] == [
        ("a", "LOST"),
        ("b", "LOST"),
        ("b", "QUEUED"),
    ]


def test_a_job_that_was_never_mirrored_is_recovered(store: Any) -> None:
    """I4: `exec` may run a job that no daemon has synced: what nobody knows is not run again."""
    claimed = dying(store, JobDefinition("a", on_lost=OnLost.RERUN))
    store.edit("job_run", claimed.runs[0].id, job_name="unknown")
    store.recover(claimed.firing.claimed_by)
    assert outcome(store, claimed) == [("unknown", 1, "LOST", "worker_lost")]
    assert store.firing(claimed.firing.id).status is FiringStatus.FAILED


def test_recovery_crosses_apps(store: Any) -> None:
    """Any daemon recovers any worker of the database, by the policies of the firing's own app."""
    store.declare(
        Schedule("theirs", every=HOUR, enabled=True),
        jobs=(JobDefinition("a", on_lost=OnLost.RERUN),),
        app="other",
    )
    theirs = store.worker(app="other")
    store.clock.advance(HOUR)
    store.fire(theirs, app="other")
    store.clock.advance(61 * SECOND)
    store.declare(jobs=(JobDefinition("a", on_lost=OnLost.FAIL),))
    assert len(store.recover(theirs).requeued) == 1
    (firing,) = store.firings(app="other")
    assert [run.status for run in firing.runs] == [S.LOST, S.QUEUED]


# Once, and all of it


def test_a_worker_is_recovered_once(store: Any) -> None:
    """A second recovery finds nothing, and changes nothing."""
    claimed = dying(store, JobDefinition("a", on_lost=OnLost.RERUN))
    store.recover(claimed.firing.claimed_by)
    before = store.everything()
    again = store.recover(claimed.firing.claimed_by)
    assert (again.requeued, again.ended, again.lost_runs) == ((), (), ())
    assert store.everything() == before


def test_two_daemons_recover_a_worker_at_once(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I5: of two recoveries at the same instant each run is lost by one of them."""
    claimed = dying(store, *(JobDefinition(name, on_lost=OnLost.RERUN) for name in "abc"))
    me = claimed.firing.claimed_by
    together = threading.Barrier(2)

    def work(database: Database) -> int:
        together.wait(timeout=20)
        done = database.transact(lambda tx: recover.recover(tx, me or ""))
        return len(done.lost_runs) if done is not None else 0

    with ThreadPoolExecutor(2) as pool:
        lost = list(pool.map(work, [store.database, open_database(store.clock)]))
    assert sorted(lost) == [0, 3]
    assert [status for _, _, status, _ in outcome(store, claimed)] == ["LOST", "QUEUED"] * 3


def test_recovery_is_one_transaction(store: Any) -> None:
    """I3: a recovery that breaks off has not even declared its worker dead."""
    claimed = dying(store, JobDefinition("a"))
    before = store.everything()

    def fail(_: object) -> None:
        raise RuntimeError

    with store.before("UPDATE job_run", fail), pytest.raises(RuntimeError):
        store.recover(claimed.firing.claimed_by)
    assert store.everything() == before


def test_a_dead_worker_learns_of_it(store: Any) -> None:
    """I3: its next beat is refused, so that it claims nothing more under its old id."""
    claimed = dying(store, JobDefinition("a"))
    me = claimed.firing.claimed_by
    store.recover(me)
    assert not store.beat(me)


def test_a_lock_that_is_freed_stays_free_when_another_firing_ends(store: Any) -> None:
    """I9: with the lock of one firing and the end of another in one recovery, no lock is left."""
    me = store.worker()
    jobs = (JobDefinition("a", on_lost=OnLost.RERUN),)
    declared = Schedule("s", every=HOUR, enabled=True, overlap="allow")
    store.declare(declared, jobs=jobs)
    first, second = store.fire_due(me), store.fire_due(me)
    store.transact(
        lambda tx: steer.cancel(tx, "default", second.firing.id, job=None, by=None, reason=None)
    )
    store.edit("job_schedule", "s", locked_by=f"{me}:{first.firing.id}", locked_at=store.now)
    store.clock.advance(61 * SECOND)
    done = store.recover(me)
    assert (len(done.requeued), len(done.ended)) == (1, 1)
    assert store.schedule().locked_by is None


@pytest.mark.backends("postgresql", "mariadb")
@pytest.mark.parametrize("overlap", ["allow", "queue"])
def test_what_the_dead_still_claimed_is_left_to_the_next_pass(
    store: Any, open_database: Callable[[Clock], Database], overlap: str
) -> None:
    """A claim that began in time and commits while it is recovered: its end is counted, once."""
    me = store.worker()
    store.declare(Schedule("s", every=HOUR, enabled=True, overlap=overlap), jobs=[job()])
    store.clock.advance(HOUR)
    store.beat(me)
    other = open_database(store.clock)
    begun, commit = threading.Event(), threading.Event()

    def claim_late() -> None:
        with other.write() as tx:
            fire.fire(tx, store.claimer(me), retry_before=tx.now - 60 * SECOND, limit=10)
            begun.set()
            assert commit.wait(20)

    with ThreadPoolExecutor(1) as pool:
        claiming = pool.submit(claim_late)
        assert begun.wait(20)
        store.clock.advance(61 * SECOND)

        def let_it_commit(_: object) -> None:
            commit.set()
            claiming.result(20)

        with store.before(r"SELECT job_firing.* FOR UPDATE", let_it_commit):
            assert store.recover(me).ended == ()
    assert candidates(store) == [me]
    (end,) = store.recover(me).ended
    state = store.schedule()
    assert (end.status, state.failure_count, state.locked_by) == (FiringStatus.FAILED, 1, None)
    assert candidates(store) == []


def job() -> JobDefinition:
    return JobDefinition("a")
