"""The real planning, store and runner under a virtual clock: a year of schedules in seconds.

Nothing is replaced but time, the threads and, unless asked otherwise, the jobs' own work: the same
transactions run on an in-memory SQLite database, and time jumps from one event to the next.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Literal

from jobsched.context import JobContext
from jobsched.daemon.events import logger as daemon_log
from jobsched.declarations import Schedule
from jobsched.errors import ConfigurationError
from jobsched.fixed import fixed
from jobsched.model import Firing, FiringStatus
from jobsched.registry import Registry, default_registry
from jobsched.scheduler import Scheduler
from jobsched.settings import Settings
from jobsched.store import history
from jobsched.testing.clock import FakeClock
from jobsched.testing.nodes import Node, VirtualLauncher, Work

Duration = timedelta | Callable[[JobContext], timedelta]


@fixed
class Outage:
    """A node, or all of them (None), is away from `start` to `end` (aware).

    `killed`: the process dies with what it runs, and a new one starts at `end`. `frozen`: it
    stands still, as a suspended machine does, and goes on at `end` as if nothing had happened.
    """

    start: datetime
    end: datetime
    node: int | None = None
    kind: Literal["killed", "frozen"] = "killed"


@fixed
class Simulation:
    """What happened: every firing in the order of their ids, with its job runs."""

    firings: tuple[Firing, ...]

    def of(self, schedule_id: str) -> list[Firing]:
        """The schedule's firings, skipped ones included."""
        return [one for one in self.firings if one.schedule_id == schedule_id]

    def fired(self, schedule_id: str) -> list[datetime]:
        """The occurrences that became firings and started (aware, UTC)."""
        return [one.scheduled_for for one in self.of(schedule_id) if one.started_at is not None]

    def started(self, schedule_id: str) -> list[datetime]:
        """When those firings started."""
        return [one.started_at for one in self.of(schedule_id) if one.started_at is not None]

    def skipped(self, schedule_id: str) -> list[Firing]:
        """What did not run; `reason`, `missed_count` and `missed_from` say why and how much."""
        return [one for one in self.of(schedule_id) if one.status is FiringStatus.SKIPPED]


def simulate(
    schedules: Sequence[Schedule],
    start: datetime,
    end: datetime,
    *,
    registry: Registry | None = None,
    outages: Iterable[Outage | tuple[datetime, datetime]] = (),
    nodes: int = 1,
    duration: Duration = timedelta(0),
    run_jobs: bool = False,
    settings: Settings | None = None,
) -> Simulation:
    """Run the schedules from `start` to `end` (aware) and tell what happened.

    Every schedule is enabled. Jobs take `duration` (or what the callable says for each job run,
    which may raise what the job would raise); with `run_jobs` their functions are called as well,
    at their virtual start. Without `registry` the default one is used, and jobs or groups that it
    lacks are made up, so that schedules can be looked at without their jobs. A pair of datetimes
    among the `outages` is one in which every node is killed.

    Log messages of the daemon are not shown. Raises DeclarationError as `Scheduler.sync` does,
    and ConfigurationError for times that are naive or in the wrong order.
    """
    _check_times(start, end)
    wanted = [one if isinstance(one, Outage) else Outage(*one) for one in outages]
    for one in wanted:
        _check_times(one.start, one.end)
    clock = FakeClock(start)
    work = Work(duration if callable(duration) else lambda ctx: duration, run_jobs=run_jobs)
    scheduler = Scheduler(
        "sqlite://",
        registry=_with_stand_ins(registry or default_registry, schedules),
        settings=settings or _settings(nodes, wanted),
        schedules=[one.model_copy(update={"enabled": True}) for one in schedules],
        clock=clock,
    )
    with _quiet():
        World(scheduler, clock, work, nodes, wanted).run_until(end)
        try:
            return Simulation(tuple(_all_firings(scheduler)))
        finally:
            scheduler.close()


class World:
    """The nodes on one database, and the time that they share."""

    def __init__(
        self,
        scheduler: Scheduler,
        clock: FakeClock,
        work: Work,
        nodes: int,
        outages: Sequence[Outage] = (),
    ) -> None:
        """Node numbers begin at 0; all of them start now, unless an outage begins now."""
        if nodes < 1:
            raise ConfigurationError(f"nodes={nodes}: a simulation needs at least one")
        self._clock = clock
        self._outages = outages
        self._nodes = [
            Node(scheduler, clock, lambda: VirtualLauncher(clock, work)) for _ in range(nodes)
        ]
        scheduler.sync()

    def run_until(self, end: datetime) -> None:
        """Let time pass up to `end`, inclusive."""
        while self.step(end):
            pass
        if self._clock.now() < end:
            self._clock.move_to(end)

    def step(self, end: datetime) -> bool:
        """Do what is due now and go on to the next event; False when none comes up to `end`."""
        self._apply_outages()
        for node in self._nodes:
            node.act()
        following = self._next_event()
        if following is None or following > end:
            return False
        self._clock.move_to(following)
        return True

    def _next_event(self) -> datetime | None:
        now = self._clock.now()
        times = [at for node in self._nodes if (at := node.next_event()) is not None]
        times += [at for one in self._outages for at in (one.start, one.end) if at > now]
        return min(times, default=None)

    def _apply_outages(self) -> None:
        now = self._clock.now()
        for number, node in enumerate(self._nodes):
            away = [
                one.kind
                for one in self._outages
                if one.node in (None, number) and one.start <= now < one.end
            ]
            if "killed" in away:
                node.kill()
            elif "frozen" in away:
                node.freeze()
            else:
                node.live()


def _check_times(start: datetime, end: datetime) -> None:
    for name, value in (("start", start), ("end", end)):
        if value.tzinfo is None:
            raise ConfigurationError(f"simulate({name}={value!r}) is naive; give it tzinfo=UTC")
    if end < start:
        raise ConfigurationError(f"simulate: end={end!r} is before start={start!r}")


def _settings(nodes: int, outages: Sequence[Outage]) -> Settings:
    """With one node and no outage nobody has to beat or to look: time jumps from due to due."""
    if nodes == 1 and not outages:
        day = timedelta(days=1)
        return Settings(poll_interval=day, heartbeat_interval=day, lock_timeout=3 * day)
    return Settings()


def _with_stand_ins(registry: Registry, schedules: Sequence[Schedule]) -> Registry:
    """The registry, with jobs that do nothing where a schedule would find none."""
    together = Registry()
    for one in registry:
        together.add(one)
    groups = {one.group for one in registry}
    for schedule in schedules:
        for name in schedule.jobs or ():
            if name not in together.jobs:
                together.job(name)(_nothing)
        if schedule.group is not None and schedule.group not in groups:
            groups.add(schedule.group)
            together.job(f"a job of {schedule.group}", group=schedule.group)(_nothing)
    if not together.jobs:
        together.job("a job")(_nothing)
    return together


def _nothing() -> None:
    """A job that is not there."""


def _all_firings(scheduler: Scheduler) -> Iterator[Firing]:
    found = scheduler.database.query(lambda tx: history.listed(tx, scheduler.app, limit=10_000_000))
    return reversed(found)


@contextmanager
def _quiet() -> Iterator[None]:
    before = daemon_log.level
    daemon_log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        daemon_log.setLevel(before)
