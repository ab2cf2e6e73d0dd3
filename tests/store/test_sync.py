"""SYNC: what the code declares is mirrored; what operators set is kept."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from jobsched import Schedule
from jobsched.clock import Clock
from jobsched.errors import DeclarationError
from jobsched.model import Firing, JobDefinition, OnLost, SyncReport, WorkerStatus, WorkerType
from jobsched.store import definitions, schedules, switch, sync
from jobsched.store.database import Database

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


WAITS_FOR_ME = """
    SELECT count(*) FROM pg_locks AS mine JOIN pg_locks AS theirs USING (transactionid)
    WHERE mine.pid = pg_backend_pid() AND NOT theirs.granted
"""


def hourly(schedule_id: str = "s", **fields: Any) -> Schedule:
    fields = {"every": HOUR, "jobs": ["a"]} | fields
    return Schedule(schedule_id, **fields)


def disable(store: Any, schedule_id: str = "s", reason: str | None = None) -> None:
    store.transact(lambda tx: switch.disable(tx, "default", schedule_id, by="me", reason=reason))


def enable(store: Any, schedule_id: str = "s") -> None:
    store.transact(lambda tx: switch.enable(tx, "default", schedule_id, by="me", reason=None))


def outcome(firing: Firing) -> tuple[int, int, str, str | None]:
    """(hour, minute, status, reason)."""
    at = firing.scheduled_for
    return at.hour, at.minute, firing.status.value, firing.reason


def jobs_in_code(store: Any, app: str = "default") -> set[str]:
    found: dict[str, JobDefinition] = store.query(lambda tx: definitions.current(tx, app))
    return set(found)


# What is new


def test_a_new_schedule_is_disabled_unless_declared_enabled(store: Any) -> None:
    """Nothing fires because of a deploy alone; `enabled=True` is the state it is born with."""
    report = store.declare(hourly("off"), hourly("on", enabled=True))
    assert report == SyncReport(added=("off", "on"))
    off, on = store.schedule("off"), store.schedule("on")
    assert (off.enabled, off.next_run_at) == (False, None)
    assert (on.enabled, on.next_run_at) == (True, NOON + HOUR)
    assert (on.last_scheduled_for, on.run_count, on.version) == (None, 0, 0)


def test_a_declaration_is_mirrored_as_it_is(store: Any) -> None:
    """Planning reads the row: every field comes back as it was declared."""
    full = Schedule(
        "full",
        name="Everything",
        description="Why",
        cron="*/5 * * * *",
        timezone="Europe/Oslo",
        group="g",
        environments=["production", "staging"],
        overlap="queue",
        misfire="run_all",
        misfire_grace=1.5,
        catchup_window=HOUR,
        max_catchup=7,
        start_deadline=90,
        timeout=60,
        priority=-3,
        jitter=10,
        start=NOON,
        end=NOON + 365 * 24 * HOUR,
        params={"n": 1, "text": "ø", "list": [1, None, True]},
        include_dependencies=True,
        enabled=True,
    )
    once = Schedule("once", at=NOON + timedelta(microseconds=123456), jobs=["a", "b"])
    store.declare(full, once)
    assert store.schedule("full").declaration == full.declaration
    assert store.schedule("once").declaration == once.declaration


@pytest.mark.backends("postgresql")
def test_postgresql_knows_many_new_schedules_at_once(store: Any) -> None:
    """Until it does, it reads the whole table for each portion of what is due."""
    known = sa.text("SELECT reltuples FROM pg_class WHERE oid = 'job_schedule'::regclass")
    store.declare(*(Schedule(f"s{n}", every=HOUR) for n in range(300)))
    assert store.query(lambda tx: tx.connection.execute(known).scalar_one()) == 300


def test_jobs_are_mirrored_with_their_policies(store: Any) -> None:
    """Recovery and planning in any process need no code: all of a job's policies are there."""
    job = JobDefinition(
        "a",
        group="g",
        depends_on=("b",),
        description="Why",
        is_async=True,
        retries=3,
        timeout=1.5 * SECOND,
        on_lost=OnLost.RERUN,
        max_lost=2,
        executor="x",
        parameters={"properties": {"n": {"type": "integer"}}, "required": ["n"]},
    )
    store.declare(jobs=(job, JobDefinition("b")))
    assert store.query(lambda tx: definitions.current(tx, "default"))["a"] == job
    changed = JobDefinition("a", retries=1)
    store.declare(jobs=(changed,))
    assert store.query(lambda tx: definitions.current(tx, "default")) == {"a": changed}


