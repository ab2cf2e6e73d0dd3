"""What there is: schedules, jobs, workers, and the coming occurrences."""

import itertools
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobsched import Scheduler

if TYPE_CHECKING:
    from conftest import CommandLine


def test_schedules_say_when_they_are_due_and_where_they_stand(
    scheduler: Scheduler, jobsched: "CommandLine"
) -> None:
    """One row for each: id, timing with its zone, what it runs, state, next run in its zone."""
    lines = jobsched.out("schedules").splitlines()
    assert lines[0].split("  ")[0] == "SCHEDULE"
    rows = {line.split()[0]: line for line in lines[1:4]}
    assert set(rows) == {"feed-refresh", "nightly", "dev-only"}
    for cell in ("*/15 * * * * UTC", "group feed", "enabled", "UTC, in ", "0/0"):
        assert cell in rows["feed-refresh"]
    for cell in ("0 2 * * * Europe/Oslo", "broken", "disabled"):
        assert cell in rows["nightly"]
    for cell in ("every 1 min", "every job", "elsewhere"):
        assert cell in rows["dev-only"]
    assert lines[-1] == "dev-only: runs in development, not in production"


@pytest.mark.parametrize("width", ["80", "120"])
def test_tables_fit_the_width(
    scheduler: Scheduler, jobsched: "CommandLine", monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    """At the usual widths no line is too long, and ids are whole."""
    monkeypatch.setenv("COLUMNS", width)
    for command in (["schedules"], ["jobs"], ["next", "all"]):
        printed = jobsched.out(*command)
        assert max(map(len, printed.splitlines())) <= int(width)
        assert ("import_feeds" if command == ["jobs"] else "feed-refresh") in printed


def test_schedules_as_json(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """A JSON array with the state of each schedule."""
    states = {state["id"]: state for state in jobsched.json("schedules")}
    assert states["feed-refresh"]["enabled"] is True
    assert states["nightly"]["timezone"] == "Europe/Oslo"
    assert states["dev-only"]["in_environment"] is False


def test_jobs_say_their_policies(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """One row for each job: group, dependencies, policies, description."""
    rows = {line.split()[0]: line for line in jobsched.out("jobs").splitlines()[1:]}
    assert set(rows) == {"import_feeds", "publish", "broken"}
    for cell in ("feed", "import_feeds", "retries 2, timeout 10 min", "Show it to customers."):
        assert cell in rows["publish"]
    by_name = {job["name"]: job for job in jobsched.json("jobs")}
    assert by_name["publish"]["depends_on"] == ["import_feeds"]
    assert by_name["publish"]["is_async"] is True


def test_an_empty_database_says_how_things_get_into_it(
    folder: Path, jobsched: "CommandLine"
) -> None:
    """Before the first daemon there is nothing, and the commands say where it comes from."""
    url = f"sqlite:///{folder / 'new.db'}"
    jobsched("--database-url", url, "migrate")
    for command in ("schedules", "jobs"):
        printed = jobsched.out("--database-url", url, command)
        assert printed.startswith(f"No {command} in app default.")
        assert "jobsched run APP" in printed
        assert jobsched.json("--database-url", url, command) == []
    assert "No worker of app default is alive" in jobsched.out("--database-url", url, "workers")


def test_workers_show_their_heartbeat(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """A daemon in any process is listed with its host, pid, heartbeat and load."""
    with scheduler:
        (worker,) = jobsched.json("workers")
        heading, row = jobsched.out("workers").splitlines()
    assert heading.startswith("HOST")
    assert worker["worker_type"] == "schedule_daemon"
    assert worker["heartbeat_age_s"] < 60
    for cell in (worker["id"], worker["hostname"], str(worker["pid"]), "RUNNING", "0/10"):
        assert cell in row
    assert jobsched.json("workers") == []
    assert [one["status"] for one in jobsched.json("workers", "--ended")] == ["STOPPED"]


def test_next_lists_coming_occurrences(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """As many as asked for, in the schedule's zone and in UTC, in order."""
    coming = jobsched.json("next", "feed-refresh", "-n", "3")
    times = [datetime.fromisoformat(one["scheduled_for"]) for one in coming]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [
        timedelta(minutes=15)
    ] * 2
    lines = jobsched.out("next", "feed-refresh", "-n", "3").splitlines()
    assert len(lines) == 4
    assert "FROM NOW" in lines[0]


def test_next_of_a_disabled_schedule_says_so(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """The times at which it would run, and the command that enables it."""
    printed = jobsched.out("next", "nightly", "-n", "1")
    assert "It is disabled" in printed
    assert "jobsched enable nightly" in printed
    assert "02:00 CE" in printed
    assert "does not run here" in jobsched.out("next", "dev-only")


def test_next_of_all_is_one_timeline(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """All enabled schedules together, by time; disabled ones and those of elsewhere are not in."""
    scheduler.enable("nightly", by="test")
    coming = jobsched.json("next", "all", "-n", "100")
    assert [one["scheduled_for"] for one in coming] == sorted(
        one["scheduled_for"] for one in coming
    )
    assert {one["schedule_id"] for one in coming} == {"feed-refresh", "nightly"}
    assert len(coming) == 100


def test_an_unknown_schedule_is_guessed(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """One line on stderr, with the id that was meant; exit code 1."""
    line = jobsched.error("next", "feed-refesh")
    assert line.startswith("Error: there is no schedule 'feed-refesh'")
    assert line.endswith("did you mean 'feed-refresh'?")
