"""What is wrong with declarations that only shows when they are seen together."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from jobsched.errors import DeclarationError
from jobsched.model import ExecutionMode, JobDefinition, ScheduleDeclaration
from jobsched.planning.plan import Planner
from jobsched.values import did_you_mean


def problems(
    schedules: Sequence[ScheduleDeclaration], jobs: Mapping[str, JobDefinition]
) -> list[str]:
    """Everything that is wrong, one line each: the schedule or job, the field, the value, a hint.

    Unknown dependencies and circles of them; duplicate schedule ids, unknown groups and jobs, and
    params that no job of the schedule takes or that one of its jobs lacks.
    """
    planner = Planner(jobs)
    groups = {job.group for job in jobs.values() if job.group is not None}
    return [
        *_unknown_dependencies(jobs),
        *_circles(jobs),
        *_duplicate_ids(schedules),
        *(problem for one in schedules for problem in _of_schedule(one, planner, groups)),
    ]


def parameter_problems(params: Mapping[str, Any], jobs: Sequence[JobDefinition]) -> Iterator[str]:
    """What is wrong with the names of a firing's `params`, given the jobs that it runs.

    Values are judged by the jobs themselves, which know their types.
    """
    taken = {name for job in jobs for name in job.parameters.get("properties", ())}
    for name in params:
        if name not in taken:
            yield f"params[{name!r}]: none of its jobs takes it{_hint(name, taken, 'parameters')}"
    for job in jobs:
        for name in job.parameters.get("required", ()):
            if name not in params:
                yield f"params: job {job.name!r} needs {name!r}; add it, or give it a default there"


def _of_schedule(
    schedule: ScheduleDeclaration, planner: Planner, groups: set[str]
) -> Iterator[str]:
    jobs = planner.definitions
    unknown = list(_unknown_selection(schedule, jobs, groups))
    label = f"schedule {schedule.id!r}"
    yield from (f"{label}: {problem}" for problem in unknown)
    if unknown:
        return
    try:
        plan = planner.of_schedule(schedule)
    except DeclarationError:
        return  # a circle or an unknown dependency, said above
    definitions = [jobs[planned.name] for planned in plan]
    yield from (f"{label}: {said}" for said in parameter_problems(schedule.params, definitions))


def _unknown_selection(
    schedule: ScheduleDeclaration, jobs: Mapping[str, JobDefinition], groups: set[str]
) -> Iterator[str]:
    if not jobs:
        yield "no job is registered; import the modules that declare them"
    elif schedule.execution_mode is ExecutionMode.GROUP:
        if schedule.group not in groups:
            hint = _hint(str(schedule.group), groups, "groups")
            yield f"group={schedule.group!r}: no job is in it{hint}"
    else:
        for name in schedule.jobs:
            if name not in jobs:
                yield f"jobs={name!r}: no job has this name{_hint(name, jobs, 'jobs')}"


def _unknown_dependencies(jobs: Mapping[str, JobDefinition]) -> Iterator[str]:
    for job in jobs.values():
        for name in job.depends_on:
            if name not in jobs:
                hint = _hint(name, jobs, "jobs")
                yield f"job {job.name!r}: depends_on={name!r}: no job has this name{hint}"


def _circles(jobs: Mapping[str, JobDefinition]) -> Iterator[str]:
    graph = {job.name: set(job.depends_on) for job in jobs.values()}
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle = list(reversed(error.args[1]))  # each depends on the next
            yield (
                f"job {circle[0]!r}: depends_on goes in a circle: {' -> '.join(circle)}; "
                "take one of these dependencies away"
            )
            graph = {name: needs for name, needs in graph.items() if name not in circle}
        else:
            return


def _duplicate_ids(schedules: Sequence[ScheduleDeclaration]) -> Iterator[str]:
    for schedule_id, times in Counter(schedule.id for schedule in schedules).items():
        if times > 1:
            yield f"schedule {schedule_id!r}: id={schedule_id!r} is declared {times} times"


def _hint(wanted: str, known: Iterable[str], what: str) -> str:
    names = sorted(known)
    return did_you_mean(wanted, names) or f"; {what} that there are: {_listed(names)}"


def _listed(names: Sequence[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none") + more
