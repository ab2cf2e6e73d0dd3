"""The pulse: the same as long as nothing has changed that an operator would see."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched import Schedule
from jobsched.model import JobRunStatus, WorkerStatus
from jobsched.store import pulse, steer, switch
from jobsched.store.batch import Batch, LogRecord, RunNote

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


def of_all(store: Any, app: str = "default") -> str:
    found: str = store.query(lambda tx: pulse.pulse(tx, app))
    return found


def of_schedule(store: Any, schedule_id: str = "s") -> str:
    found: str = store.query(lambda tx: pulse.schedule_pulse(tx, "default", schedule_id))
    return found


def declare(store: Any) -> str:
    store.declare(
        *(Schedule(name, every=HOUR, jobs=["a"], enabled=True) for name in "st"),
    )
    worker: str = store.worker()
    store.beat(worker)
    return worker


def disable(store: Any, worker: str) -> None:
    store.transact(lambda tx: switch.disable(tx, "default", "s", by="ann", reason=None))


def run_to_the_end(store: Any, worker: str) -> None:
    store.trigger()
    (claimed,) = store.claim(worker).claimed
    store.finish(claimed)


def cancel(store: Any, worker: str) -> None:
    firing = store.firings("s")[-1]
    store.transact(
        lambda tx: steer.cancel(tx, "default", firing.id, job=None, by=None, reason=None)
    )


CHANGES: dict[str, Callable[[Any, str], object]] = {
    "a new firing": lambda store, worker: store.enqueue(),
    "a claim": lambda store, worker: store.claim(worker),
    "a switch": disable,
    "a firing from its begin to its end": run_to_the_end,
    "a cancel": cancel,
    "a sync": lambda store, worker: store.declare(Schedule("s", every=2 * HOUR, jobs=["a"])),
    "a problem": lambda store, worker: store.edit("job_schedule", "s", problem="x", version=9),
    "another worker": lambda store, worker: store.worker(),
    "a worker that stops": lambda store, worker: store.beat(worker, WorkerStatus.STOPPING),
    "a worker that ends": lambda store, worker: store.beat(worker, WorkerStatus.STOPPED),
    "what a worker runs": lambda store, worker: store.edit("worker_instance", worker, running=3),
    "a late heartbeat": lambda store, worker: store.clock.advance(31 * SECOND),
    "a lost heartbeat": lambda store, worker: store.clock.advance(61 * SECOND),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_pulse_changes_with_what_is_seen(store: Any, change: str) -> None:
    """Each kind of change by itself."""
    worker = declare(store)
    store.trigger()
    before = of_all(store)
    assert of_all(store) == before
    if change == "a firing from its begin to its end":
        cancel(store, worker)
        before = of_all(store)
    CHANGES[change](store, worker)
    assert of_all(store) != before


def test_a_heartbeat_alone_changes_nothing(store: Any) -> None:
    """A page is not rendered anew because a daemon lives."""
    worker = declare(store)
    before = of_all(store)
    store.clock.advance(20 * SECOND)
    assert of_all(store) == before
    store.beat(worker)
    assert of_all(store) == before


def test_turning_overdue_changes_the_pulse(store: Any) -> None:
    """Though nothing is written; and so does each schedule that follows."""
    worker = declare(store)
    store.edit("job_schedule", "t", next_run_at=NOON + HOUR + 30 * SECOND)
    store.clock.move_to(NOON + HOUR + 60 * SECOND)
    store.beat(worker)
    on_time, own, other = of_all(store), of_schedule(store), of_schedule(store, "t")
    store.clock.advance(SECOND)
    overdue = of_all(store)
    assert overdue != on_time
    assert (of_schedule(store) != own, of_schedule(store, "t") != other) == (True, False)
    store.clock.advance(30 * SECOND)
    store.beat(worker)
    assert of_all(store) != overdue


def test_a_schedules_pulse_is_its_own(store: Any) -> None:
    """What another schedule does leaves it as it was."""
    worker = declare(store)
    before = of_schedule(store)
    store.trigger("t")
    assert of_schedule(store) == before
    store.trigger("s")
    triggered = of_schedule(store)
    assert triggered != before
    for claimed in store.claim(worker).claimed:
        store.finish(claimed)
    assert of_schedule(store) not in (before, triggered)


def test_a_firings_pulse_follows_its_runs(store: Any) -> None:
    """State, progress, log lines and a request to cancel; nothing of other firings."""
    worker = declare(store)
    store.trigger()
    (claimed,) = store.claim(worker).claimed
    (run,) = claimed.runs
    firing_id = claimed.firing.id
    seen: list[str] = []

    def look() -> str:
        return str(store.query(lambda tx: pulse.firing_pulse(tx, "default", firing_id)))

    def changed() -> bool:
        now = look()
        seen.append(now)
        return seen.count(now) == 1

    assert changed()
    note = RunNote(run.id, firing_id, progress={"fraction": 0.5, "message": ""})
    store.write(Batch(worker, notes=[note]))
    assert changed()
    line = LogRecord(run.id, firing_id, "INFO", "hello", store.now)
    store.write(Batch(worker, logs=[line]))
    assert changed()
    cancel(store, worker)
    assert changed()
    store.finish(claimed, JobRunStatus.CANCELLED)
    assert changed()
    store.enqueue()
    assert not changed()
    assert store.query(lambda tx: pulse.firing_pulse(tx, "other", firing_id)) not in seen


def test_each_pulse_is_one_statement(store: Any) -> None:
    """Whoever polls every two seconds asks the database once."""
    declare(store)
    with store.statements() as made:
        of_all(store)
        of_schedule(store)
        store.query(lambda tx: pulse.firing_pulse(tx, "default", 1))
    assert sum(one.startswith(("SELECT", "(SELECT")) for one in made) == 3
