"""What a job in a process of its own is given, and what is known of it afterwards."""

import logging
import os

import jobs_in_processes
import pytest
from process_host import Host, MakeHost

from jobsched.model import JobRunStatus


def test_a_job_gets_its_params_and_context(host: Host) -> None:
    """Typed parameters and every value of the context arrive; the process is not the daemon's, and
    leads a session of its own."""
    run = host.run("facts", day="2026-03-02", count=2)
    assert run.status is JobRunStatus.SUCCESS, run.error
    found = run.result
    assert found.pop("pid") != os.getpid()
    assert found == {
        "leads_its_session": True,
        "day": "2026-03-02",
        "type": "date",
        "count": 2,
        "attempt": 1,
        "trigger": "EVENT",
        "params": {"day": "2026-03-02", "count": 2},
        "run_id": run.id,
        "aware": True,
        "key": f"default:{run.firing_id}:facts",
    }


def test_each_run_has_a_fresh_process(host: Host) -> None:
    """What a run leaves in memory is gone with it."""
    assert [host.run("count_calls").result for _ in range(2)] == [1, 1]
    assert jobs_in_processes.calls == []


def test_logs_and_progress_are_kept(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    """The records of every logger and thread of the process are kept in order, at the levels that
    the daemon has, and its handlers see them, too; of the progress the last is kept."""
    run = host.run("talk")
    assert run.status is JobRunStatus.SUCCESS, run.error
    lines = host.scheduler.logs(run_id=run.id)
    assert [(line.level, line.message.splitlines()[0]) for line in lines] == [
        ("INFO", "from ctx.log"),
        ("WARNING", "from the host's logger"),
        ("ERROR", "with a traceback"),
        ("WARNING", "from a thread of the job"),
    ]
    assert lines[2].message.endswith("KeyError: 'lost'")
    assert run.progress == {"fraction": 1.0, "message": "all of it"}
    assert ("host.module", logging.WARNING, "from the host's logger") in caplog.record_tuples


def test_an_async_job(host: Host) -> None:
    """It is awaited in its process."""
    run = host.run("in_async")
    assert (run.status, run.result) == (JobRunStatus.SUCCESS, "done")
    assert host.logs(run) == ["awaited"]


def test_around_is_entered_in_the_process(make_host: MakeHost) -> None:
    """A function of a module, which may take the context."""
    host = make_host(around=jobs_in_processes.around)
    run = host.run("who_is_around")
    assert run.result == ["around who_is_around"]
    assert host.logs(run) == ["left who_is_around"]
    assert jobs_in_processes.surroundings == []


def test_around_may_be_a_method_of_a_global(make_host: MakeHost) -> None:
    """Such as `around=app.app_context`, for async jobs, too."""
    host = make_host(around=jobs_in_processes.host.context)
    assert host.run("who_is_around").result == ["in the app's context"]
    assert host.run("in_async").result == "done"


def test_the_result_of_another_job(host: Host) -> None:
    """`ctx.result_of` asks the daemon, which has the database."""
    firing = host.wait(host.scheduler.trigger("both").id)
    assert [run.result for run in firing.runs] == [{"made": 3}, 4]


def test_an_error_need_not_be_picklable(host: Host) -> None:
    """It is described where it was raised: type, text, and the traceback from the job's own frame
    on; whether it is retried on is decided by its type."""
    firing = host.wait(host.start("raise_unpicklable"))
    assert [run.status for run in firing.runs] == [JobRunStatus.FAILED] * 2
    run = firing.runs[-1]
    assert run.error == "UnpicklableError: holds a lock"
    assert run.traceback is not None
    assert run.traceback.splitlines()[1].endswith("in raise_unpicklable")


def test_an_error_that_is_not_retried_on(host: Host) -> None:
    """One attempt, and a traceback without asyncio's frames."""
    firing = host.wait(host.start("raise_what_is_not_retried"))
    assert [run.error for run in firing.runs] == ["KeyError: 'gone'"]
    assert firing.runs[0].traceback is not None
    assert firing.runs[0].traceback.splitlines()[1].endswith("in raise_what_is_not_retried")


def test_a_result_that_cannot_be_kept(host: Host) -> None:
    """The run is a success, and its log says why there is no result."""
    run = host.run("unkept_result")
    assert (run.status, run.result) == (JobRunStatus.SUCCESS, None)
    assert "the result is not kept" in host.logs(run)[0]
