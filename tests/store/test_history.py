"""Reading what happened: firings with their job runs, log lines, results."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched import Schedule
from jobsched.errors import NotFoundError
from jobsched.model import FiringStatus, JobDefinition, JobRunStatus, PlannedJob
from jobsched.store import history
from jobsched.store.batch import Batch, LogRecord, RunEnd
from jobsched.store.plans import NewRun

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
S = JobRunStatus


def hourly(schedule_id: str = "s", **fields: Any) -> Schedule:
    fields = {"jobs": ["a"], "enabled": True} | fields
    return Schedule(schedule_id, every=HOUR, **fields)


def listed(store: Any, app: str = "default", **choice: Any) -> list[int]:
    found = store.query(lambda tx: history.listed(tx, app, **choice))
    return [firing.id for firing in found]


def fired(store: Any, times: int, schedule_id: str = "s") -> list[int]:
    """Firings that succeeded, oldest first; their ids."""
    me = store.worker()
    ids = []
    for _ in range(times):
        claimed = store.fire_due(me, schedule_id)
        store.finish(claimed)
        ids.append(claimed.firing.id)
    return ids


def test_history_is_newest_first_and_goes_on_by_id(store: Any) -> None:
    """A page of `limit`, and the next one `before` its last id: no firing twice, none left out."""
    store.declare(hourly())
    ids = fired(store, 5)[::-1]
    assert listed(store) == ids
    assert listed(store, limit=2) == ids[:2]
    assert listed(store, limit=2, before=ids[1]) == ids[2:4]
    assert listed(store, limit=2, before=ids[3]) == ids[4:]
    assert listed(store, before=ids[4]) == []


def test_history_is_of_one_schedule_job_or_state_on_request(store: Any) -> None:
    """Each choice narrows the list, and only the own app's firings are in it."""
    store.declare(hourly("s"))
    (one,) = fired(store, 1, "s")
    event = store.enqueue()
    store.declare(hourly("theirs"), app="other", jobs=(JobDefinition("a"),))
    theirs = store.trigger("theirs", app="other").id
    assert one in listed(store, schedule_id="s")
    assert listed(store, job_name="a") == [event.id]
    assert listed(store, status=FiringStatus.SUCCESS) == [one]
    assert listed(store, schedule_id="s", status=FiringStatus.FAILED) == []
    assert listed(store, "other") == [theirs]
    assert theirs not in listed(store)


def test_runs_stand_in_plan_order_with_their_attempts_together(store: Any) -> None:
    """Job by job in dependency order, whatever order the rows were written in."""
    jobs = (JobDefinition("a"), JobDefinition("b", depends_on=("a",)))
    store.declare(hourly(jobs=None), jobs=jobs)
    me = store.worker()
    claimed = store.fire_due(me)
    firing = claimed.firing
    again = NewRun(
        firing.id, "s", PlannedJob("a"), 2, S.QUEUED, "CRON", firing.scheduled_for, NOON, {}, me
    )
    end = RunEnd(claimed.runs[0].id, firing.id, S.FAILED, store.now)
    store.write(Batch(me, ends=[end], attempts=[again]))
    found = store.query(lambda tx: history.firing(tx, "default", firing.id))
    assert [(run.job_name, run.attempt) for run in found.runs] == [("a", 1), ("a", 2), ("b", 1)]
    (same,) = store.query(lambda tx: history.listed(tx, "default"))
    assert same == found


def test_a_firing_that_is_not_there_is_not_found(store: Any) -> None:
    """An unknown id, and another app's, are the same to who asks."""
    store.declare(hourly())
    (firing_id,) = fired(store, 1)
    with pytest.raises(NotFoundError, match="no firing 999999 in app 'default'"):
        store.query(lambda tx: history.firing(tx, "default", 999999))
    with pytest.raises(NotFoundError, match="in app 'other'"):
        store.query(lambda tx: history.firing(tx, "other", firing_id))


def test_log_lines_come_in_order_from_where_one_stopped(store: Any) -> None:
    """I10: in the order of writing, of the runs that are asked for, after the last known line."""
    store.declare(hourly(jobs=["a", "b"]))
    me = store.worker()
    claimed = store.fire_due(me)
    a, b = (run.id for run in claimed.runs)
    lines = [
        LogRecord(run_id, claimed.firing.id, "INFO", text, NOON + n * SECOND)
        for n, (run_id, text) in enumerate([(a, "a1"), (b, "b1"), (a, "a2"), (a, "ø — 漢字 🎉")])
    ]
    store.write(Batch(me, logs=lines))

    def logs(run_ids: list[int], **choice: int) -> list[str]:
        found = store.query(lambda tx: history.logs(tx, run_ids, **choice))
        return [one.message for one in found]

    assert logs([a]) == ["a1", "a2", "ø — 漢字 🎉"]
    assert logs([a, b]) == ["a1", "b1", "a2", "ø — 漢字 🎉"]
    (first, *_) = store.query(lambda tx: history.logs(tx, [a]))
    assert (first.job_run_id, first.level, first.created_at) == (a, "INFO", NOON)
    assert logs([a], after=first.id, limit=1) == ["a2"]
    assert logs([]) == []
    assert store.query(lambda tx: history.run_ids(tx, claimed.firing.id)) == [a, b]


def test_the_latest_firing_is_the_last_with_something_to_see(store: Any) -> None:
    """Skips have no job runs: the latest firing to look at is before them."""
    store.declare(hourly())
    me = store.worker()
    assert store.query(lambda tx: history.latest_firing_id(tx, "default", "s")) is None
    running = store.fire_due(me)
    store.clock.advance(HOUR)
    store.fire(me)
    assert store.firings()[-1].status is FiringStatus.SKIPPED
    latest = store.query(lambda tx: history.latest_firing_id(tx, "default", "s"))
    assert latest == running.firing.id


@pytest.mark.parametrize(
    "value", [None, 0, "text", [1, "x", None], {"n": 1, "deep": {"ø": [True]}}, 2**53, 0.25]
)
def test_a_result_comes_back_as_it_was(store: Any, value: Any) -> None:
    """A small JSON result is what other jobs of the firing are given."""
    store.declare(hourly())
    claimed = store.fire_due(store.worker())
    store.finish(claimed, result=value)
    assert store.run(claimed.runs[0].id).result == value
    assert store.query(lambda tx: history.result(tx, claimed.firing.id, "a")) == value


def test_only_a_success_has_a_result(store: Any) -> None:
    """A job that failed, or has not run, has none; of several attempts the successful one's."""
    store.declare(hourly())
    claimed = store.fire_due(store.worker())
    store.finish(claimed, S.FAILED, result=1)
    assert store.query(lambda tx: history.result(tx, claimed.firing.id, "a")) is None
    assert store.query(lambda tx: history.result(tx, claimed.firing.id, "x")) is None


def test_what_is_live_and_what_runs(store: Any) -> None:
    """The app's live firings, oldest first, and the job runs that execute."""
    store.declare(hourly(overlap="queue"))
    fired(store, 1)
    me = store.worker()
    running = store.fire_due(me)
    waiting = store.trigger()
    live = store.query(lambda tx: history.live(tx, "default"))
    assert [one.id for one in live] == [running.firing.id, waiting.id]
    ids = [one.id for one in live]
    assert store.query(lambda tx: history.running(tx, ids)) == [running.runs[0]]
    assert store.query(lambda tx: history.live(tx, "other")) == []
