"""Workers that ended, and workers by their ids."""

from collections.abc import Iterable

import sqlalchemy as sa

from jobsched.model import Worker, WorkerStatus
from jobsched.store import rows
from jobsched.store.database import Transaction

_ENDED = [WorkerStatus.STOPPED.value, WorkerStatus.LOST.value]


def ended(tx: Transaction, app: str, *, limit: int = 100) -> list[Worker]:
    """The app's workers that stopped or were lost; the one that was alive last comes first."""
    table = tx.tables.worker_instance
    selected = (
        _without_declarations(table)
        .where(table.c.app == app, table.c.status.in_(_ENDED))
        .order_by(table.c.last_heartbeat_at.desc(), table.c.id)
        .limit(limit)
    )
    return [rows.worker(row) for row in tx.connection.execute(selected)]


def by_ids(tx: Transaction, ids: Iterable[str | None]) -> dict[str, Worker]:
    """These workers, as far as their rows are still there."""
    wanted = sorted({one for one in ids if one})
    if not wanted:
        return {}
    table = tx.tables.worker_instance
    selected = _without_declarations(table).where(table.c.id.in_(wanted))
    return {row.id: rows.worker(row) for row in tx.connection.execute(selected)}


def _without_declarations(table: sa.Table) -> sa.Select[tuple[object, ...]]:
    nothing = sa.null().label("declares")
    return sa.select(*(nothing if one is table.c.declares else one for one in table.c))
