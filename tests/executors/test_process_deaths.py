"""A process that dies takes its run along, and nobody else."""

from process_host import Host, Lifeline

from jobsched.model import JobRunStatus


def test_a_segfault_is_named(host: Host) -> None:
    """FAILED with the signal, the line that crashed, and every log line up to it; the daemon goes
    on."""
    run = host.run("crash")
    assert run.status is JobRunStatus.FAILED
    assert run.error is not None
    assert "killed by SIGSEGV (Segmentation fault)" in run.error
    assert run.traceback is not None
    assert "Fatal Python error: Segmentation fault" in run.traceback
    assert "in crash" in run.traceback
    assert host.logs(run) == ["the last words"]
    assert host.run("count_calls").status is JobRunStatus.SUCCESS


def test_a_kill_from_outside_is_named(host: Host) -> None:
    """SIGKILL that the daemon did not send is most likely the kernel's, out of memory; the error
    is one that retries are made for."""
    firing = host.wait(host.start("be_killed"))
    assert [run.status for run in firing.runs] == [JobRunStatus.FAILED] * 2
    assert firing.runs[0].error is not None
    assert firing.runs[0].error.startswith("ProcessDiedError: the process of job 'be_killed'")
    assert "SIGKILL" in firing.runs[0].error
    assert "memory had run out" in firing.runs[0].error


def test_an_exit_is_no_end(host: Host) -> None:
    """A process that leaves before its job has ended is FAILED, whatever its exit code."""
    run = host.run("leave")
    assert run.status is JobRunStatus.FAILED
    assert run.error is not None
    assert "exit code 3" in run.error


def test_a_crash_after_the_end(host: Host) -> None:
    """The job had ended: its result counts, and the log tells of the crash."""
    run = host.run("crash_after_the_end")
    assert (run.status, run.result) == (JobRunStatus.SUCCESS, "kept")
    assert host.logs(run) == ["the job had ended when its process was killed by SIGABRT (Aborted)"]


def test_what_a_job_leaves_behind_is_ended(host: Host, lifeline: Lifeline) -> None:
    """A run ends when its process has, and takes along what it has started."""
    run = host.run("leave_a_child_behind", lifeline=lifeline.path)
    lifeline.wait_until_held()
    assert (run.status, run.result) == (JobRunStatus.SUCCESS, "ended")
    lifeline.wait_until_free()
