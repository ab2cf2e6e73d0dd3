"""CLAIM: a worker takes firings that wait; overlap is decided in the claiming transaction."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from jobsched import Schedule
from jobsched.clock import Clock
from jobsched.model import FiringStatus, JobDefinition, JobRunStatus, PlannedJob, TriggerType
from jobsched.store import candidates, claim, firings, record, steer
from jobsched.store.batch import Batch, HandBack, RunEnd
from jobsched.store.database import Database
from jobsched.store.firings import NewFiring
from jobsched.store.plans import NewRun

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
QUEUED, RUNNING = JobRunStatus.QUEUED, JobRunStatus.RUNNING


def hourly(schedule_id: str = "s", **fields: Any) -> Schedule:
    """Enabled, due every hour, of the job a; one firing waits while another one runs."""
    fields = {"jobs": ["a"], "enabled": True, "overlap": "queue"} | fields
    return Schedule(schedule_id, every=HOUR, **fields)


def queue(store: Any, schedule_id: str | None = "s", **fields: Any) -> int:
    """A firing that waits, as if it had been fired; its id."""
    new = {
        "app": "default",
        "scheduled_for": store.now,
        "trigger": TriggerType.CRON,
        "available_at": store.now,
        "schedule_id": schedule_id,
    }
    written = store.transact(lambda tx: firings.insert_one(tx, NewFiring(**new | fields)))
    firing_id: int = written.id
    return firing_id


def claimed_ids(store: Any, worker_id: str, **claimer: Any) -> list[int]:
    return [one.firing.id for one in store.claim(worker_id, **claimer).claimed]


# A claim


def test_a_claim_takes_the_firing_its_schedule_and_its_runs(store: Any) -> None:
    """I5: status, owner, version, lock, plan and start are written together."""
    jobs = (JobDefinition("a"), JobDefinition("b", depends_on=("a",)))
    store.declare(hourly(jobs=None, timeout=60), jobs=jobs)
    me = store.worker()
    firing_id = queue(store)
    store.clock.advance(SECOND)
    (claimed,) = store.claim(me).claimed
    firing = store.firing(firing_id)
    assert (firing.status, firing.claimed_by, firing.version) == (FiringStatus.RUNNING, me, 1)
    assert firing.started_at == store.now
    assert [(run.job_name, run.status, run.worker_id) for run in firing.runs] == [
        ("a", RUNNING, me),
        ("b", QUEUED, me),
    ]
    assert (claimed.runs, claimed.timeout) == (firing.runs, timedelta(seconds=60))
    assert claimed.firing.version == firing.version
    state = store.schedule()
    assert (state.locked_by, state.last_run_at) == (f"{me}:{firing_id}", store.now)
    assert store.claim(store.worker()).claimed == ()


def test_a_single_job_needs_no_schedule(store: Any) -> None:
    """The app's own request runs without a schedule's lock, as often as it is made."""
    store.declare()
    me = store.worker()
    ids = [queue(store, None, job_name="a", trigger=TriggerType.EVENT) for _ in range(2)]
    assert claimed_ids(store, me) == ids


def test_claims_go_by_priority_then_time_then_id(store: Any) -> None:
    """The higher priority first, then what could start the longest, then the older one."""
    store.declare()
    me = store.worker()
    late = queue(store, None, job_name="a")
    low = queue(store, None, job_name="a", priority=-1, available_at=NOON - HOUR)
    early = queue(store, None, job_name="a", available_at=NOON - HOUR)
    high = queue(store, None, job_name="a", priority=1)
    later = queue(store, None, job_name="a")
    assert [claimed_ids(store, me, slots=1) for _ in range(5)] == [
        [high],
        [early],
        [late],
        [later],
        [low],
    ]


def test_nothing_is_claimed_before_its_time(store: Any) -> None:
    """I6: `available_at` is the earliest start, by the database's clock."""
    store.declare()
    me = store.worker()
    firing_id = queue(store, None, job_name="a", available_at=NOON + SECOND)
    assert claimed_ids(store, me) == []
    store.clock.advance(SECOND)
    assert claimed_ids(store, me) == [firing_id]


def test_only_the_own_app_is_claimed(store: Any) -> None:
    """Two apps on one database run nothing of each other's, though their jobs have one name."""
    store.declare()
    store.declare(app="other")
    me = store.worker()
    queue(store, None, job_name="a", app="other")
    assert claimed_ids(store, me) == []
    assert len(claimed_ids(store, store.worker(app="other"), app="other")) == 1


