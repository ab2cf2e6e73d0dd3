"""What is wrong with what a Scheduler was given: its declarations, executors, lock and the rest."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor

from jobsched.daemon.calling import Around
from jobsched.declarations import Schedule
from jobsched.errors import ConfigurationError, DeclarationError, ParameterError
from jobsched.executors import JobExecutor, RemoteExecutor
from jobsched.locks import LockBackend
from jobsched.model import JobDefinition, ScheduleDeclaration
from jobsched.planning.check import problems
from jobsched.planning.plan import select
from jobsched.registry import Job, Registry
from jobsched.values import shown


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
    wrong += missing_executors(registry, executors)
    wrong += _unreachable_jobs(registry, executors, around)
    declared = [one.declaration for one in schedules]
    return wrong + (problems(declared, jobs) or _wrong_values(declared, jobs, registry))


def missing_executors(
    jobs: Iterable[Job], executors: JobExecutor | Mapping[str, JobExecutor] | None
) -> list[str]:
    """Jobs that name an executor which the Scheduler was not given."""
    named = executors if isinstance(executors, Mapping) else {"default": executors}
    return [
        f"job {one.name!r} ({one.place}) wants executor {one.executor!r}; give it as "
        f"Scheduler(executor={{{one.executor!r}: …}})"
        for one in jobs
        if one.executor is not None and one.executor not in named
    ]


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


# What a Scheduler was given


def checked_app(app: str) -> str:
    """The app's name; raises ConfigurationError."""
    if not 0 < len(app) <= 50:
        raise ConfigurationError(f"app={app!r}: must be a name of 1 to 50 characters")
    return app


def checked_schedules(schedules: object) -> tuple[Schedule, ...]:
    """The schedules that a Scheduler was given; raises ConfigurationError."""
    found = tuple(schedules) if isinstance(schedules, list | tuple | set | frozenset) else None
    if found is None or not all(isinstance(one, Schedule) for one in found):
        raise ConfigurationError(
            f"schedules={shown(schedules)}: must be a list of Schedule: write [Schedule(…), …]"
        )
    return found


def refuse_what_cannot_be_used(lock: object, executors: object, around: object) -> None:
    """Raise ConfigurationError for a lock, an executor or an `around` that is none."""
    if not isinstance(lock, LockBackend):
        raise ConfigurationError(
            f"lock={shown(lock)}: must be a lock backend, such as RedisLock('redis://…') of "
            "jobsched.locks"
        )
    for one in executors.values() if isinstance(executors, Mapping) else [executors]:
        if one is not None and not isinstance(one, Executor | RemoteExecutor):
            raise ConfigurationError(
                f"executor={shown(one)}: must be an executor, such as ThreadExecutor() or "
                "ProcessExecutor() of jobsched.executors, or several by name"
            )
    if around is not None and not callable(around):
        raise ConfigurationError(
            f"around={shown(around)}: must make a context manager when it is called, as "
            "app.app_context does"
        )


def refuse_duplicates(declared: Sequence[Schedule]) -> None:
    """Raise DeclarationError for two schedules of one id."""
    for schedule_id, times in Counter(one.id for one in declared).items():
        if times > 1:
            raise DeclarationError(
                f"schedule {schedule_id!r} is declared twice in Scheduler(schedules=...); give one "
                "of them another id"
            )
