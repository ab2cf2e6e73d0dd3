"""The usual end on PostgreSQL writes what the careful way writes, without looking first."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from jobsched import Schedule
from jobsched.clock import Clock
from jobsched.model import FiringStatus, JobDefinition, JobRunStatus
from jobsched.store import endings, record, request
from jobsched.store.batch import Batch, LogRecord, Recorded, RunEnd
from jobsched.store.claim import Claimed
from jobsched.store.database import Database, Transaction
from jobsched.store.firings import FiringEnd
from jobsched.store.request import Request
from jobsched.store.schedules import RECENT

pytestmark = pytest.mark.backends("postgresql")

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
JOBS = (JobDefinition("a"), JobDefinition("b"))
WAITS_FOR_ME = """
    SELECT count(*) FROM pg_locks AS mine JOIN pg_locks AS theirs USING (transactionid)
    WHERE mine.pid = pg_backend_pid() AND NOT theirs.granted
"""


def claimed_firings(store: Any, worker_id: str, count: int) -> list[Claimed]:
    """A firing of each of so many schedules, in their order, just claimed; both jobs run."""
    schedules = [Schedule(f"s{number}", every=HOUR, enabled=True) for number in range(count)]
    store.declare(*schedules, jobs=JOBS)
    store.clock.advance(HOUR)
    found: list[Claimed] = sorted(
        store.fire(worker_id).claimed, key=lambda one: one.firing.schedule_id
    )
    assert len(found) == count
    return found


def ended(claimed: Claimed, run: JobRunStatus, firing: FiringStatus, *, why: str = "") -> Batch:
    """Both jobs end so 40 s after their start, with a result, an error and a line."""
    at = NOON + HOUR + timedelta(seconds=40)
    ends = [
        RunEnd(
            one.id,
            claimed.firing.id,
            run,
            at,
            reason=why or None,
            error="gone" if run is JobRunStatus.FAILED else None,
            result={"of": one.job_name},
            duration_ms=40_000,
        )
        for one in claimed.runs
    ]
    lines = [LogRecord(one.id, claimed.firing.id, "INFO", "said", at) for one in claimed.runs]
    end = FiringEnd(claimed.firing, firing, why or None)
    return Batch(claimed.firing.claimed_by or "", ends=ends, logs=lines, firing_ends=[end])


def together(batches: list[Batch]) -> Batch:
    return Batch(
        batches[0].worker_id,
        ends=[one for batch in batches for one in batch.ends],
        logs=[one for batch in batches for one in batch.logs],
        firing_ends=[one for batch in batches for one in batch.firing_ends],
    )


class UndoError(Exception):
    """The transaction has shown what it does."""


def written(store: Any, batch: Batch) -> dict[str, list[dict[str, Any]]]:
    """The rows as a transaction leaves them that writes the batch; then it is undone."""
    found: dict[str, list[dict[str, Any]]] = {}
    tables = store.database.tables
    with suppress(UndoError), store.database.write() as tx:
        record.record(tx, batch)
        for table in (tables.job_schedule, tables.job_firing, tables.job_run, tables.job_log):
            rows = tx.connection.execute(sa.select(table).order_by(table.c.id)).mappings()
            found[table.name] = [dict(row) for row in rows]
        raise UndoError
    for line in found["job_log"]:
        del line["id"]  # a sequence goes on, whatever is undone
    return found


def is_usual(store: Any, batch: Batch) -> bool:
    found: bool = store.query(lambda tx: endings.are_usual(tx, batch))
    return found


def test_both_ways_write_the_same(store: Any) -> None:
    """Whatever the end: schedules, firings, job runs and lines are the same rows."""
    ends = [
        (JobRunStatus.SUCCESS, FiringStatus.SUCCESS, ""),
        (JobRunStatus.FAILED, FiringStatus.FAILED, ""),
        (JobRunStatus.CANCELLED, FiringStatus.CANCELLED, "requested"),
    ]
    found = claimed_firings(store, store.worker(), len(ends))
    store.clock.advance(timedelta(seconds=41))
    batch = together(
        [ended(one, *end[:2], why=end[2]) for one, end in zip(found, ends, strict=True)]
    )
    assert is_usual(store, batch)
    usual, careful = written(store, batch), written(store, replace(batch, tried=True))
    assert usual == careful
    of_firings = sorted(usual["job_firing"], key=lambda row: str(row["schedule_id"]))
    assert [row["status"] for row in of_firings] == ["SUCCESS", "FAILED", "CANCELLED"]
    counts = [(row["run_count"], row["failure_count"]) for row in usual["job_schedule"]]
    assert counts == [(1, 0), (0, 1), (0, 0)]


def test_a_single_job_ends_the_same_in_both_ways(store: Any) -> None:
    """A firing of no schedule has none to settle."""
    store.declare(jobs=JOBS)
    store.enqueue("a")
    (claimed,) = store.claim(store.worker()).claimed
    batch = ended(claimed, JobRunStatus.SUCCESS, FiringStatus.SUCCESS)
    assert is_usual(store, batch)
    assert written(store, batch) == written(store, replace(batch, tried=True))


@pytest.mark.parametrize(
    "recent",
    [
        None,
        [],
        "text",
        7,
        [1, "two", None],
        {},
        [[{"x": 1}], [[]]],
        [*({"firing_id": n, "status": "SUCCESS", "duration_ms": n} for n in range(RECENT)), 1, 2],
        [{"firing_id": n, "status": "SUCCESS", "duration_ms": n} for n in range(RECENT - 1)],
        [{"firing_id": n, "status": "SUCCESS", "duration_ms": n} for n in range(RECENT + 9)],
    ],
)
def test_what_a_schedule_remembers_is_the_same_in_both_ways(store: Any, recent: Any) -> None:
    """The last thirty ends, this one behind them; what was written there by hand goes."""
    (claimed,) = claimed_firings(store, store.worker(), 1)
    store.edit("job_schedule", "s0", recent=recent)
    batch = ended(claimed, JobRunStatus.SUCCESS, FiringStatus.SUCCESS)
    usual, careful = written(store, batch), written(store, replace(batch, tried=True))
    assert usual == careful
    (schedule,) = usual["job_schedule"]
    assert len(schedule["recent"]) <= RECENT
    assert schedule["recent"][-1]["firing_id"] == claimed.firing.id


def test_a_schedule_that_another_firing_holds_stays_locked(store: Any) -> None:
    """Only its own lock is given up: by then another claim may have taken it."""
    (claimed,) = claimed_firings(store, store.worker(), 1)
    other = f"somebody:{claimed.firing.id + 1}"
    store.edit("job_schedule", "s0", locked_by=other, locked_at=NOON)
    batch = ended(claimed, JobRunStatus.SUCCESS, FiringStatus.SUCCESS)
    usual, careful = written(store, batch), written(store, replace(batch, tried=True))
    assert usual == careful
    assert usual["job_schedule"][0]["locked_by"] == other


@pytest.mark.parametrize("edit", [{"claimed_by": "somebody"}, {"version": 9}, {"status": "QUEUED"}])
def test_a_lost_claim_is_seen_and_nothing_is_written(store: Any, edit: dict[str, Any]) -> None:
    """I3: owner, version and status guard the write; one firing's fence undoes all of it."""
    lost, kept = claimed_firings(store, store.worker(), 2)
    store.edit("job_firing", lost.firing.id, **edit)
    batches = [ended(one, JobRunStatus.SUCCESS, FiringStatus.SUCCESS) for one in (lost, kept)]
    before = store.everything()
    with (
        pytest.raises(endings.ClaimLostError, match="1 of 2"),
        store.database.write() as tx,
    ):
        record.record(tx, together(batches))
    assert store.everything() == before
    assert store.write(together(batches)).fenced == {lost.firing.id}
    assert store.firing(kept.firing.id).status is FiringStatus.SUCCESS


