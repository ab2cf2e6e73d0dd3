"""RECOVER: what a dead worker held goes back to the others, by the jobs' own policies."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from jobsched.failpoints import failpoint
from jobsched.fixed import fixed
from jobsched.model import (
    LIVE_RUNS,
    Firing,
    FiringStatus,
    JobRun,
    JobRunStatus,
    JobState,
    PlannedJob,
    Reason,
    Worker,
    WorkerStatus,
    WorkerType,
)
from jobsched.planning.attempts import after_loss
from jobsched.planning.plan import ending, skipped_by
from jobsched.store import definitions, firings, plans, rows, schedules, workers
from jobsched.store.candidates import WAITING
from jobsched.store.database import Transaction
from jobsched.store.statements import Statements


@fixed
class Recovered:
    """What the recovery of one dead worker changed."""

    worker_id: str
    requeued: tuple[int, ...] = ()
    """Firings that others may claim now."""
    ended: tuple[firings.FiringEnd, ...] = ()
    lost_runs: tuple[JobRun, ...] = ()


@fixed
class Look:
    """Whether there is anything to look after, told by one statement."""

    daemons: frozenset[str]
    """The app's daemons that have not ended."""
    somebody_is_dead: bool
    """A worker has no fresh beat, or something is held by nobody who has not ended."""
    something_waits: bool
    """A firing of the app has waited for a lock timeout, for whatever reason."""


def look(tx: Transaction, app: str, lock_timeout: timedelta) -> Look:
    """What the recovery pass asks every time; what it finds is looked at more closely then."""
    since = tx.now - lock_timeout
    statement = tx.statements.get(_look_statement)
    found = tx.connection.execute(statement, {"app": app, "since": since}).all()
    if not found:  # not even who asks: something is wrong
        return Look(frozenset(), somebody_is_dead=True, something_waits=True)
    listed = [rows.worker(row) for row in found]
    stale = any(tx.now - one.last_heartbeat_at > one.lock_timeout for one in listed)
    return Look(
        daemons=frozenset(
            one.id
            for one in listed
            if one.app == app and one.worker_type is WorkerType.SCHEDULE_DAEMON
        ),
        somebody_is_dead=stale or bool(found[0].left_claims) or bool(found[0].left_locks),
        something_waits=bool(found[0].something_waits),
    )


def _look_statement(statements: Statements) -> sa.Select[Any]:
    tables = statements.tables
    worker, firing, schedule = tables.worker_instance, tables.job_firing, tables.job_schedule
    holder = worker.alias("holder")
    not_ended = [status.value for status in workers.ALIVE]
    alive = holder.c.status.in_(not_ended)
    left_claims = sa.select(firing.c.id).where(
        firing.c.status == FiringStatus.RUNNING.value,
        firing.c.claimed_by.is_not(None),
        firing.c.claimed_by.not_in(sa.select(holder.c.id).where(alive)),
    )
    locked_by_it = schedule.c.locked_by.like(holder.c.id + ":%")
    left_locks = sa.select(schedule.c.id).where(
        schedule.c.locked_at.is_not(None),
        ~sa.select(holder.c.id).where(alive, locked_by_it).exists(),
    )
    waiting = sa.select(firing.c.id).where(
        firing.c.app == sa.bindparam("app"),
        firing.c.status.in_(WAITING),
        firing.c.available_at <= sa.bindparam("since", type_=firing.c.available_at.type),
    )
    return (
        sa.select(
            *workers.columns(worker, declares=False),
            left_claims.exists().label("left_claims"),
            left_locks.exists().label("left_locks"),
            waiting.exists().label("something_waits"),
        )
        .where(worker.c.status.in_(not_ended))
        .order_by(worker.c.started_at, worker.c.id)
    )


def candidates(tx: Transaction) -> list[str]:
    """Workers without a fresh beat that have not ended, and any that still hold something."""
    stale = [
        worker.id
        for worker in workers.listed(tx, declares=False)
        if tx.now - worker.last_heartbeat_at > worker.lock_timeout
    ]
    return list(dict.fromkeys([*stale, *_holders_without_a_beat(tx)]))