def test_an_unchanged_declaration_changes_nothing(store: Any) -> None:
    """Any number of replicas may sync, in any order, at any time."""
    store.declare(hourly(enabled=True))
    store.clock.advance(2 * HOUR)
    before = store.everything()
    assert store.declare(hourly(enabled=True)) == SyncReport()
    assert store.everything() == before


def test_two_replicas_that_start_at_once_do_not_collide(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """Both mirror the same declarations; the one that comes second finds them there."""
    code = store.code(*(hourly(f"s{n}") for n in range(10)))

    def work(database: Database) -> None:
        for _ in range(3):  # as the scheduler does
            try:
                database.transact(lambda tx: sync.sync(tx, code))
            except sa.exc.IntegrityError:
                continue
            return
        raise AssertionError("the second sync still does not see the first")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, [store.database, open_database(store.clock)]))
    assert len(store.rows("job_schedule")) == 10
    assert len(store.rows("job_definition")) == 3


# What operators set


def test_operators_state_survives_every_sync(store: Any) -> None:
    """Enabled or disabled by hand stays so, whatever is declared, changed or deployed again."""
    store.declare(hourly("on"), hourly("off", enabled=True))
    enable(store, "on")
    disable(store, "off", "it is broken")
    store.declare(hourly("on", priority=1), hourly("off", enabled=True, priority=1))
    on, off = store.schedule("on"), store.schedule("off")
    assert (on.enabled, on.declaration.priority) == (True, 1)
    assert (off.enabled, off.next_run_at) == (False, None)
    assert off.disabled_reason == "it is broken"


