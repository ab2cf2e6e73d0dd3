"""Daemons without threads, for a simulation: they act when they are told to, and can be killed."""

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

from jobsched.context import JobContext
from jobsched.daemon.daemon import Daemon
from jobsched.daemon.launch import Done, Launch, Launcher, Outcome
from jobsched.fixed import fixed
from jobsched.scheduler import Scheduler
from jobsched.testing.clock import FakeClock


@fixed
class Work:
    """What jobs do in a simulation."""

    duration: Callable[[JobContext], timedelta]
    """How long a job run takes; it may raise what the job would raise."""
    run_jobs: bool = False
    """Whether the jobs' functions are called as well."""


class VirtualLauncher(Launcher):
    """Job runs that end when the clock says so."""

    def __init__(self, clock: FakeClock, work: Work) -> None:
        super().__init__({}, None, inline=True)
        self._clock = clock
        self._work = work
        self._running: list[tuple[datetime, int, Done, Outcome]] = []
        self._order = count()

    def launch(self, launch: Launch, done: Done) -> None:
        """Call the job now, if jobs are called at all, and let the run end later."""
        called: list[Outcome] = []
        if self._work.run_jobs:
            super().launch(launch, called.append)
        outcome = called[0] if called else Outcome(launch)
        ends_at = self._clock.now()
        try:
            ends_at += self._work.duration(launch.context)
        except Exception as error:  # the simulated failure
            outcome = Outcome(launch, error=error)
        heapq.heappush(self._running, (ends_at, next(self._order), done, outcome))
        launch.stop = lambda: self._stop(launch)

    def next_end(self) -> datetime | None:
        """When the next job run ends."""
        return self._running[0][0] if self._running else None

    def end_due(self) -> bool:
        """End the job runs whose time has come; whether there were any."""
        ended = False
        while self._running and self._running[0][0] <= self._clock.now():
            _, _, done, outcome = heapq.heappop(self._running)
            done(outcome)
            ended = True
        return ended

    def _stop(self, launch: Launch) -> None:
        """A job that is asked to stop does so at once."""
        now, stopped = self._clock.now(), InterruptedError("asked to stop")
        self._running = [
            (now, order, done, Outcome(launch, error=stopped))
            if outcome.launch is launch
            else (ends_at, order, done, outcome)
            for ends_at, order, done, outcome in self._running
        ]
        heapq.heapify(self._running)


class Node:
    """One daemon of a simulation."""

    def __init__(
        self,
        scheduler: Scheduler,
        clock: FakeClock,
        make_launcher: Callable[[], VirtualLauncher],
    ) -> None:
        self._scheduler = scheduler
        self._clock = clock
        self._make_launcher = make_launcher
        self._daemon: Daemon | None = None
        self._launcher = make_launcher()
        self._frozen = False
        self._due: dict[str, datetime] = {}

    def live(self) -> None:
        """Start, if it is not running, and go on, if it stands still."""
        self._frozen = False
        if self._daemon is None:
            self._launcher = self._make_launcher()
            self._daemon = self._scheduler.make_daemon(self._launcher)
            self._daemon.runner.on_slot_free = self._hurry
            self._daemon.recovery.on_recovered = self._hurry
            self._due = dict.fromkeys(("beat", "firing", "recovery"), self._clock.now())

    def freeze(self) -> None:
        """Stand still; time goes on without it."""
        self._frozen = True

    def kill(self) -> None:
        """Die without a word, with everything that it runs."""
        if self._daemon is not None:
            self._daemon.forget()
            self._daemon = None

    def next_event(self) -> datetime | None:
        """When it wants to act next; None while it is away."""
        if self._daemon is None or self._frozen:
            return None
        times = list(self._due.values())
        if (ends_at := self._launcher.next_end()) is not None:
            times.append(ends_at)
        in_s = self._daemon.runner.next_event_s()
        if in_s < timedelta(days=365 * 100).total_seconds():
            times.append(self._clock.now() + timedelta(seconds=in_s))
        return max(self._clock.now(), min(times))

    def act(self) -> None:
        """Do everything that is due now."""
        daemon = self._daemon
        if daemon is None or self._frozen:
            return
        if self._is_due("beat"):
            daemon.heart.beat()
            if daemon.heart.lost.is_set():
                daemon.register_anew()
            self._again("beat", self._scheduler.settings.heartbeat_interval)
        if self._is_due("recovery"):
            self._again("recovery", daemon.recovery.run_once())
        self._step(daemon)
        while self._is_due("firing"):
            delay = daemon.firing.run_once()
            self._again("firing", delay)
            self._step(daemon)

    def _step(self, daemon: Daemon) -> None:
        """Everything that follows from what has ended and from what was claimed."""
        daemon.runner.step()
        while self._launcher.end_due():
            daemon.runner.step()

    def _is_due(self, what: str) -> bool:
        return self._due[what] <= self._clock.now()

    def _again(self, what: str, delay: timedelta) -> None:
        self._due[what] = self._clock.now() + delay

    def _hurry(self) -> None:
        self._due["firing"] = self._clock.now()
