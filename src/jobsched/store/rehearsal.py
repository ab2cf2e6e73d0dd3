"""What firing and recording execute, executed once on nothing.

SQLAlchemy puts a statement into words when it is executed first. All of them together take it the
better part of a tenth of a second, which is how late the first firing after a start would be.
"""

from jobsched.store import definitions, due_schedules, endings, many, record, schedules
from jobsched.store.database import Transaction


def rehearse(tx: Transaction, app: str, worker_id: str) -> None:
    """Change nothing, but be quick the next time."""
    definitions.for_claimer(tx, app, worker_id)
    due_schedules.lock(tx, app, retry_before=tx.now, limit=0)
    schedules.lock(tx, [""])
    record.lock_firings(tx, [0], worker_id)
    endings.rehearse(tx)
    record.do_others_wait(tx, app)
    many.rehearse(tx)
