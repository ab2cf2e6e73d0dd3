"""The usual end, on PostgreSQL: firings that end with their job runs, written without a look first.

What is to be written says of itself what it must find: a firing that this worker still has, in the
version that it claimed. Where that is not so, nothing is written, and the caller looks first.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONPATH

from jobsched.failpoints import failpoint
from jobsched.model import FiringStatus
from jobsched.store import firings, many, schedules
from jobsched.store.batch import Batch
from jobsched.store.database import Transaction
from jobsched.store.firings import FiringEnd
from jobsched.store.statements import Statements


class ClaimLostError(Exception):
    """A firing of the batch is no longer this worker's: roll back, and look whose it is."""


def are_usual(tx: Transaction, batch: Batch) -> bool:
    """Whether the batch has nothing but firings that end, one of each schedule, and their runs."""
    if tx.statements.dialect != "postgresql" or batch.tried or not batch.firing_ends:
        return False
    if batch.starts or batch.attempts or batch.notes or batch.hand_backs:
        return False
    of_schedules = [one.firing.schedule_id for one in batch.firing_ends if one.firing.schedule_id]
    if len(set(of_schedules)) < len(of_schedules):
        return False
    return batch.firing_ids() == {one.firing.id for one in batch.firing_ends}


def write_firings(tx: Transaction, batch: Batch) -> bool:
    """End the firings of a usual batch and settle their schedules; whether other firings wait.

    The rows are locked in the order schedule, firing. Raises ClaimLostError.
    """
    settled = [_settlement(tx, one) for one in batch.firing_ends if one.firing.schedule_id]
    if settled:
        tx.connection.execute(tx.statements.get(_settle_statement), many.encoded(settled))
    ended = [_end(one) for one in batch.firing_ends]
    parameters = {"worker": batch.worker_id, "now": tx.now, "of": batch.firing_ends[0].firing.app}
    found = tx.connection.execute(
        tx.statements.get(_end_statement), parameters | many.encoded(ended)
    ).one()
    failpoint("record.locked")
    if found.ended != len(ended):
        raise ClaimLostError(f"{found.ended} of {len(ended)} firings")
    return bool(found.others_wait)


def rehearse(tx: Transaction) -> None:
    """Execute both statements on nothing."""
    if tx.statements.dialect == "postgresql":
        nothing = many.encoded([])
        tx.connection.execute(tx.statements.get(_settle_statement), nothing)
        parameters = {"worker": "", "now": tx.now, "of": ""}
        tx.connection.execute(tx.statements.get(_end_statement), parameters | nothing)


def _settlement(tx: Transaction, one: FiringEnd) -> dict[str, Any]:
    firing = one.firing
    return {
        "id": firing.schedule_id,
        "firing_id": firing.id,
        "status": one.status.value,
        "duration_ms": firings.took_ms(firing, tx.now),
        "owner": schedules.owner(firing.claimed_by or "", firing.id),
    }


def _settle_statement(statements: Statements) -> sa.Update:
    """The rows are locked in id order, as `schedules.lock` does; see `schedules.settle`."""
    table = statements.tables.job_schedule
    given = many.unfolded(
        {
            "id": table.c.id.type,
            "firing_id": sa.BigInteger(),
            "status": sa.String(),
            "duration_ms": sa.BigInteger(),
            "owner": table.c.locked_by.type,
        }
    )
    row = table.alias("held")
    held = (
        sa.select(*given.c)
        .join_from(given, row, row.c.id == given.c.id)
        .order_by(row.c.id)
        .with_for_update(of=row)
        .subquery("settled")
    )
    # Whatever somebody wrote there by hand that is not like ours goes.
    kept = sa.cast(f'$[last-{schedules.RECENT - 2} to last] ? (@.type() == "object")', JSONPATH)
    before = sa.func.jsonb_path_query_array(table.c.recent, kept, type_=table.c.recent.type)
    new = sa.func.jsonb_build_object(
        *("firing_id", held.c.firing_id),
        *("status", held.c.status),
        *("duration_ms", held.c.duration_ms),
        type_=table.c.recent.type,
    )
    nothing = sa.func.jsonb_build_array(type_=table.c.recent.type)

    def counted(status: FiringStatus) -> sa.ColumnElement[int]:
        return sa.case((held.c.status == status.value, 1), else_=0)

    settled = schedules.settled_values(
        table,
        succeeded=counted(FiringStatus.SUCCESS),
        failed=counted(FiringStatus.FAILED),
        recent=sa.func.coalesce(before, nothing).op("||")(new),
        released=table.c.locked_by == held.c.owner,
    )
    return sa.update(table).where(table.c.id == held.c.id).values(settled)


def _end(one: FiringEnd) -> dict[str, Any]:
    return {**firings.end_row(one), "version": one.firing.version}


def _end_statement(statements: Statements) -> sa.Select[Any]:
    """How many firings were ended, in one row with the hint that `record` gives."""
    table = statements.tables.job_firing
    names = ("id", "version", "status", "reason")
    given = many.unfolded({name: table.c[name].type for name in names})
    ended = (
        firings.end_statement(table, lambda name: given.c[name])
        .where(
            table.c.claimed_by == sa.bindparam("worker"),
            table.c.status == FiringStatus.RUNNING.value,
            table.c.version == given.c.version,
        )
        .returning(table.c.id)
        .cte("ended")
    )
    others_wait = firings.waiting(table.alias("other"), sa.bindparam("of", type_=sa.String()))
    return sa.select(
        sa.select(sa.func.count()).select_from(ended).scalar_subquery().label("ended"),
        others_wait.label("others_wait"),
    )
