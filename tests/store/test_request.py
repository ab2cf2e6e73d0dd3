"""Firings that somebody asks for: "Run now", and the app's own events."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobsched import Registry, Schedule, Scheduler
from jobsched.clock import Clock
from jobsched.errors import ConfigurationError, ConflictError, NotFoundError, ParameterError
from jobsched.model import Firing, FiringStatus, JobDefinition, JobRunStatus, TriggerType
from jobsched.store import request
from jobsched.store.database import Database
from jobsched.store.request import Request

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TAKES_N = {"properties": {"n": {"type": "integer"}}}
JOBS = (JobDefinition("a", parameters=TAKES_N), JobDefinition("b"))


def declare(store: Any, schedule_id: str = "s", **fields: Any) -> None:
    fields = {"jobs": ["a", "b"], "overlap": "queue"} | fields
    store.declare(Schedule(schedule_id, every=HOUR, **fields), jobs=JOBS)


# Run now


def test_a_trigger_is_a_firing_that_waits_for_a_daemon(store: Any) -> None:
    """A disabled schedule can be run by hand: MANUAL, now, with its own params under the given."""
    declare(store, params={"n": 1}, priority=3)
    fired = store.trigger(by="ann")
    assert (fired.trigger, fired.status) == (TriggerType.MANUAL, FiringStatus.QUEUED)
    assert (fired.scheduled_for, fired.available_at) == (NOON, NOON)
    assert (fired.params, fired.priority, fired.requested_by) == ({"n": 1}, 3, "ann")
    (claimed,) = store.claim(store.worker()).claimed
    assert claimed.firing.id == fired.id
    assert store.schedule().next_run_at is None


def test_given_params_go_over_the_schedules_own(store: Any) -> None:
    """An operator may run it with other values, for this once."""
    declare(store, params={"n": 1})
    assert store.trigger(params={"n": 2}).params == {"n": 2}
    assert store.schedule().declaration.params == {"n": 1}


def test_a_trigger_moves_no_occurrence(store: Any) -> None:
    """The schedule's own times go on as if nobody had touched it."""
    declare(store, enabled=True)
    before = store.schedule().next_run_at
    store.trigger()
    state = store.schedule()
    assert (state.next_run_at, state.last_scheduled_for) == (before, None)


def test_one_manual_firing_waits_at_most(store: Any) -> None:
    """The next one is a conflict that names the one that waits; claimed, it makes room."""
    declare(store)
    first = store.trigger()
    with pytest.raises(ConflictError, match=f"firing {first.id} of schedule 's' waits already"):
        store.trigger()
    store.claim(store.worker())
    assert store.trigger().id > first.id


def test_the_same_key_gives_the_same_firing(store: Any) -> None:
    """I1: asked twice with one key it runs once, also when the first has ended."""
    declare(store)
    first = store.trigger(key="deploy-7")
    assert store.trigger(key="deploy-7").id == first.id
    store.finish(*store.claim(store.worker()).claimed)
    again = store.trigger(key="deploy-7")
    assert (again.id, again.status) == (first.id, FiringStatus.SUCCESS)
    assert len(store.firings()) == 1
    assert len(store.rows("audit_log")) == 1


def test_keys_are_each_targets_own(store: Any) -> None:
    """Two schedules may be asked for with one key, and two apps too."""
    store.declare(Schedule("s", every=HOUR), Schedule("t", every=HOUR))
    store.declare(Schedule("u", every=HOUR), app="other")
    ids = {store.trigger("s", key="k").id, store.trigger("t", key="k").id}
    ids.add(store.trigger("u", key="k", app="other").id)
    assert len(ids) == 3


def test_a_key_that_means_two_targets_is_a_conflict(store: Any) -> None:
    """I1: nobody is handed the firing of another target, however the names run together."""
    store.declare(Schedule("s", every=HOUR), Schedule("s:1", every=HOUR), Schedule("a", every=HOUR))
    first = store.trigger("s", key="1:2")
    with pytest.raises(ConflictError, match=f"'s:1' is that of firing {first.id} of 's' too"):
        store.trigger("s:1", key="2")
    second = store.trigger("a", key="k")
    with pytest.raises(ConflictError, match=f"'a' is that of firing {second.id} of 'a' too"):
        store.enqueue("a", key="k")


