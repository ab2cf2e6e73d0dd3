"""The end of a job run's log: what somebody who looks now wants to see first."""

import sqlalchemy as sa

from jobsched.fixed import fixed
from jobsched.model import LogLine
from jobsched.store import rows
from jobsched.store.database import Transaction

MOST_COUNTED = 10_000
"""Earlier lines are counted up to here, so that a long log costs no more than a page of it."""


@fixed
class Tail:
    """Lines in order, and how many of the run came before them."""

    lines: tuple[LogLine, ...]
    earlier: int
    """At most `MOST_COUNTED`, which means that many or more."""


def tail(tx: Transaction, run_id: int, *, before: int | None = None, limit: int = 200) -> Tail:
    """The last lines of a job run, or the last ones before the line `before`."""
    table = tx.tables.job_log
    of_run = [table.c.job_run_id == run_id]
    bounds = [] if before is None else [table.c.id < before]
    last = sa.select(table).where(*of_run, *bounds).order_by(table.c.id.desc()).limit(limit)
    lines = [rows.log_line(row) for row in tx.connection.execute(last)][::-1]
    if len(lines) < limit:
        return Tail(tuple(lines), 0)
    counted = (
        sa.select(table.c.id).where(*of_run, table.c.id < lines[0].id).limit(MOST_COUNTED)
    ).subquery()
    earlier = tx.connection.execute(sa.select(sa.func.count()).select_from(counted)).scalar_one()
    return Tail(tuple(lines), int(earlier))
