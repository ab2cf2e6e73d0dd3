"""One selection for each of several ids, in one statement: the last firings of each schedule.

Its text is put together from one compiled part: building a hundred parts anew takes longer than
the database needs to answer them. PostgreSQL joins the part to the ids instead, for there planning
a hundred parts takes ten times as long as to answer them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from jobsched.store import rows
from jobsched.store.database import Transaction

AT_ONCE = 100
"""How many ids one statement is about; SQLite takes no more than 500 parts."""

Part = Callable[[sa.ColumnElement[Any]], sa.Select[Any]]
"""The selection for one id, whose column is given; it may hold no other value of a caller's."""


def for_each(
    tx: Transaction, ids: Sequence[str], part: Part, *shared: sa.BindParameter[Any]
) -> list[Any]:
    """The rows of all these selections; `shared` are values that each of them names (`:name`)."""
    selected = part(sa.literal_column(_ID, sa.String()))
    compiled = selected.compile(
        dialect=tx.connection.dialect, compile_kwargs={"literal_binds": True}
    )
    if tx.connection.dialect.name == "postgresql":
        joined = str(compiled).replace(_ID, "given.id")
        of_all = (
            f"SELECT part.* FROM unnest(:ids) AS given(id) CROSS JOIN LATERAL ({joined}) AS part"
        )
        every = sa.bindparam("ids", list(ids), type_=ARRAY(sa.String()))
        text = sa.text(of_all).bindparams(every, *shared).columns(*selected.selected_columns)
        return rows.named(tx.connection.execute(text))
    one = f"SELECT * FROM ({compiled}) AS part"
    found: list[Any] = []
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        whole = " UNION ALL ".join(one.replace(_ID, f"{_ID}{n}") for n in range(len(some)))
        text = sa.text(whole).bindparams(*shared).columns(*selected.selected_columns)
        given = {f"id{n}": schedule_id for n, schedule_id in enumerate(some)}
        found += rows.named(tx.connection.execute(text, given))
    return found


_ID = ":id"
