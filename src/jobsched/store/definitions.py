"""The mirrored jobs."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from jobsched.model import JobDefinition, JobState
from jobsched.planning.plan import Planner
from jobsched.store import rows, workers
from jobsched.store.database import Transaction
from jobsched.store.statements import Statements


class Known:
    """The jobs of an app as they were mirrored at one moment, with the plans made of them."""

    def __init__(self, states: Mapping[str, JobState]) -> None:
        self.states = states
        self.planner = Planner(in_code(states))


def for_claimer(tx: Transaction, app: str, worker_id: str) -> tuple[Known, bool]:
    """The jobs, and whether this worker may claim: others may have declared it lost.

    One statement, which brings the transaction's time along.
    """
    return tx.statements.get(_reader).read(tx, app, worker_id)


class _Reader:
    """Reads the mirrored jobs at the begin of each claiming transaction.

    It reads them anew each time, but what it makes of the same rows is made once.
    """

    def __init__(self) -> None:
        self._known: tuple[list[tuple[Any, ...]], Known] = ([], Known({}))

    def read(self, tx: Transaction, app: str, worker_id: str) -> tuple[Known, bool]:
        statement = tx.statements.get(_claimer_statement)
        try:
            found = tx.first(statement, {"app": app, "worker": worker_id})
        except rows.UNREADABLE:
            return Known(states(tx, app)), workers.may_claim(tx, worker_id)
        worker = found[0]
        return self._made_of(tx, app, found), _may_claim(tx, worker)

    def _made_of(self, tx: Transaction, app: str, found: Sequence[sa.Row[Any]]) -> Known:
        read = [tuple(row)[_WORKER_COLUMNS:] for row in found if row.id is not None]
        before, known = self._known
        if read != before:
            try:
                known = Known({row.name: rows.job_state(row) for row in found if row.id})
            except rows.UNREADABLE:
                return Known(states(tx, app))
            self._known = read, known
        return known


def _reader(_statements: Statements) -> _Reader:
    return _Reader()


_WORKER_COLUMNS = 4


def _claimer_statement(statements: Statements) -> sa.Select[Any]:
    worker, job = statements.tables.worker_instance, statements.tables.job_definition
    text = sa.String()
    asked = sa.select(  # a row, whatever is missing
        sa.bindparam("worker", type_=text).label("worker"),
        sa.bindparam("app", type_=text).label("app"),
    ).subquery("asked")
    return (
        sa.select(
            worker.c.status.label("worker_status"),
            worker.c.last_heartbeat_at,
            worker.c.lock_timeout_s,
            statements.time,
            job,
        )
        .select_from(
            asked.outerjoin(worker, worker.c.id == asked.c.worker).outerjoin(
                job, job.c.app == asked.c.app
            )
        )
        .order_by(job.c.id)  # as declared
    )


def _may_claim(tx: Transaction, row: sa.Row[Any]) -> bool:
    if row.worker_status not in workers.ALIVE:
        return False
    return bool(tx.now - row.last_heartbeat_at <= timedelta(seconds=row.lock_timeout_s))


def states(tx: Transaction, app: str) -> dict[str, JobState]:
    """Every job that the app ever mirrored, by name; the retired ones too."""
    table = tx.tables.job_definition
    selected = sa.select(table).where(table.c.app == app).order_by(table.c.id)  # as declared
    try:
        return {row.name: rows.job_state(row) for row in tx.connection.execute(selected)}
    except rows.UNREADABLE:
        ids = tx.connection.execute(selected.with_only_columns(table.c.id)).scalars().all()
        return {one.definition.name: one for one in (_legible(tx, job_id) for job_id in ids)}


def _legible(tx: Transaction, job_id: int) -> JobState:
    """The job, or one with its problem when its row cannot be read."""
    table = tx.tables.job_definition
    chosen = table.c.id == job_id
    try:
        return rows.job_state(tx.connection.execute(sa.select(table).where(chosen)).one())
    except rows.UNREADABLE as error:
        c = table.c
        plain = sa.select(c.name, c.group_name, c.app, c.declaration_hash, c.retired_at)
        return rows.unreadable_job(tx.connection.execute(plain.where(chosen)).one(), error)


def current(tx: Transaction, app: str) -> dict[str, JobDefinition]:
    """The jobs that the app's code declares now, by name: what a new plan may hold."""
    return in_code(states(tx, app))


def in_code(found: Mapping[str, JobState]) -> dict[str, JobDefinition]:
    """Those of the jobs that have not left the code."""
    return {name: state.definition for name, state in found.items() if state.retired_at is None}
