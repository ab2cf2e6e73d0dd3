"""Reading what happened: firings with their job runs, log lines, counts. Keyset paging only."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobsched.errors import NotFoundError
from jobsched.model import Firing, FiringStatus, JobRun, JobRunStatus, LogLine
from jobsched.store import firings, plans, rows
from jobsched.store.database import Transaction


def listed(
    tx: Transaction,
    app: str,
    *,
    schedule_id: str | None = None,
    job_name: str | None = None,
    status: FiringStatus | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int = 20,
) -> list[Firing]:
    """Firings, newest first, each with its job runs; `before` is the id to go on from.

    It looks through all of them, if need be; `firing_list` is for those who cannot wait.
    """
    table = tx.tables.job_firing
    selected = sa.select(table).where(table.c.app == app)
    if schedule_id is not None:
        selected = selected.where(table.c.schedule_id == schedule_id)
    if job_name is not None:
        selected = selected.where(table.c.job_name == job_name)
    if status is not None:
        selected = selected.where(table.c.status == status.value)
    if since is not None:
        selected = selected.where(table.c.created_at >= since)
    if until is not None:
        selected = selected.where(table.c.created_at < until)
    if before is not None:
        selected = selected.where(table.c.id < before)
    page = selected.order_by(table.c.id.desc()).limit(limit)
    return _with_runs(tx, rows.readable(tx, page, table.c.id, rows.firing))


def firing(tx: Transaction, app: str, firing_id: int) -> Firing:
    """One firing with its job runs; raises NotFoundError."""
    table = tx.tables.job_firing
    row = tx.connection.execute(
        sa.select(table).where(table.c.id == firing_id, table.c.app == app)
    ).one_or_none()
    if row is None:
        raise NotFoundError(
            f"there is no firing {firing_id} in app {app!r}; `jobsched history` lists the latest"
        )
    return rows.firing(row, _in_plan_order(plans.runs_of(tx, [firing_id])[firing_id]))


def running_firings(tx: Transaction, app: str, limit: int) -> list[Firing]:
    """The firings that run, with their job runs: the one that started first comes first."""
    table = tx.tables.job_firing
    selected = (
        sa.select(table)
        .where(table.c.app == app, table.c.status == FiringStatus.RUNNING.value)
        .order_by(table.c.started_at, table.c.id)
        .limit(limit)
    )
    return _with_runs(tx, rows.readable(tx, selected, table.c.id, rows.firing))


def runs_of(tx: Transaction, firing_ids: Sequence[int]) -> dict[int, tuple[JobRun, ...]]:
    """The job runs of each firing, in the order of its plan."""
    return {
        firing_id: _in_plan_order(runs) for firing_id, runs in plans.runs_of(tx, firing_ids).items()
    }


def with_failures(tx: Transaction, found: Sequence[Firing]) -> tuple[Firing, ...]:
    """The firings; those that failed with their job runs, which say why."""
    runs = runs_of(tx, [one.id for one in found if one.status is FiringStatus.FAILED])
    return tuple(replace(one, runs=runs.get(one.id, ())) for one in found)


def _with_runs(tx: Transaction, found: Sequence[Firing]) -> list[Firing]:
    runs = runs_of(tx, [one.id for one in found])
    return [replace(one, runs=runs[one.id]) for one in found]


def job_run(tx: Transaction, app: str, run_id: int) -> JobRun:
    """One job run; raises NotFoundError."""
    run, firing_table = tx.tables.job_run, tx.tables.job_firing
    row = tx.connection.execute(
        sa.select(run)
        .join(firing_table, firing_table.c.id == run.c.firing_id)
        .where(run.c.id == run_id, firing_table.c.app == app)
    ).one_or_none()
    if row is None:
        raise NotFoundError(
            f"there is no job run {run_id} in app {app!r}; `jobsched history --runs` lists the "
            "latest ones"
        )
    return rows.job_run(row)


def _in_plan_order(runs: Sequence[JobRun]) -> tuple[JobRun, ...]:
    """Job by job in dependency order, the attempts of each side by side."""
    position: dict[str, int] = {}
    for run in runs:
        position.setdefault(run.job_name, len(position))
    return tuple(sorted(runs, key=lambda run: (position[run.job_name], run.attempt)))


def logs(
    tx: Transaction, run_ids: Sequence[int], *, after: int = 0, limit: int = 1000
) -> list[LogLine]:
    """Log lines of these job runs in order, from the line after `after` on."""
    if not run_ids:
        return []
    table = tx.tables.job_log
    selected = (
        sa.select(table)
        .where(table.c.job_run_id.in_(run_ids), table.c.id > after)
        .order_by(table.c.id)
        .limit(limit)
    )
    return [rows.log_line(row) for row in tx.connection.execute(selected)]


def run_ids(tx: Transaction, firing_id: int) -> list[int]:
    """The ids of a firing's job runs."""
    table = tx.tables.job_run
    selected = sa.select(table.c.id).where(table.c.firing_id == firing_id).order_by(table.c.id)
    return list(tx.connection.execute(selected).scalars())


def latest_firing_id(tx: Transaction, app: str, schedule_id: str) -> int | None:
    """The schedule's latest firing that has job runs to look at."""
    table = tx.tables.job_firing
    latest: int | None = tx.connection.execute(
        sa.select(sa.func.max(table.c.id)).where(
            table.c.app == app,
            table.c.schedule_id == schedule_id,
            table.c.status != FiringStatus.SKIPPED.value,
        )
    ).scalar_one()
    return latest


def result(tx: Transaction, firing_id: int, job_name: str) -> Any:
    """What a job of this firing returned; None when it has not succeeded, or returned nothing."""
    table = tx.tables.job_run
    return tx.connection.execute(
        sa.select(table.c.result)
        .where(
            table.c.firing_id == firing_id,
            table.c.job_name == job_name,
            table.c.status == JobRunStatus.SUCCESS.value,
        )
        .order_by(table.c.attempt.desc())
        .limit(1)
    ).scalar_one_or_none()


def live(tx: Transaction, app: str) -> list[Firing]:
    """The app's live firings, oldest first."""
    table = tx.tables.job_firing
    selected = sa.select(table).where(table.c.status.in_(firings.LIVE), table.c.app == app)
    return rows.readable(tx, selected.order_by(table.c.id), table.c.id, rows.firing)


def running(tx: Transaction, firing_ids: Sequence[int]) -> list[JobRun]:
    """The running job runs of these firings."""
    return [
        run
        for runs in plans.runs_of(tx, firing_ids).values()
        for run in runs
        if run.status is JobRunStatus.RUNNING
    ]