def test_cancel_previous_makes_room_for_a_manual_firing(store: Any) -> None:
    """What waits ends CANCELLED, what runs is asked to cancel; nothing is a conflict."""
    declare(store, overlap="cancel_previous")
    store.trigger()
    (running,) = store.claim(store.worker()).claimed
    waiting = store.trigger()
    last = store.trigger()
    found = {one.id: one for one in store.firings()}
    assert found[running.firing.id].cancel_requested_at == NOON
    assert (found[waiting.id].status, found[waiting.id].reason) == ("CANCELLED", "superseded")
    assert found[last.id].status is FiringStatus.QUEUED
    store.finish(running, JobRunStatus.CANCELLED)
    assert [one.firing.id for one in store.claim(store.worker()).claimed] == [last.id]


@pytest.mark.parametrize(
    ("params", "said"),
    [({"m": 1}, "schedule 's': .*'m'"), ({}, "schedule 's': .*'n'")],
    ids=["unknown", "missing"],
)
def test_params_that_do_not_fit_are_refused(store: Any, params: dict[str, Any], said: str) -> None:
    """A parameter that no job takes, or a required one that is missing, is named."""
    needs_n = JobDefinition("a", parameters=TAKES_N | {"required": ["n"]})
    store.declare(Schedule("s", every=HOUR), jobs=(needs_n,))
    with pytest.raises(ParameterError, match=said):
        store.trigger(params=params)
    assert store.firings() == []


def test_values_are_validated_where_the_code_is_known(store: Any) -> None:
    """What the jobs' own code refuses is refused before anything is written."""
    declare(store)

    def refuse(jobs: Any, values: Any) -> None:
        assert (list(jobs), values) == (["a", "b"], {"n": 1})
        raise ParameterError("n must be even")

    with pytest.raises(ParameterError, match="must be even"):
        store.transact(lambda tx: request.trigger(tx, "default", "s", Request({"n": 1}), refuse))


def test_what_cannot_run_cannot_be_triggered(store: Any) -> None:
    """Unknown or another app's is not found; retired is a conflict."""
    declare(store)
    with pytest.raises(NotFoundError, match="no schedule 'x'"):
        store.trigger("x")
    with pytest.raises(NotFoundError, match="in app 'other'"):
        store.trigger("s", app="other")
    store.declare(Schedule("t", every=HOUR))
    with pytest.raises(ConflictError, match="has left the code"):
        store.trigger("s")


def test_a_trigger_is_audited(store: Any) -> None:
    """Who ran what by hand with which params, in the same transaction."""
    declare(store)
    fired = store.trigger(params={"n": 2}, by="ann")
    (line,) = store.rows("audit_log")
    assert (line["who"], line["what"], line["target"]) == ("ann", "trigger", "schedule s")
    assert line["after_state"] == {"firing_id": fired.id, "params": {"n": 2}}


# Events


def test_an_event_is_a_firing_of_one_job(store: Any) -> None:
    """EVENT, for a job without a schedule, at once; it runs alone, whatever it depends on."""
    needs_b = JobDefinition("a", depends_on=("b",), parameters=TAKES_N)
    store.declare(jobs=(needs_b, JobDefinition("b")))
    fired = store.enqueue("a", params={"n": 1}, by="web")
    assert (fired.trigger, fired.schedule_id, fired.job_name) == ("EVENT", None, "a")
    assert (fired.scheduled_for, fired.params, fired.requested_by) == (NOON, {"n": 1}, "web")
    (claimed,) = store.claim(store.worker()).claimed
    assert [(run.job_name, run.depends_on, run.params) for run in claimed.runs] == [
        ("a", (), {"n": 1})
    ]
    store.finish(claimed)
    assert store.firing(fired.id).status is FiringStatus.SUCCESS


