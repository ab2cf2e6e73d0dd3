"""The facts behind health and the home page: bounded, in few statements, of one app."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched import Schedule
from jobsched.model import FiringStatus, Health, HealthLevel, JobDefinition, WorkerStatus
from jobsched.planning.facts import Facts
from jobsched.planning.health import assess
from jobsched.store import attention, overview, workers
from jobsched.store.listing import ScheduleFilter, ScheduleView

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
GRACE = timedelta(seconds=30)


def facts(store: Any, app: str = "default") -> Facts:
    found: Facts = store.query(lambda tx: overview.facts(store.database, tx, app, stop_grace=GRACE))
    return found


def health(store: Any, app: str = "default") -> Health:
    return assess(facts(store, app))


def kinds(store: Any, app: str = "default") -> list[tuple[str, str]]:
    return [(one.kind, one.target) for one in health(store, app).problems]


def every(schedule_id: str, **fields: Any) -> Schedule:
    return Schedule(schedule_id, every=HOUR, **({"jobs": ["a"], "enabled": True} | fields))


def alive(store: Any, *declared: Schedule, **code: Any) -> str:
    """A daemon of this code that has synced it and beats."""
    store.declare(*declared, **code)
    worker: str = store.worker(store.code(*declared, **code))
    store.beat(worker)
    return worker


def selects(made: list[str]) -> int:
    return sum(one.startswith(("SELECT", "(SELECT")) for one in made)


def test_all_is_well_in_two_statements(store: Any) -> None:
    """The workers with the time, and the counts; what is declared is compared once."""
    alive(store, every("s"), every("off", enabled=False))
    assert health(store).message == "1 daemon runs; 1 of 2 schedules are enabled"
    with store.statements() as made:
        assert health(store).level is HealthLevel.HEALTHY
    assert selects(made) <= 2


def test_home_is_few_statements_while_something_runs(store: Any) -> None:
    """At most five, the pulse not counted: the page is given in one look."""
    worker = alive(store, every("s"), every("t", overlap="queue"))
    store.trigger("t")
    claimed = store.claim(worker).claimed
    store.trigger("t")
    store.beat(worker)

    def home(tx: Any) -> overview.Home:
        return overview.home(
            store.database, tx, "default", ScheduleFilter(), stop_grace=GRACE, limit=1
        )

    store.query(home)
    with store.statements() as made:
        found = store.query(home)
    assert selects(made) <= 5
    assert [one.declaration.id for one in found.page.items] == ["s"]
    assert found.page.next == ("s",)
    assert found.running == {}
    assert (found.facts.queued, found.facts.in_progress) == (1, 1)
    running = store.query(lambda tx: overview.live_firings(tx, ["s", "t"]))
    assert {key: one.id for key, one in running.items()} == {"t": claimed[0].firing.id}


def test_the_live_firing_of_a_schedule_is_the_one_that_runs(store: Any) -> None:
    """Or, while none runs, the oldest that waits."""
    worker = alive(store, every("s", overlap="allow"))
    first, second = store.trigger(), None
    store.claim(worker)
    store.edit("job_firing", first.id, trigger_type="EVENT", status="QUEUED")
    second = store.trigger()

    def live() -> int:
        return int(store.query(lambda tx: overview.live_firings(tx, ["s"]))["s"].id)

    assert live() == first.id
    store.edit("job_firing", second.id, status="RUNNING")
    assert live() == second.id


def test_overdue_schedules_are_told_up_to_a_number(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The most overdue first, then those with a problem; how many there are is counted."""
    monkeypatch.setattr(attention, "MOST", 2)
    alive(store, *(every(name) for name in "abcde"))
    for number, name in enumerate("abc"):
        store.edit("job_schedule", name, next_run_at=NOON - (61 + number) * SECOND)
    for name in "de":
        store.edit("job_schedule", name, problem="bad cron")
    found = facts(store)
    assert [one.declaration.id for one in found.schedules] == ["c", "b"]
    assert (found.counts.overdue, found.counts.problem) == (3, 2)
    assert kinds(store) == [
        ("overdue", "schedule c"),
        ("overdue", "schedule b"),
        ("overdue", "1 more schedule"),
        ("schedule_stopped", "2 more schedules"),
    ]


