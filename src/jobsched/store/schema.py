"""The version of the tables: created when absent, upgraded under a lock, refused when it misfits.

A version is `<major>.<minor>`; within a major version migrations only add, so a schema that is
newer than this code serves it as well. A database at the wanted version costs one SELECT;
Alembic is imported only to change one.
"""

import logging

import sqlalchemy as sa

from jobsched.errors import DatabaseError, SchemaError
from jobsched.failpoints import failpoint
from jobsched.fixed import fixed
from jobsched.store.database import Database, Transaction, lost_against_another
from jobsched.store.migrations import VERSIONS
from jobsched.store.migrations.lock import alone
from jobsched.store.tables import VERSION_TABLE

logger = logging.getLogger(__name__)


@fixed
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
        return self.current is None or _number(self.current)[0] == _number(self.wanted)[0]


def ensure(database: Database, *, auto_migrate: bool) -> SchemaState:
    """Make sure that the tables serve this code, creating or upgrading them with `auto_migrate`.

    Where they stand then.

    Any number of processes may do so at once. Raises SchemaError when the tables are of another
    major version, when they are absent or old without `auto_migrate`, or when they cannot be
    changed; DatabaseError when the database does not answer.
    """
    state = check(database)
    if not state.same_major:
        raise SchemaError(_other_major(state))
    if not state.pending:
        return state
    if not auto_migrate:
        found = "there are none" if state.current is None else f"they are {state.current}"
        url = database.engine.url.render_as_string(hide_password=True)
        raise SchemaError(
            f"the tables must be of version {state.wanted}, but {found} in {url}: start a daemon "
            "(unless JOBSCHED_AUTO_MIGRATE is false), or run `python -m jobsched migrate`"
        )
    migrate(database)
    return SchemaState(state.wanted, state.wanted, ())


def check(database: Database) -> SchemaState:
    """Compare the tables' version with this code's, by one SELECT.

    Raises DatabaseError when the database does not answer, SchemaError when the version cannot
    be read as one of ours.
    """
    try:
        return _state(database.query(_read))
    except (sa.exc.ProgrammingError, DatabaseError):
        # No such table, in each database's own words; any other fault shows itself again here.
        return _state(database.query(_read_when_present))


def migrate(database: Database) -> list[str]:
    """Create the tables or bring them to this code's version; return the versions applied.

    Only one process does so at a time; the others wait, and then find nothing to do. Tables of
    an older major version are upgraded too: stop the daemons of that version first. Raises
    SchemaError when the tables are of a newer major version, when the host has tables of the
    same names, or when the database refuses a change. What was done is then rolled back (MySQL
    and MariaDB cannot; there a second run takes up where the first one broke off).
    """
    applied = database.transact(lambda tx: _migrate(database, tx))
    for version in applied:
        logger.info("the tables are now of version %s", version)
    return applied


def version_table(prefix: str, schema: str | None) -> sa.TableClause:
    """The table that holds the version, in one row."""
    column: sa.ColumnClause[str] = sa.column("version_num", sa.String)
    return sa.table(prefix + VERSION_TABLE, column, schema=schema)


def _migrate(database: Database, tx: Transaction) -> list[str]:
    with alone(database, tx.connection):
        state = _state(_read_when_present(tx))
        if not state.pending:
            if not state.same_major:
                raise SchemaError(_other_major(state))
            return []
        failpoint("migrate.locked")
        from jobsched.store.migrations.context import upgrade

        try:
            upgrade(tx.connection, tx.tables)
        except sa.exc.DBAPIError as error:
            if error.connection_invalidated or lost_against_another(error):
                raise
            refusal = str(error.orig).partition("\n")[0]
            raise SchemaError(
                f"the tables could not be brought to version {state.wanted}: {refusal}; "
                "let a user who may change tables run `python -m jobsched migrate`"
            ) from error
        failpoint("migrate.applied")
    return list(state.pending)


def _read_when_present(tx: Transaction) -> str | None:
    table = version_table(tx.tables.prefix, tx.tables.schema)
    present = sa.inspect(tx.connection).has_table(table.name, schema=table.schema)
    return _read(tx) if present else None


def _read(tx: Transaction) -> str | None:
    table = version_table(tx.tables.prefix, tx.tables.schema)
    version: str | None = tx.connection.scalar(sa.select(table.c.version_num))
    return version


def _state(current: str | None) -> SchemaState:
    pending = tuple(v for v in VERSIONS if current is None or _number(v) > _number(current))
    return SchemaState(current, VERSIONS[-1], pending)


def _number(version: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError as error:
        raise SchemaError(
            f"{version!r} in the table {VERSION_TABLE} is no version of jobsched's tables: "
            "something else wrote it; set a table prefix (JOBSCHED_TABLE_PREFIX)"
        ) from error


def _other_major(state: SchemaState) -> str:
    found = f"the tables are of version {state.current}, this jobsched is for {state.wanted}"
    if state.pending:
        return f"{found}: stop the older daemons, then run `python -m jobsched migrate`"
    return f"{found}: another major version does not fit, so upgrade jobsched"
