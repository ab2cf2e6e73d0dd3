"""A claimed firing in its worker's memory: what each event changes, and what is to be written."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from jobsched.backoff import Backoff
from jobsched.daemon.execution import Execution
from jobsched.model import (
    Firing,
    FiringStatus,
    JobDefinition,
    JobRun,
    JobRunStatus,
    JobState,
    OnLost,
    Reason,
    TriggerType,
)
from jobsched.store.batch import Batch, RunEnd
from jobsched.store.claim import Claimed

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TEN = timedelta(seconds=10)
S = JobRunStatus

FIRING = Firing(
    id=3,
    app="shop",
    schedule_id="feed",
    job_name=None,
    scheduled_for=NOON,
    trigger=TriggerType.CRON,
    status=FiringStatus.RUNNING,
    reason=None,
    blocked_by=None,
    missed_count=None,
    missed_from=None,
    params={},
    available_at=NOON,
    claimed_by="me",
    requested_by=None,
    cancel_requested_at=None,
    created_at=NOON,
    started_at=NOON,
    finished_at=None,
)


def job_run(
    run_id: int, name: str, status: JobRunStatus, depends_on: str = "", attempt: int = 1
) -> JobRun:
    return JobRun(
        id=run_id,
        firing_id=FIRING.id,
        schedule_id="feed",
        job_name=name,
        attempt=attempt,
        status=status,
        reason=None,
        scheduled_for=NOON,
        available_at=NOON,
        queued_at=NOON,
        started_at=None,
        finished_at=None,
        duration_ms=None,
        error=None,
        traceback=None,
        result=None,
        progress=None,
        worker_id="me",
        depends_on=tuple(depends_on.split()),
        params={"n": 1},
    )


class Story:
    """An execution, and what has been written of it so far."""

    def __init__(self, *runs: JobRun, **policies: JobDefinition) -> None:
        states = {
            run.job_name: JobState(
                policies.get(run.job_name, JobDefinition(run.job_name)), "shop", "", None
            )
            for run in runs
        }
        self.execution = Execution(Claimed(FIRING, runs, states, None))
        self.batch = Batch("me")
        self.now = NOON
        self._ids = count(100)

    def end(self, run_id: int, status: JobRunStatus = S.SUCCESS, *, retryable: bool = True) -> bool:
        end = RunEnd(run_id, FIRING.id, status, self.now)
        return self.execution.end(end, self.batch, now=self.now, retryable=retryable, share=0.0)

    def start(self) -> list[str]:
        startable = self.execution.startable(self.now)
        for attempt in startable:
            self.execution.start(attempt, self.batch)
        return [attempt.run.job_name for attempt in startable]

    def leave(self, *, draining: bool = False) -> bool:
        return self.execution.leave(self.now, self.batch, draining=draining)

    def write(self) -> Batch:
        """The recorder has written the batch: new attempts have ids from 100 on."""
        written, self.batch = self.batch, Batch("me")
        for new in written.attempts:
            self.execution.written(new.job.name, new.attempt, next(self._ids))
        return written

    @property
    def ends(self) -> list[tuple[int, str, str | None]]:
        return [(end.run_id, end.status.value, end.reason) for end in self.batch.ends]


# Starting, and dependencies


def test_a_plan_is_walked_in_dependency_order() -> None:
    """Each job starts when those it needs have succeeded; independent ones side by side."""
    story = Story(
        job_run(1, "a", S.RUNNING),
        job_run(2, "b", S.QUEUED),
        job_run(3, "c", S.QUEUED, "a b"),
    )
    assert story.start() == ["b"]
    story.end(1)
    assert story.start() == []
    story.end(2)
    assert story.start() == ["c"]
    assert not story.leave()
    story.end(3)
    assert story.leave()
    assert story.batch.starts == [(2, 3), (3, 3)]
    assert [end.status for end in story.batch.firing_ends] == [FiringStatus.SUCCESS]


def test_dependents_of_a_failed_job_are_skipped_and_others_go_on() -> None:
    """What cannot run any more ends with the dependency in its way; unrelated jobs go on."""
    story = Story(
        job_run(1, "a", S.RUNNING),
        job_run(2, "b", S.QUEUED, "a"),
        job_run(3, "c", S.QUEUED, "b"),
        job_run(4, "d", S.QUEUED),
    )
    story.end(1, S.FAILED)
    assert story.ends == [
        (1, "FAILED", None),
        (2, "SKIPPED", "dependency: a"),
        (3, "SKIPPED", "dependency: b"),
    ]
    assert {end.was for end in story.batch.ends} == {S.RUNNING, S.QUEUED}
    assert story.start() == ["d"]
    story.end(4)
    assert story.leave()
    assert [end.status for end in story.batch.firing_ends] == [FiringStatus.FAILED]


def test_an_execution_goes_on_from_what_an_earlier_worker_wrote() -> None:
    """I5: rows with several attempts are taken by the last one of each job, in plan order."""
    story = Story(
        job_run(1, "a", S.LOST),
        job_run(2, "b", S.QUEUED, "a"),
        job_run(3, "a", S.QUEUED, attempt=2),
    )
    assert list(story.execution.attempts) == ["a", "b"]
    assert story.start() == ["a"]
    story.end(3)
    assert story.start() == ["b"]


# Retries


RETRIED = JobDefinition("a", retries=1, backoff=Backoff(initial=10, jitter=0))


def test_a_failed_job_gets_its_next_attempt_later() -> None:
    """A retry is a new row with the same params, after the backoff; the firing waits for it."""
    story = Story(job_run(1, "a", S.RUNNING), job_run(2, "b", S.QUEUED, "a"), a=RETRIED)
    assert story.end(1, S.FAILED)
    assert story.ends == [(1, "FAILED", None)]
    (attempt,) = story.batch.attempts
    assert (attempt.job.name, attempt.attempt, attempt.status) == ("a", 2, S.QUEUED)
    assert (attempt.available_at, attempt.params) == (NOON + TEN, {"n": 1})
    assert story.execution.next_available_at(NOON) == NOON + TEN
    assert story.leave()
    (back,) = story.batch.hand_backs
    assert (back.status, back.available_at) == (FiringStatus.WAITING, NOON + TEN)


def test_a_firing_stays_while_another_of_its_jobs_runs() -> None:
    """It is handed back only with nothing to run but the retry; else the retry starts here."""
    story = Story(job_run(1, "a", S.RUNNING), job_run(2, "b", S.RUNNING), a=RETRIED)
    story.end(1, S.FAILED)
    assert not story.leave()
    assert story.execution.startable(NOON + TEN) == []  # its row is not written yet
    story.write()
    assert story.start() == []
    story.now = NOON + TEN
    assert story.start() == ["a"]
    assert story.batch.starts == [(100, 3)]
    assert not story.end(100, S.FAILED)  # its retries are used up
    story.end(2)
    assert story.leave()
    assert [end.status for end in story.batch.firing_ends] == [FiringStatus.FAILED]


def test_an_error_that_is_not_retried_on_ends_the_job() -> None:
    """A job with retries left ends at an error that it does not retry on."""
    story = Story(job_run(1, "a", S.RUNNING), a=RETRIED)
    assert not story.end(1, S.FAILED, retryable=False)
    assert story.batch.attempts == []


@pytest.mark.parametrize("status", [S.SUCCESS, S.CANCELLED])
def test_only_what_failed_is_retried(status: JobRunStatus) -> None:
    """A job that succeeded or was cancelled gets no other attempt."""
    story = Story(job_run(1, "a", S.RUNNING), a=RETRIED)
    assert not story.end(1, status)


@pytest.mark.parametrize(("on_lost", "again"), [(OnLost.FAIL, False), (OnLost.RERUN, True)])
def test_a_lost_run_is_run_again_only_by_policy(on_lost: OnLost, again: bool) -> None:
    """I5: a run whose outcome is unknown runs again at once where its author allows it."""
    story = Story(job_run(1, "a", S.RUNNING), a=JobDefinition("a", on_lost=on_lost))
    assert story.end(1, S.LOST) is again
    assert [one.available_at for one in story.batch.attempts] == [NOON] * again


# Cancelling


def test_cancelling_ends_what_has_not_started_and_returns_what_runs() -> None:
    """Queued jobs end CANCELLED with the reason; the running ones are there to be asked."""
    story = Story(
        job_run(1, "a", S.RUNNING), job_run(2, "b", S.QUEUED), job_run(3, "c", S.QUEUED, "a")
    )
    running = story.execution.cancel(Reason.SUPERSEDED, NOON, story.batch)
    assert [attempt.run_id for attempt in running] == [1]
    assert story.ends == [(2, "CANCELLED", "superseded"), (3, "CANCELLED", "superseded")]
    assert not story.leave()
    story.end(1)
    assert story.leave()
    (end,) = story.batch.firing_ends
    assert (end.status, end.reason) == (FiringStatus.CANCELLED, Reason.SUPERSEDED)


def test_a_cancelled_firing_is_not_tried_again() -> None:
    """A run that fails, or is lost, after its firing was cancelled gets no other attempt."""
    story = Story(job_run(1, "a", S.RUNNING), a=RETRIED)
    story.execution.cancel(Reason.REQUESTED, NOON, story.batch)
    assert not story.end(1, S.FAILED)
    assert story.leave()
    assert [end.status for end in story.batch.firing_ends] == [FiringStatus.FAILED]


def test_a_retry_that_is_not_written_yet_is_not_made() -> None:
    """Cancelled in the same moment in which it failed, a job leaves no attempt behind."""
    story = Story(job_run(1, "a", S.RUNNING), job_run(2, "b", S.RUNNING), a=RETRIED)
    story.end(1, S.FAILED)
    story.execution.cancel(Reason.REQUESTED, NOON, story.batch)
    assert story.batch.attempts == []
    story.end(2)
    assert story.leave()


def test_a_written_retry_is_cancelled_like_any_queued_run() -> None:
    """A retry that waits ends CANCELLED."""
    story = Story(job_run(1, "a", S.RUNNING), job_run(2, "b", S.RUNNING), a=RETRIED)
    story.end(1, S.FAILED)
    story.write()
    story.execution.cancel(Reason.REQUESTED, NOON, story.batch)
    assert story.ends == [(100, "CANCELLED", "requested")]


def test_one_job_can_be_cancelled() -> None:
    """A queued job ends here with its dependents skipped; a running one is returned."""
    story = Story(
        job_run(1, "a", S.RUNNING), job_run(2, "b", S.QUEUED), job_run(3, "c", S.QUEUED, "b")
    )
    assert story.execution.cancel_job(2, NOON, story.batch) is None
    assert story.ends == [(2, "CANCELLED", "requested"), (3, "SKIPPED", "dependency: b")]
    asked = story.execution.cancel_job(1, NOON, story.batch)
    assert asked is not None
    assert asked.run_id == 1
    assert story.execution.cancel_job(2, NOON, story.batch) is None
    assert len(story.ends) == 2


# Leaving


@pytest.mark.parametrize(
    ("timeout", "started_at", "ends_at"),
    [(None, NOON, None), (TEN, NOON, NOON + TEN), (TEN, NOON - TEN, NOON), (TEN, None, None)],
)
def test_a_schedules_timeout_counts_from_the_start_of_the_firing(
    timeout: timedelta | None, started_at: datetime | None, ends_at: datetime | None
) -> None:
    """Whichever worker has it by then: the whole firing may take so long."""
    claimed = Claimed(replace(FIRING, started_at=started_at), (), {}, timeout)
    assert Execution(claimed).ends_at() == ends_at


def test_a_draining_worker_hands_back_what_has_not_started() -> None:
    """I11: what runs is waited for; what has not started is QUEUED again, at once, for others."""
    story = Story(job_run(1, "a", S.RUNNING), job_run(2, "b", S.QUEUED, "a"))
    assert not story.leave(draining=True)
    story.end(1)
    assert not story.leave()
    assert story.leave(draining=True)
    (back,) = story.batch.hand_backs
    assert (back.status, back.available_at) == (FiringStatus.QUEUED, NOON)


def test_an_empty_plan_is_a_success() -> None:
    """A schedule of all jobs, in an app that has none, has done all there was to do."""
    story = Story()
    assert story.leave()
    assert [end.status for end in story.batch.firing_ends] == [FiringStatus.SUCCESS]


def test_another_firings_run_is_no_business_of_this_one() -> None:
    """An id that is not of this firing is refused loudly, and not found quietly."""
    story = Story(job_run(1, "a", S.RUNNING))
    assert story.execution.find(77) is None
    with pytest.raises(LookupError, match="job run 77 is not of firing 3"):
        story.end(77)