def test_firings_that_wait_are_told_unless_an_overlap_holds_them(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queued firing behind a running one of its schedule waits for nobody."""
    monkeypatch.setattr(attention, "MOST", 1)
    worker = alive(store, every("s", overlap="queue"), every("free", overlap="allow"))
    store.trigger("s")
    store.claim(worker)
    held, free, single = store.trigger("s"), store.trigger("free"), store.enqueue()
    assert held.status is FiringStatus.QUEUED
    store.clock.advance(60 * SECOND)
    store.beat(worker)
    assert facts(store).waiting == []
    store.clock.advance(SECOND)
    store.beat(worker)
    found = facts(store)
    assert [one.id for one in found.waiting] == [free.id]
    assert found.more_waiting
    monkeypatch.setattr(attention, "MOST", 5)
    assert [one.id for one in facts(store).waiting] == [free.id, single.id]


def test_a_firing_that_waits_for_a_lock_is_told_at_once(store: Any) -> None:
    """Though its time is put off again and again."""
    alive(store, every("s"))
    fired = store.trigger()
    later = NOON + 9 * SECOND
    store.edit("job_firing", fired.id, reason="lock: RedisLock failed", available_at=later)
    assert kinds(store) == [("lock", f"firing {fired.id}")]


@pytest.mark.parametrize("limit", ["job", "schedule", "cancelled run", "cancelled firing"])
def test_a_run_past_its_limit_is_stuck(store: Any, limit: str) -> None:
    """I11: by the job's timeout, its schedule's, or a request to cancel it or its firing."""
    jobs = (JobDefinition("a", timeout=60 * SECOND if limit == "job" else None),)
    worker = alive(store, every("s", timeout=60 if limit == "schedule" else None), jobs=jobs)
    store.trigger()
    (claimed,) = store.claim(worker, knows="a").claimed
    (run,) = claimed.runs
    if limit == "cancelled run":
        store.edit("job_run", run.id, cancel_requested_at=NOON + 60 * SECOND)
    if limit == "cancelled firing":
        store.edit("job_firing", claimed.firing.id, cancel_requested_at=NOON + 60 * SECOND)
    store.clock.move_to(NOON + 90 * SECOND)
    store.beat(worker)
    assert kinds(store) == []
    store.clock.advance(SECOND)
    assert kinds(store) == [("stuck", f"run {run.id}")]


def test_a_run_without_a_limit_is_never_stuck(store: Any) -> None:
    """However long it runs; and it is not even read."""
    worker = alive(store, every("s"))
    store.trigger()
    store.claim(worker)
    store.clock.advance(9 * HOUR)
    store.edit("job_schedule", "s", next_run_at=None)
    store.beat(worker)
    assert facts(store).running == []


def test_a_daemon_of_other_code_drifts_until_it_is_gone(store: Any) -> None:
    """What was compared is compared anew when a worker comes or goes, or a sync changes a row."""
    new = every("s", description="new")
    old = alive(store, every("s"))
    assert kinds(store) == []
    store.clock.advance(SECOND)
    alive(store, new)
    assert kinds(store) == [("drift", f"worker {old}")]

    def drifting() -> frozenset[str]:
        return frozenset(store.query(lambda tx: overview.drifting(tx, "default")))

    assert drifting() == {"s"}
    store.beat(old, WorkerStatus.STOPPED)
    assert kinds(store) == []
    assert drifting() == frozenset()
    store.clock.advance(SECOND)
    store.declare(every("s", description="newer"))
    assert [kind for kind, _ in kinds(store)] == ["drift"]


def test_a_schedule_whose_jobs_no_daemon_declares_is_told(store: Any) -> None:
    """While it is enabled and would fire here; a switch is seen though nothing else changed."""
    jobs = (JobDefinition("a"), JobDefinition("b"))
    store.declare(every("s", jobs=["b"]), every("elsewhere", environments=["test"]), jobs=jobs)
    store.worker(store.code(every("s", jobs=["b"]), jobs=jobs[:1]))
    assert kinds(store) == [("unknown_jobs", "schedule s")]
    assert health(store).message.startswith("schedule 's' is enabled, but no live daemon knows b")
    store.edit("job_schedule", "s", enabled=False, next_run_at=None)
    assert kinds(store) == []


def test_a_lost_worker_is_news_for_an_hour(store: Any) -> None:
    """Then it is history: the list of workers has it still."""
    lost = alive(store, every("s"))
    store.edit("worker_instance", lost, status="LOST", hostname="elsewhere")
    worker = alive(store, every("s"))
    assert kinds(store) == [("lost_worker", f"worker {lost}")]
    store.clock.advance(HOUR)
    store.edit("job_schedule", "s", next_run_at=None)
    store.beat(worker)
    assert kinds(store) == []
    ids = [one.id for one in store.query(lambda tx: workers.listed(tx, "default", ended=True))]
    assert ids == [lost, worker]


def test_health_is_of_one_app(store: Any) -> None:
    """What another app in the database lacks is its own affair."""
    alive(store, every("s"))
    store.declare(every("theirs"), app="other")
    store.edit("job_schedule", "theirs", next_run_at=NOON - HOUR)
    store.enqueue(app="other")
    store.clock.advance(2 * 30 * SECOND)
    assert kinds(store, "other") == [("no_daemon", "other"), ("overdue", "schedule theirs")]
    assert {kind for kind, _ in kinds(store)} == {"late_daemon"}


def test_the_overdue_view_uses_the_limit_of_the_daemons(store: Any) -> None:
    """The list, its count and health agree on what is overdue."""
    store.declare(every("s"))
    store.worker(store.code(every("s")), lock_timeout=300 * SECOND)
    store.edit("job_schedule", "s", next_run_at=NOON - 200 * SECOND)
    wanted = ScheduleFilter(ScheduleView.OVERDUE)

    def listed() -> int:
        home = store.query(
            lambda tx: overview.home(store.database, tx, "default", wanted, stop_grace=GRACE)
        )
        assert home.facts.counts.overdue == len(home.page.items)
        return len(home.page.items)

    assert listed() == 0
    store.clock.advance(101 * SECOND)
    assert listed() == 1


def test_what_workers_run_is_found_by_worker(store: Any) -> None:
    """The job runs that each executes now, and none of those that ended."""
    worker = alive(store, every("s"))
    store.trigger()
    (claimed,) = store.claim(worker).claimed
    found = store.query(lambda tx: workers.runs_of(tx, [worker, "idle"]))
    assert {key: [run.id for run in runs] for key, runs in found.items()} == {
        worker: [claimed.runs[0].id],
        "idle": [],
    }
    store.finish(claimed)
    assert store.query(lambda tx: workers.runs_of(tx, [worker])) == {worker: []}
    (one,) = store.query(lambda tx: workers.listed(tx, declares=False))
    assert one.declares == {}
