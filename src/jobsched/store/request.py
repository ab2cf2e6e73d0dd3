"""Firings that somebody asks for: an operator's "Run now" and the app's own events."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from jobsched.errors import ConflictError, NotFoundError, ParameterError
from jobsched.fixed import fixed
from jobsched.model import (
    Firing,
    FiringStatus,
    JobDefinition,
    Overlap,
    Reason,
    ScheduleState,
    TriggerType,
)
from jobsched.planning.check import parameter_problems
from jobsched.store import audit, definitions, firings, plans, schedules
from jobsched.store.database import Transaction
from jobsched.store.firings import NewFiring


@fixed
class Request:
    """Who asks for a firing, with which params, and how often at most."""

    params: Mapping[str, Any]
    key: str | None = None
    by: str | None = None


Validate = Callable[[Iterable[str], Mapping[str, Any]], None]
"""Raises ParameterError for values that these jobs refuse, where their code is known."""


def trigger(
    tx: Transaction, app: str, schedule_id: str, request: Request, validate: Validate
) -> Firing:
    """A MANUAL firing of the schedule, to start as soon as its overlap policy lets it.

    The same key gives the same firing. Raises NotFoundError, ParameterError, and ConflictError
    for a retired schedule or when a manual firing waits already.
    """
    state = schedules.not_retired(schedules.state(tx, app, schedule_id, lock=True))
    dedup_key = _dedup_key(app, schedule_id, request)
    if same := _given_before(tx, dedup_key, schedule_id=schedule_id):
        return same
    jobs = definitions.current(tx, app)
    plan = plans.plan_of(state.declaration, None, jobs)
    params = {**state.declaration.params, **request.params}
    refuse_unfit(params, [jobs[job.name] for job in plan], f"schedule {schedule_id!r}")
    validate((job.name for job in plan), params)
    _make_room(tx, state)
    fired = firings.insert_one(
        tx,
        NewFiring(
            app=app,
            schedule_id=schedule_id,
            scheduled_for=tx.now,
            available_at=tx.now,
            trigger=TriggerType.MANUAL,
            params=params,
            priority=state.declaration.priority,
            requested_by=request.by,
            dedup_key=dedup_key,
        ),
    )
    _audit(tx, app, f"schedule {schedule_id}", request, fired)
    return fired


def _make_room(tx: Transaction, state: ScheduleState) -> None:
    schedule_id = state.declaration.id
    live = firings.live_of_schedules(tx, [schedule_id])[schedule_id]
    if state.declaration.overlap is Overlap.CANCEL_PREVIOUS:
        waiting = [one for one in live if one.status is not FiringStatus.RUNNING]
        firings.request_cancel(tx, [one.id for one in live])
        ends = firings.cancel_waiting(tx, waiting, Reason.SUPERSEDED)
        settlements = [firings.settlement(one, tx.now) for one in ends]
        locked = schedules.lock(tx, [schedule_id])
        schedules.settle(tx, locked, [one for one in settlements if one is not None])
        return
    for one in live:
        if one.trigger is TriggerType.MANUAL and one.status is FiringStatus.QUEUED:
            raise ConflictError(
                f"firing {one.id} of schedule {schedule_id!r} waits already to run by hand; let it "
                f"run, or cancel it (`jobsched cancel {one.id}`)"
            )


def enqueue(
    tx: Transaction, app: str, job_name: str, request: Request, run_at: datetime | None
) -> Firing:
    """An EVENT firing of one job, at `run_at` or at once.

    The same key gives the same firing. Raises NotFoundError and ParameterError.
    """
    firing, _ = _of_job(tx, app, job_name, request, TriggerType.EVENT, run_at or tx.now)
    return firing


def trigger_job(tx: Transaction, app: str, job_name: str, request: Request) -> Firing:
    """A MANUAL firing of one job, for an operator; any number of them may wait.

    The same key gives the same firing. Raises NotFoundError and ParameterError.
    """
    fired, is_new = _of_job(tx, app, job_name, request, TriggerType.MANUAL, tx.now)
    if is_new:
        _audit(tx, app, f"job {job_name}", request, fired)
    return fired


def _of_job(
    tx: Transaction, app: str, job_name: str, request: Request, trigger: TriggerType, at: datetime
) -> tuple[Firing, bool]:
    """The firing, and whether it is new."""
    dedup_key = _dedup_key(app, job_name, request)
    if same := _given_before(tx, dedup_key, job_name=job_name):
        return same, False
    jobs = definitions.current(tx, app)
    if job_name not in jobs:
        raise NotFoundError(
            f"there is no job {job_name!r} in app {app!r}; `jobsched jobs` lists those that a "
            "daemon has synced"
        )
    refuse_unfit(request.params, [jobs[job_name]], f"job {job_name!r}")
    new = NewFiring(
        app=app,
        job_name=job_name,
        scheduled_for=at,
        available_at=at,
        trigger=trigger,
        params=request.params,
        requested_by=request.by,
        dedup_key=dedup_key,
    )
    return firings.insert_one(tx, new), True


def refuse_unfit(params: Mapping[str, Any], jobs: Sequence[JobDefinition], target: str) -> None:
    """Raise ParameterError when these jobs do not take these params."""
    wrong = list(parameter_problems(params, jobs))
    if wrong:
        raise ParameterError(f"{target}: " + "; ".join(wrong))


def _dedup_key(app: str, target: str, request: Request) -> str | None:
    return None if request.key is None else firings.request_key(app, target, request.key)


def _given_before(
    tx: Transaction,
    dedup_key: str | None,
    *,
    schedule_id: str | None = None,
    job_name: str | None = None,
) -> Firing | None:
    """The firing that this key has given before."""
    same = firings.by_keys(tx, [dedup_key]).get(dedup_key) if dedup_key else None
    if same is not None and (same.schedule_id, same.job_name) != (schedule_id, job_name):
        raise ConflictError(  # a job may have a schedule's name, and names may hold the separator
            f"the key of this request for {schedule_id or job_name!r} is that of firing {same.id} "
            f"of {same.schedule_id or same.job_name!r} too; give another key"
        )
    return same


def _audit(tx: Transaction, app: str, target: str, request: Request, fired: Firing) -> None:
    audit.write(
        tx,
        app=app,
        who=request.by,
        what="trigger",
        target=target,
        after={"firing_id": fired.id, "params": dict(request.params)},
    )