def test_an_end_that_waits_for_its_schedule_sees_what_it_waited_for(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """Counts and memory go on from what the other transaction has written meanwhile."""
    (claimed,) = claimed_firings(store, store.worker(), 1)
    before = [{"firing_id": 0, "status": "FAILED", "duration_ms": 1}]
    table = store.database.tables.job_schedule
    change = sa.update(table).values(run_count=5, recent=before)
    assert finished_after(change, store, open_database, claimed).fenced == frozenset()
    schedule = store.schedule("s0")
    assert schedule.run_count == 6
    assert [one.firing_id for one in schedule.recent] == [0, claimed.firing.id]


@pytest.mark.parametrize("change", [{"cancel_requested_at": NOON}, {"claimed_by": "somebody"}])
def test_an_end_that_waits_for_its_firing_sees_what_it_waited_for(
    store: Any, open_database: Callable[[Clock], Database], change: dict[str, Any]
) -> None:
    """A request to cancel comes too late; a claim that was lost meanwhile is lost."""
    (claimed,) = claimed_firings(store, store.worker(), 1)
    table = store.database.tables.job_firing
    recorded = finished_after(sa.update(table).values(change), store, open_database, claimed)
    firing = store.firing(claimed.firing.id)
    if "claimed_by" in change:
        assert recorded.fenced == {firing.id}
        assert (firing.status, store.schedule("s0").run_count) == (FiringStatus.RUNNING, 0)
    else:
        assert recorded.fenced == frozenset()
        assert (firing.status, firing.cancel_requested_at) == (FiringStatus.SUCCESS, NOON)


def test_an_end_that_waits_sees_what_was_queued_meanwhile(
    store: Any, open_database: Callable[[Clock], Database]
) -> None:
    """Who queues a firing has its schedule locked: the end that waits for it says that it waits."""
    (claimed,) = claimed_firings(store, store.worker(), 1)

    def trigger(tx: Transaction) -> None:
        request.trigger(tx, "default", "s0", Request({}), lambda jobs, params: None)

    assert finished_after(trigger, store, open_database, claimed).others_wait
    assert [one.status for one in store.firings()] == ["SUCCESS", "QUEUED"]


def finished_after(
    change: sa.Update | Callable[[Transaction], None],
    store: Any,
    open_database: Callable[[Clock], Database],
    claimed: Claimed,
) -> Recorded:
    """An end that comes while another transaction has changed what it needs, uncommitted."""
    with ThreadPoolExecutor(1) as pool:
        with open_database(store.clock).write() as tx:
            if isinstance(change, sa.Update):
                tx.connection.execute(change)
            else:
                change(tx)
            ending = pool.submit(store.finish, claimed)
            while not tx.connection.exec_driver_sql(WAITS_FOR_ME).scalar_one():
                assert not ending.done()
        found: Recorded = ending.result(20)
    return found


def test_rows_are_locked_in_order(store: Any, open_database: Callable[[Clock], Database]) -> None:
    """An end that waits for a schedule has no firing and no job run locked meanwhile."""
    (claimed,) = claimed_firings(store, store.worker(), 1)
    tables = store.database.tables
    with ThreadPoolExecutor(1) as pool:
        with open_database(store.clock).write() as tx:
            tx.connection.execute(sa.select(tables.job_schedule.c.id).with_for_update())
            ending = pool.submit(store.finish, claimed)
            while not tx.connection.exec_driver_sql(WAITS_FOR_ME).scalar_one():
                assert not ending.done()
            for table in (tables.job_firing, tables.job_run):
                free = sa.select(table.c.id).with_for_update(skip_locked=True)
                assert len(tx.connection.execute(free).all()) == len(
                    tx.connection.execute(sa.select(table.c.id)).all()
                )
        assert ending.result(20).fenced == frozenset()


def test_what_is_more_than_firings_that_end_is_written_with_care(store: Any) -> None:
    """Two firings of one schedule, a start, a firing that goes on, an earlier try: each is read."""
    one, two = claimed_firings(store, store.worker(), 2)
    first, second = (ended(c, JobRunStatus.SUCCESS, FiringStatus.SUCCESS) for c in (one, two))
    assert is_usual(store, first)
    assert not is_usual(store, replace(first, tried=True))
    assert not is_usual(store, replace(first, starts=[(one.runs[0].id, one.firing.id)]))
    assert not is_usual(store, replace(first, ends=first.ends + second.ends))
    again = FiringEnd(replace(two.firing, schedule_id="s0"), FiringStatus.SUCCESS)
    assert not is_usual(store, replace(first, firing_ends=[*first.firing_ends, again]))


def test_an_end_is_one_statement(store: Any) -> None:
    """Schedules, firings, job runs: nothing is read first; then it is asked who waits."""
    (claimed,) = claimed_firings(store, store.worker(), 1)
    with store.statements() as made:
        store.finish(claimed)
    assert len(made) == 2
    assert made[1].startswith("SELECT EXISTS")
    assert re.findall(r"UPDATE (job_\w+)", made[0]) == ["job_schedule", "job_firing", "job_run"]
