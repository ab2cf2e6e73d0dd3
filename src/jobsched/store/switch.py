"""Enabling and disabling a schedule: state that operators set and every sync keeps."""

import sqlalchemy as sa

from jobsched.errors import DeclarationError
from jobsched.model import Reason, ScheduleState
from jobsched.planning.due import Skip, first_after, pause
from jobsched.store import audit, fire, schedules
from jobsched.store.database import Transaction


def enable(
    tx: Transaction, app: str, schedule_id: str, *, by: str | None, reason: str | None
) -> ScheduleState:
    """Let it fire from its next occurrence on; what passed while it was disabled stays undone.

    Raises NotFoundError, and ConflictError for a schedule that has left the code.
    """
    state = schedules.not_retired(schedules.state(tx, app, schedule_id, lock=True))
    next_run_at = state.next_run_at if state.enabled else None
    if next_run_at is None and state.in_environment:
        next_run_at = first_after(state.declaration, tx.now, state.last_scheduled_for)
    if state.enabled and state.problem is None and next_run_at == state.next_run_at:
        return state
    return _switch(tx, state, True, next_run_at, by, reason)


def disable(
    tx: Transaction, app: str, schedule_id: str, *, by: str | None, reason: str | None
) -> ScheduleState:
    """Let it fire no more; what is due already is SKIPPED, reason paused. Live firings go on.

    Of one that is disabled already a new reason is kept. Raises NotFoundError, and ConflictError
    for a schedule that has left the code.
    """
    state = schedules.not_retired(schedules.state(tx, app, schedule_id, lock=True))
    if not state.enabled:
        return _with_reason(tx, state, by, reason)
    skip = _paused(tx, state)
    if skip is not None:
        fire.skip_paused(tx, state, skip)
        table = tx.tables.job_schedule
        tx.connection.execute(
            sa.update(table)
            .where(table.c.id == schedule_id)
            .values(last_scheduled_for=skip.scheduled_for)
        )
    return _switch(tx, state, False, None, by, reason)


def _with_reason(
    tx: Transaction, state: ScheduleState, by: str | None, reason: str | None
) -> ScheduleState:
    before = state.disabled_reason
    if reason is None or reason == before:
        return state
    table = tx.tables.job_schedule
    tx.connection.execute(
        sa.update(table)
        .where(table.c.id == state.declaration.id)
        .values(disabled_reason=reason, version=table.c.version + 1)
    )
    audit.write(
        tx,
        app=state.app,
        who=by,
        what="disable",
        target=f"schedule {state.declaration.id}",
        before={"enabled": False, "reason": before},
        after={"enabled": False, "reason": reason},
        reason=reason,
    )
    return schedules.state(tx, state.app, state.declaration.id)


def _paused(tx: Transaction, state: ScheduleState) -> Skip | None:
    due_at = state.next_run_at
    if due_at is None:
        return None
    try:
        return pause(state.declaration, due_at, tx.now)
    except DeclarationError:  # its timing was edited by hand: all that is known is where it began
        return Skip(due_at, Reason.PAUSED, missed_from=due_at)


def _switch(
    tx: Transaction,
    state: ScheduleState,
    enabled: bool,
    next_run_at: object,
    by: str | None,
    reason: str | None,
) -> ScheduleState:
    table = tx.tables.job_schedule
    schedule_id = state.declaration.id
    tx.connection.execute(
        sa.update(table)
        .where(table.c.id == schedule_id)
        .values(
            enabled=enabled,
            disabled_reason=None if enabled else reason,
            next_run_at=next_run_at,
            problem=None,
            problem_at=None,
            version=table.c.version + 1,
        )
    )
    audit.write(
        tx,
        app=state.app,
        who=by,
        what="enable" if enabled else "disable",
        target=f"schedule {schedule_id}",
        before={"enabled": state.enabled},
        after={"enabled": enabled},
        reason=reason,
    )
    return schedules.state(tx, state.app, schedule_id)
