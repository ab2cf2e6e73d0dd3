"""Executing a job run for the daemon that has started it, in any process that has its database.

The process registers as a `job_worker`. It writes the log lines and the progress of the run; how
the run ended it only reports, for the daemon to record.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from jobsched.clock import Clock
from jobsched.context import CancelSignal
from jobsched.daemon.calling import Call
from jobsched.daemon.capture import Capture, RunIdentity, current_run
from jobsched.daemon.contexts import context_for
from jobsched.daemon.daemon import Parts
from jobsched.daemon.events import emit_failure
from jobsched.daemon.heartbeat import Heart
from jobsched.daemon.reports import report_of
from jobsched.errors import ConflictError, DatabaseError
from jobsched.executors.remote import Report
from jobsched.model import Reason, WorkerStatus, WorkerType
from jobsched.store import cancels, handover
from jobsched.store.batch import LogRecord, RunNote
from jobsched.store.handover import HandedOver

LOOK_S = 0.5
"""How often it writes, and looks whether the run is still wanted."""
LAST_WORDS = timedelta(seconds=30)
"""How long it tries to write the last lines while the database is away."""


def execute(parts: Parts, run_id: int) -> Report:
    """Execute the run and report how it ended; see `job_worker.run_job_run`."""
    with _registered(parts) as worker_id:
        held = parts.database.transact(lambda tx: handover.take(tx, run_id, worker_id))
        return _Execution(parts, held).run()


@contextmanager
def _registered(parts: Parts) -> Iterator[str]:
    heart = Heart(
        parts.database,
        parts.settings,
        parts.code.app,
        parts.version,
        parts.clock,
        worker_type=WorkerType.JOB_WORKER,
    )
    worker_id = heart.register({})
    heart.status, heart.running = WorkerStatus.RUNNING, lambda: 1
    stop = threading.Event()
    beating = threading.Thread(target=heart.run, args=(stop,), name="jobsched-heart", daemon=True)
    beating.start()
    Capture.install()
    try:
        yield worker_id
    finally:
        Capture.remove()
        stop.set()
        beating.join()
        try:
            heart.end(WorkerStatus.STOPPED)
        except DatabaseError as error:
            emit_failure("worker_stopped", f"stopped without saying so: {error}", error)


class _Execution:
    """The run in this thread, and beside it the thread that writes and looks."""

    def __init__(self, parts: Parts, held: HandedOver) -> None:
        self._database = parts.database
        self._clock: Clock = parts.clock
        self._held = held
        self._job = parts.jobs[held.run.job_name]
        self._said: deque[LogRecord | RunNote] = deque()
        self._signal = CancelSignal()
        firing = held.firing
        self._identity = RunIdentity(
            held.run.id, firing.id, self._said.append, parts.database.time.now
        )
        context = context_for(firing, held.run, self._identity, self._signal, parts.database)
        self._call = Call(self._job, context, parts.around)
        self._ours = True
        self._overdue_at: float | None = None
        if self._job.timeout is not None:
            self._overdue_at = parts.clock.monotonic() + self._job.timeout.total_seconds()

    def run(self) -> Report:
        ended = threading.Event()
        watch = threading.Thread(target=self._watch, args=(ended,), name="jobsched-watch")
        watch.start()
        try:
            report = replace(self._called(), seen=self._signal.seen)
        finally:
            ended.set()
            watch.join()
        if not self._ours:
            raise ConflictError(
                f"job run {self._held.run.id} was taken from the daemon that had started it; "
                "how it ended here is not recorded"
            )
        return report

    def _called(self) -> Report:
        token = current_run.set(self._identity)
        try:
            return report_of(self._job, result=self._call.result())
        except BaseException as error:  # whatever a job raises is its end
            return report_of(self._job, error=error)
        finally:
            current_run.reset(token)

    def _watch(self, ended: threading.Event) -> None:
        while not self._clock.wait(ended, LOOK_S):
            self._look()
        give_up_at = self._clock.monotonic() + LAST_WORDS.total_seconds()
        while not self._look() and self._clock.monotonic() < give_up_at:
            self._clock.wait(threading.Event(), LOOK_S)

    def _look(self) -> bool:
        """Write what was said and pass on requests to stop; False when the database is away."""
        if self._overdue_at is not None and self._clock.monotonic() >= self._overdue_at:
            self._stop(Reason.TIMEOUT)
        try:
            self._ours = self._ours and self._write()
            asked = self._ours and self._is_cancelled()
        except DatabaseError as error:
            emit_failure("record_delayed", f"{error}; what the job says is kept until then", error)
            return False
        if not self._ours:
            self._stop(Reason.WORKER_LOST)
        elif asked:
            self._stop(Reason.REQUESTED)
        return True

    def _stop(self, reason: Reason) -> None:
        if not self._signal.is_set_quietly():
            self._call.stop(reason)

    def _write(self) -> bool:
        said = list(self._said)
        logs = [one for one in said if isinstance(one, LogRecord)]
        notes = [one for one in said if isinstance(one, RunNote)]
        ours = self._database.transact(lambda tx: handover.append(tx, self._held, logs, notes))
        for _ in said:
            self._said.popleft()
        return ours

    def _is_cancelled(self) -> bool:
        firing_id, run_id = self._held.firing.id, self._held.run.id
        requests = self._database.query(lambda tx: cancels.requested(tx, [firing_id]))
        return any(run in (None, run_id) for _, run in requests)
