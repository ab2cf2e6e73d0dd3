"""What live daemons declare beside what is mirrored; looked at again when something has changed."""

import threading
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from jobsched.model import ExecutionMode, ScheduleDeclaration, Timing, Worker
from jobsched.planning.drift import Drift, Unclaimed, drifts, unclaimed
from jobsched.store import definitions, rows
from jobsched.store.database import Transaction

Differences = tuple[tuple[Drift, ...], tuple[Unclaimed, ...]]

_ASKED = 1000
"""Of how many schedules it is asked whether they are enabled: they go into one statement."""

_lock = threading.Lock()
_seen: WeakKeyDictionary[sa.Engine, dict[str, tuple[object, Differences]]] = WeakKeyDictionary()
"""What was found last for each app of a database, and what it was found for."""


def differences(
    tx: Transaction, app: str, daemons: Sequence[Worker], version: tuple[object, ...]
) -> Differences:
    """Which daemons declare schedules otherwise, and which enabled schedules none can claim.

    `daemons` are the live ones, and `version` changes with every declaration that changes. While
    neither has changed, nothing is read but whether a schedule in question is enabled.
    """
    if not daemons:
        return (), ()
    asked = (version, frozenset(one.id for one in daemons))
    engine = tx.connection.engine
    with _lock:
        known = _seen.get(engine, {}).get(app)
    if known is None or known[0] != asked:
        known = (asked, _compared(tx, app, [one.id for one in daemons]))
        with _lock:
            _seen.setdefault(engine, {})[app] = known
    found, candidates = known[1]
    return found, _enabled(tx, candidates)


def _compared(tx: Transaction, app: str, worker_ids: Sequence[str]) -> Differences:
    worker, schedule = tx.tables.worker_instance, tx.tables.job_schedule
    selected = sa.select(worker).where(worker.c.id.in_(worker_ids)).order_by(worker.c.started_at)
    daemons = [rows.worker(row) for row in tx.connection.execute(selected)]
    current = (schedule.c.app == app, schedule.c.retired_at.is_(None))
    c = schedule.c
    hashes = sa.select(c.id, c.declaration_hash).where(*current)
    mirrored = {row.id: row.declaration_hash for row in tx.connection.execute(hashes)}
    selecting = sa.select(c.id, c.execution_mode, c.group_name, c.jobs, c.include_dependencies)
    declarations = rows.readable(tx, selecting.where(*current).order_by(c.id), c.id, _selection)
    jobs = definitions.current(tx, app)
    return tuple(drifts(daemons, mirrored)), tuple(unclaimed(declarations, jobs, daemons))


def _selection(row: sa.Row[Any]) -> ScheduleDeclaration:
    """What says which jobs a schedule selects; of ten thousand the rest takes long to read."""
    return ScheduleDeclaration(
        id=row.id,
        timing=Timing(),
        execution_mode=ExecutionMode(row.execution_mode),
        group=row.group_name,
        jobs=tuple(row.jobs or ()),
        include_dependencies=row.include_dependencies,
    )


def _enabled(tx: Transaction, candidates: Sequence[Unclaimed]) -> tuple[Unclaimed, ...]:
    """Those that would fire: enabled, in their environment, and without another problem."""
    if not candidates:
        return ()
    candidates = candidates[:_ASKED]
    table = tx.tables.job_schedule
    selected = sa.select(table.c.id).where(
        table.c.id.in_([one.schedule_id for one in candidates]),
        table.c.enabled == sa.true(),
        table.c.next_run_at.is_not(None),
        table.c.problem.is_(None),
    )
    enabled = set(tx.connection.execute(selected).scalars())
    return tuple(one for one in candidates if one.schedule_id in enabled)
