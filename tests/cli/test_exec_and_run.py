"""The commands that run jobs: `exec` in this process, `run` as the daemon it is."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import jobsched as jobsched_package
from jobsched import Scheduler
from jobsched.model import FiringStatus

if TYPE_CHECKING:
    from conftest import CommandLine


def test_exec_runs_one_job_here(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """Its logs are printed as they come, its history is kept, and success is exit code 0."""
    printed = jobsched.out("exec", "import_feeds", "--params", '{"limit": 2}')
    assert " INFO    import_feeds: importing 2 feeds" in printed
    assert "of job import_feeds: SUCCESS" in printed.splitlines()[-1]
    (firing,) = scheduler.history()
    assert firing.status is FiringStatus.SUCCESS
    assert firing.runs[0].result == {"imported": 2}
    assert [line.message for line in scheduler.logs(firing_id=firing.id)] == ["importing 2 feeds"]


def test_exec_of_a_job_that_fails(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """Its traceback is shown, and the exit code is 1."""
    printed = jobsched.out("exec", "broken", code=1)
    assert "about to fail" in printed
    assert "ValueError: no such supplier" in printed
    assert "FAILED" in printed.splitlines()[-1]


def test_exec_of_a_job_that_is_tried_again(
    shop: Path, jobsched: "CommandLine", monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed is shown all the same, and who goes on; without a daemon it is said so."""
    text = (shop / "shop.py").read_text("utf-8")
    (shop / "flaky.py").write_text(text.replace("@registry.job\n", "@registry.job(retries=2)\n"))
    monkeypatch.setenv("JOBSCHED_APP", "flaky:scheduler")
    result = jobsched("exec", "broken", code=1)
    assert "ValueError: no such supplier" in result.stdout
    assert "WAITING: a daemon tries it again, at 20" in result.stdout.splitlines()[-1]
    assert "no daemon" in result.stderr


def test_exec_as_json(scheduler: Scheduler, jobsched: "CommandLine") -> None:
    """The firing as one document, and nothing else on stdout, whatever the job prints."""
    document = jobsched.json("exec", "import_feeds")
    assert document["status"] == "SUCCESS"
    assert document["runs"][0]["result"] == {"imported": 3}
    assert jobsched.json("exec", "broken", code=1)["status"] == "FAILED"  # this one prints


def test_exec_of_an_unknown_job(shop: Path, jobsched: "CommandLine") -> None:
    """One line with the name that was meant."""
    assert "did you mean 'publish'?" in jobsched.error("exec", "publsh")


def test_exec_on_a_new_database(shop: Path, jobsched: "CommandLine") -> None:
    """No daemon and no tables are needed before."""
    assert jobsched.json("exec", "import_feeds")["status"] == "SUCCESS"


def test_a_daemon_that_is_switched_off_says_so(
    shop: Path, jobsched: "CommandLine", monkeypatch: pytest.MonkeyPatch
) -> None:
    """JOBSCHED_ENABLED=false: exit code 0, and no database is touched."""
    monkeypatch.setenv("JOBSCHED_ENABLED", "false")
    assert "JOBSCHED_ENABLED=false" in jobsched.out("run")
    assert not (shop / "jobs.db").exists()


@contextmanager
def daemon(shop: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m jobsched run`, as its users start it."""
    with subprocess.Popen(
        [sys.executable, "-m", "jobsched", "run", *arguments],
        cwd=shop,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(jobsched_package.__file__).resolve().parents[1]),
            "PYTHONUNBUFFERED": "1",
            "JOBSCHED_ENVIRONMENT": "development",
        },
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_until(process: subprocess.Popen[str], reached: Callable[[str], bool]) -> list[str]:
    """The daemon's lines up to the first for which `reached` holds."""
    assert process.stdout is not None
    assert process.stderr is not None
    seen = []
    for line in process.stdout:
        seen.append(line.rstrip("\n"))
        if reached(line):
            return seen
    pytest.fail("the daemon ended too early:\n" + "\n".join(seen) + process.stderr.read())


def test_run_lists_the_schedules_and_says_what_happens(shop: Path) -> None:
    """At start a table with next times and how to enable the disabled; then a line an event;
    SIGTERM drains it, exit code 0."""
    with daemon(shop) as process:
        started = lines_until(process, lambda line: "started" in line)
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    table = "\n".join(started)
    for cell in ("feed-refresh", "*/15 * * * * UTC", "UTC, in ", "nightly", "dev-only"):
        assert cell in table
    assert "Disabled until you enable them: python -m jobsched enable nightly" in table
    assert "stopped" in rest


def test_run_as_json_lines(shop: Path) -> None:
    """With --log-format json every line of stdout is JSON, from the schedules to the end."""
    with daemon(shop, "--log-format", "json") as process:
        lines = lines_until(process, lambda line: "daemon_started" in line)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    events: list[dict[str, Any]] = [json.loads(line) for line in [*lines, *rest.splitlines()]]
    by_name = {event["event"]: event for event in events}
    known = by_name["schedules"]["fields"]["schedules"]
    assert {one["id"] for one in known} == {"feed-refresh", "nightly", "dev-only"}
    assert by_name["daemon_stopped"]["level"] == "INFO"


def test_run_of_a_wrong_declaration_does_not_start(shop: Path, jobsched: "CommandLine") -> None:
    """What check would find is said at start, with exit code 1."""
    wrong = (shop / "shop.py").read_text("utf-8").replace('jobs=["broken"]', 'jobs=["brokn"]')
    (shop / "wrong.py").write_text(wrong, "utf-8")
    assert "brokn" in jobsched.error("run", "wrong:scheduler")


STUBBORN = """
import threading
from jobsched import Registry, Schedule, Scheduler

registry = Registry()

@registry.job
def endless():
    threading.Event().wait()

scheduler = Scheduler(
    "sqlite:///jobs.db", registry=registry, schedules=[Schedule(id="always", every=1, enabled=True)]
)
"""


def test_run_leaves_a_job_behind_at_the_end_of_the_grace(
    shop: Path, jobsched: "CommandLine", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread cannot be ended, but the process can: exit code 1, and the job run is LOST."""
    (shop / "stubborn.py").write_text(STUBBORN, "utf-8")
    monkeypatch.setenv("JOBSCHED_SHUTDOWN_GRACE", "0.2")
    with daemon(shop, "stubborn:scheduler") as process:
        lines_until(process, lambda line: "job endless started" in line)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1, errors
    document = jobsched.json("--app", "stubborn:scheduler", "history", "--status", "FAILED")
    assert [(run["status"], run["reason"]) for run in document[0]["runs"]] == [("LOST", "shutdown")]


def test_run_says_nothing_twice(shop: Path) -> None:
    """An app that logs to the console itself keeps its format, and each event is one line."""
    logging_app = "import logging\nlogging.basicConfig(format='OURS %(message)s')\n"
    (shop / "logs.py").write_text(logging_app + (shop / "shop.py").read_text("utf-8"), "utf-8")
    with daemon(shop, "logs:scheduler") as process:
        process.stdout, process.stderr = process.stderr, process.stdout
        lines = lines_until(process, lambda line: "are declared" in line)
        process.stdout, process.stderr = process.stderr, process.stdout
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=30)
    assert [line for line in lines if "started" in line] == [lines[-2]]
    assert lines[-2].startswith("OURS daemon ")
    assert "started" not in printed
