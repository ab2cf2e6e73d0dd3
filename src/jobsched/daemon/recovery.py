"""The pass that looks after what others left: dead workers, retired code, firings without hands."""

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from jobsched.daemon.events import emit, emit_failure
from jobsched.daemon.heartbeat import Heart
from jobsched.errors import DatabaseError
from jobsched.settings import Settings
from jobsched.store import orphans, recover, sync
from jobsched.store.database import Database, Transaction
from jobsched.store.recover import Recovered
from jobsched.store.sync import Declared


class RecoveryPass:
    """Acts only while this worker's own heartbeats are sound: an outage makes all look dead."""

    name = "recovery"
    eager = False

    def __init__(
        self, database: Database, settings: Settings, code: Declared, heart: Heart
    ) -> None:
        """`code` is what this process declares: it retires nothing when that is empty."""
        self._database = database
        self._settings = settings
        self._code = code
        self._heart = heart
        self._peers: frozenset[str] | None = None
        self.on_recovered: Callable[[], None] = lambda: None

    def run_once(self) -> timedelta:
        """One look; the delay to the next."""
        if self._heart.is_sound():
            app, lock_timeout = self._code.app, self._settings.lock_timeout
            seen = self._database.query(lambda tx: recover.look(tx, app, lock_timeout), once=True)
            if seen.somebody_is_dead:
                self._recover_the_dead()
            if seen.something_waits:
                self._end_orphans()
            self._retire_when_changed(seen.daemons)
        return self._settings.heartbeat_interval

    def _recover_the_dead(self) -> None:
        for worker_id in self._database.query(recover.candidates):
            if worker_id != self._heart.worker_id:
                self._recover_apart(worker_id)

    def _recover_apart(self, worker_id: str) -> None:
        """What one dead worker left must not keep the others from being recovered."""
        try:
            self._recover(worker_id)
        except DatabaseError:
            raise
        except Exception as error:
            emit_failure(
                "recovery_failed",
                f"worker {worker_id} is dead and could not be recovered: {error}",
                error,
                worker_id=worker_id,
            )

    def _recover(self, worker_id: str) -> None:
        recovered = self._database.transact(partial(_recover, worker_id))
        if recovered is None:
            return
        emit(
            "worker_lost",
            f"worker {worker_id} is dead: {len(recovered.lost_runs)} of its job runs are LOST, "
            f"{len(recovered.requeued)} firings go on, {len(recovered.ended)} have ended",
            level=logging.WARNING,
            worker_id=worker_id,
            lost_runs=[run.id for run in recovered.lost_runs],
            requeued=list(recovered.requeued),
            ended=[end.firing.id for end in recovered.ended],
        )
        self.on_recovered()

    def _end_orphans(self) -> None:
        app, lock_timeout = self._code.app, self._settings.lock_timeout
        for end in self._database.transact(lambda tx: orphans.end_orphans(tx, app, lock_timeout)):
            emit(
                "firing_ended",
                f"firing {end.firing.id} FAILED: no live daemon of app {app!r} declares its jobs",
                level=logging.WARNING,
                firing_id=end.firing.id,
                schedule_id=end.firing.schedule_id,
                status=end.status.value,
                reason=end.reason,
            )

    def _retire_when_changed(self, peers: frozenset[str]) -> None:
        """The end of the last old worker retires what only it declared."""
        if self._peers is not None and peers != self._peers:
            retired = self._database.transact(lambda tx: sync.retire(tx, self._code))
            for schedule_id in retired:
                emit(
                    "retired",
                    f"schedule {schedule_id} has left the code and is retired",
                    schedule_id=schedule_id,
                )
        self._peers = peers


def _recover(worker_id: str, tx: Transaction) -> Recovered | None:
    return recover.recover(tx, worker_id)
