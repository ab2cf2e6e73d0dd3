"""Commits whose answer was lost: they happened, and the daemon was told that they had not."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from jobsched import JobContext, Registry, Schedule, Scheduler
from jobsched.errors import DatabaseError
from jobsched.model import FiringStatus
from jobsched.store import database
from jobsched.testing.clock import FakeClock


class LostAnswers:
    """Lets chosen commits seem to fail, after they have happened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.after = -1
        monkeypatch.setattr(database, "failpoint", self._reach)

    def _reach(self, name: str) -> None:
        if name != "commit.after":
            return
        self.after -= 1
        if self.after == -1:
            raise OperationalError("COMMIT", None, ConnectionError("the answer was lost"))


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> LostAnswers:
    return LostAnswers(monkeypatch)


@pytest.fixture
def began() -> Counter[int]:
    return Counter()


@pytest.fixture
def make(database_url: str, fake_clock: FakeClock, began: Counter[int]) -> Callable[[], Scheduler]:
    def scheduler() -> Scheduler:
        registry = Registry()

        @registry.job
        def work(ctx: JobContext) -> None:
            began[ctx.run_id] += 1

        schedules = [Schedule(id="minutely", every=60, enabled=True)]
        return Scheduler(database_url, schedules=schedules, registry=registry, clock=fake_clock)

    return scheduler


@pytest.mark.parametrize("commit", range(1, 6))
def test_what_was_claimed_without_an_answer_runs_once(
    commit: int,
    make: Callable[[], Scheduler],
    fake_clock: FakeClock,
    lost: LostAnswers,
    began: Counter[int],
) -> None:
    """Whichever commit's answer is lost, of firing, claiming or recording: the next pass goes on
    with what the database says is ours, and every occurrence runs exactly once."""
    scheduler = make()
    scheduler.tick()
    fake_clock.advance(60)
    scheduler.enqueue("work")
    lost.after = commit
    for _ in range(4):
        with suppress(DatabaseError):  # of a heartbeat: a daemon's own thread beats again
            scheduler.tick()
        fake_clock.advance(15)
    firings = scheduler.history(limit=10)
    assert {firing.status for firing in firings} == {FiringStatus.SUCCESS}
    assert sorted(began.values()) == [1] * len(firings)
    assert scheduler.close()


@pytest.mark.parametrize(("on_lost", "ends"), [("fail", ["LOST"]), ("rerun", ["LOST", "SUCCESS"])])
def test_what_waited_until_others_may_have_it_is_not_begun(
    on_lost: str,
    ends: list[str],
    database_url: str,
    fake_clock: FakeClock,
    began: Counter[int],
) -> None:
    """I7: between the claim and the start a lock timeout passed: it is LOST, and was not called."""
    registry = Registry()

    @registry.job(on_lost=on_lost)
    def work(ctx: JobContext) -> None:
        began[ctx.attempt] += 1

    schedules = [Schedule(id="minutely", every=60, enabled=True)]
    scheduler = Scheduler(database_url, schedules=schedules, registry=registry, clock=fake_clock)
    scheduler.tick()
    daemon = scheduler._inline
    assert daemon is not None
    fake_clock.advance(timedelta(seconds=60))
    daemon.heart.beat()
    daemon.firing.look_again()
    daemon.firing.run_once()
    fake_clock.advance(scheduler.settings.lock_timeout)
    daemon.runner.step()
    assert not began
    scheduler.tick()
    first = scheduler.firing(scheduler.history("minutely")[-1].id)
    assert [run.status for run in first.runs] == ends
    assert began[2] == len(ends) - 1
    assert daemon.runner.slots.taken == 0
    scheduler.close()
