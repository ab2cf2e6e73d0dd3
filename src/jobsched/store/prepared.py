"""Statements whose text is made once for a database.

A page that polls asks the same again and again, and to put such a statement together takes longer
than to answer it.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from jobsched.store.database import Transaction
from jobsched.store.tables import UtcDateTime

Build = Callable[[Transaction], sa.Select[Any] | sa.CompoundSelect[Any]]
"""Makes the statement of what is the same each time: values of a caller's are `given`."""

_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "app": sa.String(),
    "id": sa.String(),
    "now": UtcDateTime(),
    "lost_since": UtcDateTime(),
    "overdue_before": UtcDateTime(),
}
_lock = threading.Lock()
_made: WeakKeyDictionary[sa.Engine, dict[object, sa.TextualSelect]] = WeakKeyDictionary()


def given(name: str) -> sa.ColumnElement[Any]:
    """A value that each execution gives by this name."""
    return sa.literal_column(f":{name}", _TYPES[name])


def rows_of(
    tx: Transaction, build: Build, key: object = None, /, **values: Any
) -> Sequence[sa.Row[Any]]:
    """The rows of the statement that `build` makes, with these values in it.

    What is made is kept by `key`, which is `build` itself unless that is a function made anew.
    """
    engine = tx.connection.engine
    whole = (key or build, tx.tables.prefix, tx.tables.schema)
    with _lock:
        statement = _made.setdefault(engine, {}).get(whole)
    if statement is None:
        statement = _text(tx, build(tx), values)
        with _lock:
            _made[engine][whole] = statement
    return tx.connection.execute(statement, values).all()


def _text(
    tx: Transaction, selected: sa.Select[Any] | sa.CompoundSelect[Any], names: dict[str, Any]
) -> sa.TextualSelect:
    dialect = tx.connection.dialect
    compiled = str(selected.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    if dialect.paramstyle in ("format", "pyformat"):
        compiled = compiled.replace("%%", "%")  # it is doubled again when the text is compiled
    binds = [sa.bindparam(name, type_=_TYPES[name]) for name in names]
    return sa.text(compiled).bindparams(*binds).columns(*selected.selected_columns)
