"""FIRE: due occurrences become firings, and `next_run_at` moves on, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobsched.failpoints import failpoint
from jobsched.model import (
    Firing,
    FiringStatus,
    JobRunStatus,
    JobState,
    Overlap,
    PlannedJob,
    Reason,
    ScheduleState,
    TriggerType,
)
from jobsched.planning.due import Decision, LiveFiring, Skip, decide
from jobsched.store import candidates, definitions, firings, plans, rows, schedules, workers
from jobsched.store.candidates import Claimer
from jobsched.store.claim import Claimed
from jobsched.store.database import Transaction
from jobsched.store.firings import NewFiring


@dataclass(frozen=True, slots=True)
class FireOutcome:
    """What a firing transaction did."""

    decided: int = 0
    """Schedules that were due."""
    queued: int = 0
    claimed: tuple[Claimed, ...] = ()
    skipped: tuple[NewFiring, ...] = ()


class RowsChangedError(Exception):
    """A due schedule changed although its row was locked: roll back and look again."""


@dataclass(frozen=True, slots=True)
class _Due:
    """A due schedule with what was decided for it."""

    schedule: ScheduleState
    plan: tuple[PlannedJob, ...]
    decision: Decision
    blocked: bool
    """An earlier firing is live, so that nothing of this one can be claimed at once."""


def fire(
    tx: Transaction,
    claimer: Claimer,
    *,
    retry_before: datetime,
    limit: int,
    claim_at_once: bool = True,
) -> FireOutcome:
    """Decide the due schedules of the app, in due order; claim what has a slot.

    Raises whatever planning raises for a bad row: the caller then takes the rows one by one.
    """
    due = _due_rows(tx, claimer.app, retry_before, limit)
    return _fire_rows(tx, claimer, due, claim_at_once=claim_at_once) if due else FireOutcome()


def fire_one(
    tx: Transaction, claimer: Claimer, schedule_id: str, *, claim_at_once: bool = True
) -> FireOutcome:
    """The same for a single schedule; an occurrence that is decided already is left as it is."""
    table = tx.tables.job_schedule
    row = tx.connection.execute(
        sa.select(table)
        .where(table.c.id == schedule_id, schedules.due(table, claimer.app, tx.now))
        .where(table.c.next_run_at <= tx.now)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if row is None:
        return FireOutcome()
    return _fire_rows(tx, claimer, [row], claim_at_once=claim_at_once, decided_before=True)


def due_ids(tx: Transaction, app: str, retry_before: datetime, limit: int) -> list[str]:
    """The ids of due schedules, readable even when their rows are not."""
    table = tx.tables.job_schedule
    return list(
        tx.connection.execute(_due_select(tx, table.c.id, app, retry_before, limit)).scalars()
    )


def decide_now(tx: Transaction, state: ScheduleState) -> None:
    """Decide what is due of one schedule, whose row is locked, by its present declaration.

    Used before a sync or an override changes the row. Nothing is claimed.
    """
    if not state.enabled or state.next_run_at is None or state.next_run_at > tx.now:
        return
    live = firings.live_of_schedules(tx, [state.declaration.id])[state.declaration.id]
    decision = decide(state.declaration, state.next_run_at, tx.now, _as_live(live))
    due = _Due(state, (), decision, blocked=True)
    _cancel_previous(tx, [due], {state.declaration.id: live})
    known = firings.by_keys(tx, [key for key, _ in _new_firings(tx, due, None)])
    firings.insert(tx, [new for key, new in _new_firings(tx, due, None) if key not in known])
    _move_on(tx, [due])


def _due_select(
    tx: Transaction, what: Any, app: str, retry_before: datetime, limit: int
) -> sa.Select[Any]:
    table = tx.tables.job_schedule
    return (
        sa.select(what)
        .where(schedules.due(table, app, retry_before), table.c.next_run_at <= tx.now)
        .order_by(table.c.next_run_at)
        .limit(limit)
    )


def _due_rows(
    tx: Transaction, app: str, retry_before: datetime, limit: int
) -> Sequence[sa.Row[Any]]:
    selected = _due_select(tx, tx.tables.job_schedule, app, retry_before, limit)
    return tx.connection.execute(selected.with_for_update(skip_locked=True)).all()


def _fire_rows(
    tx: Transaction,
    claimer: Claimer,
    due_rows: Sequence[sa.Row[Any]],
    *,
    claim_at_once: bool,
    decided_before: bool = False,
) -> FireOutcome:
    failpoint("fire.selected")
    jobs = definitions.states(tx, claimer.app)
    states = [rows.schedule_state(row) for row in due_rows]
    live = firings.live_of_schedules(tx, [state.declaration.id for state in states])
    due = [_decide(state, live[state.declaration.id], jobs, tx.now) for state in states]
    _cancel_previous(tx, due, live)
    claims = claim_at_once and claimer.slots > 0 and workers.may_claim(tx, claimer.worker_id)
    chosen = _choose(tx, claimer, due, jobs) if claims else {}
    new = {
        key: firing
        for one in due
        for key, firing in _new_firings(tx, one, claimer.worker_id, chosen)
    }
    if decided_before:
        for key in firings.by_keys(tx, new):
            del new[key]
    firings.insert(tx, list(new.values()))
    failpoint("fire.inserted")
    claimed = _claim(tx, claimer, [key for key in chosen if key in new], chosen, jobs)
    _move_on(tx, due, {c.firing.schedule_id or "": c for c in claimed})
    return FireOutcome(
        decided=len(due),
        queued=sum(one.status is FiringStatus.QUEUED for one in new.values()),
        claimed=tuple(claimed),
        skipped=tuple(one for one in new.values() if one.status is FiringStatus.SKIPPED),
    )


def _decide(
    state: ScheduleState, live: Sequence[Firing], jobs: Mapping[str, JobState], now: datetime
) -> _Due:
    if state.next_run_at is None:
        raise RowsChangedError(state.declaration.id)
    plan = plans.plan_of(state.declaration, None, definitions.in_code(jobs))
    decision = decide(state.declaration, state.next_run_at, now, _as_live(live))
    limited = candidates.is_limited(state)
    return _Due(state, plan, decision, limited and (bool(live) or state.locked_by is not None))


def _as_live(live: Sequence[Firing]) -> list[LiveFiring]:
    return [LiveFiring(firing.id, firing.status is FiringStatus.RUNNING) for firing in live]


def _cancel_previous(
    tx: Transaction, due: Sequence[_Due], live: Mapping[str, Sequence[Firing]]
) -> None:
    """`overlap="cancel_previous"`: waiting firings end here, running ones are asked to."""
    waiting = [
        firing
        for one in due
        for firing in live[one.schedule.declaration.id]
        if firing.id in one.decision.cancels and firing.status is not FiringStatus.RUNNING
    ]
    firings.request_cancel(tx, [firing_id for one in due for firing_id in one.decision.cancels])
    ends = firings.cancel_waiting(tx, waiting, Reason.SUPERSEDED)
    settlements = [firings.settlement(one, tx.now) for one in ends]
    locked = schedules.lock(tx, [s.schedule_id for s in settlements if s])
    schedules.settle(tx, locked, [s for s in settlements if s])


_Chosen = dict[str, _Due]
"""By their dedup keys, the firings that are claimed at once, each with its schedule."""


def _choose(
    tx: Transaction, claimer: Claimer, due: Sequence[_Due], jobs: Mapping[str, JobState]
) -> _Chosen:
    chosen: _Chosen = {}
    slots = claimer.slots
    for one in sorted(due, key=lambda one: -one.schedule.declaration.priority):
        declared = one.schedule.declaration
        if one.blocked or not all(job.name in claimer.knows for job in one.plan):
            continue
        side_by_side = declared.overlap is Overlap.ALLOW
        for fired in one.decision.fires if side_by_side else one.decision.fires[:1]:
            if slots > 0 and fired.available_at <= tx.now:
                chosen[firings.cron_key(declared.id, fired.scheduled_for)] = one
                slots -= plans.roots(one.plan)
    return chosen


def _new_firings(
    tx: Transaction, due: _Due, worker_id: str | None, chosen: Mapping[str, Any] | None = None
) -> list[tuple[str, NewFiring]]:
    declared = due.schedule.declaration
    new = [_skipped(tx, due.schedule, skip) for skip in due.decision.skips]
    for fired in due.decision.fires:
        key = firings.cron_key(declared.id, fired.scheduled_for)
        claimed = key in (chosen or {})
        new.append(
            NewFiring(
                app=due.schedule.app,
                schedule_id=declared.id,
                scheduled_for=fired.scheduled_for,
                trigger=TriggerType.CRON,
                status=FiringStatus.RUNNING if claimed else FiringStatus.QUEUED,
                available_at=max(fired.available_at, fired.scheduled_for),
                params=declared.params,
                priority=declared.priority,
                claimed_by=worker_id if claimed else None,
                dedup_key=key,
            )
        )
    return [(firing.dedup_key or "", firing) for firing in new]


def _skipped(tx: Transaction, schedule: ScheduleState, skip: Skip) -> NewFiring:
    return NewFiring(
        app=schedule.app,
        schedule_id=schedule.declaration.id,
        scheduled_for=skip.scheduled_for,
        trigger=TriggerType.CRON,
        status=FiringStatus.SKIPPED,
        reason=skip.reason.value,
        blocked_by=skip.blocked_by,
        missed_count=skip.missed_count,
        missed_from=skip.missed_from,
        available_at=tx.now,
        priority=schedule.declaration.priority,
        dedup_key=firings.cron_key(schedule.declaration.id, skip.scheduled_for),
    )


def skip_paused(tx: Transaction, schedule: ScheduleState, skip: Skip) -> None:
    """Write down the occurrences that a disabled schedule leaves undone."""
    new = _skipped(tx, schedule, skip)
    if not firings.by_keys(tx, [new.dedup_key or ""]):
        firings.insert(tx, [new])


def _claim(
    tx: Transaction,
    claimer: Claimer,
    keys: Sequence[str],
    chosen: _Chosen,
    jobs: Mapping[str, JobState],
) -> list[Claimed]:
    inserted = firings.by_keys(tx, keys)
    current = definitions.in_code(jobs)
    slots = claimer.slots
    new_runs: list[plans.NewRun] = []
    for key in keys:
        first = plans.first_runs(
            inserted[key],
            chosen[key].plan,
            current,
            worker_id=claimer.worker_id,
            now=tx.now,
            slots=slots,
        )
        slots -= sum(run.status is JobRunStatus.RUNNING for run in first)
        new_runs.extend(first)
    plans.insert(tx, new_runs)
    runs = plans.runs_of(tx, [firing.id for firing in inserted.values()])
    return [
        Claimed(
            firing=inserted[key],
            runs=tuple(runs[inserted[key].id]),
            jobs=jobs,
            timeout=chosen[key].schedule.declaration.timeout,
        )
        for key in keys
    ]


def _move_on(
    tx: Transaction, due: Sequence[_Due], claimed: Mapping[str, Claimed] | None = None
) -> None:
    table = tx.tables.job_schedule
    moves = []
    for one in due:
        state = one.schedule
        mine = (claimed or {}).get(state.declaration.id)
        takes = mine is not None and candidates.is_limited(state)
        owner = (
            schedules.owner(mine.firing.claimed_by or "", mine.firing.id)
            if mine is not None and takes
            else state.locked_by
        )
        moves.append(
            {
                "b_id": state.declaration.id,
                "b_due": state.next_run_at,
                "b_version": state.version,
                "b_next": one.decision.next_run_at,
                "b_last": one.decision.last_scheduled_for,
                "b_owner": owner,
                "b_takes": takes,
                "b_started": mine is not None,
            }
        )
    moved = tx.connection.execute(_move_statement(tx, table), moves)
    if moved.rowcount != len(moves):
        raise RowsChangedError(f"{moved.rowcount} of {len(moves)} rows")


def _move_statement(tx: Transaction, table: sa.Table) -> sa.Update:
    now = sa.literal(tx.now, table.c.locked_at.type)
    return (
        sa.update(table)
        .where(
            table.c.id == sa.bindparam("b_id"),
            table.c.next_run_at == sa.bindparam("b_due"),
            table.c.version == sa.bindparam("b_version"),
        )
        .values(
            next_run_at=sa.bindparam("b_next", type_=table.c.next_run_at.type),
            last_scheduled_for=sa.bindparam("b_last", type_=table.c.last_scheduled_for.type),
            locked_by=sa.bindparam("b_owner", type_=table.c.locked_by.type),
            locked_at=sa.case(
                (sa.bindparam("b_takes", type_=sa.Boolean), now), else_=table.c.locked_at
            ),
            last_run_at=sa.case(
                (sa.bindparam("b_started", type_=sa.Boolean), now), else_=table.c.last_run_at
            ),
            problem=None,
            problem_at=None,
            version=table.c.version + 1,
        )
    )
