"""An occurrence that comes due while an earlier firing of its schedule really runs."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from jobsched import JobContext, Registry, Schedule
from jobsched.model import Firing, FiringStatus

if TYPE_CHECKING:
    from conftest import Embedding, Operator, Switches

S = FiringStatus

pytestmark = pytest.mark.timeout(60)


class Work:
    """A job that runs until it is released, and counts how many of it run at once."""

    def __init__(self, switches: "Switches") -> None:
        self.registry = Registry()
        self.switches = switches
        self.running = self.most = 0
        self._lock = threading.Lock()
        self.registry.job("work")(self.work)

    def work(self, ctx: JobContext) -> None:
        self._count(1)
        try:
            while not self.switches.released.is_on and not ctx.cancelled:
                ctx.cancelled.wait(0.01)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self.running += change
            self.most = max(self.most, self.running)


@pytest.fixture
def work(switches: "Switches") -> Work:
    return Work(switches)


@pytest.fixture
def every_second(
    embed: "Embedding", work: Work, operator: "Operator", until: Callable[..., Any]
) -> Callable[..., list[Firing]]:
    """Run the schedule each second until its firings, oldest first, are as wanted."""

    def run(overlap: str, wanted: Callable[[list[Firing]], bool]) -> list[Firing]:
        schedule = Schedule(id="each", every=1, jobs=["work"], overlap=overlap, enabled=True)
        embed.started(work.registry, [schedule])

        def look() -> list[Firing]:
            firings = operator.history("each", limit=100)[::-1]
            return firings if wanted(firings) else []

        return list(until(look, f"the firings of overlap={overlap!r}"))

    return run


@pytest.mark.backends("sqlite")
def test_skip(every_second: Callable[..., list[Firing]], work: Work, operator: "Operator") -> None:
    """It is SKIPPED, and says which firing was in its way; the next one after that runs."""
    first, second, *_ = every_second("skip", lambda firings: len(firings) >= 3)
    assert first.status is S.RUNNING
    assert (second.status, second.reason) == (S.SKIPPED, "overlap")
    assert second.blocked_by == first.id
    work.switches.released.on()
    assert operator.ended(first.id).status is S.SUCCESS
    assert work.most == 1


@pytest.mark.backends("sqlite", "postgresql")
def test_queue(every_second: Callable[..., list[Firing]], work: Work, operator: "Operator") -> None:
    """The first that comes waits and runs next; those after it are SKIPPED for it."""
    first, second, third, *_ = every_second("queue", lambda firings: len(firings) >= 4)
    assert [first.status, second.status, third.status] == [S.RUNNING, S.QUEUED, S.SKIPPED]
    assert third.blocked_by == second.id
    work.switches.released.on()
    assert operator.ended(second.id).status is S.SUCCESS
    assert operator.firing(second.id).started_at >= operator.firing(first.id).finished_at
    assert work.most == 1


@pytest.mark.backends("sqlite")
def test_allow(every_second: Callable[..., list[Firing]], work: Work, operator: "Operator") -> None:
    """Both run at once."""
    first, second, *_ = every_second(
        "allow", lambda firings: sum(one.status is S.RUNNING for one in firings) >= 2
    )
    work.switches.released.on()
    assert operator.ended(first.id).status is S.SUCCESS
    assert operator.ended(second.id).status is S.SUCCESS
    assert work.most >= 2


@pytest.mark.backends("sqlite", "postgresql")
def test_cancel_previous(
    every_second: Callable[..., list[Firing]], work: Work, operator: "Operator"
) -> None:
    """The earlier one is asked to stop, and the new one starts when it has: never both at once."""
    first, second, *_ = every_second(
        "cancel_previous", lambda firings: sum(one.status is S.CANCELLED for one in firings) >= 2
    )
    assert (first.status, second.status) == (S.CANCELLED, S.CANCELLED)
    assert [run.status for run in first.runs] == ["CANCELLED"]
    assert second.started_at >= first.finished_at
    work.switches.released.on()
    assert work.most == 1
