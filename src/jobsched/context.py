"""What a running job knows of itself, and what it can say."""

import logging
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobsched.model import TriggerType

ROUNDING = 1e-6
"""How far a fraction of progress may be off 0 or 1: sums of parts are seldom exact."""


class CancelSignal:
    """The request to stop, as a job sees it: false until an operator or the daemon asks.

    Threads may set and read it at once. A long job looks at it between two steps of its work, or
    waits on it where it would otherwise sleep. An async job is cancelled by asyncio as well, and
    must not `wait()`, which would hold up the event loop.
    """

    def __init__(self) -> None:
        self._asked = False
        self._reason: str | None = None
        self._seen = False

    def is_set(self) -> bool:
        """Whether the job is asked to stop."""
        asked = self._asked
        self._seen = self._seen or asked
        return asked

    def __bool__(self) -> bool:
        return self.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the job is asked to stop, or for `timeout` seconds; True when it is asked."""
        # Made for who waits: few jobs do. `setdefault` makes one for all threads.
        event: threading.Event = vars(self).setdefault("_event", threading.Event())
        if self._asked:  # looked at when the event is there: `set` sees that, or is seen here
            event.set()
        asked = event.wait(timeout)
        self._seen = self._seen or asked
        return asked

    @property
    def reason(self) -> str | None:
        """Why it was asked first (`requested`, `timeout`, `shutdown`), or None."""
        return self._reason

    @property
    def seen(self) -> bool:
        """Whether the job has looked since it was asked, and so can have stopped for it."""
        return self._seen

    def set(self, reason: str | None = None) -> None:
        """Ask the job to stop; of several reasons the first one stays."""
        if self._reason is None:
            self._reason = reason
        self._asked = True
        event: threading.Event | None = vars(self).get("_event")
        if event is not None:
            event.set()

    def is_set_quietly(self) -> bool:
        """Whether it is set, for others than the job: `seen` stays as it is."""
        return self._asked

    def __repr__(self) -> str:
        state = f"set, reason={self._reason!r}" if self._asked else "not set"
        return f"<CancelSignal {state}>"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JobContext:
    """One attempt of one job within a firing; a job that takes `ctx` gets it."""

    run_id: int
    """The id of this attempt: `job_run.id`."""
    firing_id: int
    """The id of the firing that this attempt belongs to."""
    schedule_id: str | None
    """The schedule that fired, or None for a single job that the app enqueued."""
    job_name: str
    """The job's own name."""
    scheduled_for: datetime
    """The occurrence: when the firing was due (aware, UTC); the same for every attempt."""
    attempt: int
    """1 for the first attempt."""
    trigger: TriggerType
    """What caused the firing."""
    params: Mapping[str, Any] = field(repr=False)
    """All parameters of the firing, as JSON values; the job's own arguments are validated."""
    log: logging.Logger = field(repr=False)
    """A logger whose records are kept with this run, as those of every other stdlib logger are."""
    cancelled: CancelSignal
    """The request to stop."""
    idempotency_key: str
    """The same for every attempt, retry and re-run of this job in this firing: give it to the
    systems that the job changes, so that they do a thing once."""
    report_progress: Callable[[float, str | None], None] = field(repr=False)
    """Where `progress` goes; the daemon's side."""
    find_result: Callable[[str], Any] = field(repr=False)
    """Where `result_of` looks; the daemon's side."""

    def progress(self, fraction: float, message: str | None = None) -> None:
        """Say how far the job is, 0 to 1, and what it is at; cheap, never blocks.

        Raises ValueError when `fraction` is not a number from 0 to 1.
        """
        if not _is_fraction(fraction):
            raise ValueError(
                f"job {self.job_name!r}: progress {fraction!r} is not a fraction from 0 to 1; "
                "write done / total"
            )
        self.report_progress(min(max(float(fraction), 0.0), 1.0), message)

    def result_of(self, job: str | Callable[..., Any]) -> Any:
        """The JSON result of another job of this firing, by its name or the decorated function.

        None when it returned nothing or has not succeeded in this firing.
        """
        return self.find_result(job if isinstance(job, str) else getattr(job, "name", job.__name__))


def _is_fraction(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and -ROUNDING <= value <= 1 + ROUNDING
