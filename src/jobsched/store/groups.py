"""The groups that an app's schedules are in."""

import sqlalchemy as sa

from jobsched.store.database import Transaction

MOST = 500


def groups(tx: Transaction, app: str) -> list[str]:
    """The groups of the schedules that are in the code, in order; at most `MOST`."""
    table = tx.tables.job_schedule
    selected = (
        sa.select(table.c.group_name)
        .where(table.c.app == app, table.c.retired_at.is_(None), table.c.group_name.is_not(None))
        .distinct()
        .order_by(table.c.group_name)
        .limit(MOST)
    )
    return list(tx.connection.execute(selected).scalars())
