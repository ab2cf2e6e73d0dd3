"""FIRE: due occurrences become firings, and the schedule moves on, in one transaction."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from jobsched import Schedule
from jobsched.clock import Clock, SystemClock
from jobsched.errors import DeclarationError
from jobsched.model import Firing, FiringStatus, JobDefinition, JobRunStatus, Reason
from jobsched.store import due_schedules, fire, schedules
from jobsched.store.candidates import Claimer
from jobsched.store.database import Database
from jobsched.store.fire import RowsChangedError

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def hourly(schedule_id: str = "s", **fields: Any) -> Schedule:
    """Enabled, due every hour, of the job a."""
    fields = {"jobs": ["a"], "enabled": True} | fields
    return Schedule(schedule_id, every=HOUR, **fields)


def outcome(firing: Firing) -> tuple[int, str, str | None]:
    """(hour, status, reason)."""
    return firing.scheduled_for.hour, firing.status.value, firing.reason


# An occurrence


def test_an_occurrence_becomes_a_firing_and_the_schedule_moves_on(store: Any) -> None:
    """I1, I2: one firing for the occurrence, and the next one is after now."""
    store.declare(hourly())
    me = store.worker()
    store.clock.advance(HOUR + MINUTE)
    assert store.fire(me).decided == 1
    (firing,) = store.firings()
    assert (firing.scheduled_for, firing.trigger, firing.app) == (NOON + HOUR, "CRON", "default")
    state = store.schedule()
    assert (state.last_scheduled_for, state.next_run_at) == (NOON + HOUR, NOON + 2 * HOUR)
    assert store.fire(me).decided == 0


@pytest.mark.backends("sqlite")
def test_more_at_once_than_one_statement_holds(store: Any) -> None:
    """Of SQLite, which takes some thirty thousand values; each of them has its ids."""
    store.declare(*(hourly(f"s{number}") for number in range(1700)))
    me = store.worker()
    store.clock.advance(HOUR)
    claimed = store.fire(me, slots=1700, limit=1700).claimed
    assert len({one.firing.id for one in claimed}) == 1700
    assert len({run.id for one in claimed for run in one.runs}) == 1700
    assert {run.firing_id for one in claimed for run in one.runs} == {
        one.firing.id for one in claimed
    }


def test_nothing_fires_early(store: Any) -> None:
    """I6: a microsecond before its time an occurrence is not due, at its time it is."""
    store.declare(hourly())
    me = store.worker()
    store.clock.advance(HOUR - timedelta.resolution)
    assert store.fire(me).decided == 0
    store.clock.advance(timedelta.resolution)
    assert store.fire(me).decided == 1


def test_times_are_kept_to_the_microsecond(store: Any) -> None:
    """I1: an occurrence is compared with itself in every database, whatever its fraction."""
    start = NOON + timedelta(microseconds=123457)
    store.declare(hourly(start=start))
    me = store.worker()
    store.clock.move_to(start)
    assert store.fire(me).decided == 1
    assert [firing.scheduled_for for firing in store.firings()] == [start]
    assert store.schedule().next_run_at == start + HOUR
    (row,) = store.rows("job_firing")
    assert row["dedup_key"] == "cron:s:2026-03-02T12:00:00.123457Z"


def due_in(delay: timedelta, store: Any, real: Database) -> tuple[datetime, Claimer]:
    """A schedule that is due so long from now by the server's clock: when, and who may fire it."""
    begin = real.query(lambda tx: real.measure(tx.connection))
    store.clock.move_to(begin)
    store.declare(hourly(start=begin + delay))
    return begin + delay, store.claimer(store.worker())