def test_a_worker_claims_only_what_it_knows_all_jobs_of(store: Any) -> None:
    """A firing waits for a worker that can run the whole of its plan."""
    store.declare(hourly(jobs=["a", "b"]))
    firing_id = queue(store)
    assert claimed_ids(store, store.worker(), knows="a") == []
    assert claimed_ids(store, store.worker(), knows="a b") == [firing_id]


def test_a_firing_far_behind_others_is_found(store: Any) -> None:
    """Hundreds of firings that this worker cannot run do not hide one that it can."""
    store.declare()
    unknown = NewFiring("default", NOON, TriggerType.EVENT, NOON, job_name="b")
    store.transact(lambda tx: firings.insert(tx, [unknown] * 250))
    firing_id = queue(store, None, job_name="a")
    assert claimed_ids(store, store.worker(), knows="a", slots=1) == [firing_id]


def test_without_a_slot_nothing_is_claimed(store: Any) -> None:
    """A full worker leaves what waits to others."""
    store.declare()
    queue(store, None, job_name="a")
    assert store.claim(store.worker(), slots=0).claimed == ()


def test_there_are_never_more_claims_or_starts_than_slots(store: Any) -> None:
    """No more firings than can start a job at once, and no more RUNNING job runs than slots: a
    firing that could not start is left to a worker that can, and to its deadline."""
    store.declare(hourly("s1", jobs=["a", "b"]), hourly("s2", jobs=["a"]), hourly("s3"))
    for schedule_id in ("s1", "s2", "s3"):
        queue(store, schedule_id)
    done = store.claim(store.worker(), slots=2)
    assert [one.firing.schedule_id for one in done.claimed] == ["s1"]
    assert sum(one.started for one in done.claimed) == 2
    others = store.claim(store.worker(), slots=2)
    assert [one.firing.schedule_id for one in others.claimed] == ["s2", "s3"]


def test_a_worker_that_is_not_alive_claims_nothing(store: Any) -> None:
    """I7: one whose heartbeat is older than its lock timeout, or that was declared lost, takes
    nothing, however long ago it looked at its own heart."""
    store.declare()
    queue(store, None, job_name="a")
    late, lost = store.worker(), store.worker()
    store.edit("worker_instance", lost, status="LOST")
    mine = store.claimer(lost)
    assert store.transact(lambda tx: claim.claim(tx, mine)).claimed == ()
    mine = store.claimer(late)
    store.clock.advance(timedelta(hours=1))
    assert store.transact(lambda tx: claim.claim(tx, mine)).claimed == ()
    assert claimed_ids(store, store.worker(), knows="a") != []


# The plan


def test_the_plan_is_made_of_the_mirrored_jobs(store: Any) -> None:
    """A claim reads job_definition: groups and dependencies as the last sync wrote them."""
    before = (JobDefinition("a", group="g"), JobDefinition("b"))
    after = (JobDefinition("a", group="g"), JobDefinition("b", group="g", depends_on=("a",)))
    store.declare(hourly(jobs=None, group="g"), jobs=before)
    queue(store)
    store.declare(hourly(jobs=None, group="g"), jobs=after)
    (claimed,) = store.claim(store.worker()).claimed
    assert [(run.job_name, run.depends_on) for run in claimed.runs] == [("a", ()), ("b", ("a",))]


def test_a_plan_is_written_once(store: Any) -> None:
    """A firing that was handed back goes on with its rows, whatever is declared by then."""
    store.declare(hourly(jobs=["a", "b"]))
    me = store.worker()
    queue(store)
    (claimed,) = store.claim(me, slots=1).claimed
    end = RunEnd(claimed.runs[0].id, claimed.firing.id, JobRunStatus.SUCCESS, store.now)
    back = HandBack(claimed.firing, FiringStatus.QUEUED, store.now)
    store.write(Batch(me, ends=[end], hand_backs=[back]))
    store.declare(hourly(jobs=["c"]))
    other = store.worker()
    (again,) = store.claim(other, knows="b").claimed
    assert [(run.job_name, run.status, run.worker_id) for run in again.runs] == [
        ("a", JobRunStatus.SUCCESS, me),
        ("b", RUNNING, other),
    ]
    assert again.firing.started_at == claimed.firing.started_at


