"""SYNC: what the code declares is mirrored; what operators set is kept.

Before a row changes, what is already due is decided by the old rule in the same transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobsched.errors import ConflictError, DeclarationError
from jobsched.failpoints import failpoint
from jobsched.fixed import fixed
from jobsched.model import (
    JobDefinition,
    ScheduleDeclaration,
    ScheduleState,
    SyncReport,
)
from jobsched.planning.due import first_after
from jobsched.store import definitions, fire, rows, schedules, workers
from jobsched.store.database import Transaction


@fixed
class Declared:
    """What one process declares, ready to be mirrored and compared."""

    app: str
    environment: str
    schedules: Mapping[str, ScheduleDeclaration]
    jobs: Mapping[str, JobDefinition]
    hashes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    priorities: frozenset[int] = frozenset()
    """Those that its schedules have."""

    def __bool__(self) -> bool:
        """Whether it declares anything: a process that does not retires nothing."""
        return bool(self.schedules or self.jobs)


def declared(
    app: str,
    environment: str,
    schedules: Mapping[str, ScheduleDeclaration],
    jobs: Mapping[str, JobDefinition],
) -> Declared:
    """The declarations with the hashes that tell whether a mirrored row is the same."""
    hashes, priorities = {}, set()
    for schedule_id, one in schedules.items():
        columns = {**rows.declaration_columns(one), "environment": environment}
        hashes[schedule_id] = rows.declaration_hash(columns)
        priorities.add(one.priority)
    return Declared(
        app=app,
        environment=environment,
        schedules=schedules,
        jobs=jobs,
        hashes={
            "schedules": hashes,
            "jobs": {
                name: rows.declaration_hash(rows.definition_columns(job))
                for name, job in jobs.items()
            },
        },
        priorities=frozenset(priorities),
    )


def sync(tx: Transaction, code: Declared, *, declared_by: str | None = None) -> SyncReport:
    """Mirror the declarations, and retire what no live worker of the app declares any more.

    Raises DeclarationError when another app of this database owns a schedule of the same id.
    """
    _sync_jobs(tx, code, declared_by)
    failpoint("sync.between")
    known = _known(tx, code)
    gone = _gone(tx, code)
    mirrored = [one for one in code.schedules if known.get(one, _AS_DECLARED) is not _AS_DECLARED]
    _lock(tx, [*mirrored, *gone.schedules])
    added, changed, revived = _sync_schedules(tx, code, declared_by, known)
    _retire(tx, code.app, gone)
    return SyncReport(tuple(added), tuple(changed), gone.schedules, tuple(revived))


def _lock(tx: Transaction, schedule_ids: Sequence[str]) -> None:
    """Whatever their state: an operator may enable one just now, and then it may fire."""
    if tx.statements.dialect != "sqlite":  # it has one writer, and not room for so many values
        schedules.lock(tx, schedule_ids)


def _sync_jobs(tx: Transaction, code: Declared, declared_by: str | None) -> None:
    table = tx.tables.job_definition
    found = tx.connection.execute(
        sa.select(table.c.name, table.c.declaration_hash, table.c.retired_at)
        .where(table.c.app == code.app)
        .with_for_update()
    )
    known = {row.name: row for row in found}
    broken = {n for n, one in definitions.states(tx, code.app).items() if one.definition.problem}
    hashes = code.hashes["jobs"]
    new = []
    for name, definition in code.jobs.items():
        columns = {
            **rows.definition_columns(definition),
            "declaration_hash": hashes[name],
            "declared_by": declared_by,
            "retired_at": None,
            "updated_at": tx.now,
        }
        row = known.get(name)
        if row is None:
            new.append({**columns, "app": code.app, "created_at": tx.now})
        elif row.declaration_hash != hashes[name] or row.retired_at or name in broken:
            tx.connection.execute(
                sa.update(table)
                .where(table.c.app == code.app, table.c.name == name)
                .values(**columns)
            )
    if new:
        tx.connection.execute(sa.insert(table), new)


def _sync_schedules(
    tx: Transaction, code: Declared, declared_by: str | None, known: Mapping[str, Any]
) -> tuple[list[str], list[str], list[str]]:
    hashes = code.hashes["schedules"]
    added: list[dict[str, Any]] = []
    changed: list[str] = []
    revived: list[str] = []
    for schedule_id in sorted(code.schedules):
        row = known.get(schedule_id)
        if row is _AS_DECLARED:
            continue
        declaration = code.schedules[schedule_id]
        columns = {
            **rows.declaration_columns(declaration),
            "environment": code.environment,
            "declaration_hash": hashes[schedule_id],
            "declared_by": declared_by,
            "retired_at": None,
            "updated_at": tx.now,
        }
        if row is None:
            added.append({**columns, **_first_state(tx, code, declaration)})
            continue
        if row.retired_at is not None:
            revived.append(schedule_id)
        elif row.declaration_hash != hashes[schedule_id]:
            changed.append(schedule_id)
        _change(tx, code, declaration, columns)
    if added:
        tx.connection.execute(sa.insert(tx.tables.job_schedule), added)
    if len(added) >= _MANY and tx.statements.dialect == "postgresql":
        table = tx.connection.dialect.identifier_preparer.format_table(tx.tables.job_schedule)
        tx.connection.exec_driver_sql(f"ANALYZE {table}")
    return [one["id"] for one in added], changed, revived


_MANY = 200
"""New rows by which PostgreSQL must know the table anew: it looks itself within a minute, and
reads the whole table for each portion of what is due until then."""
_IN_PARTS = {"yield_per": 5000}
"""How a hundred thousand rows are read: not all of them at once."""
_AS_DECLARED = object()
"""In place of a row that says what the code says: of most there is nothing to do."""


def _known(tx: Transaction, code: Declared) -> dict[str, Any]:
    """The app's rows by id; one with a problem was perhaps edited, and is not as declared."""
    table = tx.tables.job_schedule
    columns = (table.c.id, table.c.declaration_hash, table.c.retired_at, table.c.problem)
    found = tx.connection.execute(
        sa.select(*columns).where(table.c.app == code.app), execution_options=_IN_PARTS
    )
    hashes = code.hashes["schedules"]
    known: dict[str, Any] = {}
    for row in found:
        schedule_id, digest, retired_at, problem = row
        same = digest == hashes.get(schedule_id) and retired_at is None and problem is None
        known[schedule_id] = _AS_DECLARED if same else row
    missing = [schedule_id for schedule_id in code.schedules if schedule_id not in known]
    for start in range(0, len(missing), 500):
        part = missing[start : start + 500]
        owned = sa.select(table.c.id, table.c.app).where(table.c.id.in_(part))
        for other in tx.connection.execute(owned):
            raise DeclarationError(
                f"schedule {other.id!r} belongs to app {other.app!r} in this database; give it "
                f"another id in app {code.app!r}, or run both with the same app="
            )
    return known


