"""`{columns} job_firing`: a table's columns and indexes, read from the code's own tables."""

from typing import Any

import sqlalchemy as sa
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from states import grid

from jobsched.store.tables import UtcDateTime, build_tables

KINDS: dict[type[sa.types.TypeEngine[Any]], str] = {
    UtcDateTime: "time",
    sa.Text: "long text",
    sa.String: "text",
    sa.JSON: "JSON",
    sa.Boolean: "yes or no",
    sa.Integer: "integer",
    sa.Float: "number",
}
"""The first that a column's type is one of says its kind."""


class Columns(SphinxDirective):
    """The columns of one table, and below them its keys and indexes."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The nodes that stand in its place."""
        table: sa.Table = getattr(build_tables(), self.arguments[0])
        rows = [("column", "kind", "may be empty")]
        rows += [
            (column.name, kind(column), "yes" if column.nullable else "")
            for column in table.columns
        ]
        return [grid(rows), nodes.paragraph("", keys(table))]


def kind(column: sa.Column[Any]) -> str:
    """What a reader of the table sees in the column."""
    return next(said for known, said in KINDS.items() if isinstance(column.type, known))


def keys(table: sa.Table) -> str:
    """The primary key, what is unique, and what is indexed, in words."""
    unique = [
        ", ".join(column.name for column in constraint.columns)
        for constraint in table.constraints
        if isinstance(constraint, sa.UniqueConstraint)
    ]
    indexed = sorted(", ".join(column.name for column in index.columns) for index in table.indexes)
    primary = ", ".join(column.name for column in table.primary_key.columns)
    parts = [f"Primary key: {primary}."]
    parts += [f"Unique: {names}." for names in unique]
    if indexed:
        parts.append(f"Indexed: {'; '.join(indexed)}.")
    return " ".join(parts)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("columns", Columns)
    return {"parallel_read_safe": True}
