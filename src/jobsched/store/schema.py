"""The version of the tables: created when absent, upgraded under a lock, refused when it misfits.

A version is `<major>.<minor>`; within a major version migrations only add, so a schema that is
newer than this code serves it as well. A database at the wanted version costs one SELECT;
Alembic is imported only to change one.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from jobsched.errors import SchemaError
from jobsched.store.database import Database
from jobsched.store.migrations import VERSIONS
from jobsched.store.tables import VERSION_TABLE

if TYPE_CHECKING:
    from alembic.migration import MigrationContext

logger = logging.getLogger(__name__)

_MIGRATIONS = Path(__file__).parent / "migrations"
_PATIENCE_S = 600
"""How long one process waits for another one that migrates, in seconds."""


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Where a database's tables stand beside this code."""

    current: str | None
    """The version in the database; None when there are no tables."""
    wanted: str
    """The version that this code was written for."""
    pending: tuple[str, ...]
    """The versions still to be applied, oldest first; empty also when the database is newer."""

    @property
    def same_major(self) -> bool:
        """Whether the tables, once there are any, are of this code's major version."""
        return self.current is None or _major(self.current) == _major(self.wanted)


def ensure(database: Database, *, auto_migrate: bool) -> None:
    """Make sure that the tables serve this code, creating or upgrading them with `auto_migrate`.

    Any number of processes may do so at once. Raises SchemaError when the tables are of another
    major version, when they are absent or old without `auto_migrate`, or cannot be changed.
    """
    state = check(database)
    if not state.same_major:
        raise SchemaError(_other_major(state))
    if not state.pending:
        return
    if not auto_migrate:
        found = "there are no tables" if state.current is None else f"they are {state.current}"
        raise SchemaError(
            f"the tables must be of version {state.wanted}, but {found}, and automatic migration "
            "is off: run `python -m jobsched migrate`"
        )
    migrate(database)


def check(database: Database) -> SchemaState:
    """Compare the tables' version with this code's, by one SELECT."""
    return _state(_installed(database))


def migrate(database: Database) -> list[str]:
    """Create the tables or bring them to this code's version, alone; return what was applied.

    Tables of an older major version are upgraded too: stop the daemons of that version first.
    Raises SchemaError when the tables are of a newer major version, when the host has tables of
    the same names, or when the database refuses a change; what was done so far is rolled back
    (MySQL and MariaDB cannot: run it again there).
    """
    with database.write() as tx, _alone(database, tx.connection):
        state = _state(_read_when_present(database, tx.connection))
        if not state.pending and not state.same_major:
            raise SchemaError(_other_major(state))
        try:
            if state.pending:
                _apply(database, tx.connection)
        except sa.exc.DBAPIError as error:
            if error.connection_invalidated:
                raise
            raise SchemaError(
                f"the tables could not be brought to version {state.wanted}: {error.orig}; "
                "`python -m jobsched migrate` does it as another user with --database-url"
            ) from error
    for version in state.pending:
        logger.info("the tables are now of version %s", version)
    return list(state.pending)


def drift(database: Database) -> list[str]:
    """Say what this code's tables have that the database's lack or have otherwise.

    Empty when all is well. What the database has beyond that, such as an operator's index or
    a newer version's column, is nobody's harm and not told.
    """
    from alembic.autogenerate import compare_metadata

    with database.read() as tx:
        found = compare_metadata(_context(database, tx.connection), database.tables.metadata)
    return [text for item in found for text in _said(item)]


def version_table(database: Database) -> sa.TableClause:
    """The table that holds the version, in one row."""
    tables = database.tables
    column: sa.ColumnClause[str] = sa.column("version_num", sa.String)
    return sa.table(tables.prefix + VERSION_TABLE, column, schema=tables.schema)


# reading the version


def _state(current: str | None) -> SchemaState:
    wanted = VERSIONS[-1]
    behind = tuple(v for v in VERSIONS if current is None or _number(v) > _number(current))
    return SchemaState(current, wanted, behind)