def _first_state(
    tx: Transaction, code: Declared, declaration: ScheduleDeclaration
) -> dict[str, Any]:
    due = declaration.enabled and _in_environment(code, declaration)
    return {
        "id": declaration.id,
        "app": code.app,
        "enabled": declaration.enabled,
        "next_run_at": first_after(declaration, tx.now, None) if due else None,
        "run_count": 0,
        "failure_count": 0,
        "version": 0,
        "source": "code",
        "created_at": tx.now,
    }


def _change(
    tx: Transaction, code: Declared, declaration: ScheduleDeclaration, columns: dict[str, Any]
) -> None:
    """Decide what is due by the old rule, then mirror the new one."""
    table = tx.tables.job_schedule
    undecided = _decide_by_old_rule(tx, code.app, declaration.id)
    selected = sa.select(table.c.enabled, table.c.last_scheduled_for)
    row = tx.connection.execute(selected.where(table.c.id == declaration.id)).one()
    next_run_at = undecided or first_after(declaration, tx.now, row.last_scheduled_for)
    due = row.enabled and _in_environment(code, declaration)
    tx.connection.execute(
        sa.update(table)
        .where(table.c.id == declaration.id)
        .values(
            **columns,
            next_run_at=next_run_at if due else None,
            problem=None,
            problem_at=None,
            version=table.c.version + 1,
        )
    )
    _forget_unreadable(tx, code.app, declaration.id)