def _holders_without_a_beat(tx: Transaction) -> list[str]:
    firing, schedule = tx.tables.job_firing, tx.tables.job_schedule
    claims = sa.select(firing.c.claimed_by).where(
        firing.c.status == FiringStatus.RUNNING.value, firing.c.claimed_by.is_not(None)
    )
    locks = sa.select(schedule.c.locked_by).where(schedule.c.locked_at.is_not(None))
    holders = set(tx.connection.execute(claims.distinct()).scalars())
    holders |= {(owner or "").partition(":")[0] for owner in tx.connection.execute(locks).scalars()}
    if not holders:
        return []
    table = tx.tables.worker_instance
    found = tx.connection.execute(sa.select(table).where(table.c.id.in_(holders)))
    known = {row.id: rows.worker(row) for row in found}
    return [holder for holder in holders if _is_dead(known.get(holder), tx)]


def _is_dead(worker: Worker | None, tx: Transaction) -> bool:
    if worker is None or worker.status in (WorkerStatus.LOST, WorkerStatus.STOPPED):
        return True
    return tx.now - worker.last_heartbeat_at > worker.lock_timeout


def recover(tx: Transaction, worker_id: str) -> Recovered | None:
    """Take everything from a dead worker; None when it turns out to live."""
    table = tx.tables.worker_instance
    row = tx.connection.execute(sa.select(table).where(table.c.id == worker_id)).one_or_none()
    worker = None if row is None else rows.worker(row)
    lives = worker is not None and not (_is_dead(worker, tx) and workers.mark_lost(tx, worker))
    if lives:
        return None
    failpoint("recover.marked")
    seen = _claimed_by(tx, worker_id, lock=False)
    wanted = {*_locked_by(tx, worker_id), *_schedule_ids(seen)}
    locked = schedules.lock(tx, wanted)
    # What it still claimed after the look is left to the next pass: its schedule is not locked.
    held = [
        one
        for one in _claimed_by(tx, worker_id, lock=True)
        if one.schedule_id is None or one.schedule_id in wanted
    ]
    _free_schedules(tx, worker_id, locked)
    runs = plans.runs_of(tx, [firing.id for firing in held])
    jobs: dict[str, Mapping[str, JobState]] = {
        app: definitions.states(tx, app) for app in {firing.app for firing in held}
    }
    lost = _lose_runs(tx, worker_id, held, runs, jobs)
    failpoint("recover.lost")
    ends, requeued = settle_plans(tx, held)
    firings.end(tx, ends)
    settlements = [firings.settlement(one, tx.now) for one in ends]
    schedules.settle(tx, locked, [one for one in settlements if one is not None])
    _requeue(tx, requeued)
    return Recovered(worker_id, tuple(f.id for f in requeued), tuple(ends), tuple(lost))


def _claimed_by(tx: Transaction, worker_id: str, *, lock: bool) -> list[Firing]:
    table = tx.tables.job_firing
    selected = (
        sa.select(table)
        .where(table.c.claimed_by == worker_id, table.c.status == FiringStatus.RUNNING.value)
        .order_by(table.c.id)
    )
    wanted = selected.with_for_update() if lock else selected
    return rows.readable(tx, wanted, table.c.id, rows.firing)


def _locked_by(tx: Transaction, worker_id: str) -> list[str]:
    table = tx.tables.job_schedule
    selected = sa.select(table.c.id).where(
        table.c.locked_at.is_not(None), table.c.locked_by.startswith(f"{worker_id}:")
    )
    return list(tx.connection.execute(selected).scalars())


def _schedule_ids(held: Sequence[Firing]) -> list[str]:
    return [firing.schedule_id for firing in held if firing.schedule_id is not None]


def _free_schedules(tx: Transaction, worker_id: str, locked: schedules.Locked) -> None:
    if not locked:
        return
    table = tx.tables.job_schedule
    tx.connection.execute(
        sa.update(table)
        .where(table.c.id.in_(locked), table.c.locked_by.startswith(f"{worker_id}:"))
        .values(locked_by=None, locked_at=None)
    )


