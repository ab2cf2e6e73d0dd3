"""What schedules select, without the rest of them: names to offer, and which runs which job."""

import sqlalchemy as sa

from jobsched.fixed import fixed
from jobsched.model import ExecutionMode, ScheduleDeclaration, Timing
from jobsched.store import rows
from jobsched.store.database import Transaction


@fixed
class Selection:
    """A schedule, as far as it says which jobs it runs."""

    declared: ScheduleDeclaration
    enabled: bool


def selections(tx: Transaction, app: str, *, limit: int) -> list[Selection]:
    """What the app's schedules select, by id, of those that have not left the code."""
    table = tx.tables.job_schedule
    c = table.c
    selected = (
        sa.select(c.id, c.enabled, c.execution_mode, c.group_name, c.jobs, c.include_dependencies)
        .where(c.app == app, c.retired_at.is_(None))
        .order_by(c.id)
        .limit(limit)
    )
    return rows.readable(tx, selected, c.id, _selection)


def enabled_timings(tx: Transaction, app: str, *, limit: int) -> list[Timing]:
    """When the app's enabled schedules are due, by id; of those that fire here."""
    table = tx.tables.job_schedule
    c = table.c
    selected = (
        sa.select(c.id, c.cron, c.every_s, c.at, c.timezone, c.start_at, c.end_at)
        .where(
            *(c.app == app, c.enabled == sa.true(), c.retired_at.is_(None)),
            *(c.problem.is_(None), c.next_run_at.is_not(None)),
        )
        .order_by(c.id)
        .limit(limit)
    )
    return rows.readable(tx, selected, c.id, rows.timing)


def schedule_ids(tx: Transaction, app: str, *, limit: int) -> list[str]:
    """The ids of the app's schedules, in order; of those that left the code, too."""
    table = tx.tables.job_schedule
    selected = sa.select(table.c.id).where(table.c.app == app).order_by(table.c.id).limit(limit)
    return list(tx.connection.execute(selected).scalars())


def job_names(tx: Transaction, app: str, *, limit: int) -> list[str]:
    """The names of the app's jobs, in order; of those that left the code, too."""
    table = tx.tables.job_definition
    selected = sa.select(table.c.name).where(table.c.app == app).order_by(table.c.name)
    return list(tx.connection.execute(selected.limit(limit)).scalars())


def _selection(row: sa.Row[tuple[object, ...]]) -> Selection:
    declared = ScheduleDeclaration(
        id=row.id,
        timing=Timing(),
        execution_mode=ExecutionMode(row.execution_mode),
        group=row.group_name,
        jobs=tuple(row.jobs or ()),
        include_dependencies=row.include_dependencies,
    )
    return Selection(declared, row.enabled)
