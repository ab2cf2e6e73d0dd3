"""The daemon: its threads, how they begin, and how they end."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from jobsched.clock import Clock
from jobsched.daemon.calling import Around
from jobsched.daemon.cancellation import CancellationPass
from jobsched.daemon.capture import Capture
from jobsched.daemon.events import emit, logger
from jobsched.daemon.firing import FiringPass
from jobsched.daemon.heartbeat import Heart
from jobsched.daemon.launch import Launcher
from jobsched.daemon.listening import Listener
from jobsched.daemon.locking import ScheduleLocks
from jobsched.daemon.looper import Looper, Service
from jobsched.daemon.pruning import PruningPass
from jobsched.daemon.recorder import Recorder
from jobsched.daemon.recovery import RecoveryPass
from jobsched.daemon.runner import Runner
from jobsched.daemon.slots import Slots
from jobsched.errors import DatabaseError
from jobsched.executors import JobExecutor
from jobsched.fixed import fixed
from jobsched.locks import LockBackend
from jobsched.model import WorkerStatus, WorkerType
from jobsched.registry import Job
from jobsched.settings import Settings
from jobsched.store import rehearsal, sync
from jobsched.store.claim import Claimed
from jobsched.store.database import Database
from jobsched.store.sync import Declared

PATIENCE = timedelta(seconds=2)
"""How long a thread of ours may take to end when the daemon does: it may wait for a database."""
SILENT = "the database does not answer"


@fixed
class Parts:
    """What a daemon is made of: given by the face, the same for every daemon of a process."""

    database: Database
    settings: Settings
    code: Declared
    jobs: Mapping[str, Job]
    executors: Mapping[str, JobExecutor]
    around: Around | None
    lock: LockBackend
    clock: Clock
    version: str


class Daemon:
    """One registered worker that fires, claims, runs and recovers, in threads of its own."""

    def __init__(
        self,
        parts: Parts,
        *,
        inline: bool = False,
        launcher: Launcher | None = None,
        worker_type: WorkerType = WorkerType.SCHEDULE_DAEMON,
    ) -> None:
        """No thread and no row before `register`.

        `inline` runs jobs in the caller's thread; a `launcher` of one's own does what it likes.
        """
        self._parts = parts
        database, settings, clock = parts.database, parts.settings, parts.clock
        self._heart_database = database.twin()
        self.heart = Heart(
            self._heart_database,
            settings,
            parts.code.app,
            parts.version,
            clock,
            worker_type=worker_type,
        )
        self._recorder = Recorder(database, clock)
        self._slots = Slots(settings.max_workers)
        self._launcher = launcher or Launcher(parts.executors, parts.around, inline=inline)
        self.runner = Runner(
            database, parts.jobs, self._launcher, self._recorder, self._slots, clock
        )
        self._locks = ScheduleLocks(parts.lock, settings.lock_timeout)
        self.firing = FiringPass(
            database,
            settings,
            parts.code.app,
            self.heart,
            self._slots,
            frozenset(parts.jobs),
            self._locks,
            self._adopt,
            one_priority=len(parts.code.priorities) <= 1,
        )
        self.recovery = RecoveryPass(database, settings, parts.code, self.heart)
        self._cancellation = CancellationPass(database, settings, self.runner)
        services: list[Service] = [
            _Registration(self, settings.lock_timeout),
            self._locks,
            self.firing,
            self._cancellation,
            self.recovery,
            PruningPass(database, settings, parts.code.app),
        ]
        self.looper = Looper(services, clock)
        self.recovery.on_recovered = self.wake
        self.runner.on_slot_free = self.wake
        self.runner.on_ends = self._claim_meanwhile
        self.firing.on_slots_back = self.runner.slots_are_back
        self.runner.on_left = self._left
        self.runner.may_start = self.heart.is_fresh
        self.runner.may_begin = self.heart.may_begin
        self.heart.running = lambda: self._slots.taken
        self.on_drain: Callable[[], None] = lambda: None
        """Called, from any thread, when somebody asks it to stop."""
        self._stop_looping = threading.Event()
        self._stop_running = threading.Event()
        self._stop_beating = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._listener = Listener(database, clock, self.wake)
        self._listening = threading.Thread(
            target=self._listener.run,
            args=(self._stop_looping,),
            name="jobsched-listener",
            daemon=True,
        )
        self._ended = False

    # Life

    def register(self) -> None:
        """Become a worker that others can see."""
        self.heart.register(self._parts.code.hashes)
        self.heart.status = WorkerStatus.RUNNING
        Capture.install()
        emit(
            "daemon_started",
            f"daemon {self.heart.worker_id} of app {self._parts.code.app!r} started with "
            f"{self._slots.capacity} workers",
            worker_id=self.heart.worker_id,
            app=self._parts.code.app,
        )

    def start(self) -> None:
        """Start the threads of a registered daemon."""
        self.start_running()
        self.firing.may_wait = True
        self._start_thread("looper", self._loop)
        self._listening.start()

    def start_running(self) -> None:
        """Start the heartbeats and the runner, without the loop that fires and claims."""
        self.heart.beat()
        self._start_thread("heart", lambda: self.heart.run(self._stop_beating))
        self._start_thread("runner", lambda: self.runner.run(self._stop_running))

    def drain(self) -> None:
        """Begin to stop: claim nothing any more. Heartbeats go on; `wait_idle` does the rest."""
        if self._stop_looping.is_set():
            return
        emit("daemon_stopping", f"daemon {self.heart.worker_id} drains: it claims nothing more")
        self.heart.status = WorkerStatus.STOPPING
        self._stop_looping.set()
        self._listener.wake()
        self.looper.wake()
        self.on_drain()

    def wait_idle(self, grace: timedelta) -> bool:
        """Wait until it claims nothing and nothing runs any more; whether that came in time.

        What has not started is handed back, once no claim can come after that.
        """
        if not self._join("looper", grace):
            return False
        self.runner.drain()
        return self._parts.clock.wait(self.runner.idle, grace.total_seconds())

    def end_jobs(self) -> bool:
        """The grace is over: cancel async jobs and kill processes; whether no thread is left."""
        return self.runner.end_jobs()

    def abandon(self, patience: timedelta) -> None:
        """Write down as LOST what still runs, for the process is about to end."""
        self.runner.abandon()
        self._parts.clock.wait(self.runner.idle, patience.total_seconds())
        self._recorder.give_up.set()

    def end(self) -> None:
        """Stop every thread of ours and say that this worker has stopped; idempotent."""
        if self._ended:
            return
        self._ended = True
        self._stop_running.set()
        self.runner.wake()
        quiet = self._join("runner", PATIENCE)
        self._stop_beating.set()
        quiet = self._join("heart", PATIENCE) and quiet
        if self._listening.is_alive():
            self._listening.join(PATIENCE.total_seconds())
        self._launcher.close()
        self._locks.close()
        Capture.remove()
        why_not = self._say_stopped() if quiet else SILENT
        if quiet and self._heart_database is not self._parts.database:
            self._heart_database.dispose()
        if why_not is not None:
            emit("daemon_stopped", f"stopped without saying so: {why_not}", level=logging.WARNING)
            return
        emit(
            "daemon_stopped",
            f"daemon {self.heart.worker_id} stopped",
            worker_id=self.heart.worker_id,
        )

    def _say_stopped(self) -> str | None:
        """The last beat; why it did not reach the database, or None."""
        failure: list[str] = [SILENT]

        def beat() -> None:
            try:
                self.heart.end(WorkerStatus.STOPPED)
                failure.clear()
            except DatabaseError as error:
                failure[:] = [str(error)]

        if self._threads:  # a database that swallows everything must not keep the process
            self._start_thread("last-beat", beat)
            self._join("last-beat", PATIENCE)
        else:
            beat()
        return failure[0] if failure else None

    def forget(self) -> None:
        """Take it out of this process without a word to the database, as if it had been killed."""
        self._ended = True
        Capture.remove()

    def wake(self) -> None:
        """Something has changed: look at once; from any thread."""
        self.firing.look_again()
        self.looper.wake()

    def is_draining(self) -> bool:
        """Whether somebody has asked it to stop."""
        return self._stop_looping.is_set()

    def has_failed(self) -> bool:
        """Whether a thread of a started daemon has ended although nobody stopped it."""
        ended = any(not thread.is_alive() for thread in self._threads.values())
        return ended and not self.is_draining()

    # Without threads

    def tick(self) -> timedelta:
        """One turn of the loop, and every job run that follows from it, in this thread."""
        self.heart.beat()
        self.firing.look_again()
        self.looper.hurry()  # what was asked for since the last tick is seen in this one
        while True:
            delay = self.looper.turn()
            if self.runner.idle.is_set():
                return delay
            self._step_until_idle()
            self.firing.look_again()
            self.looper.hurry()

    def run_to_its_end(self, claimed: Claimed) -> None:
        """Run one firing in the runner's thread, and wait for it; operators can cancel it."""
        self._slots.take(claimed.started)
        self.runner.adopt([claimed])
        while not self.wait_idle(timedelta(seconds=1)):
            self._cancellation.run_once()

    def _step_until_idle(self) -> None:
        while not self.runner.idle.is_set():
            if not self.heart.is_fresh():  # a job took its time: without a beat nothing starts
                self.heart.beat()
            self.runner.step()

    # Within

    def _loop(self) -> None:
        self._rehearse()
        self.looper.run(self._stop_looping)

    def _rehearse(self) -> None:
        app, worker_id = self._parts.code.app, self.heart.worker_id
        try:
            self._parts.database.query(lambda tx: rehearsal.rehearse(tx, app, worker_id))
        except Exception:  # what is wrong is said by the passes, which try again
            logger.debug("the rehearsal failed", exc_info=True)

    def register_anew(self) -> None:
        """This worker was declared dead: it goes on under a new id; old runs keep the old one."""
        old = self.heart.worker_id
        self.runner.ask_reruns_to_stop()
        worker_id = self.heart.register(self._parts.code.hashes)
        code = self._parts.code  # what was retired in between comes back
        self._parts.database.transact(lambda tx: sync.sync(tx, code, declared_by=worker_id))
        emit(
            "fenced",
            f"worker {old} was declared dead while it was not; it goes on as "
            f"{self.heart.worker_id}",
            level=logging.WARNING,
            worker_id=self.heart.worker_id,
            was=old,
        )
        self.wake()

    def _adopt(self, claimed: Sequence[Claimed]) -> None:
        self.runner.adopt(claimed)
        self.looper.within(self._cancellation.name, self._cancellation.interval)

    def _claim_meanwhile(self) -> None:
        """What waits for a slot need not wait for the end of the job before it to be written."""
        if self.firing.wants_slots and not self.is_draining():
            self.firing.slots_come()
            self.looper.wake()

    def _left(self, firing_ids: Sequence[int]) -> None:
        self._locks.leave(firing_ids)
        self.firing.leave(firing_ids)

    def _start_thread(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=f"jobsched-{name}", daemon=True)
        self._threads[name] = thread
        thread.start()

    def _join(self, name: str, patience: timedelta) -> bool:
        """Wait for one of our threads to end; whether it has, or was never started."""
        thread = self._threads.get(name)
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(patience.total_seconds())
        return not thread.is_alive()


class _Registration:
    """The pass that keeps this worker's registration true: fences it, and registers it anew."""

    name = "registration"
    eager = False

    def __init__(self, daemon: Daemon, lock_timeout: timedelta) -> None:
        self._daemon = daemon
        self._interval = min(timedelta(seconds=5), lock_timeout / 12)
        self._asked = False

    def run_once(self) -> timedelta:
        """Without SQL unless this worker was declared dead."""
        heart = self._daemon.heart
        if heart.lost.is_set():
            self._daemon.register_anew()
        elif not heart.is_fresh() and not self._asked:
            self._daemon.runner.ask_reruns_to_stop()
        self._asked = not heart.is_fresh()
        return self._interval
