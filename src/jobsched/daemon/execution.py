"""A claimed firing in the memory of the worker that runs it.

The worker is the only one to change the rows of what it claimed, so this state is the truth as
long as the claim stands. Nothing here does I/O: every change goes into a `Batch` to be written.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from jobsched.model import (
    LIVE_RUNS,
    FiringStatus,
    JobDefinition,
    JobRun,
    JobRunStatus,
    PlannedJob,
    Reason,
)
from jobsched.planning.attempts import after_failure, after_loss
from jobsched.planning.plan import Standing, ending, ready, skipped_by, waits_until
from jobsched.store.batch import Batch, HandBack, RunEnd
from jobsched.store.claim import Claimed
from jobsched.store.firings import FiringEnd
from jobsched.store.plans import NewRun

_S = JobRunStatus


@dataclass(slots=True)
class Attempt:
    """One attempt of one job; `run_id` is None until its row is written."""

    run: JobRun
    run_id: int | None
    status: JobRunStatus
    available_at: datetime


@dataclass(slots=True)
class Execution:
    """The plan of a claimed firing, and where each of its jobs stands."""

    claimed: Claimed
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    cancelled: Reason | None = None
    """Why it is to end, once it is: nothing of it starts any more, nothing is tried again."""

    def __post_init__(self) -> None:
        """Take the rows as the claim read them; jobs stay in plan order."""
        for run in self.claimed.runs:
            attempt = Attempt(run, run.id, run.status, run.available_at)
            self.attempts.setdefault(run.job_name, []).append(attempt)
        for attempts in self.attempts.values():
            attempts.sort(key=lambda attempt: attempt.run.attempt)

    @property
    def firing_id(self) -> int:
        """The firing's id."""
        return self.claimed.firing.id

    @property
    def worker_id(self) -> str:
        """The registration that claimed it; every write is made in its name."""
        return self.claimed.firing.claimed_by or ""

    def definition(self, job: str) -> JobDefinition:
        """The job as it was mirrored when the firing was claimed."""
        return self.claimed.jobs[job].definition

    def running(self) -> list[Attempt]:
        """The attempts that run now."""
        return [last for last in self._last() if last.status is _S.RUNNING]

    def startable(self, now: datetime) -> list[Attempt]:
        """The attempts that may start now, in plan order."""
        if not self._has(_S.QUEUED):
            return []
        names = set(ready(self._standings(), now))
        return [last for last in self._last() if last.run.job_name in names and last.run_id]

    def next_available_at(self, now: datetime) -> datetime | None:
        """When the next retry of this firing is due, if it has one."""
        later = [
            last.available_at
            for last in self._last()
            if last.status is _S.QUEUED and last.available_at > now
        ]
        return min(later, default=None)

    def start(self, attempt: Attempt, batch: Batch) -> None:
        """The attempt has a slot: it is to be written RUNNING."""
        attempt.status = _S.RUNNING
        batch.starts.append((attempt.run_id or 0, self.firing_id))

    def end(
        self, end: RunEnd, batch: Batch, *, now: datetime, retryable: bool, share: float
    ) -> bool:
        """An attempt has ended; whether its job gets another one (see `after_failure`)."""
        attempt = self._attempt(end.run_id)
        attempt.status = end.status
        batch.ends.append(end)
        again = None
        if self.cancelled is None:
            again = self._next_attempt_at(attempt, now, retryable=retryable, share=share)
        if again is not None:
            self._add_attempt(attempt, again, batch)
        self._skip_blocked(now, batch)
        return again is not None

    def cancel(self, reason: Reason, now: datetime, batch: Batch) -> list[Attempt]:
        """End what has not started; what runs, and must be asked to stop, is returned."""
        self.cancelled = reason
        for last in self._last():
            if last.status is _S.QUEUED:
                self._end_queued(last, _S.CANCELLED, reason, now, batch)
        return self.running()

    def drop(self, now: datetime, batch: Batch) -> int:
        """Cancel the firing before anything of it is called; how many slots it had."""
        claimed_slots = self.cancel(Reason.REQUESTED, now, batch)
        for attempt in claimed_slots:
            end = RunEnd(
                run_id=attempt.run_id or 0,
                firing_id=self.firing_id,
                status=_S.CANCELLED,
                reason=Reason.REQUESTED.value,
                finished_at=now,
            )
            self.end(end, batch, now=now, retryable=False, share=0.0)
        return len(claimed_slots)

    def cancel_job(self, run_id: int, now: datetime, batch: Batch) -> Attempt | None:
        """The same for one job: ended here when it has not started, returned when it runs."""
        attempt = self._attempt(run_id)
        if attempt.status is _S.RUNNING:
            return attempt
        if attempt.status is _S.QUEUED:
            self._end_queued(attempt, _S.CANCELLED, Reason.REQUESTED, now, batch)
            self._skip_blocked(now, batch)
        return None

    def abandon(self, reason: Reason, now: datetime, batch: Batch) -> int:
        """What still runs is LOST, and goes on by policy; how many slots it had."""
        abandoned = self.running()
        for attempt in abandoned:
            end = RunEnd(
                run_id=attempt.run_id or 0,
                firing_id=self.firing_id,
                status=_S.LOST,
                reason=reason.value,
                finished_at=now,
            )
            self.end(end, batch, now=now, retryable=False, share=0.0)
        return len(abandoned)

    def ends_at(self) -> datetime | None:
        """When the firing is past its schedule's timeout; None when it has none."""
        started_at = self.claimed.firing.started_at
        if self.claimed.timeout is None or started_at is None:
            return None
        return started_at + self.claimed.timeout

    def leave(self, now: datetime, batch: Batch, *, draining: bool) -> bool:
        """End or hand back the firing if there is nothing left to do here; whether it went."""
        if self._has(_S.RUNNING):
            return False
        firing = self.claimed.firing
        status = ending(last.status for last in self._last())
        if status is not None:
            batch.firing_ends.append(FiringEnd(firing, status, self.cancelled))
            return True
        until = waits_until(self._standings(), now)
        if until is not None:
            batch.hand_backs.append(HandBack(firing, FiringStatus.WAITING, until))
            return True
        if draining:
            batch.hand_backs.append(HandBack(firing, FiringStatus.QUEUED, now))
            return True
        return False

    def written(self, job: str, number: int, run_id: int) -> None:
        """The new attempt has its row now."""
        for attempt in self.attempts[job]:
            if attempt.run.attempt == number:
                attempt.run_id = run_id

    def find(self, run_id: int) -> Attempt | None:
        """The attempt of this id, unless it had ended before the firing was claimed.

        A worker that was declared dead may claim its own firing again, while the attempt that it
        lost still runs: what that one says is not this claim's.
        """
        for attempts in self.attempts.values():
            for attempt in attempts:
                if attempt.run_id == run_id and attempt.run.status in LIVE_RUNS:
                    return attempt
        return None

    def _attempt(self, run_id: int) -> Attempt:
        found = self.find(run_id)
        if found is None:
            raise LookupError(f"job run {run_id} is not of firing {self.firing_id}")
        return found

    def _has(self, status: JobRunStatus) -> bool:
        """Whether a job's last attempt stands there; asked of every execution at every step."""
        return any(attempts[-1].status is status for attempts in self.attempts.values())

    def _last(self) -> list[Attempt]:
        return [attempts[-1] for attempts in self.attempts.values()]

    def _standings(self) -> list[Standing]:
        return [
            Standing(
                PlannedJob(last.run.job_name, last.run.depends_on), last.status, last.available_at
            )
            for last in self._last()
        ]

    def _next_attempt_at(
        self, attempt: Attempt, now: datetime, *, retryable: bool, share: float
    ) -> datetime | None:
        definition = self.definition(attempt.run.job_name)
        earlier = [one.status for one in self.attempts[attempt.run.job_name]]
        if attempt.status is _S.LOST:
            return now if after_loss(definition, earlier) else None
        if attempt.status is not _S.FAILED:
            return None
        delay = after_failure(definition, earlier, retryable=retryable, share=share)
        return None if delay is None else now + delay

    def _add_attempt(self, attempt: Attempt, available_at: datetime, batch: Batch) -> None:
        run, firing = attempt.run, self.claimed.firing
        number = run.attempt + 1
        batch.attempts.append(
            NewRun(
                firing_id=firing.id,
                schedule_id=firing.schedule_id,
                job=PlannedJob(run.job_name, run.depends_on),
                attempt=number,
                status=_S.QUEUED,
                trigger=firing.trigger,
                scheduled_for=firing.scheduled_for,
                available_at=available_at,
                params=run.params,
                worker_id=self.worker_id,
            )
        )
        successor = _successor(run, number)
        self.attempts[run.job_name].append(Attempt(successor, None, _S.QUEUED, available_at))

    def _skip_blocked(self, now: datetime, batch: Batch) -> None:
        if not self._has(_S.QUEUED):
            return
        blockers = skipped_by(self._standings())
        for last in self._last():
            blocker = blockers.get(last.run.job_name)
            if blocker is not None:
                self._end_queued(last, _S.SKIPPED, f"{Reason.DEPENDENCY}: {blocker}", now, batch)

    def _end_queued(
        self, attempt: Attempt, status: JobRunStatus, reason: str, now: datetime, batch: Batch
    ) -> None:
        if attempt.run_id is None:  # a retry that is not even written: it is not made
            self._forget(attempt, batch)
            return
        attempt.status = status
        batch.ends.append(
            RunEnd(
                run_id=attempt.run_id,
                firing_id=self.firing_id,
                status=status,
                reason=str(reason),
                finished_at=now,
                was=_S.QUEUED,
            )
        )

    def _forget(self, attempt: Attempt, batch: Batch) -> None:
        self.attempts[attempt.run.job_name].remove(attempt)
        batch.attempts = [
            new
            for new in batch.attempts
            if (new.firing_id, new.job.name) != (self.firing_id, attempt.run.job_name)
        ]


def _successor(run: JobRun, number: int) -> JobRun:
    return replace(
        run, id=0, attempt=number, status=_S.QUEUED, reason=None, started_at=None, finished_at=None
    )
