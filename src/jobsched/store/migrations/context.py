"""Alembic's view of one installation, made without alembic.ini, env.py or its global `op`."""

from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from jobsched.store.migrations.target import Target
from jobsched.store.tables import VERSION_TABLE, Tables

_HERE = Path(__file__).parent


def scripts() -> ScriptDirectory:
    """The revisions under `versions/`."""
    return ScriptDirectory(str(_HERE), version_locations=[str(_HERE / "versions")])


def migration_context(connection: sa.Connection, tables: Tables) -> MigrationContext:
    """Alembic on this connection, seeing only our tables and our version table."""
    script = scripts()
    ours = {table.name for table in tables.metadata.sorted_tables}

    def include_name(name: str | None, kind: str, _parents: object) -> bool:
        return {"schema": name == tables.schema, "table": name in ours}.get(kind, True)

    options = {
        "fn": lambda current, _context: script._upgrade_revs("head", current),
        "version_table": tables.prefix + VERSION_TABLE,
        "version_table_schema": tables.schema,
        "include_schemas": tables.schema is not None,
        "include_name": include_name,
    }
    return MigrationContext.configure(connection, opts=options)


def upgrade(connection: sa.Connection, tables: Tables) -> None:
    """Apply every pending revision in the caller's transaction, creating the schema if absent."""
    schema = tables.schema
    if schema is not None and not sa.inspect(connection).has_schema(schema):
        connection.execute(sa.schema.CreateSchema(schema))
    context = migration_context(connection, tables)
    context.run_migrations(target=Target(Operations(context), tables.prefix, schema))
