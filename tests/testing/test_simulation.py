"""`simulate`: what schedules do over days, with the real code under a virtual clock."""

from datetime import UTC, datetime, timedelta

import pytest

from jobsched import Backoff, ConfigurationError, JobContext, Registry, Schedule
from jobsched.model import FiringStatus, JobRunStatus
from jobsched.testing import Outage, simulate

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
START = datetime(2026, 3, 1, tzinfo=UTC)


def at(*clock: int, day: int = 1) -> datetime:
    return datetime(2026, 3, day, *clock, tzinfo=UTC)


def test_a_schedule_fires_at_its_occurrences() -> None:
    """Every occurrence from start to end fires once, at its own time."""
    done = simulate([Schedule("six-hourly", cron="0 */6 * * *")], START, START + DAY)
    assert done.fired("six-hourly") == [at(6), at(12), at(18), at(0, day=2)]
    assert done.started("six-hourly") == done.fired("six-hourly")
    assert done.skipped("six-hourly") == []


def test_daylight_saving_is_the_zones_own() -> None:
    """A daily schedule in Oslo keeps its wall-clock time over the change of March 29."""
    daily = Schedule("daily", cron="0 9 * * *", timezone="Europe/Oslo")
    done = simulate([daily], at(0, day=28), at(12, day=29))
    assert done.fired("daily") == [at(8, day=28), at(7, day=29)]


def test_an_outage_leaves_one_row_and_fires_the_latest() -> None:
    """After an outage of every node `run_once` fires the latest occurrence and accounts for the
    others with their range and count."""
    hourly = Schedule("hourly", cron="0 * * * *")
    done = simulate([hourly], START, at(6, 30), outages=[(at(1, 30), at(5, 30))])
    (skipped,) = done.skipped("hourly")
    assert (skipped.missed_from, skipped.scheduled_for) == (at(2), at(4))
    assert skipped.missed_count == 3
    assert done.fired("hourly") == [at(1), at(5), at(6)]
    assert done.started("hourly")[1] == at(5, 30)


def test_a_second_node_takes_over() -> None:
    """With one of two nodes gone every occurrence still fires once, at its time."""
    hourly = Schedule("hourly", cron="0 * * * *")
    done = simulate([hourly], START, at(5), nodes=2, outages=[Outage(at(0, 30), at(4), node=0)])
    assert done.fired("hourly") == [at(hour) for hour in range(1, 6)]
    assert done.skipped("hourly") == []


def test_a_killed_node_loses_its_runs_to_the_others() -> None:
    """A job run whose worker was killed is LOST within the lock timeout and a recovery interval,
    and `on_lost="rerun"` runs it again elsewhere."""
    registry = Registry()
    registry.job("steady", on_lost="rerun")(lambda: None)
    once = Schedule("once", at=at(1), jobs=["steady"])
    done = simulate(
        [once],
        START,
        at(3),
        registry=registry,
        nodes=2,
        duration=timedelta(minutes=30),
        outages=[Outage(at(1, 10), at(2, 30), node=0), Outage(START, at(1, 5), node=1)],
    )
    (firing,) = done.of("once")
    assert [run.status for run in firing.runs] == [JobRunStatus.LOST, JobRunStatus.SUCCESS]
    lost, again = firing.runs
    assert lost.finished_at is not None
    assert again.started_at is not None
    assert lost.finished_at - at(1, 10) <= timedelta(seconds=80)
    assert again.worker_id != lost.worker_id


def test_a_frozen_node_writes_nothing_when_it_wakes() -> None:
    """I3: a node that stood still past the lock timeout finds its firing taken; its own run stays
    LOST, whatever it came to."""
    once = Schedule("once", at=at(1), jobs=["steady"])
    done = simulate(
        [once],
        START,
        at(3),
        nodes=2,
        duration=timedelta(minutes=30),
        outages=[
            Outage(at(1, 10), at(2), node=0, kind="frozen"),
            Outage(START, at(1, 5), node=1),
        ],
    )
    (firing,) = done.of("once")
    assert [run.status for run in firing.runs] == [JobRunStatus.LOST]
    assert firing.status is FiringStatus.FAILED


def test_overlaps_follow_the_policy() -> None:
    """A job that takes longer than its schedule's interval: `skip` leaves out, `queue` waits."""
    every = {"every": HOUR, "jobs": ["slow"]}
    done = simulate(
        [
            Schedule("skips", overlap="skip", **every),  # type: ignore[arg-type]  # one dict
            Schedule("queues", overlap="queue", **every),  # type: ignore[arg-type]  # one dict
        ],
        START,
        at(4, 59),
        duration=timedelta(minutes=90),
    )
    assert done.fired("skips") == [at(1), at(3)]
    assert {one.reason for one in done.skipped("skips")} == {"overlap"}
    assert done.started("queues")[:2] == [at(1), at(2, 30)]


def test_retries_wait_their_backoff() -> None:
    """What `duration` raises is the job's failure; the retry starts when its backoff is over."""
    registry = Registry()
    backoff = Backoff(initial=600, jitter=0)
    registry.job("flaky", retries=2, backoff=backoff)(lambda: None)

    def work(ctx: JobContext) -> timedelta:
        if ctx.attempt < 3:
            raise ConnectionError("not yet")
        return timedelta(minutes=1)

    once = Schedule("once", at=at(1), jobs=["flaky"])
    done = simulate([once], START, at(3), registry=registry, duration=work)
    (firing,) = done.of("once")
    assert firing.status is FiringStatus.SUCCESS
    starts = [run.started_at for run in firing.runs]
    assert starts == [at(1), at(1, 10), at(1, 30)]


def test_jobs_run_on_request() -> None:
    """`run_jobs` calls the functions; their results stand in the runs."""
    registry = Registry()

    @registry.job
    async def count(ctx: JobContext) -> dict[str, str]:
        return {"for": ctx.scheduled_for.isoformat()}

    once = Schedule("once", at=at(1))
    done = simulate([once], START, at(2), registry=registry, run_jobs=True)
    assert done.of("once")[0].runs[0].result == {"for": "2026-03-01T01:00:00+00:00"}


def test_times_are_checked() -> None:
    """Naive times and an end before the start are refused with what to write."""
    with pytest.raises(ConfigurationError, match=r"naive; give it tzinfo=UTC"):
        simulate([], datetime(2026, 3, 1), START)  # noqa: DTZ001  # the mistake in question
    with pytest.raises(ConfigurationError, match="before start"):
        simulate([], START, START - DAY)
    with pytest.raises(ConfigurationError, match="before start"):
        simulate([], START, START + DAY, outages=[(START + HOUR, START)])


def test_a_year_of_daily_schedules() -> None:
    """A year is simulated by jumping from one occurrence to the next, none missing."""
    daily = Schedule("daily", cron="30 2 * * *", timezone="Europe/Oslo")
    done = simulate([daily], START, START + 365 * DAY)
    assert len(done.fired("daily")) == 365