def test_a_plan_that_cannot_be_made_waits_and_blocks_nobody(store: Any) -> None:
    """I14: a firing whose group is empty stays queued while the others are claimed."""
    store.declare(
        hourly("bad", jobs=None, group="g"), hourly(), jobs=(JobDefinition("a", group="g"),)
    )
    queue(store, "bad", priority=9)
    firing_id = queue(store)
    store.declare(hourly("bad", jobs=None, group="g"), hourly(), jobs=(JobDefinition("a"),))
    assert claimed_ids(store, store.worker(), slots=1) == [firing_id]


@pytest.mark.parametrize("change", [{"overlap": "sometimes"}, {"jobs": 5}])
def test_a_poisoned_schedule_blocks_no_other_claim(store: Any, change: dict[str, Any]) -> None:
    """I14: what waits of a schedule whose row cannot be read goes on waiting, alone."""
    store.declare(hourly("bad"), hourly())
    bad = queue(store, "bad", priority=9)
    firing_id = queue(store)
    store.edit("job_schedule", "bad", **change)
    assert claimed_ids(store, store.worker()) == [firing_id]
    assert [one.status for one in store.firings() if one.id == bad] == ["QUEUED"]


def waiting_for_a_retry(store: Any, me: str) -> int:
    """A firing of the jobs a and b: a is to be tried again in ten seconds, b needs it."""
    jobs = (JobDefinition("a", retries=1), JobDefinition("b", depends_on=("a",)))
    store.declare(hourly(jobs=["a", "b"]), jobs=jobs)
    firing_id = queue(store)
    (claimed,) = store.claim(me).claimed
    firing, run = claimed.firing, claimed.runs[0]
    again = store.now + 10 * SECOND
    retry = NewRun(
        firing.id, "s", PlannedJob("a"), 2, QUEUED, "CRON", firing.scheduled_for, again, {}, me
    )
    end = RunEnd(run.id, firing.id, JobRunStatus.FAILED, store.now)
    back = HandBack(firing, FiringStatus.WAITING, again)
    store.write(Batch(me, ends=[end], attempts=[retry], hand_backs=[back]))
    return firing_id


def test_a_retry_is_claimed_by_anyone_at_its_time(store: Any) -> None:
    """A firing WAITING for a retry goes on where a worker has a slot, from the attempt on."""
    firing_id = waiting_for_a_retry(store, store.worker())
    other = store.worker()
    assert store.claim(other).claimed == ()
    store.clock.advance(10 * SECOND)
    (claimed,) = store.claim(other).claimed
    assert claimed.firing.id == firing_id
    assert [(run.job_name, run.attempt, run.status, run.worker_id) for run in claimed.runs] == [
        ("a", 1, JobRunStatus.FAILED, claimed.runs[0].worker_id),
        ("b", 1, QUEUED, other),
        ("a", 2, RUNNING, other),
    ]
    assert claimed.runs[2].started_at == store.now


# Overlap


@pytest.mark.parametrize("overlap", ["skip", "queue", "cancel_previous"])
def test_one_firing_of_a_schedule_at_a_time(store: Any, overlap: str) -> None:
    """I9: where overlap is limited the oldest is claimed, the next one when it has ended."""
    store.declare(hourly(overlap=overlap))
    me = store.worker()
    first, second = queue(store), queue(store)
    (claimed,) = store.claim(me).claimed
    assert claimed.firing.id == first
    assert claimed_ids(store, me) == []
    store.finish(claimed)
    assert claimed_ids(store, me) == [second]


def test_an_allowed_overlap_takes_no_lock(store: Any) -> None:
    """`overlap="allow"` claims all that wait, and leaves the schedule's row alone."""
    store.declare(hourly(overlap="allow"))
    ids = [queue(store), queue(store)]
    assert claimed_ids(store, store.worker()) == ids
    assert store.schedule().locked_by is None


def test_a_firing_that_waits_for_a_retry_keeps_its_turn(store: Any) -> None:
    """I9: a later firing does not pass one that is WAITING, which is live and ahead of it."""
    me = store.worker()
    firing_id = waiting_for_a_retry(store, me)
    queue(store)
    assert claimed_ids(store, me) == []
    store.clock.advance(10 * SECOND)
    assert claimed_ids(store, me) == [firing_id]


