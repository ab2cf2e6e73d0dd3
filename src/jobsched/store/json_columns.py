"""What SQL can ask of a JSON column, in each database's words."""

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB


def holds(dialect: sa.Dialect, column: sa.Column[Any], text: str) -> sa.ColumnElement[bool]:
    """Whether a list of texts holds this one."""
    if dialect.name == "postgresql":
        found: sa.ColumnElement[bool] = sa.type_coerce(column, JSONB).contains([text])
        return found
    if dialect.name == "sqlite":
        each = sa.func.json_each(_sound(column)).table_valued("value")
        return sa.exists(sa.select(sa.literal(1)).select_from(each).where(each.c.value == text))
    return sa.func.json_contains(_plain(column), json.dumps(text)) == 1


def last(dialect: sa.Dialect, column: sa.Column[Any], key: str) -> sa.ColumnElement[Any]:
    """The text under `key` in the last object of a list; something else where there is none."""
    if dialect.name == "postgresql":
        found: sa.ColumnElement[Any] = sa.type_coerce(column, JSONB)[-1][key].astext
        return found
    if dialect.name == "sqlite":
        return sa.func.json_extract(_sound(column), f"$[#-1].{key}", type_=sa.String)
    if getattr(dialect, "is_mariadb", False):
        return _last_quoted(_plain(column), key)
    return sa.func.json_unquote(
        sa.func.json_extract(_plain(column), f"$[last].{key}"), type_=sa.String
    )


def _last_quoted(text: sa.ColumnElement[Any], key: str) -> sa.ColumnElement[Any]:
    """What stands in quotes after the last such key.

    MariaDB keeps JSON as the text that was written, and reads all of it for each path; and it
    knows `$[last]` from 10.9 on only.
    """
    cut = sa.func.substring_index
    return cut(cut(cut(text, f'"{key}"', -1), '"', 2), '"', -1, type_=sa.String)


def _plain(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    return sa.type_coerce(column, sa.Text)


def _sound(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """NULL for what somebody has written that is no JSON: SQLite would refuse the statement."""
    plain = _plain(column)
    return sa.case((sa.func.json_valid(plain) == 1, plain), else_=sa.null())
