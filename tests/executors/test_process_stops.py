"""A job in a process of its own has a hard limit: it is asked to stop, then it is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa
from process_host import Host, Lifeline, MakeHost

import jobsched
from jobsched.model import FiringStatus, JobRunStatus


def test_past_its_timeout_a_job_is_killed(host: Host, lifeline: Lifeline) -> None:
    """With its children; FAILED, reason timeout, and the traceback shows where it hung."""
    run = host.run("deaf_until_timeout", lifeline=lifeline.path)
    lifeline.wait_until_held()
    lifeline.wait_until_free()
    assert (run.status, run.reason) == (JobRunStatus.FAILED, "timeout")
    assert run.error == "TimeoutError: past its timeout of 1.5 s; its process was killed"
    assert run.traceback is not None
    assert "in wait_for_ever" in run.traceback


def test_past_its_timeout_a_job_is_asked_first(make_host: MakeHost, lifeline: Lifeline) -> None:
    """It sees `ctx.cancelled` and has the grace to end by itself; its children end with it."""
    host = make_host(kill_grace=60)
    run = host.run("heeding_timeout", lifeline=lifeline.path)
    assert (run.status, run.reason) == (JobRunStatus.FAILED, "timeout")
    assert run.error == "TimeoutError: past its timeout of 1.5 s"
    assert host.logs(run) == ["asked: timeout"]
    lifeline.wait_until_held()
    lifeline.wait_until_free()


def test_a_cancelled_job_is_asked(make_host: MakeHost, lifeline: Lifeline) -> None:
    """One that looks at `ctx.cancelled` and stops is CANCELLED, as in a thread."""
    host = make_host(kill_grace=60)
    firing_id = host.start("heeding", lifeline=lifeline.path)
    lifeline.wait_until_held()
    host.scheduler.cancel(firing_id)
    (run,) = host.wait(firing_id).runs
    assert (run.status, run.reason) == (JobRunStatus.CANCELLED, "requested")
    assert host.logs(run) == ["asked: requested"]


def test_a_cancelled_job_that_does_not_hear_is_killed(host: Host, lifeline: Lifeline) -> None:
    """CANCELLED when the grace is over, with its children."""
    firing_id = host.start("deaf", lifeline=lifeline.path)
    lifeline.wait_until_held()
    host.scheduler.cancel(firing_id)
    firing = host.wait(firing_id)
    assert firing.status is FiringStatus.CANCELLED
    lifeline.wait_until_free()


def test_an_async_job_is_cancelled(make_host: MakeHost, lifeline: Lifeline) -> None:
    """By asyncio, in its process: it can clean up."""
    host = make_host(kill_grace=60)
    firing_id = host.start("heeding_async", lifeline=lifeline.path)
    lifeline.wait_until_held()
    host.scheduler.cancel(firing_id)
    (run,) = host.wait(firing_id).runs
    assert run.status is JobRunStatus.CANCELLED
    assert host.logs(run) == ["cleaned up"]


def test_past_the_grace_of_a_shutdown_a_job_is_killed_and_marked(
    make_host: MakeHost, lifeline: Lifeline
) -> None:
    """I11: at once, whatever its own grace; LOST, reason shutdown, and the daemon has drained."""
    host = make_host(kill_grace=60)
    firing_id = host.start("deaf", lifeline=lifeline.path)
    lifeline.wait_until_held()
    assert host.scheduler.stop(grace=0)
    lifeline.wait_until_free()
    firing = host.scheduler.firing(firing_id)
    assert firing.status is FiringStatus.FAILED
    assert [(run.status, run.reason) for run in firing.runs] == [(JobRunStatus.LOST, "shutdown")]


def test_a_job_killed_at_shutdown_may_run_again(host: Host, lifeline: Lifeline) -> None:
    """With on_lost="rerun" the firing is handed back with its next attempt."""
    firing_id = host.start("deaf_may_rerun", lifeline=lifeline.path)
    lifeline.wait_until_held()
    assert host.scheduler.stop(grace=0)
    firing = host.scheduler.firing(firing_id)
    assert firing.status is FiringStatus.QUEUED
    assert [run.status for run in firing.runs] == [JobRunStatus.LOST, JobRunStatus.QUEUED]


def test_a_worker_that_lost_its_claim_ends_its_processes(host: Host, lifeline: Lifeline) -> None:
    """I3: what may run again elsewhere is killed, and nothing of it is written."""
    firing_id = host.start("deaf_may_rerun", lifeline=lifeline.path)
    lifeline.wait_until_held()
    take_away(host, firing_id)
    lifeline.wait_until_free()
    host.scheduler.stop(grace=0)
    firing = host.scheduler.firing(firing_id)
    assert (firing.status, firing.claimed_by) == (FiringStatus.RUNNING, "somebody else")
    assert [run.status for run in firing.runs] == [JobRunStatus.RUNNING]


def take_away(host: Host, firing_id: int) -> None:
    """What recovery does to a worker that looks dead, as far as that worker can see."""
    tables = host.scheduler.database.tables
    firing, worker = tables.job_firing, tables.worker_instance
    host.scheduler.database.transact(
        lambda tx: (
            tx.connection.execute(
                sa.update(firing).where(firing.c.id == firing_id).values(claimed_by="somebody else")
            ),
            tx.connection.execute(sa.update(worker).values(status="LOST")),
        )
    )


def test_a_process_ends_with_its_daemon(tmp_path: Path, lifeline: Lifeline) -> None:
    """When the daemon is killed nobody can take a report: the job is asked, then its process and
    its children end themselves."""
    program = tmp_path / "daemon.py"
    program.write_text(
        "from process_host import Host\n"
        "from jobsched.executors import ProcessExecutor\n"
        f"host = Host('sqlite:///{tmp_path}/jobs.db', ProcessExecutor(kill_grace=0.2))\n"
        "host.scheduler.start()\n"
        f"host.start('deaf', lifeline={lifeline.path!r})\n"
        "host.scheduler.run_forever()\n"
    )
    here, source = Path(__file__).parent, Path(jobsched.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{here}:{source}"}
    with subprocess.Popen([sys.executable, str(program)], env=environment) as daemon:
        lifeline.wait_until_held()
        daemon.send_signal(signal.SIGKILL)
        lifeline.wait_until_free()


def test_jobs_wait_for_a_place(make_host: MakeHost, lifeline: Lifeline) -> None:
    """With max_workers=1 a second process is started when the first has ended; a job that waits
    can be cancelled, and never starts."""
    host = make_host(max_workers=1)
    first = host.start("deaf", lifeline=lifeline.path)
    lifeline.wait_until_held()
    waiting, cancelled = host.start("count_calls"), host.start("count_calls")
    host.scheduler.cancel(cancelled)
    assert host.wait(cancelled).status is FiringStatus.CANCELLED
    host.scheduler.cancel(first)
    assert host.wait(waiting).status is FiringStatus.SUCCESS
