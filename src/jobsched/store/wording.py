"""A statement as the driver gets it: its text, and how the values of many rows are made ready.

SQLAlchemy works out for each row of an `executemany` what stands in which place. For hundreds of
rows that takes longer than SQLite takes to write them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from jobsched.store.database import Transaction

MOST_VALUES = 32_000
"""In one statement; SQLite takes 32,766."""
_BY_PLACE = sqlite.dialect(paramstyle="qmark")
"""A host's engine may name its values; SQLite takes them either way."""


class Wording:
    """An INSERT or an UPDATE of one row, with its values by their place."""

    def __init__(
        self,
        statement: sa.Insert | sa.Update,
        driver: sa.Dialect,
        *,
        columns: Sequence[str] | None = None,
        prefix: str = "",
    ) -> None:
        """`columns` are those that an INSERT fills; a row's own values are named with `prefix`."""
        compiled = statement.compile(dialect=_BY_PLACE, column_keys=columns)
        self._text = str(compiled)
        names: Sequence[str] = getattr(compiled, "positiontup", None) or ()
        ready = {
            name: bind.type.dialect_impl(driver).bind_processor(driver)
            for name, bind in compiled.binds.items()
        }
        self._places = [(name.removeprefix(prefix), ready[name]) for name in names]
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}

    def execute(
        self, tx: Transaction, rows: Sequence[Mapping[str, Any]], shared: Mapping[str, Any] = {}
    ) -> sa.CursorResult[Any]:
        """Execute it for each row; `shared` are values of all of them."""
        return tx.connection.exec_driver_sql(self._text, list(self._values(rows, shared)))

    def insert(
        self, tx: Transaction, rows: Sequence[Mapping[str, Any]], told: Sequence[str]
    ) -> Iterator[sa.Row[Any]]:
        """Insert the rows; these columns of each, in no order."""
        head, values, one = self._text.partition(" VALUES ")
        at_once = MOST_VALUES // len(self._places)
        for start in range(0, len(rows), at_once):
            part = rows[start : start + at_once]
            text = f"{head}{values}{', '.join([one] * len(part))} RETURNING {', '.join(told)}"
            flat = tuple(value for row in self._values(part, {}) for value in row)
            yield from tx.connection.exec_driver_sql(text, flat).all()

    def _values(
        self, rows: Sequence[Mapping[str, Any]], shared: Mapping[str, Any]
    ) -> Iterator[tuple[Any, ...]]:
        common, places = {**self._fixed, **shared}, self._places
        for row in rows:
            whole = {**common, **row}
            yield tuple(
                [
                    whole.get(name) if ready is None else ready(whole.get(name))
                    for name, ready in places
                ]
            )
