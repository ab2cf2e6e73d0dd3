"""Statements that are built once for a database and executed many times."""

from collections.abc import Callable
from dataclasses import field
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from jobsched.fixed import fixed
from jobsched.store.tables import Tables

S = TypeVar("S")


@fixed
class Statements:
    """What the statements of one database are built from, and those that have been built."""

    tables: Tables
    dialect: str
    driver: sa.Dialect
    """What turns statements and values into the driver's."""
    now: sa.ColumnElement[datetime] | None
    """The server's clock; None where the host's clock is the database's."""
    _built: dict[Any, Any] = field(default_factory=dict, repr=False)

    def get(self, build: Callable[["Statements"], S]) -> S:
        """What `build` makes of these, made once: it must depend on nothing else."""
        found: S | None = self._built.get(build)
        if found is None:
            found = self._built[build] = build(self)
        return found

    def among(self, column: sa.ColumnElement[Any], name: str = "ids") -> sa.ColumnElement[bool]:
        """Whether the column's value is in the list that is given as parameter `name`.

        On PostgreSQL the list is one array, so that the statement's text, and with it the
        server's plan, does not depend on the list's length.
        """
        if self.dialect == "postgresql":
            return column == sa.any_(sa.bindparam(name, type_=ARRAY(column.type)))
        return column.in_(sa.bindparam(name, expanding=True, type_=column.type))

    @property
    def time(self) -> sa.ColumnElement[Any]:
        """The column by which a statement brings the database's time along (`Transaction.first`).

        Empty where the host's clock is the database's.
        """
        return (sa.null() if self.now is None else self.now).label("database_time")
