"""The mirrored jobs."""

from collections.abc import Mapping

import sqlalchemy as sa

from jobsched.model import JobDefinition, JobState
from jobsched.store import rows
from jobsched.store.database import Transaction


def states(tx: Transaction, app: str) -> dict[str, JobState]:
    """Every job that the app ever mirrored, by name; the retired ones too."""
    table = tx.tables.job_definition
    found = tx.connection.execute(
        sa.select(table).where(table.c.app == app).order_by(table.c.id)  # as declared
    )
    return {row.name: rows.job_state(row) for row in found}


def current(tx: Transaction, app: str) -> dict[str, JobDefinition]:
    """The jobs that the app's code declares now, by name: what a new plan may hold."""
    return in_code(states(tx, app))


def in_code(found: Mapping[str, JobState]) -> dict[str, JobDefinition]:
    """Those of the jobs that have not left the code."""
    return {name: state.definition for name, state in found.items() if state.retired_at is None}
