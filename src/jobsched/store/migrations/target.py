"""What a migration works on: Alembic's operations, under a prefix and in a schema.

Alembic's global `op` is not used: it belongs to the host's own migrations, which may run in
another thread, or be what called us.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations

from jobsched.errors import SchemaError
from jobsched.fixed import fixed

OPTIONS: Mapping[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"), ("engine", "InnoDB"))
}


@fixed
class Target:
    """The installation that a migration changes.

    What is there already is left as it is: MySQL and MariaDB commit after each statement, so a
    migration that broke off there is taken up again from its beginning.
    """

    op: Operations
    prefix: str
    schema: str | None

    def create_tables(self, tables: Mapping[str, Sequence[sa.schema.SchemaItem]]) -> None:
        """Create the tables, given by their names without the prefix.

        Raises SchemaError, before anything is created, when a table of that name but with other
        columns is there: it is the host's own.
        """
        missing = {name: items for name, items in tables.items() if not self._has(name, items)}
        for name, items in missing.items():
            self.op.create_table(self.prefix + name, *items, schema=self.schema, **OPTIONS)

    def create_index(self, name: str, table: str, *columns: str) -> None:
        """Create the index `name` on the table, both given without the prefix."""
        present = self._inspect().get_indexes(self.prefix + table, schema=self.schema)
        if self.prefix + name not in {index["name"] for index in present}:
            self.op.create_index(
                self.prefix + name, self.prefix + table, list(columns), schema=self.schema
            )

    def _has(self, name: str, items: Sequence[sa.schema.SchemaItem]) -> bool:
        inspector, full = self._inspect(), self.prefix + name
        if not inspector.has_table(full, schema=self.schema):
            return False
        found = {column["name"] for column in inspector.get_columns(full, schema=self.schema)}
        if found != {item.name for item in items if isinstance(item, sa.Column)}:
            raise SchemaError(
                f"there is already a table {full!r}, and it is not jobsched's: set a table prefix "
                "(JOBSCHED_TABLE_PREFIX, such as 'jobsched_'), or rename that table"
            )
        return True

    def _inspect(self) -> sa.Inspector:
        # A fresh one each time: an inspector remembers what it saw.
        return sa.inspect(self.op.get_bind())
