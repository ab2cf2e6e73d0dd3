"""The heart: a thread and a connection of its own that say this worker is alive.

It goes on through the drain and stops last. When it cannot beat for a lock timeout, the worker
must start nothing: others take what it holds.
"""

import os
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta

from jobsched.clock import Clock
from jobsched.daemon.events import emit_failure
from jobsched.errors import DatabaseError
from jobsched.failpoints import failpoint
from jobsched.model import WorkerStatus, WorkerType
from jobsched.settings import Settings
from jobsched.store import workers
from jobsched.store.database import Database
from jobsched.store.workers import Registration


class Heart:
    """The registration of this process in `worker_instance`, and its beats."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        app: str,
        version: str,
        clock: Clock,
        *,
        worker_type: WorkerType = WorkerType.SCHEDULE_DAEMON,
    ) -> None:
        """Nothing is written before `register`."""
        self._database = database
        self._settings = settings
        self._app = app
        self._version = version
        self._clock = clock
        self._worker_type = worker_type
        self._lock = threading.Lock()
        self._last_beat = clock.monotonic()
        self._sound_since = clock.monotonic()
        self.worker_id = ""
        self.status = WorkerStatus.STARTING
        self.running: Callable[[], int] = lambda: 0
        self.lost = threading.Event()
        """Set when this worker was declared dead: it must register anew."""

    def register(self, declares: Mapping[str, Mapping[str, str]]) -> str:
        """Register under a fresh id, which identifies this worker until it is lost; the id."""
        worker_id = str(uuid.uuid4())
        registration = Registration(
            id=worker_id,
            app=self._app,
            worker_type=self._worker_type,
            hostname=socket.gethostname()[:255],
            pid=os.getpid(),
            version=self._version[:20],
            environment=self._settings.environment,
            capacity=self._settings.max_workers,
            lock_timeout=self._settings.lock_timeout,
            poll_interval=self._settings.poll_interval,
            declares=declares,
        )
        self._database.transact(lambda tx: workers.register(tx, registration))
        with self._lock:
            self.worker_id = worker_id
            self._last_beat = self._sound_since = self._clock.monotonic()
            self.lost.clear()
        return worker_id

    def beat(self) -> bool:
        """One sign of life; False, and `lost` is set, when this worker was declared dead."""
        worker_id, status = self.worker_id, self.status
        sent = self._clock.monotonic()
        failpoint("beat.before")
        alive = self._database.transact(
            lambda tx: workers.beat(tx, worker_id, status, self.running())
        )
        failpoint("beat.after")
        with self._lock:
            if worker_id != self.worker_id:
                return True  # registered anew in between
            if not alive:
                self.lost.set()
                return False
            if sent - self._last_beat > self._gap_s:
                self._sound_since = sent
            self._last_beat = sent
        return True

    def run(self, stop: threading.Event) -> None:
        """Beat until `stop` is set."""
        while not self._clock.wait(stop, self._settings.heartbeat_interval.total_seconds()):
            try:
                self.beat()
            except DatabaseError as error:
                emit_failure("beat_failed", f"no heartbeat: {error}", error)
            except Exception as error:  # the heart must not stop for a fault of ours
                emit_failure("beat_failed", f"no heartbeat: {error!r}", error)

    @property
    def _gap_s(self) -> float:
        return self._settings.lock_timeout.total_seconds() / 2

    def is_fresh(self) -> bool:
        """Whether the last beat is younger than the lock timeout: if not, start nothing."""
        age = self._clock.monotonic() - self._last_beat
        return not self.lost.is_set() and age < self._settings.lock_timeout.total_seconds()

    def may_begin(self, worker_id: str) -> bool:
        """Whether what this registration has claimed is still ours, as far as we know."""
        return worker_id == self.worker_id and self.is_fresh()

    def is_sound(self) -> bool:
        """Whether beats went through without a gap for a lock timeout: if not, declare nobody dead.

        After an outage of the database every worker looks dead until it has beaten again.
        """
        if not self.is_fresh():
            return False
        sound = timedelta(seconds=self._clock.monotonic() - self._sound_since)
        return sound >= self._settings.lock_timeout

    def end(self, status: WorkerStatus) -> None:
        """The last beat, with how it ends."""
        self.status = status
        self.beat()