def test_an_event_may_be_for_later(store: Any) -> None:
    """I6: it starts no earlier than its `run_at`."""
    declare(store)
    fired = store.enqueue(run_at=NOON + HOUR)
    assert (fired.scheduled_for, fired.available_at) == (NOON + HOUR, NOON + HOUR)
    assert store.claim(store.worker()).claimed == ()
    store.clock.advance(HOUR)
    assert len(store.claim(store.worker()).claimed) == 1


def test_one_key_one_event(store: Any) -> None:
    """I1: the same key gives the same firing, for each job its own."""
    declare(store)
    first = store.enqueue(key="order-7", params={"n": 1})
    assert store.enqueue(key="order-7", params={"n": 2}).id == first.id
    assert store.enqueue("b", key="order-7").id != first.id
    assert len(store.firings()) == 2


def test_one_key_from_two_connections_at_once(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """I1: the unique key decides; the second asks again and is given the first one's firing."""
    declare(store)

    def work(database: Database) -> list[int]:
        found = []
        for n in range(10):
            wanted = Request({}, f"key-{n}", None)
            for _ in range(3):  # as the verbs of the scheduler do
                try:
                    fired: Firing = database.transact(
                        lambda tx, wanted=wanted: request.enqueue(tx, "default", "a", wanted, None)
                    )
                except sa.exc.IntegrityError:
                    continue
                found.append(fired.id)
                break
        return found

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(work, [store.database, open_database(store.clock)])
    assert one == other
    assert len(store.firings()) == 10


def test_an_unknown_job_is_not_found(store: Any) -> None:
    """A job of another app, or one that left the code, is none of this app's."""
    declare(store)
    store.declare(jobs=(JobDefinition("theirs"),), app="other")
    for name in ("x", "theirs"):
        with pytest.raises(NotFoundError, match=f"no job '{name}' in app 'default'"):
            store.enqueue(name)
    store.declare(jobs=(JobDefinition("b"),))
    with pytest.raises(NotFoundError, match="no job 'a'"):
        store.enqueue("a")


def test_an_events_params_are_checked(store: Any) -> None:
    """What the job does not take is refused by name."""
    declare(store)
    with pytest.raises(ParameterError, match=r"job 'b': .*'n'"):
        store.enqueue("b", params={"n": 1})


# In the host's own transaction


@pytest.fixture
def scheduler(store: Any) -> Scheduler:
    registry = Registry()

    @registry.job
    def a(n: int = 0) -> None:
        """A job of the host's."""

    return Scheduler(store.database.engine, registry=registry, clock=store.clock)


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_an_event_is_part_of_the_hosts_transaction(
    store: Any, scheduler: Scheduler, end: str
) -> None:
    """A rollback of the host's session takes the event back; its commit makes it real."""
    declare(store)
    host = sa.create_engine(store.database.engine.url)
    with Session(host) as session:
        fired = scheduler.enqueue("a", params={"n": 1}, session=session)
        assert fired.status is FiringStatus.QUEUED
        getattr(session, end)()
    host.dispose()
    scheduler.database.dispose()
    assert [one.id for one in store.firings()] == ([fired.id] if end == "commit" else [])


def test_a_hosts_connection_will_do(store: Any, scheduler: Scheduler) -> None:
    """A Core connection in a transaction of the host's is as good as a session."""
    declare(store)
    host = sa.create_engine(store.database.engine.url)
    with host.begin() as connection:
        first = scheduler.enqueue("a", key="k", session=connection)
        assert scheduler.enqueue("a", key="k", session=connection).id == first.id
    host.dispose()
    scheduler.database.dispose()
    assert len(store.firings()) == 1


@pytest.mark.backends("postgresql", "mariadb")
def test_the_same_key_at_the_same_time_leaves_the_host_its_transaction(
    store: Any, scheduler: Scheduler
) -> None:
    """Who comes second waits, gets the first one's firing or is told, and can go on."""
    declare(store)
    host = sa.create_engine(store.database.engine.url)
    with host.connect() as one, host.connect() as two, ThreadPoolExecutor(1) as pool:
        first = scheduler.enqueue("a", key="k", session=one)
        two.execute(sa.select(sa.func.count()).select_from(store.database.tables.job_firing))
        second = pool.submit(scheduler.enqueue, "a", key="k", session=two)
        while not waits_for_a_lock(store):
            assert not second.done()
        one.commit()
        if store.database.dialect == "postgresql":
            assert second.result(20).id == first.id
        else:  # by default it sees what there was when it began
            with pytest.raises(ConflictError, match=r"key='k'.*ask again"):
                second.result(20)
        scheduler.enqueue("b", session=two)
        two.commit()
    host.dispose()
    scheduler.database.dispose()
    assert [one.job_name for one in store.firings()] == ["a", "b"]


def waits_for_a_lock(store: Any) -> bool:
    asked = {
        "postgresql": "SELECT count(*) FROM pg_locks WHERE NOT granted",
        "mariadb": "SELECT count(*) FROM information_schema.processlist "
        "WHERE info LIKE 'INSERT INTO job_firing%'",
    }[store.database.dialect]
    with store.database.engine.connect() as connection:
        return bool(connection.exec_driver_sql(asked.replace("%", "%%")).scalar_one())


class AsyncSession:
    """As SQLAlchemy's: it has a synchronous one within."""

    sync_session = None


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize(
    ("session", "message"),
    [
        (AsyncSession(), r"session=AsyncSession: it is asynchronous; write await session.run_sync"),
        (sa.create_engine("sqlite://"), "session=Engine: give an SQLAlchemy Session or Connection"),
        ("sqlite://", "session=str: give an SQLAlchemy Session"),
    ],
)
def test_what_is_no_session_is_refused(
    store: Any, scheduler: Scheduler, session: Any, message: str
) -> None:
    """With the line to write instead."""
    declare(store)
    with pytest.raises(ConfigurationError, match=message):
        scheduler.enqueue("a", session=session)
    scheduler.database.dispose()


def test_a_naive_time_is_refused(store: Any, scheduler: Scheduler) -> None:
    """`run_at` without a zone names no instant: the error shows how to write it."""
    declare(store)
    with pytest.raises(ValueError, match=r"run_at=.*a naive datetime names no instant"):
        scheduler.enqueue("a", run_at=datetime(2026, 3, 2, 13))  # noqa: DTZ001  # that is the point
    scheduler.database.dispose()


def trigger_job(store: Any, job: str = "a", **wanted: Any) -> Firing:
    asked = Request(wanted.pop("params", {}), **wanted)
    fired: Firing = store.transact(lambda tx: request.trigger_job(tx, "default", job, asked))
    return fired


def test_a_job_run_by_hand_is_manual_and_audited(store: Any) -> None:
    """Who ran which job with which params; secrets among them are not kept in the audit log."""
    declare(store)
    fired = trigger_job(store, params={"n": 1}, by="ann")
    assert (fired.job_name, fired.schedule_id) == ("a", None)
    assert (fired.trigger, fired.status) == (TriggerType.MANUAL, FiringStatus.QUEUED)
    (line,) = store.rows("audit_log")
    assert (line["who"], line["what"], line["target"]) == ("ann", "trigger", "job a")
    assert line["after_state"] == {"firing_id": fired.id, "params": {"n": 1}}


def test_any_number_of_single_jobs_may_wait(store: Any) -> None:
    """There is no overlap to keep; but the same key gives the same firing, audited once."""
    declare(store)
    first = trigger_job(store, key="k")
    assert trigger_job(store, key="k").id == first.id
    assert trigger_job(store).id != first.id
    assert len(store.rows("audit_log")) == 2
    with pytest.raises(NotFoundError, match="no job 'x'"):
        trigger_job(store, "x")
