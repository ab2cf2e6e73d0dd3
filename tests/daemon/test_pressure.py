"""More is due than there are slots: it waits in the database, in order, and slows nothing else."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest

from jobsched import JobContext, Registry, Schedule
from jobsched.clock import SystemClock
from jobsched.model import FiringStatus, JobRun
from jobsched.store import fire
from jobsched.store.fire import FireOutcome

if TYPE_CHECKING:
    from conftest import Embedding, Operator

DAY = timedelta(days=1)


def soon() -> datetime:
    """When the daemon has surely started: what is due before its sync is due tomorrow only."""
    return SystemClock().now() + timedelta(seconds=6)


def test_more_than_there_are_slots_run_in_due_order(
    embed: "Embedding", until: Callable[..., Any]
) -> None:
    """Forty due within a moment, two slots: each runs once, and whoever was due first is first."""
    registry, began, lock = Registry(), list[str](), threading.Lock()

    @registry.job
    def work(ctx: JobContext) -> None:
        with lock:
            began.append(ctx.schedule_id or "")

    first = soon()
    names = [f"s{number:02}" for number in range(40)]
    schedules = [
        Schedule(
            name,
            every=DAY,
            start=first + n * timedelta(microseconds=10),
            jobs=["work"],
            enabled=True,
        )
        for n, name in enumerate(names)
    ]
    embed.started(registry, schedules, settings={"max_workers": 2})
    until(lambda: len(began) >= len(names), "all of them")
    assert sorted(began) == names
    # Two run side by side, so that a neighbour may come first.
    assert all(abs(began.index(name) - names.index(name)) <= 2 for name in names), began


@pytest.fixture
def fired(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, FireOutcome]]:
    """Of each firing transaction: whether it had to wait for slots, and what it did."""
    seen: list[tuple[bool, FireOutcome]] = []

    def look(*args: Any, **options: Any) -> FireOutcome:
        outcome = real(*args, **options)
        seen.append((options["until_slots"] is not None, outcome))
        return outcome

    real = fire.fire
    monkeypatch.setattr(fire, "fire", look)
    return seen


@pytest.mark.backends("postgresql", "mariadb")
def test_what_is_due_next_is_ready_when_slots_come(
    embed: "Embedding",
    operator: "Operator",
    until: Callable[..., Any],
    fired: list[tuple[bool, FireOutcome]],
) -> None:
    """Jobs of many lengths, sixty due at once, five slots: each runs once, and in a slot."""
    registry, began = Registry(), list[int]()

    @registry.job
    def work(ctx: JobContext) -> None:
        began.append(ctx.run_id)
        ctx.cancelled.wait(ctx.firing_id % 4 * 0.02)  # none, within a moment, longer than patience

    names = [f"s{number:02}" for number in range(60)]
    start = soon()
    schedules = [Schedule(n, every=DAY, start=start, jobs=["work"], enabled=True) for n in names]
    embed.started(registry, schedules, settings={"max_workers": 5})
    until(lambda: len(began) >= len(names), "all of them")
    ended = [operator.ended(one.id) for name in names for one in operator.history(name)]
    assert sorted(one.schedule_id or "" for one in ended) == names
    assert {one.status for one in ended} == {FiringStatus.SUCCESS}
    assert most_at_once([run for one in ended for run in one.runs]) <= 5
    assert any(outcome.claimed for waited, outcome in fired if waited)


def most_at_once(runs: Sequence[JobRun]) -> int:
    """How many were RUNNING at one time by their rows, as exactly as the daemon knows the time."""
    known_to = timedelta(milliseconds=10)
    spans = [(run.started_at, run.finished_at) for run in runs]
    changes = [(at + known_to, 1) for at, _ in spans if at] + [(at, -1) for _, at in spans if at]
    return max(accumulate(step for _, step in sorted(changes)))


@pytest.mark.backends("postgresql", "mariadb")
def test_a_backlog_is_written_down_without_waiting_for_slots(
    embed: "Embedding",
    until: Callable[..., Any],
    fired: list[tuple[bool, FireOutcome]],
) -> None:
    """The slots are known to be taken for long: no portion of what is due waits for them again."""
    registry, release = Registry(), threading.Event()

    @registry.job
    def slow() -> None:
        release.wait(30)

    start = soon()
    count = 1_100  # three portions of the largest size
    schedules = [
        Schedule(f"s{n:04}", every=DAY, start=start, jobs=["slow"], enabled=True)
        for n in range(count)
    ]
    embed.started(registry, schedules, settings={"max_workers": 2})
    until(lambda: sum(one.decided for _, one in fired) == count, "all of them")
    release.set()
    first = next(place for place, (_, one) in enumerate(fired) if one.queued)
    assert len([one for _, one in fired[first:] if one.queued]) > 1
    assert not any(waited for waited, _ in fired[first:])


def test_a_slow_job_delays_no_firing(
    embed: "Embedding", operator: "Operator", until: Callable[..., Any]
) -> None:
    """The only slot is taken: what comes due is written down as a firing that waits."""
    registry, release = Registry(), threading.Event()

    @registry.job
    def slow() -> None:
        release.wait(30)

    @registry.job
    def quick() -> None: ...

    schedules = [
        Schedule("slow", every=DAY, start=soon(), jobs=["slow"], enabled=True),
        Schedule(
            "quick", every=DAY, start=soon() + timedelta(seconds=1), jobs=["quick"], enabled=True
        ),
    ]
    embed.started(registry, schedules, settings={"max_workers": 1})
    until(lambda: operator.history("quick"), "the firing that waits")
    (waiting,) = operator.history("quick")
    assert waiting.status is FiringStatus.QUEUED
    release.set()
    assert operator.ended(waiting.id).status is FiringStatus.SUCCESS


@pytest.mark.backends("sqlite")
def test_the_most_urgent_goes_first(embed: "Embedding", until: Callable[..., Any]) -> None:
    """Of what is due at one instant the highest priority has the first slot."""
    registry, began = Registry(), list[str]()

    @registry.job
    def work(ctx: JobContext) -> None:
        began.append(ctx.schedule_id or "")

    start = soon()
    schedules = [
        Schedule(name, every=DAY, start=start, jobs=["work"], enabled=True, priority=priority)
        for name, priority in (("low", -1), ("high", 5), ("middle", 0))
    ]
    embed.started(registry, schedules, settings={"max_workers": 1})
    until(lambda: len(began) == len(schedules), "all of them")
    assert began == ["high", "middle", "low"]
