"""Daemons that die or freeze: what they held goes on elsewhere, by the jobs' own policies."""

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
S = JobRunStatus
WAITING = ["waiting at the gate"]

pytestmark = pytest.mark.timeout(60)


def test_what_a_killed_daemon_ran_is_lost_or_runs_again(
    start_daemons: Start,
    declare: Callable[..., None],
    operator: "Operator",
    ledger: "Ledger",
    gate: "Gate",
) -> None:
    """By `on_lost`: the plan of a LOST job ends, that of one to run again goes on where it was."""
    (victim,) = start_daemons()
    declare(CHAIN)
    plain, chain = operator.enqueue("gated"), operator.trigger("chain")
    ledger.wait("start", job="gated")
    ledger.wait("start", job="chain_gated")
    (heir,) = start_daemons()
    victim.kill()
    heir.wait_for("worker_lost", worker_id=victim.worker_id)

    lost = operator.ended(plain.id)
    assert lost.status is FiringStatus.FAILED
    assert [(run.status, run.reason) for run in lost.runs] == [(S.LOST, "worker_lost")]

    ledger.wait("start", job="chain_gated", pid=heir.pid)
    gate.let()
    done = operator.ended(chain.id)
    assert done.status is FiringStatus.SUCCESS
    assert [(run.job_name, run.attempt, run.status) for run in done.runs] == [
        ("chain_first", 1, S.SUCCESS),
        ("chain_gated", 1, S.LOST),
        ("chain_gated", 2, S.SUCCESS),
        ("chain_last", 1, S.SUCCESS),
    ]
    assert ledger.counts("start", "job") == {
        "gated": 1,
        "chain_first": 1,
        "chain_gated": 2,
        "chain_last": 1,
    }
    statuses = {worker.id: worker.status for worker in operator.list_workers(ended=True)}
    assert statuses[victim.worker_id] is WorkerStatus.LOST


def test_a_frozen_daemon_wakes_and_writes_nothing(
    start_daemons: Start,
    operator: "Operator",
    ledger: "Ledger",
    gate: "Gate",
    until: Callable[..., Any],
) -> None:
    """Declared dead while it was frozen, it is fenced, and goes on under a new id."""
    (frozen,) = start_daemons()
    old_id = frozen.worker_id
    firing = operator.enqueue("gated_rerun")
    ledger.wait("start")
    (heir,) = start_daemons()
    frozen.send(signal.SIGSTOP)
    ledger.wait("start", pid=heir.pid)
    gate.let()
    assert operator.ended(firing.id).status is FiringStatus.SUCCESS
    before = (operator.firing(firing.id), operator.messages(firing.id))

    frozen.send(signal.SIGCONT)
    new_id = frozen.wait_for("fenced", was=old_id)["fields"]["worker_id"]
    gate.let()
    ledger.wait("end", pid=frozen.pid)
    heir.kill()
    again = operator.enqueue("quick")
    assert operator.ended(again.id).runs[0].worker_id == new_id
    assert (operator.firing(firing.id), operator.messages(firing.id)) == before
    assert [run.status for run in before[0].runs] == [S.LOST, S.SUCCESS]


@pytest.mark.backends("postgresql")
def test_a_frozen_daemon_that_takes_its_own_firing_again(
    start_daemons: Start, operator: "Operator", ledger: "Ledger", gate: "Gate"
) -> None:
    """The attempt that it lost says nothing in the new one's name, though both are its threads."""
    (frozen,) = start_daemons()
    old_id = frozen.worker_id
    firing = operator.enqueue("gated_failing")
    ledger.wait("start")
    (bystander,) = start_daemons(HOST_APP="other")  # recovers for every app, claims for its own
    frozen.send(signal.SIGSTOP)
    bystander.wait_for("worker_lost", worker_id=old_id)
    frozen.send(signal.SIGCONT)
    ledger.wait("start", 2, pid=frozen.pid)
    gate.let(2)
    ledger.wait("end", 2)
    done = operator.ended(firing.id)
    assert done.status is FiringStatus.SUCCESS
    assert [(run.status, run.reason) for run in done.runs] == [
        (S.LOST, "worker_lost"),
        (S.SUCCESS, None),
    ]
    for run, messages in zip(done.runs, (WAITING, [*WAITING, "past the gate"]), strict=True):
        assert [line.message for line in operator.logs(run_id=run.id)] == messages
