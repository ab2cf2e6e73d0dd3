"""How job runs end: the statement for many of them, and its values."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from jobsched.store import many
from jobsched.store.batch import RunEnd
from jobsched.store.database import Transaction
from jobsched.store.statements import Statements

_RESULT = ("status", "reason", "error", "traceback", "result", "finished_at", "duration_ms")


def write(tx: Transaction, ends: Sequence[RunEnd]) -> None:
    """Write the ends of runs that still are what they were."""
    _END.execute(tx, rows(ends))


def rows(ends: Sequence[RunEnd]) -> list[dict[str, Any]]:
    """The values of `statement`, in the order in which the rows are to be locked."""
    return [
        {
            "id": one.run_id,
            "was": one.was.value,
            "status": one.status.value,
            "reason": one.reason,
            "error": one.error,
            "traceback": one.traceback,
            "result": one.result,
            "finished_at": one.finished_at,
            "duration_ms": one.duration_ms,
        }
        for one in sorted(ends, key=lambda one: one.run_id)
    ]


def types(statements: Statements) -> many.Types:
    """Those of the values."""
    columns = statements.tables.job_run.c
    return {"was": columns.status.type} | {name: columns[name].type for name in ("id", *_RESULT)}


def statement(statements: Statements, value: many.Values) -> sa.Update:
    """Ends a job run, if it still is what it was."""
    table = statements.tables.job_run
    return (
        sa.update(table)
        .where(table.c.id == value("id"), table.c.status == value("was"))
        .values({name: value(name) for name in _RESULT})
    )


_END = many.Update("job_run", types, statement)
