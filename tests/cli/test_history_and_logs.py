"""What ran, how it ended, and what it logged."""

import json
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from jobsched import Scheduler
from jobsched.clock import SystemClock
from jobsched.model import Firing, FiringStatus

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CommandLine


@pytest.fixture
def succeeded(scheduler: Scheduler) -> Firing:
    """A firing of feed-refresh that succeeded."""
    firing = scheduler.trigger("feed-refresh", params={"limit": 5})
    scheduler.tick()
    return scheduler.firing(firing.id)


@pytest.fixture
def failed(scheduler: Scheduler) -> Firing:
    """A firing of nightly whose job raised."""
    firing = scheduler.trigger("nightly")
    scheduler.tick()
    return scheduler.firing(firing.id)


def test_history_is_newest_first(
    succeeded: Firing, failed: Firing, jobsched: "CommandLine"
) -> None:
    """One row for each firing: what it ran, when, why, and how it ended."""
    lines = jobsched.out("history").splitlines()
    assert lines[0].split() == ["FIRING", "OF", "FOR", "TRIGGER", "STATUS", "TOOK", "WHY"]
    assert [line.split()[0] for line in lines[1:]] == [str(failed.id), str(succeeded.id)]
    for cell in ("nightly", "MANUAL", "FAILED", "broken: ValueError: no such supplier"):
        assert cell in lines[1]
    for cell in ("feed-refresh", "MANUAL", "SUCCESS"):
        assert cell in lines[2]


def test_history_of_one_schedule(
    succeeded: Firing, failed: Firing, jobsched: "CommandLine"
) -> None:
    """Filtered by schedule, by status, by number and by age."""
    ids = [one["id"] for one in jobsched.json("history", "nightly")]
    assert ids == [failed.id]
    assert [one["id"] for one in jobsched.json("history", "--status", "success")] == [succeeded.id]
    assert [one["id"] for one in jobsched.json("history", "-n", "1")] == [failed.id]
    assert [one["id"] for one in jobsched.json("history", "--limit", "1")] == [failed.id]
    older = jobsched.json("history", "--before", str(failed.id))
    assert [one["id"] for one in older] == [succeeded.id]
    assert jobsched.out("history", "dev-only") == "No firings.\n"


def test_history_with_runs(succeeded: Firing, jobsched: "CommandLine") -> None:
    """--runs shows each job run below its firing; JSON has them always."""
    printed = jobsched.out("history", "feed-refresh", "--runs")
    assert [line.split()[1] for line in printed.splitlines()[2:]] == ["import_feeds", "publish"]
    (document,) = jobsched.json("history", "feed-refresh")
    assert [run["status"] for run in document["runs"]] == ["SUCCESS", "SUCCESS"]
    assert document["runs"][0]["result"] == {"imported": 5}


