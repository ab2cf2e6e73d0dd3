"""Writes what happened, in groups, until it is written: the database may be away meanwhile."""

import threading

from jobsched.clock import Clock
from jobsched.daemon.events import emit_failure
from jobsched.errors import DatabaseError
from jobsched.store.batch import Batch, Recorded, RunEnd
from jobsched.store.database import Database
from jobsched.store.record import write

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


class GaveUpError(Exception):
    """The process ends and the database is still away: what is unwritten stays unwritten."""


class Recorder:
    """Writes batches; one is tried until the database has it, or the process gives up."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """`give_up` ends the waiting for a database that does not come back."""
        self._database = database
        self._clock = clock
        self.give_up = threading.Event()

    def write(self, batch: Batch) -> Recorded:
        """Write the batch; raises GaveUpError.

        A batch that the database refuses for its content is written firing by firing, and what is
        still refused ends FAILED with the database's reason.
        """
        pause = FIRST_PAUSE_S
        while True:
            try:
                return write(self._database, batch)
            except DatabaseError as error:
                batch.tried = True
                emit_failure("record_delayed", f"{error}; what ended is kept until then", error)
            except Exception as error:  # a value that cannot be stored: not the database's fault
                return self._write_apart(batch, error)
            if self._clock.wait(self.give_up, pause):
                raise GaveUpError
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _write_apart(self, batch: Batch, error: Exception) -> Recorded:
        firing_ids = sorted(batch.firing_ids())
        if len(firing_ids) > 1:
            return _together([self.write(batch.only({one})) for one in firing_ids])
        if not (batch.logs or batch.notes or any(_has_content(end) for end in batch.ends)):
            raise error  # nothing of the job's own is in it: a fault of ours, said loudly
        emit_failure("record_refused", f"job output could not be stored: {error}", error)
        batch.logs, batch.notes = [], []
        batch.ends = [_without_content(end, error) for end in batch.ends]
        return self.write(batch)


def _has_content(end: RunEnd) -> bool:
    return end.result is not None or end.error is not None or end.traceback is not None


def _without_content(end: RunEnd, error: Exception) -> RunEnd:
    return RunEnd(
        run_id=end.run_id,
        firing_id=end.firing_id,
        status=end.status,
        finished_at=end.finished_at,
        reason=end.reason,
        duration_ms=end.duration_ms,
        was=end.was,
    )


def _together(parts: list[Recorded]) -> Recorded:
    return Recorded(
        at=parts[-1].at,
        fenced=frozenset().union(*(part.fenced for part in parts)),
        others_wait=any(part.others_wait for part in parts),
        attempt_ids={key: run_id for part in parts for key, run_id in part.attempt_ids.items()},
    )