@pytest.mark.backends("postgresql")
def test_a_schedule_that_is_enabled_while_it_is_synced_fires(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I2: a deploy that changes it waits for the operator, and sees what was decided."""
    store.declare(hourly(enabled=True))
    disable(store)
    with ThreadPoolExecutor(1) as pool:
        with open_database(store.clock).write() as tx:
            switch.enable(tx, "default", "s", by="me", reason=None)
            syncing = pool.submit(store.declare, hourly(enabled=True, priority=1))
            while not tx.connection.exec_driver_sql(WAITS_FOR_ME).scalar_one():
                assert not syncing.done()
        assert syncing.result(20).changed == ("s",)
    state = store.schedule()
    assert (state.enabled, state.declaration.priority) == (True, 1)
    assert state.next_run_at == NOON + HOUR


@pytest.mark.backends("postgresql", "mariadb")
def test_nothing_fires_between_what_a_sync_reads_and_what_it_writes(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I1: its row is locked, whatever its state, so that no occurrence is decided in between."""
    store.declare(hourly(enabled=True), hourly("t"))
    found: list[int] = []

    def look(_: object) -> None:
        with open_database(store.clock).write() as tx:
            table = tx.tables.job_schedule
            free = sa.select(table.c.id).with_for_update(skip_locked=True)
            found.append(len(tx.connection.execute(free).all()))

    with store.before(r"SELECT job_schedule\.enabled", look):
        store.declare(hourly(enabled=True, priority=1), hourly("t", priority=1))
    assert found == [0]


def test_counts_and_history_survive_a_changed_declaration(store: Any) -> None:
    """A schedule is its id: its past stays when its time or its jobs change."""
    store.declare(hourly(enabled=True))
    store.finish(store.fire_due(store.worker()))
    store.declare(hourly(enabled=True, every=2 * HOUR, jobs=["b"]))
    state = store.schedule()
    assert (state.run_count, len(state.recent), state.last_scheduled_for) == (1, 1, NOON + HOUR)


# A rule that changes


@pytest.mark.parametrize(
    ("changed", "next_run_at"),
    [
        ({"every": None, "cron": "30 * * * *"}, NOON + 90 * MINUTE),
        ({"every": None, "cron": "0 16 * * *"}, NOON + 4 * HOUR),
        ({"every": None, "cron": "0 16 * * *", "timezone": "Europe/Oslo"}, NOON + 3 * HOUR),
        ({"every": 30 * MINUTE}, NOON + 90 * MINUTE),
        ({"every": None, "at": NOON - HOUR}, None),
        ({"environments": ["staging"]}, None),
        ({"priority": 3}, NOON + 2 * HOUR),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_changed_rule_is_due_by_the_new_one(
    store: Any, changed: dict[str, Any], next_run_at: datetime | None
) -> None:
    """`next_run_at` is the first occurrence of the new rule after the database's now."""
    store.declare(hourly(enabled=True))
    store.clock.advance(HOUR)
    store.fire(store.worker())
    report = store.declare(hourly(enabled=True, **changed))
    assert report == SyncReport(changed=("s",))
    assert store.schedule().next_run_at == next_run_at


def test_a_rule_never_goes_back_behind_what_is_decided(store: Any) -> None:
    """I1: with a database clock that stepped back, the next one is after the last decided."""
    store.declare(hourly(enabled=True))
    store.edit("job_schedule", "s", last_scheduled_for=NOON + 5 * HOUR)
    store.declare(hourly(enabled=True, every=30 * MINUTE))
    assert store.schedule().next_run_at == NOON + 5 * HOUR + 30 * MINUTE


def test_what_is_due_is_decided_by_the_old_rule(store: Any) -> None:
    """I2: before the row changes its due occurrences are fired or skipped as they were declared."""
    store.declare(hourly(enabled=True, params={}, misfire="run_once"))
    store.clock.advance(3 * HOUR + MINUTE)
    store.declare(hourly(enabled=True, every=None, cron="30 * * * *"))
    assert [outcome(firing) for firing in store.firings()] == [
        (14, 0, "SKIPPED", "missed"),
        (15, 0, "QUEUED", None),
    ]
    state = store.schedule()
    assert (state.last_scheduled_for, state.next_run_at) == (
        NOON + 3 * HOUR,
        NOON + 3 * HOUR + 30 * MINUTE,
    )
    store.clock.move_to(state.next_run_at)
    store.fire(store.worker())
    assert outcome(store.firings()[-1]) == (15, 30, "SKIPPED", "overlap")


def test_the_old_rules_cancel_previous_is_kept(store: Any) -> None:
    """What the old rule says of its live firings holds for what was due by it."""
    store.declare(hourly(enabled=True, overlap="cancel_previous"))
    running = store.fire_due(store.worker()).firing
    store.clock.advance(HOUR)
    store.declare(hourly(enabled=True, overlap="skip"))
    assert store.firing(running.id).cancel_requested_at == store.now


def test_a_disabled_schedule_has_nothing_due(store: Any) -> None:
    """A change to a disabled schedule fires nothing, and it stays without a next occurrence."""
    store.declare(hourly())
    store.clock.advance(3 * HOUR)
    store.declare(hourly(every=2 * HOUR))
    assert store.firings() == []
    assert store.schedule().next_run_at is None


def test_a_live_firing_goes_on_with_its_plan(store: Any) -> None:
    """A deploy in the middle changes nothing of what runs."""
    store.declare(hourly(enabled=True, jobs=["a", "b"]))
    claimed = store.fire_due(store.worker())
    store.declare(hourly(enabled=True, jobs=["c"]), jobs=(JobDefinition("c"),))
    store.finish(claimed)
    assert [run.job_name for run in store.firings()[0].runs] == ["a", "b"]
    assert store.schedule().run_count == 1


# A row that somebody edited


@pytest.mark.parametrize(
    "change",
    [{"overlap": "sometimes"}, {"every_s": None, "cron": "no cron"}, {"timezone": "Mars"}],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("redeclared", [False, True], ids=["same code", "new code"])
def test_a_poisoned_row_says_again_what_the_code_says(
    store: Any, change: dict[str, Any], redeclared: bool
) -> None:
    """I14, I2: a sync is not stopped by it, mends it, and what came due meanwhile is decided."""
    store.declare(hourly(enabled=True), hourly("other"))
    store.edit("job_schedule", "s", **change)
    store.clock.advance(3 * HOUR)
    store.transact(lambda tx: schedules.set_problem(tx, "s", "it cannot be read"))
    store.declare(hourly(enabled=True, priority=int(redeclared)), hourly("other"))
    state = store.schedule()
    assert state.problem is None
    assert state.declaration.overlap == "skip"
    store.fire(store.worker())
    assert [outcome(firing) for firing in store.firings()] == [
        (14, 0, "SKIPPED", "missed"),
        (15, 0, "RUNNING", None),
    ]


def test_a_poisoned_row_that_nobody_has_met_yet_stops_no_sync(store: Any) -> None:
    """I14: a daemon starts, whatever somebody wrote into a row."""
    store.declare(hourly(enabled=True), hourly("gone"))
    for schedule_id in ("s", "gone"):
        store.edit("job_schedule", schedule_id, overlap="sometimes")
    store.clock.advance(HOUR)
    report = store.declare(hourly(enabled=True, priority=1))
    assert report == SyncReport(changed=("s",), retired=("gone",))


# Retiring


def test_what_left_the_code_is_retired_and_kept(store: Any) -> None:
    """It never fires again, and its row and history stay."""
    store.declare(hourly(enabled=True), hourly("other"))
    store.finish(store.fire_due(store.worker(store.code(hourly("other")))))
    report = store.declare(hourly("other"), jobs=(JobDefinition("a"),))
    assert report == SyncReport(retired=("s",))
    state = store.schedule()
    assert (state.retired_at, state.next_run_at, state.run_count) == (store.now, None, 1)
    store.clock.advance(9 * HOUR)
    assert store.fire(store.worker()).decided == 0
    assert len(store.firings("s")) == 1


def test_what_is_due_when_it_is_retired_is_decided(store: Any) -> None:
    """I2: an occurrence that came due before its schedule left the code is not lost."""
    store.declare(hourly(enabled=True), hourly("other"))
    store.clock.advance(HOUR)
    store.declare(hourly("other"))
    assert [outcome(firing) for firing in store.firings()] == [(13, 0, "QUEUED", None)]


@pytest.mark.parametrize("status", [WorkerStatus.RUNNING, WorkerStatus.STOPPING])
def test_nothing_is_retired_while_a_live_worker_declares_it(
    store: Any, status: WorkerStatus
) -> None:
    """A rolling deploy: old and new side by side; the old one's end retires what only it had."""
    old, new = store.code(hourly("old")), store.code(hourly("new"), jobs=(JobDefinition("a"),))
    store.declare(hourly("old"))
    old_worker = store.worker(old)
    store.beat(old_worker, status)
    assert store.declare(hourly("new"), jobs=(JobDefinition("a"),)).retired == ()
    assert jobs_in_code(store) == {"a", "b", "c"}
    store.beat(old_worker, WorkerStatus.STOPPED)
    assert store.transact(lambda tx: sync.retire(tx, new)) == ["old"]
    assert jobs_in_code(store) == {"a"}


def test_a_dead_worker_declares_nothing(store: Any) -> None:
    """A worker that was declared lost holds no schedule in the code; one whose heartbeat is only
    old does, for after an outage of the database every heartbeat is old."""
    store.declare(hourly("old"))
    worker = store.worker(store.code(hourly("old")), lock_timeout=30 * SECOND)
    store.clock.advance(31 * SECOND)
    assert store.declare(hourly("new")).retired == ()
    store.recover(worker)
    assert store.declare(hourly("new")).retired == ("old",)


def test_another_apps_worker_declares_nothing_here(store: Any) -> None:
    """Only workers of the same app keep a schedule in the code."""
    store.declare(hourly("old"))
    store.worker(store.code(hourly("old")), app="other")
    assert store.declare(hourly("new")).retired == ("old",)


def test_a_job_worker_declares_too(store: Any) -> None:
    """Whatever kind of process declares it: while it lives it is in the code."""
    store.declare(hourly("old"))
    store.worker(store.code(hourly("old")), kind=WorkerType.JOB_WORKER)
    assert store.declare(hourly("new")).retired == ()


def test_a_process_that_declares_nothing_retires_nothing(store: Any) -> None:
    """A web process without jobs or schedules does no harm to what the daemons do."""
    store.declare(hourly(enabled=True))
    assert store.declare(jobs=()) == SyncReport()
    assert store.schedule().retired_at is None
    assert jobs_in_code(store) == {"a", "b", "c"}


def test_each_kind_is_retired_by_those_that_declare_some(store: Any) -> None:
    """Without schedules of its own a process retires no schedule; without jobs no job."""
    store.declare(hourly(jobs=None))
    assert store.declare(jobs=(JobDefinition("a"),)) == SyncReport()
    assert jobs_in_code(store) == {"a"}
    store.declare(hourly("other", jobs=None), jobs=())
    assert jobs_in_code(store) == {"a"}
    assert store.schedule().retired_at == NOON


def test_what_comes_back_is_as_it_was(store: Any) -> None:
    """I1: revived with its state and its counts, due after now; what passed is not made up for."""
    store.declare(hourly("other"), hourly(enabled=True))
    store.finish(store.fire_due(store.worker(store.code(hourly("other")))))
    store.declare(hourly("other"))
    store.clock.advance(5 * HOUR)
    report = store.declare(hourly("other"), hourly(enabled=True))
    assert report == SyncReport(revived=("s",))
    state = store.schedule()
    assert (state.enabled, state.retired_at, state.run_count) == (True, None, 1)
    assert state.next_run_at == NOON + 7 * HOUR
    assert len(store.firings()) == 1


def test_what_operators_disabled_comes_back_disabled(store: Any) -> None:
    """A schedule that leaves and comes back does not forget that it was switched off."""
    store.declare(hourly("other"), hourly(enabled=True))
    disable(store)
    store.declare(hourly("other"))
    store.declare(hourly("other"), hourly(enabled=True))
    state = store.schedule()
    assert (state.enabled, state.next_run_at, state.retired_at) == (False, None, None)


def test_a_job_comes_back(store: Any) -> None:
    """A retired job that is declared again can be planned again."""
    store.declare(jobs=(JobDefinition("a"), JobDefinition("b")))
    store.declare(jobs=(JobDefinition("a"),))
    assert jobs_in_code(store) == {"a"}
    store.declare(jobs=(JobDefinition("a"), JobDefinition("b")))
    assert jobs_in_code(store) == {"a", "b"}


# Environments


def test_a_schedule_does_not_fire_outside_its_environments(store: Any) -> None:
    """Its next occurrence is empty there, whoever enables it."""
    only = hourly(environments=["staging"], enabled=True)
    store.declare(only)
    assert store.schedule().next_run_at is None
    enable(store)
    assert store.schedule().next_run_at is None
    disable(store)
    enable(store)
    assert store.schedule().next_run_at is None
    store.declare(only, environment="staging")
    assert store.schedule().next_run_at == NOON + HOUR
    store.declare(only, environment="production")
    assert store.schedule().next_run_at is None


# Apps


def test_two_apps_share_a_database(store: Any) -> None:
    """Each app syncs, sees and retires its own; a job's name may be in both."""
    store.declare(hourly("mine"))
    store.declare(hourly("theirs"), app="other", jobs=(JobDefinition("a"),))
    assert store.declare(hourly("mine")) == SyncReport()
    assert jobs_in_code(store, "other") == {"a"}
    found = store.query(lambda tx: schedules.states(tx, "default"))
    assert [one.declaration.id for one in found] == ["mine"]


def test_an_id_of_another_app_is_refused(store: Any) -> None:
    """The error names the app that owns it, and nothing of the sync is written."""
    store.declare(hourly("s"), app="shop")
    before = store.everything()
    with pytest.raises(DeclarationError, match="'s' belongs to app 'shop'"):
        store.declare(hourly("new"), hourly("s"), app="blog", jobs=(JobDefinition("x"),))
    assert store.everything() == before


def test_ids_differ_by_letter_case(store: Any) -> None:
    """`Feed` and `feed` are two schedules in every database."""
    store.declare(hourly("feed"), hourly("Feed", enabled=True))
    assert not store.schedule("feed").enabled
    assert store.schedule("Feed").enabled


def test_a_worker_whose_declaration_differs_drifts(store: Any) -> None:
    """Two versions of the code side by side can be told by what they declare."""
    old = store.code(hourly())
    store.declare(hourly(priority=1))
    new = store.code(hourly(priority=1))
    state = store.schedule()
    assert sync.drifts(state, old.hashes)
    assert not sync.drifts(state, new.hashes)
    assert not sync.drifts(state, {})


# Listing what cannot be read


@pytest.mark.parametrize("change", [{"overlap": "sometimes"}, {"recent": [5]}, {"jobs": 5}])
def test_a_poisoned_row_is_listed_with_its_problem(store: Any, change: dict[str, Any]) -> None:
    """I14: operators see it among the others, with what is wrong as its problem."""
    store.declare(hourly("bad", name="Bad", enabled=True), hourly("good"))
    store.edit("job_schedule", "bad", **change)
    bad, good = store.query(lambda tx: schedules.states(tx, "default"))
    assert (bad.declaration.id, bad.declaration.name, bad.enabled) == ("bad", "Bad", True)
    assert bad.problem.startswith("its row cannot be read: ")
    assert good.problem is None
