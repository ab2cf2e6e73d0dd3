"""The audit log: written in the transaction of the change it tells of."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from jobsched.redaction import redacted
from jobsched.store.database import Transaction


def write(
    tx: Transaction,
    *,
    app: str,
    who: str | None,
    what: str,
    target: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """One line: who did what to which target, what it was before and after, and why.

    Secrets among `before` and `after`, by their names, are not kept.
    """
    tx.connection.execute(
        sa.insert(tx.tables.audit_log).values(
            app=app,
            who=who or "unknown",
            what=what,
            target=target,
            before_state=redacted(before),
            after_state=redacted(after),
            reason=reason,
            created_at=tx.now,
        )
    )
