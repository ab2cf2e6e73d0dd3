"""Whether all is well, for machines and for people."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from jobsched import Registry, Scheduler

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


def test_status_lists_what_runs(shop: Path, jobsched: "CommandLine") -> None:
    """Each firing that runs with the jobs it is at, the one that started first at the top."""
    registry, begun, gate = Registry(), threading.Semaphore(0), threading.Event()

    @registry.job
    def slow() -> None:
        begun.release()
        gate.wait(30)

    with Scheduler(f"sqlite:///{shop / 'jobs.db'}", registry=registry) as scheduler:
        firings = []
        for _ in range(2):
            firings.append(scheduler.enqueue(slow).id)
            assert begun.acquire(timeout=30)
        printed = jobsched.out("status").splitlines()
        document = jobsched.json("status")
        gate.set()
    assert "Firings: 2 running, 0 queued, 0 waiting for a retry" in printed
    at = next(i for i, line in enumerate(printed) if line.startswith("FIRING"))
    assert printed[at].split() == ["FIRING", "RUNS", "NOW", "SINCE", "JOBS"]
    rows = printed[at + 1 : at + 3]
    assert [int(row.split()[0]) for row in rows] == firings
    assert all("job slow" in row and row.endswith("slow") for row in rows)
    assert [one["id"] for one in document["running_firings"]] == firings
    assert document["running_firings"][0]["runs"][0]["status"] == "RUNNING"
    assert document["running"] == 2


def test_health_of_a_file_that_is_no_database(folder: Path, jobsched: "CommandLine") -> None:
    """A damaged file, or another one, is the database's trouble, in one line."""
    (folder / "jobs.db").write_text("no database, but longer than its header would be " * 9)
    printed = jobsched.out("--database-url", "sqlite:///jobs.db", "health", code=1)
    assert printed.startswith("critical: ")
    assert "file is not a database" in printed
    assert printed.count("\n") == 1
