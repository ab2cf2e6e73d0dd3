"""The mirrored jobs."""

from collections.abc import Mapping

import sqlalchemy as sa

from jobsched.model import JobDefinition, JobState
from jobsched.store import rows
from jobsched.store.database import Transaction


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