def _forget_unreadable(tx: Transaction, app: str, schedule_id: str) -> None:
    """What a sync does not write, and is still unreadable, can only be the memory of firings."""
    table = tx.tables.job_schedule
    try:
        schedules.state(tx, app, schedule_id)
    except ConflictError:
        tx.connection.execute(sa.update(table).where(table.c.id == schedule_id).values(recent=None))


def _decide_by_old_rule(tx: Transaction, app: str, schedule_id: str) -> datetime | None:
    """Decide what is due of a locked row; the first occurrence due if nothing can be said of it.

    That is a row that was edited by hand: the new rule decides from there on.
    """
    table = tx.tables.job_schedule
    selected = sa.select(table.c.next_run_at).where(
        table.c.id == schedule_id, table.c.retired_at.is_(None), table.c.enabled.is_(True)
    )
    due_at: datetime | None = tx.connection.execute(selected).scalar()
    if due_at is None or due_at > tx.now:
        return None
    try:
        fire.decide_now(tx, schedules.state(tx, app, schedule_id))
    except (ConflictError, *rows.UNREADABLE):
        return due_at
    return None


def _in_environment(code: Declared, declaration: ScheduleDeclaration) -> bool:
    return declaration.environments is None or code.environment in declaration.environments


@fixed
class Gone:
    """What the app's database mirrors, and no live worker declares any more."""

    schedules: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()


def retire(tx: Transaction, code: Declared) -> list[str]:
    """Retire schedules and jobs of the app that no live worker declares; the schedules' ids.

    What operators set stays, and comes back with the declaration.
    """
    gone = _gone(tx, code)
    _lock(tx, gone.schedules)
    _retire(tx, code.app, gone)
    return list(gone.schedules)


def _gone(tx: Transaction, code: Declared) -> Gone:
    """What is to be retired.

    Only a process that declares some itself retires any: a web process that knows no job must
    not end what the daemons do. A worker counts until it has stopped or was declared lost, however
    old its heartbeat is: after an outage of the database every heartbeat is old.
    """
    gone_schedules = _not_in_code(tx, code, "schedules") if code.schedules else set()
    gone_jobs = _not_in_code(tx, code, "jobs") if code.jobs else set()
    if not gone_schedules and not gone_jobs:
        return Gone()  # what the others declare is long where there are many schedules
    for worker in workers.listed(tx, code.app):
        gone_schedules.difference_update(worker.declares.get("schedules", ()))
        gone_jobs.difference_update(worker.declares.get("jobs", ()))
    return Gone(tuple(sorted(gone_schedules)), tuple(sorted(gone_jobs)))


def _retire(tx: Transaction, app: str, gone: Gone) -> None:
    """Retire what is gone; the rows of the schedules are locked."""
    for schedule_id in gone.schedules:
        _retire_schedule(tx, app, schedule_id)
    if gone.jobs:
        jobs = tx.tables.job_definition
        tx.connection.execute(
            sa.update(jobs)
            .where(jobs.c.app == app, jobs.c.name.in_(gone.jobs))
            .values(retired_at=tx.now)
        )


def _not_in_code(tx: Transaction, code: Declared, kind: str) -> set[str]:
    """What is mirrored, and was declared in code, and is not in this one."""
    if kind == "schedules":
        table = tx.tables.job_schedule
        selected = sa.select(table.c.id).where(table.c.source == "code")
    else:
        table = tx.tables.job_definition
        selected = sa.select(table.c.name)
    current = selected.where(table.c.app == code.app, table.c.retired_at.is_(None))
    known = code.hashes[kind]
    found = tx.connection.execute(current, execution_options=_IN_PARTS)
    return {name for name in found.scalars() if name not in known}


def _retire_schedule(tx: Transaction, app: str, schedule_id: str) -> None:
    table = tx.tables.job_schedule
    _decide_by_old_rule(tx, app, schedule_id)
    tx.connection.execute(
        sa.update(table)
        .where(table.c.id == schedule_id)
        .values(retired_at=tx.now, next_run_at=None, version=table.c.version + 1)
    )


def drifts(state: ScheduleState, declares: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether a worker declares the schedule otherwise than the database mirrors it."""
    digest = declares.get("schedules", {}).get(state.declaration.id)
    return digest is not None and digest != state.declaration_hash
