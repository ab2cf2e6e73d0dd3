"""A firing's plan: which jobs, in which order, and what follows when one of them ends."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import Any

from jobsched.errors import DeclarationError
from jobsched.fixed import fixed
from jobsched.model import (
    ExecutionMode,
    FiringStatus,
    JobDefinition,
    JobRunStatus,
    PlannedJob,
    ScheduleDeclaration,
)

_S = JobRunStatus


def select(
    declaration: ScheduleDeclaration, definitions: Mapping[str, JobDefinition]
) -> tuple[PlannedJob, ...]:
    """The jobs that a firing of the schedule runs, dependencies first.

    Raises DeclarationError when the schedule names a group or a job that is not defined, or when
    the dependencies go in a circle.
    """
    if declaration.execution_mode is ExecutionMode.GROUP:
        names = [d.name for d in definitions.values() if d.group == declaration.group]
        if not names:
            raise DeclarationError(
                f"schedule {declaration.id!r}: no job is in group {declaration.group!r}"
            )
    elif declaration.execution_mode is ExecutionMode.JOBS:
        names = list(declaration.jobs)
    else:
        names = list(definitions)
    return order(names, definitions, include_dependencies=declaration.include_dependencies)


def order(
    names: Iterable[str],
    definitions: Mapping[str, JobDefinition],
    *,
    include_dependencies: bool = False,
) -> tuple[PlannedJob, ...]:
    """`names` in dependency order; dependencies outside them are ignored unless included."""
    chosen = list(dict.fromkeys(names))
    for name in chosen:
        if name not in definitions:
            raise DeclarationError(f"job {name!r} is not defined")
        if definitions[name].problem is not None:
            raise DeclarationError(
                f"job {name!r} cannot be read from its row: {definitions[name].problem}; the next "
                "sync of its declaration mends it"
            )
        if include_dependencies:
            chosen.extend(d for d in definitions[name].depends_on if d not in chosen)
    graph = {name: tuple(d for d in definitions[name].depends_on if d in chosen) for name in chosen}
    try:
        ordered = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        path = " -> ".join(reversed(error.args[1]))
        raise DeclarationError(f"the jobs depend on each other in a circle: {path}") from error
    return tuple(PlannedJob(name, graph[name]) for name in ordered)


class Planner:
    """Plans by what selects them, each made once: for as long as the definitions are the same."""

    def __init__(self, definitions: Mapping[str, JobDefinition]) -> None:
        self.definitions = definitions
        self._plans: dict[Any, tuple[PlannedJob, ...]] = {}

    def of_schedule(self, declared: ScheduleDeclaration) -> tuple[PlannedJob, ...]:
        """The jobs of a firing of the schedule; raises as `select` does."""
        key = (
            declared.execution_mode,
            declared.group,
            declared.jobs,
            declared.include_dependencies,
        )
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = select(declared, self.definitions)
        return plan

    def of_job(self, name: str) -> tuple[PlannedJob, ...]:
        """The plan of a single job; raises as `order` does."""
        return order([name], self.definitions)


def dependents(name: str, definitions: Mapping[str, JobDefinition]) -> set[str]:
    """The job and those that depend on it, also by way of others."""
    found = {name}
    while True:
        more = {d.name for d in definitions.values() if found.intersection(d.depends_on)} - found
        if not more:
            return found
        found |= more


@fixed
class Standing:
    """Where one job of a plan stands: the status of its last attempt."""

    job: PlannedJob
    status: JobRunStatus
    available_at: datetime


def ready(standings: Sequence[Standing], now: datetime) -> list[str]:
    """The queued jobs that may start at `now`, in plan order."""
    return [s.job.name for s in _unblocked(standings) if s.available_at <= now]


def waits_until(standings: Sequence[Standing], now: datetime) -> datetime | None:
    """When the next retry is due, if the firing has nothing to do but wait for it; else None."""
    if any(s.status is _S.RUNNING for s in standings):
        return None
    next_at = min((s.available_at for s in _unblocked(standings)), default=None)
    return next_at if next_at is not None and next_at > now else None


def _unblocked(standings: Sequence[Standing]) -> list[Standing]:
    done = {s.job.name for s in standings if s.status is _S.SUCCESS}
    return [
        s
        for s in standings
        if s.status is _S.QUEUED and all(name in done for name in s.job.depends_on)
    ]


def skipped_by(standings: Sequence[Standing]) -> dict[str, str]:
    """The queued jobs that can no longer run, each with the dependency that stands in the way."""
    broken = {
        s.job.name for s in standings if s.status in (_S.FAILED, _S.LOST, _S.CANCELLED, _S.SKIPPED)
    }
    skipped: dict[str, str] = {}
    for s in standings:  # dependencies come first, so one walk reaches the dependents' dependents
        if s.status is not _S.QUEUED:
            continue
        blocker = next((name for name in s.job.depends_on if name in broken), None)
        if blocker is not None:
            skipped[s.job.name] = blocker
            broken.add(s.job.name)
    return skipped


def ending(statuses: Iterable[JobRunStatus]) -> FiringStatus | None:
    """How a firing ends by the last attempt of each job; None while one of them is live."""
    found = set(statuses)
    if found & {_S.QUEUED, _S.RUNNING}:
        return None
    if found & {_S.FAILED, _S.LOST}:
        return FiringStatus.FAILED
    if _S.CANCELLED in found:
        return FiringStatus.CANCELLED
    return FiringStatus.SUCCESS
