"""Retention: what ended long ago goes, in batches; what is live stays."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from jobsched import JobContext, Registry, Schedule, Scheduler, Settings
from jobsched.store import prune
from jobsched.store.prune import Pruned
from jobsched.testing import FakeClock

START = datetime(2026, 1, 1, tzinfo=UTC)
MONTH = timedelta(days=31)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def scheduler(database_url: str, clock: FakeClock) -> Iterator[Scheduler]:
    """A schedule a minute whose job logs three lines."""
    registry = Registry()

    @registry.job
    def talk(ctx: JobContext) -> None:
        for number in range(3):
            ctx.log.info("line %d", number)

    scheduler = Scheduler(
        database_url,
        registry=registry,
        clock=clock,
        settings=Settings(retention_days=30),
        schedules=[Schedule("every-minute", every=60, enabled=True)],
    )
    scheduler.tick()
    for _ in range(3):
        clock.advance(60)
        scheduler.tick()
    yield scheduler
    scheduler.close()


def rows(scheduler: Scheduler) -> dict[str, int]:
    """How many rows each table of the history has."""
    tables = scheduler.database.tables
    with scheduler.database.read() as tx:
        return {
            table.name: tx.connection.execute(
                sa.select(sa.func.count()).select_from(table)
            ).scalar_one()
            for table in (tables.job_firing, tables.job_run, tables.job_log, tables.audit_log)
        }


def test_old_history_is_deleted_with_its_runs_and_lines(
    scheduler: Scheduler, clock: FakeClock
) -> None:
    """Firings, job runs, log lines and audit rows older than the retention are deleted."""
    scheduler.disable("every-minute", by="test")
    clock.advance(MONTH)
    expected = Pruned(firings=3, job_runs=3, log_lines=9, audit_rows=1)
    assert scheduler.prune(dry_run=True) == expected
    assert scheduler.prune() == expected
    assert set(rows(scheduler).values()) == {0}


def test_a_dry_run_deletes_nothing(scheduler: Scheduler, clock: FakeClock) -> None:
    """`dry_run` counts what would go, and leaves every row."""
    before = rows(scheduler)
    clock.advance(MONTH)
    assert scheduler.prune(dry_run=True)
    assert rows(scheduler) == before


def test_young_history_stays(scheduler: Scheduler, clock: FakeClock) -> None:
    """What ended within the retention is kept."""
    clock.advance(timedelta(days=29))
    before = rows(scheduler)
    assert scheduler.prune() == Pruned()
    assert rows(scheduler) == before


def test_live_firings_stay_however_old(scheduler: Scheduler, clock: FakeClock) -> None:
    """I10: retention deletes only what has ended; a firing that still waits is kept."""
    waiting = scheduler.trigger("every-minute")
    scheduler.disable("every-minute")
    clock.advance(MONTH)
    scheduler.prune()
    assert [firing.id for firing in scheduler.history()] == [waiting.id]


def test_what_was_pruned_never_fires_again(scheduler: Scheduler, clock: FakeClock) -> None:
    """Purged history does not re-arm an old occurrence: a schedule moves forward only."""
    clock.advance(MONTH)
    scheduler.tick()
    scheduler.prune()
    (state,) = scheduler.list_schedules()
    assert state.next_run_at is not None
    assert state.next_run_at > clock.now()
    assert state.last_scheduled_for is not None
    assert state.last_scheduled_for <= clock.now()


def test_a_run_with_many_lines_goes_in_several_batches(
    scheduler: Scheduler, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No transaction deletes more log lines than the limit, and in the end all are gone."""
    monkeypatch.setattr(prune, "LOG_LINES", 4)
    scheduler.disable("every-minute")
    clock.advance(MONTH)
    batches = []
    while batch := scheduler.database.transact(
        lambda tx: prune.prune(tx, "default", clock.now() - timedelta(days=30))
    ):
        batches.append(batch.log_lines)
    assert max(batches) == 4
    assert sum(batches) == 9
    assert rows(scheduler)["job_run"] == 0


def test_the_daemon_prunes_by_itself(scheduler: Scheduler, clock: FakeClock) -> None:
    """A daemon that goes on deletes old history without being asked."""
    scheduler.disable("every-minute")
    clock.advance(MONTH)
    for _ in range(5):
        scheduler.tick()
        clock.advance(timedelta(hours=1))
    assert rows(scheduler)["job_firing"] == 0


def test_other_apps_are_left_alone(
    scheduler: Scheduler, clock: FakeClock, database_url: str
) -> None:
    """A prune deletes history of its own app only."""
    clock.advance(MONTH)
    other = Scheduler(database_url, registry=Registry(), clock=clock, app="other")
    assert other.prune() == Pruned()
    other.close()
    assert rows(scheduler)["job_firing"] == 3