@pytest.mark.backends("postgresql", "mariadb")
def test_what_is_done_ahead_is_committed_in_time(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I6: everything but the commit may be done before; the rows are of the due time."""
    real = open_database(SystemClock())
    due_at, me = due_in(timedelta(seconds=0.2), store, real)

    def wait() -> None:
        left = due_at + timedelta(milliseconds=5) - real.time.now()
        real.clock.wait(threading.Event(), max(0.0, left.total_seconds()))

    done = real.transact(
        lambda tx: fire.fire(tx, me, retry_before=tx.now, limit=9, until_due=wait), at=due_at
    )
    assert (done.decided, len(done.claimed)) == (1, 1)
    assert done.following == due_at + HOUR
    assert real.query(lambda tx: real.measure(tx.connection)) >= due_at
    (firing,) = store.firings()
    assert (firing.scheduled_for, firing.started_at) == (due_at, due_at)


@pytest.mark.backends("postgresql", "mariadb")
def test_a_host_that_thinks_it_is_time_fires_nothing_early(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I6: the database's clock has the last word, and then nothing at all was written."""
    real = open_database(SystemClock())
    due_at, me = due_in(HOUR, store, real)
    with pytest.raises(fire.RowsChangedError):
        real.transact(
            lambda tx: fire.fire(tx, me, retry_before=tx.now, limit=9, until_due=lambda: None),
            at=due_at,
        )
    assert store.firings() == []
    assert store.schedule().next_run_at == due_at


def test_it_tells_what_follows(store: Any) -> None:
    """How many were due, whoever holds them, and when the next is: no second look is needed."""
    store.declare(
        hourly("now", start=NOON + HOUR),
        hourly("too", start=NOON + HOUR),
        hourly("later", start=NOON + 90 * MINUTE),
    )
    me = store.claimer(store.worker())
    store.clock.advance(HOUR)
    done = store.transact(lambda tx: fire.fire(tx, me, retry_before=tx.now, limit=1))
    assert (done.decided, done.due) == (1, 1)
    done = store.transact(lambda tx: fire.fire(tx, me, retry_before=tx.now, limit=9))
    assert (done.decided, done.due) == (1, 1)
    assert done.following == NOON + 90 * MINUTE
    done = store.transact(lambda tx: fire.fire(tx, me, retry_before=tx.now, limit=9))
    assert (done.decided, done.due, done.following) == (0, 0, None)


@pytest.mark.parametrize(
    "change",
    [
        {"enabled": False},
        {"next_run_at": None},
        {"retired_at": NOON},
        {"app": "other"},
        {"problem": "it is broken", "problem_at": NOON + HOUR},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_not_to_fire_does_not(store: Any, change: dict[str, Any]) -> None:
    """A schedule that is disabled, exhausted, retired, another app's or stopped is not due."""
    store.declare(hourly())
    me = store.worker()
    store.edit("job_schedule", "s", **change)
    store.clock.advance(HOUR)
    assert store.fire(me).decided == 0
    assert store.firings() == []


def test_a_stopped_schedule_is_tried_again_after_a_lock_timeout(store: Any) -> None:
    """I14, I2: success clears its problem, and what came due in between is accounted for."""
    store.declare(hourly())
    me = store.worker()
    store.clock.advance(HOUR)
    store.transact(lambda tx: schedules.set_problem(tx, "s", "its group was empty"))
    assert store.fire(me).decided == 0
    store.clock.advance(3 * HOUR)
    assert store.fire(me).decided == 1
    assert store.schedule().problem is None
    assert [outcome(firing) for firing in store.firings()] == [
        (15, "SKIPPED", "missed"),
        (16, "RUNNING", None),
    ]


def test_the_most_overdue_go_first(store: Any) -> None:
    """A batch takes as many as it may, in due order, and leaves the rest for the next."""
    store.declare(*(hourly(f"s{n}", start=NOON + n * MINUTE) for n in (3, 1, 2)))
    me = store.claimer(store.worker())
    store.clock.advance(HOUR)
    store.transact(lambda tx: fire.fire(tx, me, retry_before=tx.now, limit=2))
    assert {firing.schedule_id for firing in store.firings()} == {"s1", "s2"}


@pytest.mark.backends("postgresql", "mariadb")
def test_the_database_says_what_time_it_is(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """A host whose clock is an hour ahead fires nothing early: all nodes share one clock."""

    class AnHourAhead(SystemClock):
        def now(self) -> datetime:
            return super().now() + HOUR

    ahead = open_database(AnHourAhead())
    begin = ahead.query(lambda tx: ahead.measure(tx.connection))
    store.clock.move_to(begin)
    soon = begin + timedelta.resolution
    store.declare(hourly("due", start=soon), hourly("later", start=soon + 30 * MINUTE))
    me = store.claimer(store.worker())
    done = ahead.transact(lambda tx: fire.fire(tx, me, retry_before=tx.now, limit=9))
    assert done.decided == 1
    assert [firing.schedule_id for firing in store.firings()] == ["due"]


# Once, and all of it or nothing


def test_a_decided_occurrence_is_never_fired_again(store: Any) -> None:
    """I1: `next_run_at` set back by hand finds the unique key, and moves on without a firing."""
    store.declare(hourly())
    me = store.worker()
    store.clock.advance(HOUR)
    store.finish(*store.fire(me).claimed)
    store.edit("job_schedule", "s", next_run_at=NOON + HOUR)
    with pytest.raises(sa.exc.IntegrityError):
        store.fire(me)
    mine = store.claimer(me)
    assert store.transact(lambda tx: fire.fire_one(tx, mine, "s")).decided == 1
    assert [outcome(firing) for firing in store.firings()] == [(13, "SUCCESS", None)]
    assert store.schedule().next_run_at == NOON + 2 * HOUR


def test_one_by_one_the_rest_of_a_range_is_still_fired(store: Any) -> None:
    """I1, I2: of several due occurrences only those that are decided already are left out."""
    store.declare(hourly(misfire="run_all"))
    me = store.worker()
    store.clock.advance(HOUR)
    store.finish(*store.fire(me).claimed)
    store.edit("job_schedule", "s", next_run_at=NOON + HOUR)
    store.clock.advance(2 * HOUR)
    mine = store.claimer(me)
    store.transact(lambda tx: fire.fire_one(tx, mine, "s"))
    assert [firing.scheduled_for.hour for firing in store.firings()] == [13, 14, 15]


class FailpointError(Exception):
    pass


def fail(_: object) -> None:
    raise FailpointError


@pytest.mark.parametrize(
    "statement", ["INSERT INTO job_firing", "INSERT INTO job_run", "UPDATE job_schedule"]
)
def test_a_firing_and_the_move_are_one_transaction(store: Any, statement: str) -> None:
    """I2: wherever it breaks off, either all of it happened or nothing did."""
    store.declare(hourly("s1"), hourly("s2"))
    me = store.worker()
    store.clock.advance(HOUR)
    store.beat(me)
    before = store.everything()
    with store.before(statement, fail), pytest.raises(FailpointError):
        store.fire(me)
    assert store.everything() == before
    assert store.fire(me).decided == 2


@pytest.mark.parametrize("column", ["version", "next_run_at"])
def test_a_row_that_changed_is_not_overwritten(store: Any, column: str) -> None:
    """I1: the move is a compare-and-swap on the nominal time and the version."""
    store.declare(hourly())
    me = store.worker()
    store.clock.advance(HOUR)
    change = {"version": "version + 1", "next_run_at": "NULL"}[column]
    other = f"UPDATE job_schedule SET {column} = {change}"
    store.beat(me)
    before = store.everything()
    with (
        store.before("UPDATE job_schedule", lambda cursor: cursor.execute(other)),
        pytest.raises(RowsChangedError),
    ):
        store.fire(me)
    assert store.everything() == before


def test_several_rows_count_as_several(store: Any) -> None:
    """I1: of a batch in which one row changed, nothing is written."""
    store.declare(hourly("s1"), hourly("s2"), hourly("s3"))
    me = store.worker()
    store.clock.advance(HOUR)
    other = "UPDATE job_schedule SET version = version + 1 WHERE id = 's2'"
    with (
        store.before("UPDATE job_schedule", lambda cursor: cursor.execute(other)),
        pytest.raises(RowsChangedError),
    ):
        store.fire(me)
    assert store.firings() == []


def test_two_daemons_at_once_fire_each_occurrence_once(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I1: with two connections at the same instant no occurrence is fired twice, none is lost."""
    store.declare(*(hourly(f"s{n:02}") for n in range(20)))
    store.clock.advance(HOUR)
    databases = [store.database, open_database(store.clock)]
    claimers = [store.claimer(store.worker(), slots=50) for _ in databases]
    together = threading.Barrier(2)

    def work(database: Database, me: Any) -> list[Any]:
        claimed: list[Any] = []
        for _ in range(10):
            together.wait(timeout=20)
            done = database.transact(lambda tx: fire.fire(tx, me, retry_before=tx.now, limit=3))
            claimed += done.claimed
        return claimed

    with ThreadPoolExecutor(2) as pool:
        claimed = [one for part in pool.map(work, databases, claimers) for one in part]
    ids = [one.firing.schedule_id for one in claimed]
    assert sorted(ids) == [f"s{n:02}" for n in range(20)]
    assert len(store.firings()) == 20


@pytest.mark.backends("postgresql", "mariadb")
def test_a_schedule_that_another_daemon_fires_just_now_is_passed_over(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """A daemon never waits for another one: it takes what is free."""
    # No other test has these ids: a key that was deleted a moment ago and is inserted again makes
    # InnoDB look for duplicates, whose locks become gap locks if the old row is purged meanwhile.
    store.declare(hourly("held"), hourly("free"))
    store.clock.advance(HOUR)
    one, other = (store.claimer(store.worker()) for _ in range(2))
    with open_database(store.clock).write() as tx:
        assert fire.fire_one(tx, one, "held").decided == 1
        done = store.transact(lambda tx: fire.fire(tx, other, retry_before=tx.now, limit=9))
    assert [claimed.firing.schedule_id for claimed in done.claimed] == ["free"]
    assert len(store.firings()) == 2


# Claimed at once


def test_what_has_a_slot_is_claimed_and_runs_at_once(store: Any) -> None:
    """I5: fire, claim, plan and start are one transaction; the schedule is locked."""
    jobs = (JobDefinition("a"), JobDefinition("b", depends_on=("a",)), JobDefinition("c"))
    store.declare(hourly(jobs=None), jobs=jobs)
    me = store.worker()
    store.clock.advance(HOUR)
    (claimed,) = store.fire(me).claimed
    firing = store.firing(claimed.firing.id)
    assert (firing.status, firing.claimed_by) == (FiringStatus.RUNNING, me)
    assert firing.started_at == NOON + HOUR
    assert claimed.runs == firing.runs
    assert {run.job_name: run.status for run in firing.runs} == {
        "a": JobRunStatus.RUNNING,
        "c": JobRunStatus.RUNNING,
        "b": JobRunStatus.QUEUED,
    }
    assert {run.worker_id for run in firing.runs} == {me}
    assert claimed.started == 2
    state = store.schedule()
    assert state.locked_by == f"{me}:{firing.id}"
    assert state.last_run_at == NOON + HOUR


def test_no_run_is_marked_ahead_of_its_slot(store: Any) -> None:
    """I5: RUNNING is written for as many job runs as slots are free, over all firings."""
    store.declare(hourly("s1", jobs=["a", "b"]), hourly("s2", jobs=["a", "b"]))
    me = store.worker()
    store.clock.advance(HOUR)
    done = store.fire(me, slots=3)
    assert len(done.claimed) == 2
    assert sum(claimed.started for claimed in done.claimed) == 3


@pytest.mark.parametrize("come", [0, 1, 2, 5])
def test_what_was_decided_ahead_of_its_slot_moves_on_with_it(store: Any, come: int) -> None:
    """As many slots as have come by then, as many schedules; the others are still due."""
    store.declare(*(hourly(f"s{n}", start=NOON + n * MINUTE) for n in (1, 2, 3)))
    me = store.worker()
    store.clock.advance(4 * MINUTE)
    store.keep_alive(me)
    mine = store.claimer(me, slots=0)

    def fire_when(slots: int) -> Any:
        def wait() -> tuple[int, datetime]:
            return slots, store.now + SECOND

        return store.transact(
            lambda tx: fire.fire(tx, mine, retry_before=tx.now, limit=9, until_slots=wait)
        )

    done = fire_when(come)
    first = ["s1", "s2", "s3"][:come]
    assert [one.firing.schedule_id for one in done.claimed] == first
    assert (done.decided, done.queued) == (len(first), 0)
    assert [one.schedule_id for one in store.firings()] == first
    assert all(one.started_at == store.now + SECOND for one in store.firings())
    assert fire_when(5).decided == 3 - len(first)


@pytest.mark.parametrize(
    "claimer", [{"slots": 0}, {"knows": "b c"}, {"at_once": False}], ids=lambda one: next(iter(one))
)
def test_what_cannot_be_claimed_is_fired_all_the_same(store: Any, claimer: dict[str, Any]) -> None:
    """Any daemon of the app may fire; without a slot, or the job, it leaves the firing queued."""
    store.declare(hourly())
    me = store.worker()
    store.clock.advance(HOUR)
    done = store.fire(me, **claimer)
    assert (done.decided, done.queued, done.claimed) == (1, 1, ())
    (firing,) = store.firings()
    assert (firing.status, firing.claimed_by, firing.runs) == (FiringStatus.QUEUED, None, ())
    assert store.schedule().locked_by is None


def test_the_higher_priority_gets_the_slot(store: Any) -> None:
    """Of what is due in one pass the higher priority is claimed first."""
    store.declare(hourly("low", priority=-1), hourly("high", priority=5), hourly("usual"))
    me = store.worker()
    store.clock.advance(HOUR)
    (claimed,) = store.fire(me, slots=1).claimed
    assert claimed.firing.schedule_id == "high"


def test_jitter_keeps_a_firing_waiting(store: Any) -> None:
    """A jittered occurrence is queued until its delayed start; its nominal time stays."""
    store.declare(hourly(jitter=10 * MINUTE))
    me = store.worker()
    store.clock.advance(HOUR)
    assert store.fire(me).queued == 1
    (firing,) = store.firings()
    assert firing.scheduled_for == NOON + HOUR
    assert NOON + HOUR < firing.available_at < NOON + HOUR + 10 * MINUTE
    assert store.claim(me).claimed == ()
    store.clock.move_to(firing.available_at)
    assert len(store.claim(me).claimed) == 1


def test_each_job_gets_the_params_that_it_declares(store: Any) -> None:
    """A schedule's params go to the firing, and to each of its jobs those that it takes."""
    takes_n = JobDefinition("a", parameters={"properties": {"n": {"type": "integer"}}})
    store.declare(
        hourly(jobs=["a", "b"], params={"n": 1}),
        jobs=(takes_n, JobDefinition("b")),
    )
    claimed = store.fire_due(store.worker())
    assert claimed.firing.params == {"n": 1}
    assert {run.job_name: run.params for run in claimed.runs} == {"a": {"n": 1}, "b": {}}


# Misfires and overlap, as rows


def test_missed_occurrences_are_one_row_with_their_range(store: Any) -> None:
    """I2, I8: after an outage the latest fires, the earlier ones are one skip that counts them."""
    store.declare(hourly())
    me = store.worker()
    store.clock.advance(5 * HOUR)
    done = store.fire(me)
    missed, latest = store.firings()
    assert outcome(missed) == (16, "SKIPPED", "missed")
    assert (missed.missed_from, missed.missed_count) == (NOON + HOUR, 4)
    assert missed.finished_at == store.now
    assert outcome(latest) == (17, "RUNNING", None)
    assert [skip.reason for skip in done.skipped] == [Reason.MISSED]


@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_an_occurrence_that_may_not_run_says_what_was_in_the_way(store: Any, overlap: str) -> None:
    """I2, I9: skipped because of a live firing, which is named; `queue` keeps the first waiting."""
    store.declare(hourly(overlap=overlap))
    me = store.worker()
    running = store.fire_due(me).firing
    for _ in range(2):
        store.clock.advance(HOUR)
        assert store.fire(me).claimed == ()
    found = store.firings()[1:]
    if overlap == "skip":
        assert [outcome(one) for one in found] == [
            (14, "SKIPPED", "overlap"),
            (15, "SKIPPED", "overlap"),
        ]
        assert [one.blocked_by for one in found] == [running.id] * 2
    else:
        assert [outcome(one) for one in found] == [(14, "QUEUED", None), (15, "SKIPPED", "overlap")]
        assert found[1].blocked_by == found[0].id


def test_allowed_overlaps_run_side_by_side(store: Any) -> None:
    """`overlap="allow"` claims every firing at once, and takes no lock."""
    store.declare(hourly(overlap="allow"))
    me = store.worker()
    first, second = store.fire_due(me), store.fire_due(me)
    assert {first.firing.status, second.firing.status} == {FiringStatus.RUNNING}
    assert store.schedule().locked_by is None


def test_catching_up_runs_one_after_the_other(store: Any) -> None:
    """I8, I9: `run_all` claims the oldest and queues the others behind it."""
    store.declare(hourly(misfire="run_all"))
    me = store.worker()
    store.clock.advance(3 * HOUR)
    (claimed,) = store.fire(me).claimed
    assert claimed.firing.scheduled_for == NOON + HOUR
    assert [outcome(one) for one in store.firings()] == [
        (13, "RUNNING", None),
        (14, "QUEUED", None),
        (15, "QUEUED", None),
    ]
    store.finish(claimed)
    (claimed,) = store.claim(me).claimed
    assert claimed.firing.scheduled_for == NOON + 2 * HOUR


def test_cancel_previous_makes_room(store: Any) -> None:
    """What waits ends CANCELLED, what runs is asked to cancel; the new one waits for its end."""
    store.declare(hourly(overlap="cancel_previous"))
    me = store.worker()
    running = store.fire_due(me)
    store.clock.advance(HOUR)
    store.fire(me)
    store.clock.advance(HOUR)
    store.fire(me)
    first, second, third = store.firings()
    assert (first.status, first.cancel_requested_at) == ("RUNNING", NOON + 2 * HOUR)
    assert outcome(second) == (14, "CANCELLED", "superseded")
    assert outcome(third) == (15, "QUEUED", None)
    assert store.claim(me).claimed == ()
    store.finish(running, JobRunStatus.CANCELLED)
    (claimed,) = store.claim(me).claimed
    assert claimed.firing.id == third.id
    assert [entry.firing_id for entry in store.schedule().recent] == [second.id, first.id]


# What belongs to a row


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cron": "no cron", "every_s": None}, "no cron"),
        ({"timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"overlap": "sometimes"}, "sometimes"),
        ({"execution_mode": "GROUP", "group_name": "nobody"}, "nobody"),
        ({"jobs": ["gone"]}, "gone"),
        ({"jobs": 5}, "int"),
    ],
    ids=["cron", "zone", "enum", "group", "job", "document"],
)
def test_a_poisoned_row_is_that_rows_error(store: Any, change: dict[str, Any], said: str) -> None:
    """I14: what cannot be planned raises for that row alone, and changes nothing."""
    store.declare(hourly("good"), hourly("bad"))
    me = store.worker()
    store.edit("job_schedule", "bad", **change)
    store.clock.advance(HOUR)
    before = store.rows("job_firing")
    mine = store.claimer(me)
    with pytest.raises((ValueError, TypeError), match=said) as refused:
        store.transact(lambda tx: fire.fire_one(tx, mine, "bad"))
    assert not isinstance(refused.value, sa.exc.SQLAlchemyError)
    assert store.rows("job_firing") == before
    ids = store.query(lambda tx: due_schedules.ids(tx, "default", tx.now, 9))
    assert set(ids) == {"good", "bad"}
    assert store.transact(lambda tx: fire.fire_one(tx, mine, "good")).decided == 1


def test_a_group_that_lost_its_jobs_stops_its_schedule(store: Any) -> None:
    """I14: a plan is made of the jobs in the code now; without any there is an error to show."""
    store.declare(hourly(jobs=None, group="feed"), jobs=(JobDefinition("a", group="feed"),))
    store.declare(hourly(jobs=None, group="feed"), jobs=(JobDefinition("a"),))
    me = store.worker()
    store.clock.advance(HOUR)
    with pytest.raises(DeclarationError, match="no job is in group 'feed'"):
        store.fire(me)
