"""SIGTERM and SIGINT: a daemon drains within its grace, and its exit code tells how it went."""

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from jobsched import Schedule
from jobsched.model import FiringStatus, JobRunStatus, WorkerStatus

if TYPE_CHECKING:
    from conftest import Daemon, Gate, Ledger, Operator

Start = Callable[..., list["Daemon"]]
CHAIN = Schedule(id="chain", cron="0 0 1 1 *", group="chain")

pytestmark = pytest.mark.timeout(60)


def status_of(operator: "Operator", daemon: "Daemon") -> WorkerStatus:
    workers = {worker.id: worker.status for worker in operator.list_workers(ended=True)}
    return workers[daemon.worker_id]


def test_a_drain_ends_what_runs_and_hands_back_the_rest(
    start_daemons: Start,
    declare: Callable[..., None],
    operator: "Operator",
    ledger: "Ledger",
    gate: "Gate",
) -> None:
    """SIGTERM: the running job finishes, queued ones go to another daemon, the exit code is 0."""
    (leaving,) = start_daemons()
    declare(CHAIN)
    chain = operator.trigger("chain")
    ledger.wait("start", job="chain_gated")
    leaving.send(signal.SIGTERM)
    leaving.wait_for("daemon_stopping")
    late = operator.enqueue("quick")
    gate.let()
    assert leaving.exit_code() == 0
    assert status_of(operator, leaving) is WorkerStatus.STOPPED
    handed_back = operator.firing(chain.id)
    assert handed_back.status is FiringStatus.QUEUED
    assert handed_back.claimed_by is None
    assert [run.status for run in handed_back.runs] == ["SUCCESS", "SUCCESS", "QUEUED"]
    assert operator.firing(late.id).status is FiringStatus.QUEUED

    (taking_up,) = start_daemons()
    assert operator.ended(chain.id).status is FiringStatus.SUCCESS
    assert operator.ended(late.id).status is FiringStatus.SUCCESS
    starts = [(one["job"], one["pid"]) for one in ledger.records("start", firing=chain.id)]
    assert starts == [
        ("chain_first", leaving.pid),
        ("chain_gated", leaving.pid),
        ("chain_last", taking_up.pid),
    ]


@pytest.mark.backends("sqlite")
def test_interrupt_drains_as_well(
    start_daemons: Start, operator: "Operator", ledger: "Ledger", gate: "Gate"
) -> None:
    """SIGINT, which is Ctrl+C, does what SIGTERM does."""
    (daemon,) = start_daemons()
    firing = operator.enqueue("gated")
    ledger.wait("start")
    daemon.send(signal.SIGINT)
    daemon.wait_for("daemon_stopping")
    gate.let()
    assert daemon.exit_code() == 0
    assert operator.firing(firing.id).status is FiringStatus.SUCCESS
    assert operator.run(firing.id).result == "through"


def test_a_second_signal_ends_it_at_once(
    start_daemons: Start, operator: "Operator", ledger: "Ledger"
) -> None:
    """Whatever the grace: what runs is written down as LOST, and the process is gone, code 1."""
    (daemon,) = start_daemons(JOBSCHED_SHUTDOWN_GRACE="1h")
    firing = operator.enqueue("stuck")
    ledger.wait("start")
    daemon.send(signal.SIGTERM)
    daemon.wait_for("daemon_stopping")
    daemon.send(signal.SIGTERM)
    assert daemon.exit_code() == 1
    run = operator.run(firing.id)
    assert (run.status, run.reason) == (JobRunStatus.LOST, "shutdown")
    assert operator.firing(firing.id).status is FiringStatus.FAILED
    assert status_of(operator, daemon) is WorkerStatus.STOPPED
    assert ledger.records("end") == []


@pytest.mark.backends("sqlite")
def test_a_stuck_thread_does_not_outlive_the_grace(
    start_daemons: Start, operator: "Operator", ledger: "Ledger"
) -> None:
    """A thread cannot be killed, a process can: its job is LOST, and the exit code is 1."""
    (daemon,) = start_daemons(JOBSCHED_SHUTDOWN_GRACE="300ms")
    firing = operator.enqueue("stuck")
    ledger.wait("start")
    daemon.send(signal.SIGTERM)
    assert daemon.exit_code() == 1
    run = operator.run(firing.id)
    assert (run.status, run.reason) == (JobRunStatus.LOST, "shutdown")
    assert ledger.records("end") == []


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("job", ["endless", "obliging"])
def test_the_end_of_the_grace_stops_what_can_be_stopped(
    job: str, start_daemons: Start, operator: "Operator", ledger: "Ledger"
) -> None:
    """Async jobs are cancelled and sync ones asked: cut short, they are LOST and no success."""
    (daemon,) = start_daemons(JOBSCHED_SHUTDOWN_GRACE="300ms")
    firing = operator.enqueue(job)
    ledger.wait("start")
    daemon.send(signal.SIGTERM)
    assert daemon.exit_code() == 0
    (end,) = ledger.records("end")
    assert end["asked"] == "shutdown"
    run = operator.run(firing.id)
    assert (run.status, run.reason) == (JobRunStatus.LOST, "shutdown")
    assert operator.firing(firing.id).status is FiringStatus.FAILED


@pytest.mark.backends("sqlite")
def test_what_may_run_again_does_after_a_hard_stop(
    start_daemons: Start, operator: "Operator", ledger: "Ledger", gate: "Gate"
) -> None:
    """`on_lost="rerun"`: left behind at the second signal, it runs again on the next daemon."""
    (daemon,) = start_daemons()
    firing = operator.enqueue("gated_rerun")
    ledger.wait("start")
    daemon.send(signal.SIGTERM)
    daemon.wait_for("daemon_stopping")
    daemon.send(signal.SIGINT)
    assert daemon.exit_code() == 1
    start_daemons()
    ledger.wait("start", 2)
    gate.let()
    runs = operator.ended(firing.id).runs
    assert [run.status for run in runs] == [JobRunStatus.LOST, JobRunStatus.SUCCESS]


@pytest.mark.backends("sqlite")
def test_heartbeats_go_on_through_the_drain(
    start_daemons: Start,
    operator: "Operator",
    ledger: "Ledger",
    gate: "Gate",
    until: Callable[..., Any],
) -> None:
    """However long a drain takes, nobody takes the daemon for dead and its job for lost."""
    (draining, _) = start_daemons(2)
    firing = operator.enqueue("gated")
    (start,) = ledger.wait("start")
    draining = next(one for one in (draining, _) if one.pid == start["pid"])
    draining.send(signal.SIGTERM)
    draining.wait_for("daemon_stopping")

    def beat() -> Any:
        workers = {worker.id: worker for worker in operator.list_workers(ended=True)}
        return workers[draining.worker_id].last_heartbeat_at

    stopped_at = operator.database.time.now()
    until(lambda: (beat() - stopped_at).total_seconds() > 4, "a beat past the lock timeout")
    assert operator.run(firing.id).status is JobRunStatus.RUNNING
    gate.let()
    assert draining.exit_code() == 0
    assert operator.firing(firing.id).status is FiringStatus.SUCCESS
