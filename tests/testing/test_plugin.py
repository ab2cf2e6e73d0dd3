"""The pytest plugin, as a host's test suite uses it."""

from importlib.metadata import entry_points

import pytest

pytest_plugins = ["pytester"]

HOST_TEST = '''
from datetime import timedelta
from jobsched import Registry, Schedule

registry = Registry()

@registry.job
def greet(name: str = "world"):
    """Greets."""
    return f"hello {name}"

def test_it_fires(make_scheduler, jobsched_clock):
    schedule = Schedule("hourly", cron="0 * * * *", enabled=True, params={"name": "you"})
    scheduler = make_scheduler([schedule], registry=registry)
    scheduler.tick()
    jobsched_clock.advance(timedelta(hours=1))
    scheduler.tick()
    (firing,) = scheduler.history("hourly")
    assert firing.status == "SUCCESS"
    assert firing.runs[0].result == "hello you"

def test_every_test_has_its_own_database(make_scheduler):
    scheduler = make_scheduler(registry=registry)
    scheduler.sync()
    assert scheduler.history() == []
'''


def test_a_host_asserts_what_its_schedules_do(pytester: pytest.Pytester) -> None:
    """With the plugin a host's test advances the clock, ticks, and looks at the history."""
    pytester.makepyfile(HOST_TEST)
    installed = entry_points(group="pytest11", name="jobsched")
    by_hand = [] if installed else ["-p", "jobsched.testing.plugin"]  # run from a source tree
    result = pytester.runpytest_subprocess(*by_hand, "-p", "no:randomly")
    result.assert_outcomes(passed=2)
