"""What live daemons declare, beside what is mirrored."""

from collections.abc import Iterable, Mapping, Sequence

from jobsched.errors import DeclarationError
from jobsched.fixed import fixed
from jobsched.model import ExecutionMode, JobDefinition, ScheduleDeclaration, Worker
from jobsched.planning.plan import select


@fixed
class Drift:
    """A daemon that declares these schedules otherwise than the last sync."""

    worker: Worker
    schedule_ids: tuple[str, ...]


@fixed
class Unclaimed:
    """A schedule whose jobs no live daemon declares together, so that none can claim its firings.

    `missing` are those that no daemon declares at all; empty when each is declared by some.
    """

    schedule_id: str
    missing: tuple[str, ...] = ()


def drifts(daemons: Iterable[Worker], hashes: Mapping[str, str]) -> list[Drift]:
    """The daemons that declare a schedule otherwise than it is mirrored (id: hash)."""
    found = []
    for worker in daemons:
        declared = worker.declares.get("schedules", {})
        differing = sorted(
            schedule_id
            for schedule_id, declared_hash in declared.items()
            if hashes.get(schedule_id, declared_hash) != declared_hash
        )
        if differing:
            found.append(Drift(worker, tuple(differing)))
    return found


def unclaimed(
    schedules: Iterable[ScheduleDeclaration],
    jobs: Mapping[str, JobDefinition],
    daemons: Sequence[Worker],
) -> list[Unclaimed]:
    """The schedules whose plans hold a job that the daemons do not know.

    One for which no plan can be made is not among them: firing it says what is wrong.
    """
    known = [frozenset(worker.declares.get("jobs", ())) for worker in daemons]
    everywhere = frozenset[str]().union(*known)
    plans: dict[object, frozenset[str]] = {}
    found = []
    for one in schedules:
        # Most schedules select as others do, and a plan of all jobs takes a while to make.
        chosen = (one.execution_mode, one.group, one.jobs, one.include_dependencies)
        if chosen not in plans:
            plans[chosen] = _plan(one, jobs)
        plan = plans[chosen]
        if plan and not any(plan <= names for names in known):
            found.append(Unclaimed(one.id, tuple(sorted(plan - everywhere))))
    return found


def _plan(one: ScheduleDeclaration, jobs: Mapping[str, JobDefinition]) -> frozenset[str]:
    try:
        return frozenset(planned.name for planned in select(one, jobs))
    except DeclarationError:
        named = one.jobs if one.execution_mode is ExecutionMode.JOBS else ()
        return frozenset(named) - frozenset(jobs)
