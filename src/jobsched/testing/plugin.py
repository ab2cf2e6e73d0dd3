"""Fixtures for hosts' tests; pytest loads them with the installed package."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from jobsched.declarations import Schedule
    from jobsched.scheduler import Scheduler
    from jobsched.testing.clock import FakeClock

MakeScheduler = Callable[..., "Scheduler"]


@pytest.fixture
def jobsched_clock() -> "FakeClock":
    """The time of the test's schedulers: it stands still until the test advances it."""
    from jobsched.testing.clock import FakeClock

    return FakeClock()


@pytest.fixture
def make_scheduler(jobsched_clock: "FakeClock") -> Iterator[MakeScheduler]:
    """Makes schedulers on in-memory SQLite at `jobsched_clock`'s time; `tick()` them.

    Takes the schedules and what `Scheduler` takes by name; all are closed after the test.
    """
    from jobsched.scheduler import Scheduler

    made: list[Scheduler] = []

    def make(schedules: "Sequence[Schedule]" = (), **options: Any) -> "Scheduler":
        scheduler = Scheduler("sqlite://", schedules=schedules, clock=jobsched_clock, **options)
        made.append(scheduler)
        return scheduler

    yield make
    for scheduler in made:
        scheduler.close()
