"""FINISH and START: what happened to job runs, written in groups by the worker that runs them.

A worker that lost its claim changes nothing: the firings of a batch are locked first, and what
belongs to one that is no longer this worker's is left out. The usual batch on PostgreSQL is written
without that (see `endings`), and undone where a claim turns out to be lost. Writing a batch twice
is harmless, so that a COMMIT whose answer was lost can be repeated.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobsched.failpoints import failpoint
from jobsched.model import FiringStatus, JobRunStatus
from jobsched.store import endings, firings, plans, run_ends, schedules
from jobsched.store.batch import Batch, LogRecord, Recorded, RunNote
from jobsched.store.database import Database, Transaction
from jobsched.store.plans import NewRun
from jobsched.store.statements import Statements


def write(database: Database, batch: Batch) -> Recorded:
    """Write the batch in a transaction of its own; raises what `Database.transact` raises."""
    try:
        return database.transact(lambda tx: record(tx, batch, database.time.now()))
    except endings.ClaimLostError:
        batch.tried = True
        return database.transact(lambda tx: record(tx, batch))


def record(tx: Transaction, batch: Batch, now: datetime | None = None) -> Recorded:
    """Write the batch. The rows it changes are locked in the order schedule, firing, run.

    `now` is what the database's time is thought to be, for what has no reason to ask for it.

    Raises ClaimLostError where it must be rolled back, and the batch be marked as tried.
    """
    if endings.are_usual(tx, batch):
        tx.assume(now)
        endings.write(tx, batch)
        failpoint("record.ended")
        _log(tx, batch.logs)
        others_wait = do_others_wait(tx, batch.firing_ends[0].firing.app)
        return Recorded(tx.now, frozenset(), others_wait, {})
    leaving = batch.leaving()
    locked = schedules.lock(tx, [one.schedule_id for one in leaving if one.schedule_id])
    wanted = batch.firing_ids()
    mine, others_wait = _lock_mine(tx, batch)
    written = _written_before(tx, batch, wanted - mine) if batch.tried else set()
    failpoint("record.locked")
    part = batch.only(mine) if batch.tried or mine != wanted else batch
    if batch.tried:
        _drop_what_is_written(tx, part)
    _start(tx, part)
    _note(tx, part.notes)  # before the ends: it is said of what runs, and the last one stays
    run_ends.write(tx, part.ends)
    failpoint("record.ended")
    plans.insert(tx, part.attempts)
    _pass_requests_on(tx, part.attempts)
    _log(tx, part.logs)
    firings.end(tx, part.firing_ends)
    _hand_back(tx, part)
    settlements = [firings.settlement(one, tx.now) for one in part.firing_ends]
    settlements += [
        schedules.Settlement(one.firing.schedule_id, one.firing.id, None)
        for one in part.hand_backs
        if one.firing.schedule_id is not None
    ]
    schedules.settle(tx, locked, [one for one in settlements if one is not None])
    fenced = frozenset(wanted - mine - written)
    others_wait = others_wait or bool(part.hand_backs)
    return Recorded(tx.now, fenced, others_wait, _attempt_ids(tx, batch))


def _lock_mine(tx: Transaction, batch: Batch) -> tuple[set[int], bool]:
    """The firings of the batch that its worker still has, and whether others may wait.

    One that leaves must be of the same version: an earlier try may have handed it back already,
    and the same worker have claimed it anew.
    """
    leaving = {one.id: one.version for one in batch.leaving()}
    found = lock_firings(tx, sorted(batch.firing_ids()), batch.worker_id)
    mine = {row.id for row in found if leaving.get(row.id, row.version) == row.version}
    return mine, not found or bool(found[0].others_wait)


def lock_firings(
    tx: Transaction, firing_ids: Sequence[int], worker_id: str
) -> Sequence[sa.Row[Any]]:
    """The rows of those of the firings that this worker has, locked."""
    parameters = {"ids": list(firing_ids), "worker": worker_id}
    return tx.first(tx.statements.get(_mine_statement), parameters)


def _mine_statement(statements: Statements) -> sa.Select[Any]:
    table = statements.tables.job_firing
    return (
        sa.select(table.c.id, table.c.version, statements.time, _others_wait(table))
        .where(
            statements.among(table.c.id),
            table.c.claimed_by == sa.bindparam("worker"),
            table.c.status == FiringStatus.RUNNING.value,
        )
        .order_by(table.c.id)
        .with_for_update()
    )


def _others_wait(table: sa.Table) -> sa.ColumnElement[bool]:
    """A hint, said along with what is read anyway: who is free looks at once, or only in time."""
    return firings.waiting(table.alias("other"), table.c.app).label("others_wait")


def do_others_wait(tx: Transaction, app: str) -> bool:
    """The same hint, asked for last: what was queued while this waited for a lock is seen."""
    statement = tx.statements.get(_others_wait_statement)
    return bool(tx.connection.execute(statement, {"app": app}).scalar_one())


def _others_wait_statement(statements: Statements) -> sa.Select[bool]:
    app = sa.bindparam("app", type_=sa.String())
    return sa.select(firings.waiting(statements.tables.job_firing, app))


def _written_before(tx: Transaction, batch: Batch, absent: set[int]) -> set[int]:
    """Firings that are not ours any more because an earlier try of this batch ended them."""
    ends = {one.run_id: one for one in batch.ends if one.firing_id in absent}
    found = _run_states(tx, ends)
    return {
        one.firing_id
        for run_id, one in ends.items()
        if found.get(run_id) == (one.status.value, batch.worker_id)
    }


def _drop_what_is_written(tx: Transaction, part: Batch) -> None:
    """Of firings that are still ours: what an earlier try has written is not written again."""
    ids = [run_id for run_id, _ in part.starts] + [one.run_id for one in part.ends]
    found = _run_states(tx, ids)
    present = _attempt_ids(tx, part)
    starts = [s for s in part.starts if _status(found, s[0]) == JobRunStatus.QUEUED]
    ends = [one for one in part.ends if _status(found, one.run_id) != one.status]
    attempts = [
        one for one in part.attempts if (one.firing_id, one.job.name, one.attempt) not in present
    ]
    if (starts, ends, attempts) != (part.starts, part.ends, part.attempts):
        part.logs = []  # one transaction: with any of them, the lines were committed too
    part.starts, part.ends, part.attempts = starts, ends, attempts


def _run_states(tx: Transaction, run_ids: Any) -> dict[int, tuple[str, str | None]]:
    table = tx.tables.job_run
    wanted = list(run_ids)
    if not wanted:
        return {}
    selected = sa.select(table.c.id, table.c.status, table.c.worker_id).where(
        table.c.id.in_(wanted)
    )
    return {row.id: (row.status, row.worker_id) for row in tx.connection.execute(selected)}


def _status(found: dict[int, tuple[str, str | None]], run_id: int) -> str | None:
    return found[run_id][0] if run_id in found else None


def _start(tx: Transaction, part: Batch) -> None:
    if part.starts:
        ids = [run_id for run_id, _ in part.starts]
        parameters = {"ids": ids, "worker": part.worker_id, "now": tx.now}
        tx.connection.execute(tx.statements.get(_start_statement), parameters)


def _start_statement(statements: Statements) -> sa.Update:
    table = statements.tables.job_run
    return (
        sa.update(table)
        .where(
            statements.among(table.c.id),
            table.c.status == JobRunStatus.QUEUED.value,
            table.c.worker_id == sa.bindparam("worker"),
        )
        .values(
            status=JobRunStatus.RUNNING.value,
            started_at=sa.bindparam("now", type_=table.c.started_at.type),
        )
    )


def _pass_requests_on(tx: Transaction, attempts: Sequence[NewRun]) -> None:
    """A request to cancel a job reaches its next attempt, if the last one ended before it."""
    table = tx.tables.job_run
    for one in attempts:
        of_job = (table.c.firing_id == one.firing_id, table.c.job_name == one.job.name)
        asked = tx.connection.execute(
            sa.select(table.c.cancel_requested_at).where(
                *of_job, table.c.attempt == one.attempt - 1
            )
        ).scalar_one_or_none()
        if asked is not None:
            tx.connection.execute(
                sa.update(table)
                .where(*of_job, table.c.attempt == one.attempt)
                .values(cancel_requested_at=asked)
            )


def _note(tx: Transaction, notes: Sequence[RunNote]) -> None:
    table = tx.tables.job_run
    running = table.c.status == JobRunStatus.RUNNING.value
    latest: dict[int, dict[str, Any]] = {}
    for note in notes:  # of several in one batch the last counts
        values = latest.setdefault(note.run_id, {})
        if note.reason is not None:
            values["reason"] = note.reason
        if note.progress is not None:
            values["progress"] = note.progress
    for run_id, values in sorted(latest.items()):
        tx.connection.execute(
            sa.update(table).where(table.c.id == run_id, running).values(**values)
        )


def _log(tx: Transaction, logs: Sequence[LogRecord]) -> None:
    if logs:
        tx.connection.execute(
            sa.insert(tx.tables.job_log),
            [
                {
                    "job_run_id": one.run_id,
                    "level": one.level,
                    "message": one.message,
                    "created_at": one.created_at,
                }
                for one in logs
            ],
        )


def _hand_back(tx: Transaction, part: Batch) -> None:
    if not part.hand_backs:
        return
    table, run = tx.tables.job_firing, tx.tables.job_run
    later = sa.bindparam("b_available_at", type_=table.c.available_at.type)
    at_once = sa.literal(tx.now, table.c.available_at.type)
    tx.connection.execute(
        sa.update(table)
        .where(table.c.id == sa.bindparam("b_id"))
        .values(
            status=sa.bindparam("b_status"),
            # A request to cancel that we have not seen must not wait for a retry's time.
            available_at=sa.case((table.c.cancel_requested_at.is_not(None), at_once), else_=later),
            claimed_by=None,
            version=table.c.version + 1,
        ),
        [
            {"b_id": o.firing.id, "b_status": o.status.value, "b_available_at": o.available_at}
            for o in part.hand_backs
        ],
    )
    tx.connection.execute(
        sa.update(run)
        .where(
            run.c.firing_id.in_([one.firing.id for one in part.hand_backs]),
            run.c.status == JobRunStatus.QUEUED.value,
        )
        .values(worker_id=None)
    )


def _attempt_ids(tx: Transaction, batch: Batch) -> dict[tuple[int, str, int], int]:
    """The ids of the batch's new attempts, as far as they are written."""
    if not batch.attempts:
        return {}
    table = tx.tables.job_run
    wanted = {(one.firing_id, one.job.name, one.attempt) for one in batch.attempts}
    selected = sa.select(table.c.id, table.c.firing_id, table.c.job_name, table.c.attempt).where(
        table.c.firing_id.in_({firing_id for firing_id, _, _ in wanted})
    )
    return {
        key: row.id
        for row in tx.connection.execute(selected)
        if (key := (row.firing_id, row.job_name, row.attempt)) in wanted
    }
