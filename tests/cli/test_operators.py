"""The operators' verbs, on a real database."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from jobsched import Scheduler

if TYPE_CHECKING:
    from conftest import CommandLine


def audited(scheduler: Scheduler) -> list[tuple[str, str, str, str | None]]:
    """Who did what to which target, and why."""
    table = scheduler.database.tables.audit_log
    columns = (table.c.who, table.c.what, table.c.target, table.c.reason)
    return scheduler.database.query(
        lambda tx: [tuple(row) for row in tx.connection.execute(sa.select(*columns))]
    )


def enabled(jobsched: "CommandLine", schedule_id: str) -> bool:
    return bool({one["id"]: one["enabled"] for one in jobsched.json("schedules")}[schedule_id])


def test_enable_says_when_it_runs(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """The state is in the database afterwards, and the next run is said in the schedule's zone."""
    printed = jobsched.out("enable", "nightly", "--reason", "launch", "--by", "ada")
    assert printed.startswith("Enabled nightly; next run ")
    assert "02:00 CE" in printed
    assert enabled(jobsched, "nightly")
    assert audited(scheduler)[-1] == ("ada", "enable", "schedule nightly", "launch")


def test_enabling_elsewhere_says_that_it_does_not_run_here(
    scheduler: Scheduler, jobsched: "CommandLine"
) -> None:
    """An operator who enables a schedule of another environment is not left waiting."""
    assert "runs in development, not in production" in jobsched.out("enable", "dev-only")


def test_disable_keeps_the_reason(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """The reason is shown where the schedules are listed; who it was defaults to the user."""
    jobsched.out("disable", "feed-refresh", "--reason", "supplier down")
    assert not enabled(jobsched, "feed-refresh")
    assert "supplier down" in jobsched.out("schedules")
    who, what, target, reason = audited(scheduler)[-1]
    assert "@" in who
    assert (what, target, reason) == ("disable", "schedule feed-refresh", "supplier down")


def test_several_are_switched_one_by_one(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """An unknown id does not hold up the others; the exit code tells of it."""
    result = jobsched("enable", "nigtly", "nightly", code=1)
    assert "did you mean 'nightly'?" in result.stderr
    assert result.stdout.startswith("Enabled nightly")
    assert enabled(jobsched, "nightly")
    assert [one["id"] for one in jobsched.json("disable", "nightly", "feed-refresh")] == [
        "nightly",
        "feed-refresh",
    ]


def test_one_unknown_id_is_one_line(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """Error on stderr, nothing on stdout, exit code 1."""
    assert "did you mean 'nightly'?" in jobsched.error("disable", "nighly")


def test_a_verb_without_ids_is_wrong_usage(shop: Path, jobsched: "CommandLine") -> None:
    """Exit code 2, with the usage."""
    assert "Usage: jobsched enable" in jobsched("enable", code=2).stderr


def test_trigger_makes_a_firing(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """The firing waits for a daemon; the command says its id, how to follow it, and that no
    daemon is there to take it."""
    result = jobsched("trigger", "nightly", "--by", "ada")
    (firing,) = scheduler.history("nightly")
    assert f"Firing {firing.id} of nightly is QUEUED." in result.stdout
    assert f"jobsched logs --firing {firing.id} --follow" in result.stdout
    assert result.stderr.startswith("Note: ")
    assert firing.requested_by == "ada"


def test_trigger_with_params(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """Parameters reach the firing as they were written."""
    document = jobsched.json("trigger", "feed-refresh", "--params", '{"limit": 5}')
    assert document["params"] == {"limit": 5}
    assert document["trigger"] == "MANUAL"
    assert scheduler.firing(document["id"]).params == {"limit": 5}


def test_the_same_key_is_the_same_firing(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """A command that is repeated with its key fires once."""
    first = jobsched.json("trigger", "feed-refresh", "--key", "deploy-42")
    assert jobsched.json("trigger", "feed-refresh", "--key", "deploy-42")["id"] == first["id"]


def test_a_second_waiting_firing_is_a_conflict(
    scheduler: Scheduler, jobsched: "CommandLine"
) -> None:
    """It is refused in one line that names the first."""
    first = jobsched.json("trigger", "feed-refresh")
    assert f"firing {first['id']}" in jobsched.error("trigger", "feed-refresh")


def test_a_single_job_is_triggered(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """--job NAME instead of a schedule."""
    document = jobsched.json("trigger", "--job", "import_feeds")
    assert document["job_name"] == "import_feeds"
    assert document["schedule_id"] is None
    assert "did you mean 'import_feeds'?" in jobsched.error("trigger", "--job", "import_feed")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("feed-refresh", "--job", "publish"),
        ("feed-refresh", "--params", "{limit: 3}"),
        ("feed-refresh", "--params", "[3]"),
    ],
)
def test_wrong_usage_of_trigger(
    shop: Path, jobsched: "CommandLine", arguments: tuple[str, ...]
) -> None:
    """Neither or both targets, or params that are no JSON object: exit code 2."""
    assert "Error: " in jobsched("trigger", *arguments, code=2).stderr


def test_params_that_no_job_takes_are_refused(
    scheduler: Scheduler, jobsched: "CommandLine"
) -> None:
    """A misspelt parameter is an error that names it."""
    line = jobsched.error("trigger", "feed-refresh", "--params", '{"limt": 5}')
    assert "limt" in line


def test_cancel_a_waiting_firing(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """What waits is CANCELLED at once; a second time there is nothing to cancel."""
    firing = scheduler.trigger("feed-refresh")
    number = str(firing.id)
    printed = jobsched.out("cancel", number, "--reason", "wrong month", "--by", "ada")
    assert printed == f"Firing {number} of feed-refresh is CANCELLED.\n"
    assert audited(scheduler)[-1] == ("ada", "cancel", f"firing {number}", "wrong month")
    assert "has ended" in jobsched.error("cancel", number)


def test_an_unknown_firing_is_one_line(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """The message names it and says where ids are listed."""
    for verb in ("cancel", "retry"):
        assert "firing 999" in jobsched.error(verb, "999")
    assert "'abc' is not a valid integer" in jobsched("cancel", "abc", code=2).stderr


def test_retry_gives_another_attempt(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """A firing that failed is QUEUED again, and its jobs are named."""
    firing = scheduler.trigger("nightly")
    scheduler.tick()
    assert scheduler.firing(firing.id).status == "FAILED"
    printed = jobsched.out("retry", str(firing.id))
    assert printed == f"Firing {firing.id} of nightly is QUEUED again: broken\n"
    assert "only a FAILED or CANCELLED one" in jobsched.error("retry", str(firing.id))