def test_a_schedule_that_is_locked_is_not_claimed(store: Any) -> None:
    """I9: the lock stands until its holder's firing leaves, or recovery frees it."""
    store.declare(hourly())
    queue(store)
    store.edit("job_schedule", "s", locked_by="somebody:7", locked_at=NOON)
    assert store.claim(store.worker()).claimed == ()


@pytest.mark.backends("postgresql", "mariadb")
def test_of_two_open_claims_one_gets_the_schedule(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I9: while one transaction has the schedule's row, another passes it over, and knows."""
    store.declare(hourly(overlap="allow"))
    queue(store)
    queue(store)
    store.declare(hourly())
    one, other = (store.claimer(store.worker()) for _ in range(2))
    with open_database(store.clock).write() as tx:
        assert len(claim.claim(tx, one).claimed) == 1
        outcome = store.transact(lambda tx: claim.claim(tx, other))
        assert (outcome.claimed, outcome.contended) == ((), True)
    outcome = store.transact(lambda tx: claim.claim(tx, other))
    assert (outcome.claimed, outcome.contended) == ((), False)


@pytest.mark.backends("postgresql", "mariadb")
def test_overlap_is_decided_under_the_row_lock(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I9: a firing that began between the look and the lock is seen, and stops the claim."""
    store.declare(hourly())
    queue(store)
    second = open_database(store.clock)
    other = store.claimer(store.worker())

    def claim_first(_: object) -> None:
        assert len(second.transact(lambda tx: claim.claim(tx, other)).claimed) == 1

    with store.before(r"SELECT job_schedule.* FOR UPDATE", claim_first):
        assert store.claim(store.worker()).claimed == ()
    assert store.schedule().locked_by.startswith(other.worker_id)


@pytest.mark.backends("postgresql", "mariadb")
def test_a_lock_that_was_taken_meanwhile_stands(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I9: the schedule's lock is looked at again under the row lock, whoever has it by now."""
    store.declare(hourly())
    queue(store)
    table = store.database.tables.job_schedule
    taken = sa.update(table).values(locked_by="somebody:7", locked_at=NOON)
    second = open_database(store.clock)

    def take(_: object) -> None:
        second.transact(lambda tx: tx.connection.execute(taken))

    with store.before(r"SELECT job_schedule.* FOR UPDATE", take):
        assert store.claim(store.worker()).claimed == ()
    assert store.schedule().locked_by == "somebody:7"


@pytest.mark.backends("postgresql", "mariadb")
def test_an_older_firing_that_came_alive_meanwhile_goes_first(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I9: under the row lock the live firings are looked at again, not only the lock."""
    store.declare(hourly())
    me = store.worker()
    queue(store)
    (older,) = store.claim(me).claimed
    store.finish(older, JobRunStatus.FAILED)
    newer = queue(store)
    second = open_database(store.clock)

    def retry_older(_: object) -> None:
        second.transact(lambda tx: steer.retry(tx, "default", older.firing.id, by=None))

    with store.before(r"SELECT job_schedule.* FOR UPDATE", retry_older):
        assert store.claim(me).claimed == ()
    assert claimed_ids(store, me) == [older.firing.id]
    assert store.firing(newer).status is FiringStatus.QUEUED


@pytest.mark.backends("postgresql", "mariadb")
def test_a_firing_that_went_and_came_back_is_not_the_one_that_was_seen(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I1: a claim compares the version, not the state alone: QUEUED again is not unchanged."""
    store.declare(hourly(overlap="allow"))
    queue(store)
    second = open_database(store.clock)
    other = store.claimer(store.worker())

    def claim_and_hand_back(_: object) -> None:
        (taken,) = second.transact(lambda tx: claim.claim(tx, other)).claimed
        back = HandBack(taken.firing, FiringStatus.QUEUED, store.now)
        batch = Batch(other.worker_id, hand_backs=[back])
        second.transact(lambda tx: record.record(tx, batch))

    with store.before(r"SELECT job_firing.id.* FOR UPDATE", claim_and_hand_back):
        outcome = store.claim(store.worker())
    assert (outcome.claimed, outcome.contended) == ((), True)


def test_overlap_holds_under_two_workers_at_once(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I1, I9: two connections that claim as fast as they can: each once, one per schedule."""
    names = [f"s{n}" for n in range(4)]
    store.declare(*(hourly(name) for name in names))
    wanted = [queue(store, name) for _ in range(5) for name in names]
    databases = [store.database, open_database(store.clock)]
    claimers = [store.claimer(store.worker(), slots=2) for _ in databases]
    together = threading.Barrier(2)
    running: set[str] = set()
    seen: list[int] = []
    overlaps: list[int] = []

    def work(database: Database, me: Any) -> None:
        together.wait(timeout=20)
        for _ in range(200):
            if len(seen) == len(wanted):
                return
            for one in database.transact(lambda tx: claim.claim(tx, me)).claimed:
                firing = one.firing
                if firing.schedule_id in running:
                    overlaps.append(firing.id)
                running.add(firing.schedule_id or "")
                seen.append(firing.id)
                running.discard(firing.schedule_id or "")
                batch = store.ending(one)
                database.transact(lambda tx, batch=batch: record.record(tx, batch))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, databases, claimers))
    assert sorted(seen) == wanted
    assert overlaps == []
    assert {one.status for one in store.firings()} == {FiringStatus.SUCCESS}
    assert {store.schedule(name).run_count for name in names} == {5}


# Deadlines, locks of other systems


def test_a_firing_past_its_start_deadline_ends_instead(store: Any) -> None:
    """I6: never after the start deadline; it is SKIPPED, and the schedule is free for the next."""
    store.declare(hourly(start_deadline=60))
    me = store.worker()
    late = queue(store)
    store.clock.advance(61 * SECOND)
    timely = queue(store)
    outcome = store.claim(me)
    assert [one.id for one in outcome.too_late] == [late]
    firing = store.firing(late)
    assert (firing.status, firing.reason) == (FiringStatus.SKIPPED, "deadline")
    assert firing.finished_at == store.now
    assert claimed_ids(store, me) == [timely]


def test_what_has_started_is_past_no_deadline(store: Any) -> None:
    """I6: the deadline is for the start: a firing that was handed back goes on."""
    store.declare(hourly(jobs=["a", "b"], start_deadline=60))
    me = store.worker()
    queue(store)
    (claimed,) = store.claim(me).claimed
    ends = [RunEnd(claimed.runs[0].id, claimed.firing.id, JobRunStatus.SUCCESS, store.now)]
    back = HandBack(claimed.firing, FiringStatus.QUEUED, store.now)
    store.write(Batch(me, ends=ends, hand_backs=[back]))
    store.clock.advance(HOUR)
    assert claimed_ids(store, me) == [claimed.firing.id]


def test_with_a_shared_lock_only_what_is_held_is_claimed(store: Any) -> None:
    """I12: `wanted` says what to lock; without its lock a firing stays, with the reason."""
    store.declare(hourly("s1"), hourly("s2"), hourly("free", overlap="allow"))
    one, two, free = (queue(store, name) for name in ("s1", "s2", "free"))
    me = store.worker()
    mine = store.claimer(me)
    wanted = store.query(lambda tx: candidates.wanted(tx, mine))
    assert [(w.firing_id, w.schedule_id) for w in wanted] == [(one, "s1"), (two, "s2")]
    assert claimed_ids(store, me, allowed={two}) == [two, free]
    refused = {one: "RedisLock failed: " + "x" * 300}
    store.transact(lambda tx: candidates.postpone(tx, refused, 5 * SECOND))
    firing = store.firing(one)
    assert firing.available_at == store.now + 5 * SECOND
    assert firing.reason.startswith("lock: RedisLock failed: xx")
    assert store.claim(me).claimed == ()
    store.clock.advance(5 * SECOND)
    (claimed,) = store.claim(me).claimed
    assert (claimed.firing.id, claimed.firing.reason) == (one, None)
    assert store.firing(one).reason is None


def test_what_is_claimed_meanwhile_is_not_postponed(store: Any) -> None:
    """A lock that was refused says nothing about a firing that another worker runs by now."""
    store.declare(hourly())
    firing_id = queue(store)
    store.claim(store.worker())
    store.transact(lambda tx: candidates.postpone(tx, {firing_id: "late"}, HOUR))
    firing = store.firing(firing_id)
    assert (firing.available_at, firing.reason) == (NOON, None)


def test_a_manual_firing_waits_its_turn(store: Any) -> None:
    """I9: "Run now" is held back by what runs, like any other firing of the schedule."""
    store.declare(hourly())
    me = store.worker()
    queue(store)
    (claimed,) = store.claim(me).claimed
    manual = store.trigger()
    assert store.claim(me).claimed == ()
    store.finish(claimed)
    assert claimed_ids(store, me) == [manual.id]
