"""Whether a job gets another attempt."""

from datetime import UTC, datetime, timedelta

import pytest

from jobsched.backoff import Backoff
from jobsched.model import JobDefinition, JobRunStatus, OnLost
from jobsched.planning.attempts import after_failure, after_loss, past_deadline

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
FAILED, LOST, CANCELLED = JobRunStatus.FAILED, JobRunStatus.LOST, JobRunStatus.CANCELLED
JOB = JobDefinition("j", retries=3, backoff=Backoff(initial=10, factor=2, maximum=30, jitter=0.5))


@pytest.mark.parametrize(
    ("earlier", "wait"), [(1, 10.0), (2, 20.0), (3, 30.0), (4, None), (5, None)]
)
def test_three_retries_are_at_most_four_attempts(earlier: int, wait: float | None) -> None:
    """The wait grows by the backoff, to its maximum; after the last retry there is none."""
    delay = after_failure(JOB, [FAILED] * earlier, retryable=True, share=0.0)
    assert (delay and delay.total_seconds()) == wait


def test_an_error_that_is_not_retried_on_ends_the_job() -> None:
    """Whether the error is one to retry on is decided before, and counts."""
    assert after_failure(JOB, [FAILED], retryable=False, share=0.0) is None


def test_lost_attempts_use_up_no_retries() -> None:
    """I5: what a worker's death took from a job is not the job's failure."""
    earlier = [LOST, LOST, LOST, FAILED]
    assert after_failure(JOB, earlier, retryable=True, share=0.0) == timedelta(seconds=10)


def test_chance_shortens_the_wait_within_the_jitter() -> None:
    """The caller's random share takes off up to `jitter` of the wait: decisions stay pure."""
    delays = [after_failure(JOB, [FAILED], retryable=True, share=share) for share in (0.0, 0.5)]
    assert delays == [timedelta(seconds=10), timedelta(seconds=7.5)]


def test_a_lost_run_is_not_run_again_unless_its_author_says_so() -> None:
    """I5: the outcome of a lost run is unknown; the default is that it has failed."""
    assert not after_loss(JobDefinition("j"), [LOST])


@pytest.mark.parametrize(("losses", "again"), [(1, True), (3, True), (4, False), (9, False)])
def test_reruns_are_bounded(losses: int, again: bool) -> None:
    """I5: a job that takes its process down does not take every daemon down in turn."""
    job = JobDefinition("j", on_lost=OnLost.RERUN, max_lost=3)
    assert after_loss(job, [FAILED, *[LOST] * losses]) is again


@pytest.mark.parametrize(
    ("limit", "late", "past"),
    [(None, 10**6, False), (60, 59, False), (60, 60, False), (60, 61, True)],
)
def test_a_start_deadline_is_inclusive(limit: int | None, late: int, past: bool) -> None:
    """I6: at its deadline a firing may still start; after it, never."""
    deadline = None if limit is None else timedelta(seconds=limit)
    assert past_deadline(NOON, deadline, NOON + timedelta(seconds=late)) is past