def _number(version: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError as error:
        raise SchemaError(
            f"{version!r} in the version table is no version of jobsched's tables: another "
            "program wrote it; set a table prefix (JOBSCHED_TABLE_PREFIX)"
        ) from error


def _major(version: str) -> int:
    return _number(version)[0]


def _other_major(state: SchemaState) -> str:
    found = f"the tables are of version {state.current}, this jobsched is for {state.wanted}"
    if state.pending:
        return (
            f"{found}: stop all daemons of the older jobsched, then run `python -m jobsched "
            "migrate`"
        )
    return f"{found}, and another major version does not fit: upgrade jobsched"


def _installed(database: Database) -> str | None:
    try:
        with database.read() as tx:
            return _read(database, tx.connection)
    except (sa.exc.ProgrammingError, sa.exc.OperationalError):
        # No such table, in each database's own words; anything else is raised again here.
        with database.read() as tx:
            return _read_when_present(database, tx.connection)


def _read_when_present(database: Database, connection: sa.Connection) -> str | None:
    table = version_table(database)
    present = sa.inspect(connection).has_table(table.name, schema=table.schema)
    return _read(database, connection) if present else None


def _read(database: Database, connection: sa.Connection) -> str | None:
    version: str | None = connection.scalar(sa.select(version_table(database).c.version_num))
    return version


# changing the tables


@contextmanager
def _alone(database: Database, connection: sa.Connection) -> Iterator[None]:
    """Keep other processes out until the transaction has ended.

    On SQLite the transaction itself does: it began with BEGIN IMMEDIATE.
    """
    if database.dialect == "postgresql":
        with _alone_on_postgresql(database, connection):
            yield
    elif database.dialect in ("mysql", "mariadb"):
        with _alone_on_mysql(database, connection):
            yield
    else:
        yield


@contextmanager
def _alone_on_postgresql(database: Database, connection: sa.Connection) -> Iterator[None]:
    # A lock of the transaction, not of the session: it holds behind pgbouncer too.
    key = int.from_bytes(_lock_id(database)[:8], signed=True)
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE_S}s'")
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
    connection.exec_driver_sql("SET LOCAL lock_timeout = '30s'")
    yield


@contextmanager
def _alone_on_mysql(database: Database, connection: sa.Connection) -> Iterator[None]:
    here = str(connection.scalar(sa.func.database()))  # these locks are the whole server's
    name = f"jobsched-{_lock_id(database, here).hex()[:40]}"
    if connection.scalar(sa.func.get_lock(name, _PATIENCE_S)) != 1:
        raise SchemaError(f"another process has been migrating the tables for {_PATIENCE_S} s")
    try:
        yield
        # The version's row must be there for all before the next process may look.
        connection.exec_driver_sql("COMMIT")
        connection.scalar(sa.func.release_lock(name))
    except BaseException:
        connection.invalidate()  # with its session ends the lock
        raise


def _lock_id(database: Database, *where: str) -> bytes:
    named = ("jobsched migrate", *where, database.tables.schema or "", database.tables.prefix)
    return hashlib.sha256("\0".join(named).encode()).digest()


def _apply(database: Database, connection: sa.Connection) -> None:
    from alembic.operations import Operations

    from jobsched.store.migrations.target import Target

    schema = database.tables.schema
    if schema is not None and not sa.inspect(connection).has_schema(schema):
        connection.execute(sa.schema.CreateSchema(schema))
    context = _context(database, connection)
    target = Target(Operations(context), database.tables.prefix, schema)
    context.run_migrations(target=target)


def _context(database: Database, connection: sa.Connection) -> "MigrationContext":
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(_MIGRATIONS, version_locations=[_MIGRATIONS / "versions"])
    tables = database.tables
    ours = {table.name for table in tables.metadata.sorted_tables}

    def include_name(name: str | None, kind: str, _parents: Any) -> bool:
        return {"schema": name == tables.schema, "table": name in ours}.get(kind, True)

    options = {
        "script": script,
        "fn": lambda current, _context: script._upgrade_revs("head", current),
        "version_table": tables.prefix + VERSION_TABLE,
        "version_table_schema": tables.schema,
        "include_schemas": tables.schema is not None,
        "include_name": include_name,
    }
    return MigrationContext.configure(connection, opts=options)


def _said(difference: Any) -> list[str]:
    """Put one of Alembic's differences into words; none when the database has more than it must."""
    if isinstance(difference, list):  # the changes of one column
        return [text for item in difference for text in _said(item)]
    kind = difference[0]
    if kind.startswith("remove_"):
        return []
    if kind.startswith("modify_"):
        _, _, table, column, _, found, wanted = difference
        return [f"{table}.{column}: {kind.removeprefix('modify_')} is {found}, not {wanted}"]
    if kind == "add_column":
        return [f"column {difference[2]}.{difference[3].name} is missing"]
    item = difference[1]
    return [f"{kind.removeprefix('add_')} {item.name} is missing"]
