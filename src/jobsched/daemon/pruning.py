"""The pass that deletes history older than the retention, a batch at a time."""

from datetime import timedelta

from jobsched.daemon.events import emit
from jobsched.settings import Settings
from jobsched.store import prune
from jobsched.store.database import Database
from jobsched.store.prune import Pruned

INTERVAL = timedelta(hours=1)
BETWEEN_BATCHES = timedelta(seconds=1)
"""Others get their turn at the rows in between."""


class PruningPass:
    """One batch each time it is called, until nothing old is left; then again in an hour."""

    name = "pruning"
    eager = False

    def __init__(self, database: Database, settings: Settings, app: str) -> None:
        """Old is what ended `settings.retention_days` ago."""
        self._database = database
        self._retention = timedelta(days=settings.retention_days)
        self._app = app
        self._deleted = Pruned()

    def run_once(self) -> timedelta:
        """Delete a batch; the delay to the next."""
        before = self._database.time.now() - self._retention
        pruned = self._database.transact(lambda tx: prune.prune(tx, self._app, before))
        self._deleted += pruned
        if pruned:
            return BETWEEN_BATCHES
        if self._deleted:
            done, self._deleted = self._deleted, Pruned()
            emit(
                "pruned",
                f"history older than {self._retention.days} days is deleted: {done.firings} "
                f"firings, {done.job_runs} job runs, {done.log_lines} log lines",
                firings=done.firings,
                job_runs=done.job_runs,
                log_lines=done.log_lines,
            )
        return INTERVAL
