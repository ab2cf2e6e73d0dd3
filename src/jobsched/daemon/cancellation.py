"""The pass that sees what operators want cancelled of what runs here."""

from datetime import timedelta

from jobsched.daemon.inbox import CancelRequest
from jobsched.daemon.runner import Runner
from jobsched.settings import Settings
from jobsched.store import cancels
from jobsched.store.database import Database

QUICK = timedelta(seconds=1)


class CancellationPass:
    """One statement while something runs, none while nothing does."""

    name = "cancellation"
    eager = False

    def __init__(self, database: Database, settings: Settings, runner: Runner) -> None:
        """The runner gets every request; one that it knows already changes nothing."""
        self._database = database
        self._runner = runner
        self._idle = settings.poll_interval
        self.interval = min(QUICK, settings.poll_interval)
        """Between two looks while something runs: who begins to run something says so."""

    def run_once(self) -> timedelta:
        """One look; the delay to the next."""
        if self._runner.idle.is_set():
            return self._idle
        firing_ids, _ = self._runner.running_ids()
        if firing_ids:
            for firing_id, run_id in self._database.query(
                lambda tx: cancels.requested(tx, firing_ids)
            ):
                self._runner.cancel(CancelRequest(firing_id, run_id))
        return self.interval
