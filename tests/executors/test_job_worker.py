"""Job runs that another process executes for the daemon: `run_job_run`."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jobs_in_processes
import pytest
import sqlalchemy as sa
from process_host import Host

import jobsched
from jobsched import ConfigurationError, ConflictError, NotFoundError, Scheduler
from jobsched.executors import RemoteExecutor
from jobsched.executors.remote import Assignment, Report
from jobsched.job_worker import run_job_run
from jobsched.model import FiringStatus, JobRunStatus, WorkerStatus, WorkerType


class Elsewhere(RemoteExecutor):
    """An engine that executes job runs with a Scheduler of its own."""

    def __init__(self, url: str) -> None:
        self.scheduler = Scheduler(url, registry=jobs_in_processes.registry)
        self.raised: list[Exception] = []
        self.ended = threading.Event()

    def problem(self, job: Any, around: Any) -> None:
        return None

    def start(self, assignment: Assignment) -> "Elsewhere":
        threading.Thread(target=self._execute, args=(assignment,)).start()
        return self

    def _execute(self, assignment: Assignment) -> None:
        how: Report | Exception
        try:
            how = Report(**self.execute(assignment.context.run_id))
        except Exception as error:
            self.raised.append(error)
            how = error
        assignment.ended(how)
        self.ended.set()

    def execute(self, run_id: int) -> dict[str, Any]:
        return run_job_run(run_id, self.scheduler)

    def ask(self, reason: str) -> None: ...

    def kill(self) -> None: ...


@pytest.fixture
def started(database_url: str) -> Iterator[Callable[[Elsewhere], Host]]:
    """Starts a daemon that gives its job runs to this executor."""
    hosts: list[tuple[Host, Elsewhere]] = []

    def start(elsewhere: Elsewhere) -> Host:
        host = Host(database_url, elsewhere)
        hosts.append((host, elsewhere))
        host.scheduler.start()
        return host

    yield start
    for host, elsewhere in hosts:
        host.scheduler.stop(grace=0)
        host.scheduler.database.dispose()
        elsewhere.scheduler.database.dispose()


@pytest.fixture
def elsewhere(database_url: str) -> Elsewhere:
    return Elsewhere(database_url)


@pytest.fixture
def daemon(started: Callable[[Elsewhere], Host], elsewhere: Elsewhere) -> Host:
    return started(elsewhere)


def claim_it(host: Host, firing_id: int, worker: str) -> None:
    """What recovery and another daemon's claim do."""
    table = host.scheduler.database.tables.job_firing
    host.scheduler.database.transact(
        lambda tx: tx.connection.execute(
            sa.update(table).where(table.c.id == firing_id).values(claimed_by=worker)
        )
    )


def test_a_run_executed_elsewhere(daemon: Host) -> None:
    """Result, log lines and progress are there as if it had run in the daemon; the run's worker is
    a `job_worker` that registered for it, and has stopped."""
    run = daemon.run("talk")
    assert run.status is JobRunStatus.SUCCESS, run.error
    assert daemon.logs(run)[0] == "from ctx.log"
    assert run.progress == {"fraction": 1.0, "message": "all of it"}
    workers = {one.id: one for one in daemon.scheduler.list_workers(ended=True)}
    worker = workers[run.worker_id or ""]
    assert (worker.worker_type, worker.status) == (WorkerType.JOB_WORKER, WorkerStatus.STOPPED)
    claimer = daemon.scheduler.firing(run.firing_id).claimed_by
    assert claimer != run.worker_id


def test_an_error_elsewhere_is_judged_by_the_daemon(daemon: Host) -> None:
    """The daemon writes the end, and the next attempt that follows from it."""
    firing = daemon.wait(daemon.start("raise_unpicklable"))
    assert [run.error for run in firing.runs] == ["UnpicklableError: holds a lock"] * 2


@pytest.mark.backends("sqlite")
def test_a_cancelled_run_elsewhere(daemon: Host) -> None:
    """The request is found in the database; an async job would be cancelled."""
    firing_id = daemon.start("wait_to_be_asked")
    daemon.wait_for_log(firing_id)
    daemon.scheduler.cancel(firing_id)
    assert daemon.wait(firing_id).status is FiringStatus.CANCELLED


