"""What only shows when declarations are seen together."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from jobsched.model import ExecutionMode, JobDefinition, ScheduleDeclaration, Timing
from jobsched.planning.check import problems

DAILY = Timing(every=timedelta(days=1))


def defined(name: str, *depends_on: str, group: str | None = None, **takes: bool) -> JobDefinition:
    """A job; `takes` are its parameters, True for a required one."""
    return JobDefinition(
        name=name,
        group=group,
        depends_on=depends_on,
        parameters={
            "type": "object",
            "properties": {parameter: {} for parameter in takes},
            "required": [parameter for parameter, required in takes.items() if required],
        },
    )


JOBS = [
    defined("load", group="feed", day=True),
    defined("index", "load", group="matching", copies=False),
    defined("report", "index"),
]


def schedule(identity: str = "nightly", **fields: Any) -> ScheduleDeclaration:
    mode = ExecutionMode.ALL_JOBS
    if "group" in fields:
        mode = ExecutionMode.GROUP
    elif "jobs" in fields:
        mode = ExecutionMode.JOBS
    return ScheduleDeclaration(id=identity, timing=DAILY, execution_mode=mode, **fields)


def found(
    schedules: Sequence[ScheduleDeclaration], jobs: Sequence[JobDefinition] = JOBS
) -> list[str]:
    return problems(schedules, {job.name: job for job in jobs})


@pytest.mark.parametrize(
    "right",
    [
        schedule(params={"day": "2026-01-15"}),
        schedule(params={"day": "2026-01-15", "copies": 2}),
        schedule(group="matching"),
        schedule(group="matching", params={"copies": 2}),
        schedule(jobs=("report", "index")),
        schedule(jobs=("report",), include_dependencies=True, params={"day": "2026-01-15"}),
    ],
)
def test_what_fits_together_has_no_problem(right: ScheduleDeclaration) -> None:
    """Known groups and jobs, parameters that the selected jobs take: nothing to say."""
    assert found([right]) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (schedule(group="match"), ["group='match'", "did you mean 'matching'?"]),
        (schedule(group="zzz"), ["group='zzz'", "groups that there are: feed, matching"]),
        (schedule(jobs=("repot", "index")), ["jobs='repot'", "did you mean 'report'?"]),
        (schedule(jobs=("zzz",)), ["jobs='zzz'", "jobs that there are: index, load, report"]),
        (
            schedule(jobs=("report",), params={"copy": 1}),
            ["params['copy']", "parameters that there are: none"],
        ),
        (
            schedule(group="matching", params={"copys": 1}),
            ["params['copys']", "none of its jobs takes it", "did you mean 'copies'?"],
        ),
        (schedule(group="matching", params={"day": 1}), ["params['day']", "none of its jobs"]),
        (schedule(group="feed"), ["params", "'load' needs 'day'"]),
        (schedule(), ["params", "'load' needs 'day'"]),
        (
            schedule(jobs=("report",), include_dependencies=True),
            ["params", "'load' needs 'day'"],
        ),
    ],
)
def test_what_does_not_fit_is_said(wrong: ScheduleDeclaration, words: list[str]) -> None:
    """One line for each problem: the schedule, the field, the value, and what would be right."""
    [said] = found([wrong])
    assert [word for word in ["schedule 'nightly': ", *words] if word not in said] == []


def test_a_dependency_outside_the_selection_needs_no_parameters() -> None:
    """A dependency that does not run is not asked what it needs."""
    assert found([schedule(jobs=("index",))]) == []


def test_an_unknown_dependency_is_said() -> None:
    """With the job, the name and the closest one."""
    [said] = found([], [defined("load"), defined("index", "lod")])
    assert said == ("job 'index': depends_on='lod': no job has this name; did you mean 'load'?")


def test_every_circle_is_shown_as_a_path() -> None:
    """Each job of the path depends on the next; a job on itself is the shortest circle."""
    jobs = [
        defined("a", "b"),
        defined("b", "c"),
        defined("c", "a", "d"),
        defined("d"),
        defined("self", "self"),
        defined("behind", "a"),
    ]
    said = found([], jobs)
    assert len(said) == 2
    paths = [line.partition("circle: ")[2].partition(";")[0].split(" -> ") for line in said]
    depends_on = {job.name: job.depends_on for job in jobs}
    for path in paths:
        assert path[0] == path[-1]
        assert all(after in depends_on[before] for before, after in pairwise(path))
    assert sorted(len(path) for path in paths) == [2, 4]


def test_a_circle_does_not_silence_the_schedules() -> None:
    """Problems elsewhere are told in the same breath."""
    said = found([schedule(group="zzz")], [defined("a", "a", group="x")])
    assert len(said) == 2


def test_a_duplicate_id_is_said_once() -> None:
    """However often it is declared."""
    twice = schedule(params={"day": 1})
    [said] = found([twice, twice, twice])
    assert "'nightly'" in said
    assert "3 times" in said


def test_schedules_without_any_job_are_wrong() -> None:
    """Jobs that are not imported are not registered: the message says so for every schedule."""
    said = found([schedule("a"), schedule("b", jobs=("x",))], [])
    assert [line.partition(":")[0] for line in said] == ["schedule 'a'", "schedule 'b'"]
    assert all("import the modules" in line for line in said)


def test_long_lists_are_cut() -> None:
    """A hint stays readable with hundreds of jobs."""
    [said] = found([schedule(jobs=("zzz",))], [defined(f"job-{n:03}") for n in range(500)])
    assert "and 490 more" in said
    assert len(said) < 300


def test_nothing_declared_is_no_problem() -> None:
    """A process that only looks declares nothing."""
    assert problems([], {}) == []
