"""What the database's tables lack, whatever their version says."""

from typing import Any

from alembic.autogenerate import compare_metadata

from jobsched.store.database import Database
from jobsched.store.migrations.context import migration_context


def differences(database: Database) -> list[str]:
    """Say what this code's tables have that the database's lack or have otherwise.

    Empty when all is well. What the database has beyond that, such as an operator's index or
    a newer version's column, does no harm and is not told.
    """
    with database.read() as tx:
        found = compare_metadata(migration_context(tx.connection, tx.tables), tx.tables.metadata)
    return [text for difference in found for text in _words(difference)]


def _words(difference: Any) -> list[str]:
    if isinstance(difference, list):  # all that differs in one column
        return [text for part in difference for text in _words(part)]
    kind: str = difference[0]
    if kind.startswith("remove_"):
        return []
    if kind.startswith("modify_"):
        _, _, table, column, _, found, wanted = difference
        return [f"{table}.{column}: {kind.removeprefix('modify_')} is {found}, not {wanted}"]
    if kind == "add_column":
        return [f"column {difference[2]}.{difference[3].name} is missing"]
    item = kind.removeprefix("add_").replace("_", " ")
    return [f"{item} {difference[1].name} is missing"]
