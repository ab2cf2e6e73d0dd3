"""The usual end, on PostgreSQL: firings that end with their job runs, written in one statement.

What is to be written says of itself what it must find: a firing that this worker still has, in the
version that it claimed. Where that is not so, nothing is written, and the caller looks first.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONPATH

from jobsched.failpoints import failpoint
from jobsched.model import FiringStatus
from jobsched.store import firings, many, run_ends, schedules
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


def write(tx: Transaction, batch: Batch) -> None:
    """End the firings and job runs of a usual batch, and settle their schedules.

    The rows are locked in the order schedule, firing, job run. Raises ClaimLostError.
    """
    parameters = {"worker": batch.worker_id, "now": tx.now}
    parameters |= many.encoded([_end(tx, one) for one in batch.firing_ends])
    parameters |= many.encoded(run_ends.rows(batch.ends), name="runs")
    ended = tx.connection.execute(tx.statements.get(_statement), parameters).scalar_one()
    failpoint("record.locked")
    if ended != len(batch.firing_ends):
        raise ClaimLostError(f"{ended} of {len(batch.firing_ends)} firings")


def rehearse(tx: Transaction) -> None:
    """Execute the statement on nothing."""
    if tx.statements.dialect == "postgresql":
        nothing = many.encoded([]) | many.encoded([], name="runs")
        parameters = {"worker": "", "now": tx.now} | nothing
        tx.connection.execute(tx.statements.get(_statement), parameters)


def _end(tx: Transaction, one: FiringEnd) -> dict[str, Any]:
    firing = one.firing
    return {
        **firings.end_row(one),
        "version": firing.version,
        "schedule_id": firing.schedule_id,
        "duration_ms": firings.took_ms(firing, tx.now),
        "owner": schedules.owner(firing.claimed_by or "", firing.id),
    }


def _statement(statements: Statements) -> sa.Select[int]:
    """How many firings were ended.

    Of the parts of a statement PostgreSQL executes first what another part needs: the firings wait
    for the schedules, the job runs for the firings.
    """
    table = statements.tables.job_firing
    unfolded = many.unfolded(
        {name: table.c[name].type for name in ("id", "version", "status", "reason", "schedule_id")}
        | {"duration_ms": sa.BigInteger(), "owner": sa.String()}
    )
    given = sa.select(*unfolded.c).cte("given")
    settled = _settle(statements, given).returning(sa.literal(1)).cte("settled")
    mine = _mine(table, given, settled)
    ended = (
        firings.end_statement(table, lambda name: mine.c[name])
        .where(*_is_mine(table, mine))
        .returning(sa.literal(1))
        .cte("ended")
    )
    runs = many.unfolded(run_ends.types(statements), name="runs")
    ended_runs = run_ends.statement(statements, lambda name: runs.c[name]).where(
        _how_many(ended) >= 0
    )
    return sa.select(_how_many(ended)).add_cte(ended_runs.cte("ended_runs"))


def _mine(table: sa.Table, given: sa.CTE, settled: sa.CTE) -> sa.Subquery:
    """The firings, locked in id order once the schedules are settled."""
    row = table.alias("mine")
    return (
        sa.select(*given.c)
        .join_from(given, row, row.c.id == given.c.id)
        .where(*_is_mine(row, given), _how_many(settled) >= 0)
        .order_by(row.c.id)
        .with_for_update(of=row)
        .subquery("ours")
    )


# Asked of the row that is locked, and of the row that is written, as every guard.
def _is_mine(firing: sa.FromClause, given: sa.FromClause) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        firing.c.claimed_by == sa.bindparam("worker"),
        firing.c.status == FiringStatus.RUNNING.value,
        firing.c.version == given.c.version,
    )


def _how_many(part: sa.CTE) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.count()).select_from(part).scalar_subquery()


def _settle(statements: Statements, given: sa.CTE) -> sa.Update:
    """The rows are locked in id order, as `schedules.lock` does; see `schedules.settle`."""
    table = statements.tables.job_schedule
    row = table.alias("held")
    held = (
        sa.select(*given.c)
        .join_from(given, row, row.c.id == given.c.schedule_id)
        .order_by(row.c.id)
        .with_for_update(of=row)
        .subquery("locked")
    )
    # Whatever somebody wrote there by hand that is not like ours goes.
    ours = sa.cast('strict $[*] ? (@.type() == "object")', JSONPATH)
    last = sa.cast(f"$[last-{schedules.RECENT - 2} to last]", JSONPATH)
    kind = table.c.recent.type
    entries = sa.func.jsonb_path_query_array(table.c.recent, ours, type_=kind)
    before = sa.case(
        (
            sa.func.jsonb_typeof(table.c.recent) == "array",
            sa.func.jsonb_path_query_array(entries, last, type_=kind),
        )
    )
    new = sa.func.jsonb_build_object(
        *("firing_id", held.c.id),
        *("status", held.c.status),
        *("duration_ms", held.c.duration_ms),
        type_=kind,
    )
    nothing = sa.func.jsonb_build_array(type_=kind)

    def counted(status: FiringStatus) -> sa.ColumnElement[int]:
        return sa.case((held.c.status == status.value, 1), else_=0)

    settled = schedules.settled_values(
        table,
        succeeded=counted(FiringStatus.SUCCESS),
        failed=counted(FiringStatus.FAILED),
        recent=sa.func.coalesce(before, nothing).op("||")(new),
        released=table.c.locked_by == held.c.owner,
    )
    return sa.update(table).where(table.c.id == held.c.schedule_id).values(settled)
