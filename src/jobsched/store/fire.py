"""FIRE: due occurrences become firings, and `next_run_at` moves on, in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobsched.failpoints import failpoint
from jobsched.fixed import fixed
from jobsched.model import (
    Firing,
    FiringStatus,
    JobRunStatus,
    Overlap,
    PlannedJob,
    Reason,
    ScheduleDeclaration,
    ScheduleState,
    TriggerType,
)
from jobsched.planning.due import Decision, LiveFiring, Skip, decide
from jobsched.store import (
    candidates,
    definitions,
    due_schedules,
    firings,
    many,
    plans,
    schedules,
)
from jobsched.store.candidates import Claimer
from jobsched.store.claim import Claimed
from jobsched.store.database import Transaction
from jobsched.store.definitions import Known
from jobsched.store.due_schedules import DueSchedule
from jobsched.store.firings import NewFiring
from jobsched.store.statements import Statements


@fixed
class FireOutcome:
    """What a firing transaction did."""

    decided: int = 0
    """Schedules for which it was decided what is due."""
    due: int = 0
    """Schedules that were due, those that another transaction holds included; up to the limit."""
    following: datetime | None = None
    """When the next one is due, as far as it can be told: not when nothing was decided."""
    queued: int = 0
    claimed: tuple[Claimed, ...] = ()
    skipped: tuple[NewFiring, ...] = ()


class RowsChangedError(Exception):
    """A due schedule changed although its row was locked, or is not due by the database's clock.

    Roll back and look again.
    """


@fixed
class _Due:
    """A due schedule with what was decided for it."""

    schedule: DueSchedule
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
    until_due: Callable[[], None] | None = None,
    until_slots: Callable[[], tuple[int, datetime]] | None = None,
) -> FireOutcome:
    """Decide the due schedules of the app, in due order; claim what has a slot.

    Called a moment before the transaction's time, it does what can be done before, and calls
    `until_due`, which returns when that time has come. Called before there are slots, it decides,
    and calls `until_slots`: as many schedules move on as slots have come by the time it returns.

    Raises RowsChangedError if the time has not come, by the database's clock, or if a row was
    changed; and whatever planning raises for a bad row: the caller then takes the rows one by one.
    """
    known, may_claim = definitions.for_claimer(tx, claimer.app, claimer.worker_id)
    found = due_schedules.lock(tx, claimer.app, retry_before, limit)
    if not found.schedules:
        return FireOutcome()
    claims = claim_at_once and may_claim
    done = _fire_all(
        tx,
        claimer,
        found.schedules,
        known,
        claims=claims,
        until_due=until_due,
        until_slots=until_slots,
    )
    following = [at for at in (found.following, done.following) if at is not None]
    return replace(done, due=found.among, following=min(following, default=None))


def fire_one(
    tx: Transaction, claimer: Claimer, schedule_id: str, *, claim_at_once: bool = True
) -> FireOutcome:
    """The same for a single schedule; an occurrence that is decided already is left as it is."""
    known, may_claim = definitions.for_claimer(tx, claimer.app, claimer.worker_id)
    found = due_schedules.lock_one(tx, claimer.app, schedule_id)
    if found is None:
        return FireOutcome()
    claims = claim_at_once and may_claim
    return _fire_all(tx, claimer, [found], known, claims=claims, decided_before=True)


def decide_now(tx: Transaction, state: ScheduleState) -> None:
    """Decide what is due of one schedule, whose row is locked, by its present declaration.

    Used before a sync or an override changes the row. Nothing is claimed.
    """
    if not state.enabled or state.next_run_at is None or state.next_run_at > tx.now:
        return
    live = firings.live_ids(tx, [state.declaration.id])[state.declaration.id]
    decision = decide(state.declaration, state.next_run_at, tx.now, live)
    schedule = DueSchedule(
        state.declaration,
        state.app,
        state.next_run_at,
        state.locked_by,
        state.version,
        has_live=bool(live),
    )
    due = _Due(schedule, (), decision, blocked=True)
    _cancel_previous(tx, [due])
    known = firings.by_keys(tx, [key for key, _ in _new_firings(tx, due, None)])
    firings.insert(tx, [new for key, new in _new_firings(tx, due, None) if key not in known])
    _move_on(tx, [due])


def _fire_all(
    tx: Transaction,
    claimer: Claimer,
    found: Sequence[DueSchedule],
    known: Known,
    *,
    claims: bool,
    decided_before: bool = False,
    until_due: Callable[[], None] | None = None,
    until_slots: Callable[[], tuple[int, datetime]] | None = None,
) -> FireOutcome:
    failpoint("fire.selected")
    live = firings.live_ids(tx, [one.declaration.id for one in found if one.has_live])
    now = tx.now
    due = [_decide(one, live.get(one.declaration.id, ()), known, now) for one in found]
    if until_slots is not None:
        slots, now = until_slots()
        if not slots:
            return FireOutcome()
        tx.advance(now)
        claimer, due = replace(claimer, slots=slots), due[:slots]
    _cancel_previous(tx, due)
    chosen = _choose(tx, claimer, due) if claims else {}
    new = {
        key: firing
        for one in due
        for key, firing in _new_firings(tx, one, claimer.worker_id, chosen)
    }
    if decided_before:
        for key in firings.by_keys(tx, new):
            del new[key]
    claimable = [key for key in chosen if key in new]
    inserted = firings.insert_keyed(tx, list(new.values()), claimable)
    failpoint("fire.inserted")
    claimed = _claim(tx, claimer, inserted, chosen, known)
    _move_on(tx, due, {c.firing.schedule_id or "": c for c in claimed}, until_due)
    return FireOutcome(
        decided=len(due),
        due=len(due),
        following=min(
            (at for one in due if (at := one.decision.next_run_at) is not None), default=None
        ),
        queued=sum(one.status is FiringStatus.QUEUED for one in new.values()),
        claimed=tuple(claimed),
        skipped=tuple(one for one in new.values() if one.status is FiringStatus.SKIPPED),
    )


def _decide(found: DueSchedule, live: Sequence[LiveFiring], known: Known, now: datetime) -> _Due:
    plan = known.planner.of_schedule(found.declaration)
    decision = decide(found.declaration, found.due_at, now, live)
    limited = candidates.is_limited(found.declaration)
    return _Due(found, plan, decision, limited and (bool(live) or found.locked_by is not None))


def _cancel_previous(tx: Transaction, due: Sequence[_Due]) -> None:
    """`overlap="cancel_previous"`: waiting firings end here, running ones are asked to."""
    cancels = {firing_id for one in due for firing_id in one.decision.cancels}
    if not cancels:
        return
    ids = [one.schedule.declaration.id for one in due if one.decision.cancels]
    waiting = [
        firing
        for live in firings.live_of_schedules(tx, ids).values()
        for firing in live
        if firing.id in cancels and firing.status is not FiringStatus.RUNNING
    ]
    firings.request_cancel(tx, sorted(cancels))
    ends = firings.cancel_waiting(tx, waiting, Reason.SUPERSEDED)
    settlements = [firings.settlement(one, tx.now) for one in ends]
    locked = schedules.lock(tx, [s.schedule_id for s in settlements if s])
    schedules.settle(tx, locked, [s for s in settlements if s])


_Chosen = dict[str, _Due]
"""By their dedup keys, the firings that are claimed at once, each with its schedule."""


def _choose(tx: Transaction, claimer: Claimer, due: Sequence[_Due]) -> _Chosen:
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
    new = [_skipped(tx, due.schedule.app, declared, skip) for skip in due.decision.skips]
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


def _skipped(tx: Transaction, app: str, declared: ScheduleDeclaration, skip: Skip) -> NewFiring:
    return NewFiring(
        app=app,
        schedule_id=declared.id,
        scheduled_for=skip.scheduled_for,
        trigger=TriggerType.CRON,
        status=FiringStatus.SKIPPED,
        reason=skip.reason.value,
        blocked_by=skip.blocked_by,
        missed_count=skip.missed_count,
        missed_from=skip.missed_from,
        available_at=tx.now,
        priority=declared.priority,
        dedup_key=firings.cron_key(declared.id, skip.scheduled_for),
    )


def skip_paused(tx: Transaction, schedule: ScheduleState, skip: Skip) -> None:
    """Write down the occurrences that a disabled schedule leaves undone."""
    new = _skipped(tx, schedule.app, schedule.declaration, skip)
    if not firings.by_keys(tx, [new.dedup_key or ""]):
        firings.insert(tx, [new])


def _claim(
    tx: Transaction,
    claimer: Claimer,
    inserted: Mapping[str, Firing],
    chosen: _Chosen,
    known: Known,
) -> list[Claimed]:
    slots = claimer.slots
    new_runs: list[plans.NewRun] = []
    for key, firing in inserted.items():
        first = plans.first_runs(
            firing,
            chosen[key].plan,
            known.planner.definitions,
            worker_id=claimer.worker_id,
            now=tx.now,
            slots=slots,
        )
        slots -= sum(run.status is JobRunStatus.RUNNING for run in first)
        new_runs.extend(first)
    runs = plans.insert_told(tx, new_runs)
    return [
        Claimed(
            firing=firing,
            runs=tuple(runs[firing.id]),
            jobs=known.states,
            timeout=chosen[key].schedule.declaration.timeout,
        )
        for key, firing in inserted.items()
    ]


def _move_on(
    tx: Transaction,
    due: Sequence[_Due],
    claimed: Mapping[str, Claimed] | None = None,
    until_due: Callable[[], None] | None = None,
) -> None:
    moves = [_move(one, (claimed or {}).get(one.schedule.declaration.id)) for one in due]
    for _ in range(1 if until_due is None else _LOOKS):
        if until_due is not None:
            until_due()
        found = _MOVE.execute(tx, moves, now=tx.now)
        if found:
            break
        tx.measure()  # it may be earlier than was thought
    if found != len(moves):
        raise RowsChangedError(f"{found} of {len(moves)} rows")


_LOOKS = 3  # at the clock, before a moment's wait is given up


def _move(due: _Due, mine: Claimed | None) -> dict[str, Any]:
    schedule = due.schedule
    takes = mine is not None and candidates.is_limited(schedule.declaration)
    owner = schedule.locked_by
    if mine is not None and takes:
        owner = schedules.owner(mine.firing.claimed_by or "", mine.firing.id)
    return {
        "id": schedule.declaration.id,
        "due": schedule.due_at,
        "version": schedule.version,
        "next": due.decision.next_run_at,
        "last": due.decision.last_scheduled_for,
        "owner": owner,
        "takes": takes,
        "started": mine is not None,
    }


def _move_types(statements: Statements) -> many.Types:
    table = statements.tables.job_schedule
    return {
        "id": table.c.id.type,
        "due": table.c.next_run_at.type,
        "version": table.c.version.type,
        "next": table.c.next_run_at.type,
        "last": table.c.last_scheduled_for.type,
        "owner": table.c.locked_by.type,
        "takes": sa.Boolean(),
        "started": sa.Boolean(),
    }


def _move_statement(statements: Statements, value: many.Values) -> sa.Update:
    table = statements.tables.job_schedule
    now = sa.bindparam("now", type_=table.c.locked_at.type)
    never_early = [] if statements.now is None else [table.c.next_run_at <= statements.now]
    return (
        sa.update(table)
        .where(
            table.c.id == value("id"),
            table.c.next_run_at == value("due"),
            table.c.version == value("version"),
            *never_early,
        )
        .values(
            next_run_at=value("next"),
            last_scheduled_for=value("last"),
            locked_by=value("owner"),
            locked_at=sa.case((value("takes"), now), else_=table.c.locked_at),
            last_run_at=sa.case((value("started"), now), else_=table.c.last_run_at),
            problem=None,
            problem_at=None,
            version=table.c.version + 1,
        )
    )


_MOVE = many.Update("job_schedule", _move_types, _move_statement, shared=("now",))
