"""What a step of the runner has to write: a batch for each registration that claimed something."""

from collections.abc import Iterable, Mapping

from jobsched.daemon.execution import Execution
from jobsched.store.batch import Batch, LogRecord, RunNote


class Batches(dict[str, Batch]):
    """By worker id; a worker that was declared lost has several, and each is fenced alone."""

    def of(self, execution: Execution) -> Batch:
        """The batch of the registration that claimed the firing."""
        return self[execution.worker_id]

    def __missing__(self, worker_id: str) -> Batch:
        batch = self[worker_id] = Batch(worker_id)
        return batch

    def add_notes(
        self, notes: Iterable[LogRecord | RunNote], executions: Mapping[int, Execution]
    ) -> None:
        """Log lines and progress go with the rest, in their order; those that are fenced do not."""
        for note in notes:
            execution = executions.get(note.firing_id)
            if execution is None or execution.find(note.run_id) is None:
                continue
            batch = self.of(execution)
            if isinstance(note, LogRecord):
                batch.logs.append(note)
            else:
                batch.notes.append(note)
