"""Whether a job gets another attempt."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from jobsched.model import JobDefinition, JobRunStatus, OnLost


def after_failure(
    definition: JobDefinition, earlier: Sequence[JobRunStatus], *, retryable: bool, share: float
) -> timedelta | None:
    """How long to wait before the next attempt; None when there is none.

    `earlier` holds the statuses of all attempts so far, the one that failed included. Lost
    attempts use up no retries. `share` in [0, 1) places the delay within its jitter.
    """
    failed = sum(status is JobRunStatus.FAILED for status in earlier)
    if not retryable or failed > definition.retries:
        return None
    return definition.backoff.delay(failed, share)


def after_loss(definition: JobDefinition, earlier: Sequence[JobRunStatus]) -> bool:
    """Whether a job whose worker died runs again: its author says so, and `max_lost` times.

    `earlier` holds the statuses of all attempts so far, the lost one included.
    """
    lost = sum(status is JobRunStatus.LOST for status in earlier)
    return definition.on_lost is OnLost.RERUN and lost <= definition.max_lost


def past_deadline(scheduled_for: datetime, start_deadline: timedelta | None, now: datetime) -> bool:
    """Whether a firing that has not started yet must not start any more."""
    return start_deadline is not None and now > scheduled_for + start_deadline
