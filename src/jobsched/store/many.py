"""Many rows in one statement: what costs is a round trip for each of them.

PostgreSQL gets the rows as one JSON parameter, which it unfolds into a table. SQLite has no round
trips: there it costs to make the values ready, which `Wording` does sooner. MySQL and MariaDB lock
whatever they read to find the rows of such a table, so that they get the rows' keys as a list, and
what differs between the rows as a CASE.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from jobsched.store.database import Transaction
from jobsched.store.statements import Statements
from jobsched.store.wording import Wording

Rows = Sequence[Mapping[str, Any]]
NewRows = list[dict[str, Any]]
Types = Mapping[str, sa.types.TypeEngine[Any]]
Values = Callable[[str], sa.ColumnElement[Any]]
"""By its name, a value of the row in hand."""
Build = Callable[[Statements, Values], sa.Update]


class Update:
    """An UPDATE of many rows, known by their `id`, by values of their own."""

    def __init__(
        self,
        table: str,
        types: Callable[[Statements], Types],
        build: Build,
        *,
        shared: Sequence[str] = (),
    ) -> None:
        """`build` makes the statement for one row, with `values(name)` for each of the `types`.

        `shared` are parameters that have one value for all rows.
        """
        self._table = table
        self._types = types
        self._build = build
        self._shared = tuple(shared)
        _all.append(self)

    def execute(self, tx: Transaction, rows: Rows, **shared: Any) -> int:
        """Update the rows; how many were found."""
        return self._execute(tx, rows, shared) if rows else 0

    def rehearse(self, tx: Transaction) -> None:
        """Execute it on nothing."""
        shared = dict.fromkeys(self._shared)
        if tx.statements.dialect == "postgresql":
            self._execute(tx, [], shared)
            return
        nothing = dict.fromkeys(self._types(tx.statements))
        self._execute(tx, [nothing], shared)

    def _execute(self, tx: Transaction, rows: Rows, shared: Mapping[str, Any]) -> int:
        dialect = tx.statements.dialect
        if dialect == "sqlite":
            return tx.statements.get(self._wording).execute(tx, rows, shared).rowcount
        if dialect != "postgresql" and len(rows) > 1:
            return tx.connection.execute(self._for_these(tx.statements, rows), shared).rowcount
        statement = tx.statements.get(self._made)
        if dialect == "postgresql":
            return tx.connection.execute(statement, {**shared, **encoded(rows)}).rowcount
        values = {f"{_ROW}{name}": value for name, value in rows[0].items()}
        return tx.connection.execute(statement, {**shared, **values}).rowcount

    def _wording(self, statements: Statements) -> Wording:
        return Wording(self._made(statements), statements.driver, prefix=_ROW)

    def _made(self, statements: Statements) -> sa.Update:
        types = self._types(statements)
        if statements.dialect == "postgresql":
            given = unfolded(types)
            return self._build(statements, lambda name: given.c[name])
        return self._build(
            statements, lambda name: sa.bindparam(f"{_ROW}{name}", type_=types[name])
        )

    def _for_these(self, statements: Statements, rows: Rows) -> sa.Update:
        types = self._types(statements)
        key: sa.Column[Any] = getattr(statements.tables, self._table).c.id

        def value(name: str) -> sa.ColumnElement[Any]:
            if name == "id":
                return key  # the row is itself: which rows, the list below says
            first = rows[0][name]
            if all(row[name] == first for row in rows):
                return sa.literal(first, types[name])
            return sa.case(
                {row["id"]: sa.literal(row[name], types[name]) for row in rows}, value=key
            )

        return self._build(statements, value).where(key.in_([row["id"] for row in rows]))


class Insert:
    """An INSERT of many rows, in their order."""

    def __init__(self, table: str, columns: Sequence[str], keys: Sequence[str] = ()) -> None:
        """`keys` are the columns by which a new row is known, for its id to be told."""
        self._table = table
        self._columns = tuple(columns)
        self._keys = tuple(keys)
        _all.append(self)

    def rehearse(self, tx: Transaction) -> None:
        """Insert nothing, where a statement can do that."""
        if tx.statements.dialect == "sqlite":
            tx.statements.get(self._wording)
        if tx.statements.dialect == "postgresql":
            tx.connection.execute(tx.statements.get(self._telling), self._parameters(tx, []))

    def execute(self, tx: Transaction, rows: NewRows) -> None:
        """Insert the rows; they are given away."""
        if rows and tx.statements.dialect == "sqlite":
            tx.statements.get(self._wording).execute(tx, rows)
        elif rows:
            tx.connection.execute(tx.statements.get(self._plain), self._parameters(tx, rows))

    def ids(self, tx: Transaction, rows: NewRows) -> dict[Any, int] | None:
        """Insert the rows; their ids by their keys, or None on MySQL, which does not tell."""
        if not rows:
            return {}
        found: Any
        if tx.statements.dialect == "sqlite":
            found = tx.statements.get(self._wording).insert(tx, rows, ("id", *self._keys))
        elif tx.connection.dialect.insert_executemany_returning:
            statement = tx.statements.get(self._telling)
            found = tx.connection.execute(statement, self._parameters(tx, rows)).all()
        else:
            self.execute(tx, rows)
            return None
        if len(self._keys) == 1:
            return {row[1]: row[0] for row in found}
        return {tuple(row[1:]): row[0] for row in found}

    def _parameters(self, tx: Transaction, rows: NewRows) -> Any:
        if tx.statements.dialect == "postgresql":
            for place, row in enumerate(rows):
                row["place"] = place
            return encoded(rows)
        return rows

    def _plain(self, statements: Statements) -> sa.Insert:
        table: sa.Table = getattr(statements.tables, self._table)
        if statements.dialect != "postgresql":
            return sa.insert(table)
        types = {name: table.c[name].type for name in self._columns}
        given = unfolded(types, ordinal="place")
        selected = sa.select(*(given.c[name] for name in self._columns))
        in_order = selected.order_by(given.c.place)
        return sa.insert(table).from_select(list(self._columns), in_order)

    def _wording(self, statements: Statements) -> Wording:
        return Wording(self._plain(statements), statements.driver, columns=self._columns)

    def _telling(self, statements: Statements) -> Any:
        table: sa.Table = getattr(statements.tables, self._table)
        columns = (table.c[name] for name in self._keys)
        return self._plain(statements).returning(table.c.id, *columns)


_ROW = "row_"
"""Before the name of a value that each row has of its own."""
_all: list[Update | Insert] = []


def rehearse(tx: Transaction) -> None:
    """Execute every statement of this kind on nothing: the first real ones are quicker for it."""
    for statement in _all:
        statement.rehearse(tx)


def unfolded(types: Types, *, ordinal: str | None = None, name: str = "rows") -> Any:
    """The rows of the JSON parameter `name` as a table that a statement can join."""
    columns: list[sa.ColumnClause[Any]] = [sa.column(name, type_) for name, type_ in types.items()]
    if ordinal is not None:
        columns.append(sa.column(ordinal, sa.Integer))
    document = sa.cast(sa.bindparam(name, type_=sa.Text), sa.JSON)
    table = sa.func.json_to_recordset(document).table_valued(*columns)
    return table.render_derived(with_types=True)


def encoded(rows: Rows, *, name: str = "rows") -> dict[str, str]:
    """The parameter of a statement that uses `unfolded`."""
    return {name: json.dumps(rows, default=_instants(), allow_nan=False)}


def _instants() -> Callable[[Any], str]:
    """Writes instants; many rows hold the same one."""
    written: dict[datetime, str] = {}

    def write(value: Any) -> str:
        text = written.get(value)
        if text is None:
            text = written[value] = _instant(value)
        return text

    return write


def _instant(value: Any) -> str:
    """An instant as the databases read it; a naive one is refused where it enters."""
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} cannot be stored")
    if value.tzinfo is None:
        raise ValueError(f"a naive datetime cannot be stored: {value!r}; give it a timezone")
    return value.astimezone(UTC).isoformat()
