"""The floor: what the same record costs in bare batched SQL, SQLAlchemy Core on one connection.

The same tables as jobsched's, the same rows in the end, a job run RUNNING before it is called,
and nothing else: no leases, no policies, no log, no other process, one thread. For each hundred
that are due two transactions:

1. read a hundred due schedules under a lock; insert their firings and job runs, RUNNING, many
   to a statement; move `next_run_at` on;
2. after the calls: update job runs, firings and the schedules' counters.

All of a hundred are due at one instant and end at one, so that each UPDATE is one statement for
all of them: no real scheduler could do with so little.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from jobsched.store.tables import Tables

BATCH = 100
DAY = timedelta(days=1)


def run_all(engine: sa.Engine, tables: Tables, call: Callable[[], None], batch: int = BATCH) -> int:
    """Fire, call and record everything that is due; how many that were."""
    total = 0
    with engine.connect() as connection:
        while started := _start(connection, tables, batch):
            for _ in started:
                call()
            _finish(connection, tables, started)
            total += len(started)
    return total


def _start(connection: sa.Connection, tables: Tables, batch: int) -> Sequence[Any]:
    schedule, firing, run = tables.job_schedule, tables.job_firing, tables.job_run
    with connection.begin():
        now = datetime.now(UTC)
        due = connection.execute(
            sa.select(schedule.c.id, schedule.c.app, schedule.c.next_run_at)
            .where(schedule.c.enabled, schedule.c.next_run_at <= now)
            .order_by(schedule.c.next_run_at)
            .limit(batch)
            .with_for_update(skip_locked=True)
        ).all()
        if not due:
            return []
        firings = _inserted(connection, firing, [_firing(one, now) for one in due])
        runs = _inserted(
            connection,
            run,
            [_run(one, firing_id, now) for one, firing_id in zip(due, firings, strict=True)],
        )
        connection.execute(
            sa.update(schedule)
            .where(schedule.c.id.in_([one.id for one in due]))
            .values(
                last_scheduled_for=due[0].next_run_at,
                next_run_at=due[0].next_run_at + DAY,
                last_run_at=now,
                updated_at=now,
            )
        )
    return [
        (one.id, firing_id, run_id, now)
        for one, firing_id, run_id in zip(due, firings, runs, strict=True)
    ]


def _finish(connection: sa.Connection, tables: Tables, started: Sequence[Any]) -> None:
    schedule, firing, run = tables.job_schedule, tables.job_firing, tables.job_run
    with connection.begin():
        now = datetime.now(UTC)
        began = started[0][3]
        connection.execute(
            sa.update(run)
            .where(run.c.id.in_([run_id for _, _, run_id, _ in started]))
            .values(
                status="SUCCESS",
                finished_at=now,
                duration_ms=int((now - began).total_seconds() * 1000),
            )
        )
        connection.execute(
            sa.update(firing)
            .where(firing.c.id.in_([firing_id for _, firing_id, _, _ in started]))
            .values(status="SUCCESS", finished_at=now, version=firing.c.version + 1)
        )
        connection.execute(
            sa.update(schedule)
            .where(schedule.c.id.in_([key for key, _, _, _ in started]))
            .values(run_count=schedule.c.run_count + 1, updated_at=now)
        )


def _inserted(
    connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]
) -> Sequence[int]:
    """The new ids, in the rows' order, with one statement or two."""
    if connection.dialect.name != "sqlite":
        inserting = sa.insert(table).returning(table.c.id, sort_by_parameter_order=True)
        return connection.execute(inserting, rows).scalars().all()
    # There the ids would come one row at a time; who writes alone gets them in a row.
    connection.execute(sa.insert(table), rows)
    last = connection.execute(sa.select(sa.func.max(table.c.id))).scalar_one()
    return range(last - len(rows) + 1, last + 1)


def _firing(due: Any, now: datetime) -> dict[str, Any]:
    return {
        "app": due.app,
        "schedule_id": due.id,
        "scheduled_for": due.next_run_at,
        "trigger_type": "CRON",
        "status": "RUNNING",
        "priority": 0,
        "available_at": due.next_run_at,
        "claimed_by": "floor",
        "version": 1,
        "dedup_key": f"cron:{due.id}:{due.next_run_at.isoformat()}",
        "created_at": now,
        "started_at": now,
    }


def _run(due: Any, firing_id: int, now: datetime) -> dict[str, Any]:
    return {
        "firing_id": firing_id,
        "schedule_id": due.id,
        "job_name": "noop",
        "attempt": 1,
        "status": "RUNNING",
        "trigger_type": "CRON",
        "scheduled_for": due.next_run_at,
        "available_at": due.next_run_at,
        "queued_at": now,
        "started_at": now,
        "worker_id": "floor",
    }
