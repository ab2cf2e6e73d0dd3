"""The runner: walks the plans of claimed firings, and is the only one to change their state.

Everything that happens to a job run reaches it as a message: it ended, it logged, it is to be
cancelled. A step takes all messages there are, changes the executions, writes the changes in one
transaction, and only then acts on them (a job run is RUNNING in the database before its first
instruction). One thread steps; `tick()` steps in the caller's thread.
"""

import logging
import math
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from jobsched.clock import Clock
from jobsched.context import CancelSignal
from jobsched.daemon import outcomes
from jobsched.daemon.batches import Batches
from jobsched.daemon.capture import RunIdentity
from jobsched.daemon.contexts import context_for
from jobsched.daemon.events import emit
from jobsched.daemon.execution import Attempt, Execution
from jobsched.daemon.inbox import CancelRequest, Inbox
from jobsched.daemon.launch import Launch, Launcher, Outcome
from jobsched.daemon.recorder import GaveUpError, Recorder
from jobsched.daemon.slots import Slots
from jobsched.failpoints import failpoint
from jobsched.model import JobRunStatus, OnLost, Reason
from jobsched.registry import Job
from jobsched.store.batch import Batch, LogRecord, Recorded, RunNote
from jobsched.store.claim import Claimed
from jobsched.store.database import Database

logger = logging.getLogger("jobsched.daemon")
LONGEST_WAIT_S = 5.0
IDLE_WAIT_S = 30.0
"""The same with nothing to run: whatever is said to it wakes it, but for a thread's late lines."""
GATHER_S = 0.001
"""Of several job runs the ends wait so long for each other, to be written together."""
FLUSH_INTERVAL_S = 0.25
"""Log lines and progress wait this long for company, unless a job run starts or ends."""