@pytest.mark.backends("sqlite")
def test_a_run_elsewhere_past_its_timeout(daemon: Host) -> None:
    """It is asked to stop, there as here."""
    run = daemon.run("wait_to_be_too_late")
    assert (run.status, run.reason) == (JobRunStatus.FAILED, "timeout")


def test_a_request_that_is_delivered_twice(daemon: Host, elsewhere: Elsewhere) -> None:
    """Engines may deliver twice: the run is executed once."""
    firing_id = daemon.start("wait_to_be_asked")
    daemon.wait_for_log(firing_id)
    (run,) = daemon.scheduler.firing(firing_id).runs
    with pytest.raises(ConflictError, match=f"job run {run.id} is not to be executed here"):
        run_job_run(run.id, elsewhere.scheduler)
    daemon.scheduler.cancel(firing_id)
    daemon.wait(firing_id)
    with pytest.raises(ConflictError, match="it is CANCELLED"):
        run_job_run(run.id, elsewhere.scheduler)


def test_a_run_whose_daemon_lost_its_claim(daemon: Host, elsewhere: Elsewhere) -> None:
    """I3: the job is asked to stop, and neither there nor in the daemon anything more is written
    of it."""
    firing_id = daemon.start("wait_to_be_asked")
    daemon.wait_for_log(firing_id)
    claim_it(daemon, firing_id, "another daemon")
    assert elsewhere.ended.wait(30)
    (raised,) = elsewhere.raised
    assert isinstance(raised, ConflictError)
    assert "taken from the daemon" in str(raised)
    daemon.scheduler.stop(grace=0)
    firing = daemon.scheduler.firing(firing_id)
    assert (firing.status, firing.claimed_by) == (FiringStatus.RUNNING, "another daemon")
    assert [run.status for run in firing.runs] == [JobRunStatus.RUNNING]
    assert len(daemon.scheduler.logs(firing_id=firing_id)) == 1


@pytest.mark.backends("sqlite")
def test_a_run_that_is_not_there(daemon: Host, elsewhere: Elsewhere) -> None:
    """The error names it."""
    with pytest.raises(NotFoundError, match="job run 4711"):
        run_job_run(4711, elsewhere.scheduler)


@pytest.mark.parametrize(
    ("app", "complaint"),
    [
        (None, "JOBSCHED_APP"),
        ("no_such_module:scheduler", "no_such_module"),
        ("jobs_in_processes:nothing", "has no nothing"),
        ("jobs_in_processes:calls", "leads to list"),
        ("no reference", "cannot be found"),
    ],
)
def test_an_app_that_is_none(
    app: str | None, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to give."""
    monkeypatch.delenv("JOBSCHED_APP", raising=False)
    with pytest.raises(ConfigurationError, match=complaint):
        run_job_run(1, app)


class AnotherProgram(Elsewhere):
    """Executes job runs in a program that has only the run's id and JOBSCHED_APP."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url)
        here, source = Path(__file__).parent, Path(jobsched.__file__).parents[1]
        self._environment = {
            **os.environ,
            "PYTHONPATH": f"{folder}:{here}:{source}",
            "JOBSCHED_APP": "shop:make",
        }
        (folder / "shop.py").write_text(
            "import jobs_in_processes\n"
            "from jobsched import Scheduler\n"
            "def make():\n"
            f"    return Scheduler({url!r}, registry=jobs_in_processes.registry)\n"
        )

    def execute(self, run_id: int) -> dict[str, Any]:
        program = (
            "import json; from jobsched.job_worker import run_job_run; "
            f"print(json.dumps(run_job_run({run_id})))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report


@pytest.mark.backends("sqlite")
def test_another_program_finds_the_app(
    database_url: str, tmp_path: Path, started: Callable[[Elsewhere], Host]
) -> None:
    """By JOBSCHED_APP, here a function that makes the Scheduler; its report is JSON."""
    daemon = started(AnotherProgram(database_url, tmp_path))
    run = daemon.run("facts", day="2026-03-02")
    assert run.status is JobRunStatus.SUCCESS, run.error
    assert run.result["day"] == "2026-03-02"
    assert run.result["pid"] != os.getpid()