def test_history_of_an_unknown_schedule(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """An empty list would be a lie: the id is wrong."""
    assert "did you mean 'nightly'?" in jobsched.error("history", "nigthly")
    assert "Invalid value for '--status'" in jobsched("history", "--status", "x", code=2).stderr


def test_logs_of_the_latest_firing(succeeded: Firing, jobsched: "CommandLine") -> None:
    """Each line with its time, level and job; the firing is named on stderr; escape sequences do
    not reach the terminal."""
    result = jobsched("logs", "feed-refresh")
    assert result.stderr.startswith(f"Firing {succeeded.id} of feed-refresh, MANUAL for ")
    first, second = result.stdout.splitlines()
    assert first.endswith(" INFO    import_feeds: importing 5 feeds")
    assert second.endswith(" WARNING publish: published \\x1b[31mall\\x1b[0m")


def test_logs_of_a_firing_or_a_run(
    succeeded: Firing, failed: Firing, jobsched: "CommandLine"
) -> None:
    """Any earlier firing by its number, or one job run of it alone."""
    of_firing = jobsched.out("logs", "--firing", str(succeeded.id)).splitlines()
    assert len(of_firing) == 2
    run = succeeded.runs[1]
    (line,) = jobsched.out("logs", "--run", str(run.id)).splitlines()
    assert line.endswith("publish: published \\x1b[31mall\\x1b[0m")
    assert "999" in jobsched.error("logs", "--run", "999")
    assert "999" in jobsched.error("logs", "--firing", "999")


def test_logs_show_why_a_job_failed(failed: Firing, jobsched: "CommandLine") -> None:
    """After the lines comes the job's traceback."""
    printed = jobsched.out("logs", "nightly")
    assert "broken: about to fail" in printed
    assert printed.rstrip().endswith("ValueError: no such supplier")
    assert "Traceback (most recent call last)" in printed


def test_logs_as_json_lines(succeeded: Firing, jobsched: "CommandLine") -> None:
    """One object a line, with the job that said it, and nothing else."""
    printed = jobsched.out("logs", "feed-refresh", "--json")
    documents = [json.loads(line) for line in printed.splitlines()]
    assert [one["job_name"] for one in documents] == ["import_feeds", "publish"]
    assert documents[0]["message"] == "importing 5 feeds"
    assert documents[0]["firing_id"] == succeeded.id


def test_logs_of_the_last_lines(succeeded: Firing, jobsched: "CommandLine") -> None:
    """-n N keeps the last N lines of what is there."""
    (line,) = jobsched.out("logs", "feed-refresh", "-n", "1").splitlines()
    assert "publish" in line
    assert jobsched.out("logs", "feed-refresh", "-n", "0") == ""


def test_an_occurrence_that_was_skipped_is_not_the_latest(
    scheduler: Scheduler, succeeded: Firing, jobsched: "CommandLine"
) -> None:
    """`logs ID` shows the last firing that ran, not an occurrence that was skipped after it."""
    table = scheduler.database.tables.job_schedule
    an_hour = timedelta(hours=1)
    due = sa.update(table).values(next_run_at=scheduler.database.time.now() - an_hour)
    scheduler.database.transact(lambda tx: tx.connection.execute(due))
    jobsched("disable", "feed-refresh")
    (skipped, *_) = jobsched.json("history", "feed-refresh")
    assert (skipped["status"], skipped["reason"]) == ("SKIPPED", "paused")
    assert "paused: " in jobsched.out("history", "feed-refresh")
    assert f"Firing {succeeded.id} of" in jobsched("logs", "feed-refresh").stderr


def test_logs_of_what_never_ran(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """It is said in words, and an unknown id is refused."""
    assert jobsched("logs", "nightly").stderr == "Schedule nightly has not run yet.\n"
    assert "did you mean 'nightly'?" in jobsched.error("logs", "nigthly")


@pytest.mark.parametrize(
    "arguments", [(), ("nightly", "--firing", "1"), ("--firing", "x"), ("--run", "1", "--follow")]
)
def test_wrong_usage_of_logs(
    shop: "Path", jobsched: "CommandLine", arguments: tuple[str, ...]
) -> None:
    """Exactly one target; exit code 2."""
    jobsched("logs", *arguments, code=2)


def test_following_a_firing_that_has_ended(
    succeeded: Firing, failed: Firing, jobsched: "CommandLine"
) -> None:
    """It ends at once, and the exit code tells how the firing ended."""
    assert "importing" in jobsched.out("logs", "feed-refresh", "--follow")
    assert "about to fail" in jobsched.out("logs", "nightly", "--follow", code=1)


def test_following_to_the_end(
    scheduler: Scheduler, jobsched: "CommandLine", monkeypatch: pytest.MonkeyPatch
) -> None:
    """New lines are shown as they come, each once, until the firing has ended."""
    firing = scheduler.trigger("feed-refresh")
    scheduler.database.clock = RunsInsteadOfWaiting(scheduler)
    result = jobsched("logs", "--firing", str(firing.id), "--follow")
    lines = result.stdout.splitlines()
    assert result.stderr.rstrip().endswith("SUCCESS")
    assert [line.split(": ")[1].split()[0] for line in lines] == ["importing", "published"]
    assert scheduler.firing(firing.id).status is FiringStatus.SUCCESS


def test_ctrl_c_ends_the_following_quietly(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """No traceback, no `Aborted!`; the exit code is the shell's for an interrupt. Before, it was
    said that no daemon is there to run the firing."""
    firing = scheduler.trigger("feed-refresh")
    scheduler.database.clock = Interrupted()
    result = jobsched("logs", "--firing", str(firing.id), "--follow", code=130)
    assert result.stdout == ""
    title, note = result.stderr.splitlines()
    assert title.endswith("QUEUED")
    assert note.startswith("Note: no daemon")


class RunsInsteadOfWaiting(SystemClock):
    """A clock whose waits are the moments at which the daemon works."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        self._scheduler.database.clock = SystemClock()
        self._scheduler.tick()
        return False


class Interrupted(SystemClock):
    """A clock at which the user presses Ctrl+C."""

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        raise KeyboardInterrupt