def _lose_runs(
    tx: Transaction,
    worker_id: str,
    held: Sequence[Firing],
    runs: Mapping[int, Sequence[JobRun]],
    jobs: Mapping[str, Mapping[str, JobState]],
) -> list[JobRun]:
    """RUNNING becomes LOST, with a next attempt where policy says so; QUEUED is free again."""
    table = tx.tables.job_run
    lost: list[JobRun] = []
    again: list[plans.NewRun] = []
    for firing in held:
        for run in runs[firing.id]:
            if run.status is JobRunStatus.RUNNING:
                lost.append(run)
                earlier = [r.status for r in runs[firing.id] if r.job_name == run.job_name]
                earlier[earlier.index(JobRunStatus.RUNNING)] = JobRunStatus.LOST
                known = jobs[firing.app].get(run.job_name)  # `exec` runs what was never synced
                cancelled = firing.cancel_requested_at or run.cancel_requested_at
                if known and not cancelled and after_loss(known.definition, earlier):
                    again.append(next_attempt(tx, firing, run))
    if lost:
        tx.connection.execute(
            sa.update(table)
            .where(
                table.c.id.in_([run.id for run in lost]),
                table.c.status == JobRunStatus.RUNNING.value,
            )
            .values(
                status=JobRunStatus.LOST.value, reason=Reason.WORKER_LOST.value, finished_at=tx.now
            )
        )
    if held:
        tx.connection.execute(
            sa.update(table)
            .where(
                table.c.firing_id.in_([firing.id for firing in held]),
                table.c.worker_id == worker_id,
                table.c.status == JobRunStatus.QUEUED.value,
            )
            .values(worker_id=None)
        )
    plans.insert(tx, again)
    return lost


def next_attempt(tx: Transaction, firing: Firing, run: JobRun) -> plans.NewRun:
    """The attempt after `run`, for any worker to start at once."""
    return plans.NewRun(
        firing_id=firing.id,
        schedule_id=firing.schedule_id,
        job=PlannedJob(run.job_name, run.depends_on),
        attempt=run.attempt + 1,
        status=JobRunStatus.QUEUED,
        trigger=firing.trigger,
        scheduled_for=firing.scheduled_for,
        available_at=tx.now,
        params=run.params,
        worker_id=None,
    )


def settle_plans(
    tx: Transaction, held: Sequence[Firing]
) -> tuple[list[firings.FiringEnd], list[Firing]]:
    """Skip what can no longer run, cancel what was asked to; tell ended firings from others."""
    ends: list[firings.FiringEnd] = []
    requeued: list[Firing] = []
    runs = plans.runs_of(tx, [firing.id for firing in held])
    for firing in held:
        last = plans.last_attempts(runs[firing.id])
        if firing.cancel_requested_at is not None:
            reason = Reason.REQUESTED
            firings.end_queued_runs(tx, [firing.id], JobRunStatus.CANCELLED, reason)
            last = _as(last, JobRunStatus.CANCELLED, {run.job_name for run in last})
        else:
            skipped = skipped_by([plans.standing(run) for run in last])
            skip_runs(
                tx, {run.id: skipped[run.job_name] for run in last if run.job_name in skipped}
            )
            last = _as(last, JobRunStatus.SKIPPED, set(skipped))
        status = ending(run.status for run in last)
        if status is None:
            requeued.append(firing)
        else:
            ends.append(firings.FiringEnd(firing, status))
    return ends, requeued


def _as(last: Sequence[JobRun], status: JobRunStatus, jobs: set[str]) -> list[JobRun]:
    return [
        replace(run, status=status) if run.job_name in jobs and run.status in LIVE_RUNS else run
        for run in last
    ]


def skip_runs(tx: Transaction, blockers: Mapping[int, str]) -> None:
    """End queued job runs as SKIPPED, each with the dependency that stands in its way."""
    table = tx.tables.job_run
    for run_id, blocker in blockers.items():
        tx.connection.execute(
            sa.update(table)
            .where(table.c.id == run_id, table.c.status == JobRunStatus.QUEUED.value)
            .values(
                status=JobRunStatus.SKIPPED.value,
                reason=f"{Reason.DEPENDENCY}: {blocker}",
                finished_at=tx.now,
            )
        )


def _requeue(tx: Transaction, requeued: Sequence[Firing]) -> None:
    if requeued:
        table = tx.tables.job_firing
        tx.connection.execute(
            sa.update(table)
            .where(table.c.id.in_([firing.id for firing in requeued]))
            .values(
                status=FiringStatus.QUEUED.value,
                claimed_by=None,
                available_at=tx.now,
                version=table.c.version + 1,
            )
        )
