"""More is due than there are slots: it waits in the database, in order, and slows nothing else."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobsched import JobContext, Registry, Schedule
from jobsched.clock import SystemClock
from jobsched.model import FiringStatus

if TYPE_CHECKING:
    from conftest import Embedding, Operator

DAY = timedelta(days=1)


def soon() -> datetime:
    return SystemClock().now() + timedelta(seconds=2)


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


@pytest.mark.backends("postgresql", "mariadb")
def test_what_is_due_next_is_ready_when_slots_come(
    embed: "Embedding", operator: "Operator", until: Callable[..., Any]
) -> None:
    """Jobs of many lengths, sixty due at once, five slots: each runs once, none but in a slot."""
    registry, running, most, lock = Registry(), set[int](), list[int](), threading.Lock()

    @registry.job
    def work(ctx: JobContext) -> None:
        with lock:
            running.add(ctx.run_id)
            most.append(len(running))
        ctx.cancelled.wait(ctx.firing_id % 4 * 0.02)  # none, within a moment, longer than patience
        with lock:
            running.discard(ctx.run_id)

    names = [f"s{number:02}" for number in range(60)]
    start = soon()
    schedules = [Schedule(n, every=DAY, start=start, jobs=["work"], enabled=True) for n in names]
    embed.started(registry, schedules, settings={"max_workers": 5})
    until(lambda: len(most) >= len(names) and not running, "all of them")
    ended = [operator.ended(one.id) for name in names for one in operator.history(name)]
    assert sorted(one.schedule_id or "" for one in ended) == names
    assert {one.status for one in ended} == {FiringStatus.SUCCESS}
    assert max(most) <= 5


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
