"""What is wrong with an app's declarations: those of its schedules, its jobs, and its executors."""

from collections.abc import Mapping, Sequence

from jobsched.daemon.calling import Around
from jobsched.declarations import Schedule
from jobsched.errors import DeclarationError, ParameterError
from jobsched.executors import JobExecutor, RemoteExecutor
from jobsched.model import JobDefinition, ScheduleDeclaration
from jobsched.planning.check import problems
from jobsched.planning.plan import select
from jobsched.registry import Registry


def wrong_declarations(
    schedules: Sequence[Schedule],
    registry: Registry,
    executors: JobExecutor | Mapping[str, JobExecutor] | None,
    around: Around | None,
) -> list[str]:
    """Everything that is wrong, as sentences; needs no database."""
    jobs = {}
    wrong = []
    for one in registry:
        try:
            jobs[one.name] = one.definition
        except DeclarationError as error:
            wrong.append(str(error))
    wrong += _unreachable_jobs(registry, executors, around)
    declared = [one.declaration for one in schedules]
    return wrong + (problems(declared, jobs) or _wrong_values(declared, jobs, registry))


def _unreachable_jobs(
    registry: Registry,
    executors: JobExecutor | Mapping[str, JobExecutor] | None,
    around: Around | None,
) -> list[str]:
    """Jobs whose executor runs them in another process, which could not find them."""
    named = executors if isinstance(executors, Mapping) else {"default": executors}
    found = []
    for one in registry:
        executor = named.get(one.executor or "default")
        if isinstance(executor, RemoteExecutor):
            found.append(executor.problem(one, around))
    return [problem for problem in found if problem is not None]


def _wrong_values(
    declared: Sequence[ScheduleDeclaration],
    jobs: Mapping[str, JobDefinition],
    registry: Registry,
) -> list[str]:
    """Params of schedules whose values their jobs refuse."""
    wrong = []
    for one in declared:
        for planned in select(one, jobs) if one.params else ():
            try:
                registry.get(planned.name).check(one.params)
            except ParameterError as error:
                wrong.append(f"schedule {one.id!r}: params: {error}")
    return wrong
