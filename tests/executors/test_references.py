"""What another process can find, and how what it cannot find is refused."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import jobs_in_processes
import pytest

import jobsched
from jobsched import ConfigurationError, DeclarationError, Registry, Scheduler
from jobsched.executors import ProcessExecutor, ThreadExecutor
from jobsched.executors.references import UnreachableError, find, reference_to

of_a_global_name = partial(print, "hello")
SOURCE = str(Path(jobsched.__file__).parents[1])


@pytest.mark.parametrize(
    ("thing", "reference"),
    [
        (jobs_in_processes.around, "jobs_in_processes:around"),
        (jobs_in_processes.facts, "jobs_in_processes:facts"),
        (jobs_in_processes.host.context, "jobs_in_processes:host.context"),
        (jobs_in_processes.Host, "jobs_in_processes:Host"),
        (os.path.join, "posixpath:join"),
    ],
)
def test_what_has_a_name_in_a_module(thing: Any, reference: str) -> None:
    """Functions, jobs, classes and methods of globals are found again by their reference."""
    assert reference_to(thing) == reference
    assert find(reference) == thing


def test_what_has_no_name_of_its_own() -> None:
    """Such as a partial, or a job whose function is decorated elsewhere: by the name of the
    global."""
    assert reference_to(of_a_global_name).rpartition(":")[2] == "of_a_global_name"


@pytest.mark.parametrize(
    ("thing", "reason"),
    [
        (lambda: None, "is a lambda"),
        (partial(print), "is bound to no name of a module"),
        (jobs_in_processes.Host().context, "is bound to no name of a module"),
    ],
)
def test_what_no_other_process_can_find(thing: Any, reason: str) -> None:
    """The error says why."""
    with pytest.raises(UnreachableError, match=reason):
        reference_to(thing)


def scheduler(registry: Registry, **arguments: Any) -> Scheduler:
    arguments.setdefault("executor", ProcessExecutor())
    return Scheduler("sqlite:///unused.db", registry=registry, **arguments)


def closure_in(registry: Registry, **policies: Any) -> None:
    @registry.job(**policies)
    def inner() -> None: ...


def test_a_closure_is_refused_at_start() -> None:
    """Naming the job, where it stands, why, and what to do; before anything touches the
    database."""
    registry = Registry()
    closure_in(registry)
    with pytest.raises(DeclarationError) as refused:
        scheduler(registry).start()
    assert str(refused.value).startswith("job 'inner' (")
    assert "it is defined inside a function" in str(refused.value)
    assert str(refused.value).endswith("define it at the top of a module")
    assert not Path("unused.db").exists()


def test_only_jobs_of_that_executor_are_refused() -> None:
    """What runs in threads may be a closure."""
    registry = Registry()
    closure_in(registry)
    assert scheduler(registry, executor={"heavy": ProcessExecutor()}).check() == []
    closure_in(other := Registry(), executor="heavy")
    executors = {"heavy": ProcessExecutor(), "default": ThreadExecutor()}
    (problem,) = scheduler(other, executor=executors).check()
    assert "inner" in problem


def test_around_has_to_be_found_as_well() -> None:
    """A lambda as `around` is refused where jobs run in processes."""
    problems = scheduler(jobs_in_processes.registry, around=lambda: None).check()
    assert len(problems) == len(jobs_in_processes.registry)
    assert "around= is a lambda" in problems[0]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"max_workers": 0}, "max_workers=0"),
        ({"kill_grace": -1}, "kill_grace=-1"),
        ({"kill_grace": "5 s"}, "kill_grace='5 s'"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], complaint: str) -> None:
    """Refused where they are given, with the value and what is allowed."""
    with pytest.raises(ConfigurationError, match=complaint):
        ProcessExecutor(**arguments)


PROGRAM = """
import threading
from jobsched import Scheduler, job
from jobsched.executors import ProcessExecutor

@job
def of_the_script():
    return __name__

ended = threading.Event()
if __name__ == "__main__":
    with Scheduler("sqlite:///jobs.db", executor=ProcessExecutor()) as scheduler:
        firing = scheduler.enqueue(of_the_script)
        while scheduler.firing(firing.id).finished_at is None:
            ended.wait(0.05)
        print(scheduler.firing(firing.id).runs[0])
"""


def python(folder: Path, *arguments: str, text: str | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": SOURCE},
        input=text,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [("program.py",), ("-m", "program")])
def test_jobs_of_the_main_module(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A script that starts its own scheduler under `if __name__ == "__main__"` may have its jobs in
    the same file: there it is imported under another name."""
    (tmp_path / "program.py").write_text(PROGRAM)
    said = python(tmp_path, *arguments)
    assert "SUCCESS" in said
    assert "result='__mp_main__'" in said or "result='program'" in said


def test_jobs_of_an_interactive_session(tmp_path: Path) -> None:
    """They are in no file that another process could import: refused at start."""
    said = python(tmp_path, "-", text=PROGRAM)
    assert "job 'of_the_script'" in said
    assert "is defined in an interactive session" in said
