"""Whether all is well, for machines and for people."""

from pathlib import Path
from typing import TYPE_CHECKING

from jobsched import Scheduler

if TYPE_CHECKING:
    from conftest import CommandLine


def test_health_without_a_daemon(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """One line that says why not, and exit code 1."""
    (line,) = jobsched.out("health", code=1).splitlines()
    assert line.startswith("critical: ")
    document = jobsched.json("health", code=1)
    assert document["level"] == "critical"
    assert f"critical: {document['message']}" == line


def test_health_with_a_daemon(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """Exit code 0 while a daemon's heartbeat is fresh, whichever process asks."""
    with scheduler:
        (line,) = jobsched.out("health").splitlines()
        assert jobsched.json("health", "--max-age", "60")["level"] == "healthy"
        assert jobsched.out("health", "--max-age", "0.000001", code=1).startswith("critical: ")
    jobsched("health", "--max-age", "0", code=2)
    assert line.startswith("healthy: ")


def test_health_of_a_database_that_is_not_there(folder: Path, jobsched: "CommandLine") -> None:
    """A probe gets its one line, or its JSON, also when nothing answers."""
    url = "postgresql://someone:secret@127.0.0.1:1/nowhere"
    printed = jobsched.out("--database-url", url, "health", code=1)
    assert printed.startswith("critical: ")
    assert printed.count("\n") == 1
    assert "secret" not in printed
    assert jobsched.json("--database-url", url, "health", code=1)["problems"] == []


def test_status_shows_what_operators_ask_first(
    scheduler: Scheduler, jobsched: "CommandLine"
) -> None:
    """Health, counts, what is due next in its zone, and who is alive."""
    scheduler.trigger("nightly")
    printed = jobsched.out("status")
    assert "critical: " in printed
    assert "0 running, 1 queued, 0 waiting" in printed
    assert "Schedules: 1 elsewhere, 1 enabled, 1 disabled" in printed
    assert "feed-refresh" in printed
    document = jobsched.json("status")
    assert document["queued"] == 1
    assert {one["id"] for one in document["schedules"]} == {"feed-refresh", "nightly", "dev-only"}
    assert document["workers"] == []
