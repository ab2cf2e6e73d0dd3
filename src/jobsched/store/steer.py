"""What operators do to a firing: cancel it, or give what failed another attempt."""

import sqlalchemy as sa

from jobsched.errors import ConflictError, NotFoundError
from jobsched.model import (
    LIVE_FIRINGS,
    LIVE_RUNS,
    Firing,
    FiringStatus,
    JobRun,
    JobRunStatus,
    Overlap,
    Reason,
    TriggerType,
)
from jobsched.store import audit, firings, plans, recover, schedules
from jobsched.store.database import Transaction


def cancel(
    tx: Transaction,
    app: str,
    firing_id: int,
    *,
    job: str | None,
    by: str | None,
    reason: str | None,
) -> Firing:
    """End a waiting firing, or ask the worker that runs it to cancel it, or one of its jobs.

    Raises NotFoundError, and ConflictError for a firing or job that has ended.
    """
    firing = _locked(tx, app, firing_id)
    if firing.status not in LIVE_FIRINGS:
        raise ConflictError(f"firing {firing_id} has ended ({firing.status}): nothing to cancel")
    if job is not None:
        _request_run_cancel(tx, firing, job)
    elif firing.status is FiringStatus.RUNNING:
        firings.request_cancel(tx, [firing_id])
    else:
        ends = firings.cancel_waiting(tx, [firing], Reason.REQUESTED)
        _settle(tx, ends)
    audit.write(
        tx,
        app=app,
        who=by,
        what="cancel",
        target=f"firing {firing_id}" + (f" job {job}" if job else ""),
        before={"status": firing.status.value},
        reason=reason,
    )
    return firings.by_id(tx, firing_id)


def _request_run_cancel(tx: Transaction, firing: Firing, job: str) -> None:
    runs = [run for run in plans.runs_of(tx, [firing.id])[firing.id] if run.job_name == job]
    if not runs:
        raise NotFoundError(f"firing {firing.id} has no job {job!r} in its plan")
    run = max(runs, key=lambda run: run.attempt)
    if run.status not in LIVE_RUNS:
        raise ConflictError(f"job {job!r} of firing {firing.id} has ended ({run.status})")
    if firing.status is FiringStatus.RUNNING:
        table = tx.tables.job_run
        tx.connection.execute(
            sa.update(table)
            .where(table.c.id == run.id, table.c.cancel_requested_at.is_(None))
            .values(cancel_requested_at=tx.now)
        )
    else:
        _cancel_waiting_run(tx, firing, run)


def _cancel_waiting_run(tx: Transaction, firing: Firing, run: JobRun) -> None:
    """No worker has the firing: the job run ends here, and the plan with it if it was the last."""
    table = tx.tables.job_run
    tx.connection.execute(
        sa.update(table)
        .where(table.c.id == run.id, table.c.status == JobRunStatus.QUEUED.value)
        .values(
            status=JobRunStatus.CANCELLED.value,
            reason=Reason.REQUESTED.value,
            finished_at=tx.now,
        )
    )
    ends, _ = recover.settle_plans(tx, [firing])
    firings.end(tx, ends)
    _settle(tx, ends)


def _settle(tx: Transaction, ends: list[firings.FiringEnd]) -> None:
    settlements = [one for end in ends if (one := firings.settlement(end, tx.now)) is not None]
    locked = schedules.lock(tx, [one.schedule_id for one in settlements])
    schedules.settle(tx, locked, settlements)


def retry(tx: Transaction, app: str, firing_id: int, *, by: str | None) -> Firing:
    """Reopen a firing: new attempts of what failed, was lost, cancelled or skipped.

    What succeeded is not run again. Raises NotFoundError, and ConflictError for a firing that is
    live, has nothing to retry, or whose schedule has left the code.
    """
    firing = _locked(tx, app, firing_id)
    if firing.status not in (FiringStatus.FAILED, FiringStatus.CANCELLED):
        raise ConflictError(
            f"firing {firing_id} is {firing.status}: only a FAILED or CANCELLED one can be retried"
        )
    if firing.schedule_id is not None:
        schedules.not_retired(schedules.state(tx, app, firing.schedule_id))
        _refuse_second_waiting(tx, firing)
        schedules.take_back_count(tx, firing.schedule_id, firing_id, firing.status)
    last = plans.last_attempts(plans.runs_of(tx, [firing_id])[firing_id])
    plans.insert(
        tx,
        [
            recover.next_attempt(tx, firing, run)
            for run in last
            if run.status is not JobRunStatus.SUCCESS
        ],
    )
    _reopen(tx, firing_id)
    audit.write(
        tx,
        app=app,
        who=by,
        what="retry",
        target=f"firing {firing_id}",
        before={"status": firing.status.value},
        after={"status": FiringStatus.QUEUED.value},
    )
    return firings.by_id(tx, firing_id)


def _refuse_second_waiting(tx: Transaction, firing: Firing) -> None:
    schedule_id = firing.schedule_id or ""
    state = schedules.state(tx, firing.app, schedule_id)
    if state.declaration.overlap is Overlap.ALLOW:
        return
    for one in firings.live_of_schedules(tx, [schedule_id])[schedule_id]:
        if one.status is FiringStatus.QUEUED and one.trigger is TriggerType.MANUAL:
            raise ConflictError(
                f"firing {one.id} of schedule {schedule_id!r} waits already; let it run, or cancel "
                f"it (`jobsched cancel {one.id}`)"
            )


def _reopen(tx: Transaction, firing_id: int) -> None:
    table = tx.tables.job_firing
    now = sa.literal(tx.now, table.c.started_at.type)
    tx.connection.execute(
        sa.update(table)
        .where(table.c.id == firing_id)
        .values(
            status=FiringStatus.QUEUED.value,
            reason=None,
            claimed_by=None,
            cancel_requested_at=None,
            # Its schedule's timeout begins anew; a start deadline does not, if it never started.
            started_at=sa.case((table.c.started_at.is_not(None), now), else_=None),
            finished_at=None,
            available_at=tx.now,
            version=table.c.version + 1,
        )
    )


def _locked(tx: Transaction, app: str, firing_id: int) -> Firing:
    """The firing, with its schedule's row and its own locked in that order."""
    found = firings.by_id(tx, firing_id)
    if found.app != app:
        raise NotFoundError(f"firing {firing_id} belongs to app {found.app!r}, not {app!r}")
    if found.schedule_id is not None:
        schedules.lock(tx, [found.schedule_id])
    return firings.by_id(tx, firing_id, lock=True)