class Runner:
    """Runs claimed firings in its slots."""

    def __init__(
        self,
        database: Database,
        jobs: Mapping[str, Job],
        launcher: Launcher,
        recorder: Recorder,
        slots: Slots,
        clock: Clock,
    ) -> None:
        """Set the callbacks before it runs.

        `on_slot_free` is called when there is room for another firing, `on_ends` before that, when
        the ends that make room are still to be written; `on_left` with the ids of firings that
        this worker no longer has; `may_start` can say no to new job runs, `may_begin` to what a
        registration has claimed.
        """
        self._database = database
        self._jobs = jobs
        self._launcher = launcher
        self._recorder = recorder
        self._clock = clock
        self.slots = slots
        self.on_slot_free: Callable[[], None] = lambda: None
        self.on_ends: Callable[[], None] = lambda: None
        self.on_left: Callable[[list[int]], None] = lambda firing_ids: None
        self.may_start: Callable[[], bool] = lambda: True
        self.may_begin: Callable[[str], bool] = lambda worker_id: True
        self._executions: dict[int, Execution] = {}
        self._launches: dict[int, Launch] = {}
        self._inbox = Inbox()
        self._notes: list[LogRecord | RunNote] = []
        self._draining = False
        self._starved = False
        self.idle = threading.Event()
        self.idle.set()

    # What others say to it, from any thread

    def adopt(self, claimed: Sequence[Claimed]) -> None:
        """Run firings that were claimed; slots for their RUNNING job runs were taken before."""
        self._inbox.post_all(claimed)
        self.idle.clear()
        self._inbox.arrived.set()  # if it has ended already, the next step says idle again

    def cancel(self, request: CancelRequest) -> None:
        """Pass on an operator's request."""
        self._inbox.post(request)

    def drain(self) -> None:
        """Start nothing any more; hand back what has not started."""
        self._draining = True
        self._inbox.arrived.set()

    def wake(self) -> None:
        """Let the loop look at once."""
        self._inbox.arrived.set()

    def slots_are_back(self) -> None:
        """Slots that a claim had reserved are free again: what found none looks once more."""
        if self._starved:
            self.wake()

    def abandon(self) -> None:
        """Write down as LOST, reason shutdown, whatever still runs: the process ends now."""
        self._inbox.post(Reason.SHUTDOWN)

    def running_ids(self) -> tuple[list[int], list[int]]:
        """The firings it has, and the job runs that execute."""
        return list(self._executions), list(self._launches)

    # The loop's side

    def run(self, stop: threading.Event) -> None:
        """Step until `stop` is set and nothing is left, or the recorder gives up."""
        while not (stop.is_set() and self.idle.is_set() and not self._inbox):
            self._clock.wait(self._inbox.arrived, self._next_wake())
            if len(self._launches) > 1:
                self._clock.wait(stop, GATHER_S)
            self._inbox.arrived.clear()
            try:
                self.step()
            except GaveUpError:
                return
            except Exception:  # a fault of ours must not silence every job of this worker
                logger.exception("the runner failed; it goes on")
                self._clock.wait(stop, 1.0)

    def step(self) -> None:
        """Take every message, write what follows from them, and act on it."""
        batches = Batches()
        now = self._database.time.now()
        for message in self._inbox.take():
            self._handle_apart(message, batches, now)
        if not self.may_start():
            self.ask_reruns_to_stop()  # self-fencing: others may take them
        self._check_timeouts(batches, now)
        started = self._start_ready(batches, now)
        notes, self._notes = self._notes, []
        batches.add_notes(notes, self._executions)
        self._leave(batches, now)
        freed = any(batch.ends for batch in batches.values())
        if freed:
            self.on_ends()
        failed: Exception | None = None
        others_wait = False
        for batch in filter(None, batches.values()):
            try:
                recorded = self._recorder.write(batch)
            except GaveUpError:
                raise
            except Exception as error:  # the batches of other registrations must be written
                failed = error
                continue
            others_wait = others_wait or recorded.others_wait
            self._written(batch, recorded, started)
        self._say_whether_idle()
        if failed is not None:
            raise failed
        if freed and others_wait and self.slots.free and not self._draining:
            self.on_slot_free()

    def _say_whether_idle(self) -> None:
        if self._executions:
            self.idle.clear()
            return
        self.idle.set()
        if self._inbox:  # a firing came in between: whoever waits must not miss it
            self.idle.clear()

    def _next_wake(self) -> float:
        """Seconds until a step is needed: notes want to be flushed while something runs."""
        if not self._executions:
            return IDLE_WAIT_S
        return min(self.next_event_s(), FLUSH_INTERVAL_S if self._launches else LONGEST_WAIT_S)

    def next_event_s(self) -> float:
        """Seconds until a retry is due or a timeout passes; infinity when there is none."""
        now, instant = self._database.time.now(), self._clock.monotonic()
        waits = [math.inf]
        for execution in self._executions.values():
            ends_at = execution.ends_at() if execution.cancelled is None else None
            times = (execution.next_available_at(now), ends_at)
            waits.extend((at - now).total_seconds() for at in times if at is not None)
        waits.extend(
            launch.deadline - instant
            for launch in self._launches.values()
            if launch.deadline is not None and not launch.overran
        )
        return max(0.0, min(waits))

    def _handle_apart(self, message: Any, batches: Batches, now: datetime) -> None:
        """A message that fails must not take the others with it."""
        try:
            self._handle(message, batches, now)
        except Exception:
            logger.exception("a message to the runner failed: %r", message)

    def _handle(self, message: Any, batches: Batches, now: datetime) -> None:
        match message:
            case LogRecord():
                launch = self._launches.get(message.run_id)
                kept = message if launch is None else launch.kept(message)
                self._notes.extend([] if kept is None else [kept])
            case RunNote():
                self._notes.append(message)
            case Outcome():
                self._ended(message, batches, now)
            case Claimed():
                self._adopt(message, batches, now)
            case CancelRequest():
                self._cancel(message, batches, now)
            case Reason():
                self._abandon(batches, now)

    def _adopt(self, claimed: Claimed, batches: Batches, now: datetime) -> None:
        execution = Execution(claimed)
        self._executions[execution.firing_id] = execution
        firing = claimed.firing
        if not self.may_begin(execution.worker_id):  # it waited here until others may have it
            self.slots.give(execution.abandon(Reason.WORKER_LOST, now, batches.of(execution)))
            return
        outcomes.say_firing_started(claimed)
        if firing.cancel_requested_at is not None:  # its last worker left it without seeing that
            self.slots.give(execution.drop(now, batches.of(execution)))
        for attempt in execution.running():
            self._launch(execution, attempt)

    def _start_ready(self, batches: Batches, now: datetime) -> list[tuple[Execution, Attempt]]:
        started: list[tuple[Execution, Attempt]] = []
        self._starved = False
        if self._draining or not self.may_start():
            return started
        for execution in self._executions.values():
            for attempt in execution.startable(now):
                if not self.slots.take(1):
                    self._starved = True
                    return started
                execution.start(attempt, batches.of(execution))
                started.append((execution, attempt))
        return started

    def _leave(self, batches: Batches, now: datetime) -> None:
        for execution in list(self._executions.values()):
            if execution.leave(now, batches.of(execution), draining=self._draining):
                del self._executions[execution.firing_id]

    def _written(
        self, batch: Batch, recorded: Recorded, started: list[tuple[Execution, Attempt]]
    ) -> None:
        gone = [firing_id for firing_id in recorded.fenced if self._fence(firing_id, batch)]
        self.on_left([firing.id for firing in batch.leaving()] + gone)
        for execution, attempt in started:
            if execution.worker_id == batch.worker_id:
                if execution.firing_id in recorded.fenced:
                    self.slots.give(1)
                else:
                    self._launch(execution, attempt)
        for (firing_id, job, number), attempt_id in recorded.attempt_ids.items():
            if (found := self._executions.get(firing_id)) is not None:
                found.written(job, number, attempt_id)
        for end in batch.firing_ends:  # said when it can be seen in the database
            if end.firing.id not in recorded.fenced:
                outcomes.say_firing_ended(end, recorded.at)

    def _fence(self, firing_id: int, batch: Batch) -> bool:
        """A claim is lost: others go on with the firing, and nothing of it is written.

        False when this worker has claimed the firing anew meanwhile: that claim stands.
        """
        emit(
            "fenced",
            f"firing {firing_id} is no longer this worker's: what it did is not written",
            level=logging.WARNING,
            firing_id=firing_id,
        )
        execution = self._executions.get(firing_id)
        if execution is not None and execution.worker_id != batch.worker_id:
            return False
        self._executions.pop(firing_id, None)
        for launch in self._launches.values():
            if launch.identity.firing_id == firing_id:
                self._ask_to_stop(launch, Reason.WORKER_LOST)
        return True

    # Job runs

    def _launch(self, execution: Execution, attempt: Attempt) -> None:
        firing, run = execution.claimed.firing, attempt.run
        run_id = attempt.run_id or 0
        job = self._jobs[run.job_name]
        signal = CancelSignal()
        identity = RunIdentity(run_id, firing.id, self._inbox.post, self._database.time.now)
        instant = self._clock.monotonic()
        launch = Launch(
            job=job,
            context=context_for(firing, run, identity, signal, self._database),
            signal=signal,
            identity=identity,
            started=instant,
            deadline=None if job.timeout is None else instant + job.timeout.total_seconds(),
        )
        self._launches[run_id] = launch
        outcomes.say_run_started(launch, run)
        failpoint("run.before")
        self._launcher.launch(launch, self._inbox.post)

    def _ended(self, outcome: Outcome, batches: Batches, now: datetime) -> None:
        launch = outcome.launch
        run_id = launch.identity.run_id
        if self._launches.pop(run_id, None) is None:
            return  # said twice: a pool that failed to start it has run it after all
        self.slots.give(1)
        failpoint("run.after")
        execution = self._executions.get(launch.identity.firing_id)
        if execution is None or execution.find(run_id) is None:
            return  # fenced, or abandoned: the row says what others made of it
        took = self._clock.monotonic() - launch.started
        end, retryable = outcomes.judge(outcome, now, timedelta(seconds=took))
        if end.status is JobRunStatus.SUCCESS and end.reason is not None:
            self._say(launch, end.reason)
            end = outcomes.without_reason(end)
        batch = batches.of(execution)
        again = execution.end(end, batch, now=now, retryable=retryable, share=random.random())
        outcomes.say_run_ended(launch, end, again)

    def _say(self, launch: Launch, message: str) -> None:
        identity = launch.identity
        self._notes.append(
            LogRecord(identity.run_id, identity.firing_id, "WARNING", message, identity.now())
        )

    def _check_timeouts(self, batches: Batches, now: datetime) -> None:
        instant = self._clock.monotonic()
        for launch in self._launches.values():
            if launch.deadline is not None and instant >= launch.deadline:
                self._overran(launch)
        for execution in self._executions.values():
            ends_at = execution.ends_at()
            if ends_at is not None and now >= ends_at and execution.cancelled is None:
                batch = batches.of(execution)
                for attempt in execution.cancel(Reason.TIMEOUT, now, batch):
                    self._overran(self._launches.get(attempt.run_id or 0))

    def _overran(self, launch: Launch | None) -> None:
        if launch is not None and not launch.overran:
            launch.overran = True
            self._ask_to_stop(launch, Reason.TIMEOUT)

    def _cancel(self, request: CancelRequest, batches: Batches, now: datetime) -> None:
        execution = self._executions.get(request.firing_id)
        if execution is None or (request.run_id is None and execution.cancelled is not None):
            return
        batch = batches.of(execution)
        if request.run_id is None:
            running = execution.cancel(request.reason, now, batch)
        elif execution.find(request.run_id) is None:
            return
        else:
            attempt = execution.cancel_job(request.run_id, now, batch)
            running = [attempt] if attempt is not None else []
        for attempt in running:
            launch = self._launches.get(attempt.run_id or 0)
            if launch is not None and not launch.signal.is_set_quietly():
                self._ask_to_stop(launch, request.reason)

    def _ask_to_stop(self, launch: Launch, reason: Reason) -> None:
        launch.signal.set(reason)
        if launch.stop is not None:
            launch.stop()
        elif reason in (Reason.TIMEOUT, Reason.REQUESTED, Reason.SUPERSEDED):
            # A thread can only be asked: until it ends it is shown as running, and why.
            identity = launch.identity
            self._notes.append(RunNote(identity.run_id, identity.firing_id, reason=str(reason)))

    def ask_reruns_to_stop(self) -> None:
        """Self-fencing: what may run again elsewhere is asked to stop; the rest goes on."""
        for launch in list(self._launches.values()):
            if launch.job.on_lost is OnLost.RERUN:
                self._ask_to_stop(launch, Reason.WORKER_LOST)

    def end_jobs(self) -> bool:
        """The grace is over: cancel async jobs, kill processes; whether no thread is left."""
        launches = list(self._launches.values())
        for launch in launches:
            launch.signal.set(Reason.SHUTDOWN)
            if (end := launch.kill or launch.stop) is not None:
                end()
        return all(launch.kill or launch.stop for launch in launches)

    def _abandon(self, batches: Batches, now: datetime) -> None:
        for execution in self._executions.values():
            execution.abandon(Reason.SHUTDOWN, now, batches.of(execution))
