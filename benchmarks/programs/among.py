"""Ten schedules that are due every five seconds, among many of which none is."""

import time
from collections import defaultdict
from datetime import UTC, datetime

from benchmarks.contenders.protocol import read_plan, report, until_all, wait_for_go, wait_until
from benchmarks.programs.host import peak
from jobsched import JobContext, Registry, Schedule, Scheduler

FAR = datetime(2100, 1, 1, tzinfo=UTC)
EVERY_S = 5
DUE = 10
LATEST_S = 30.0
"""A call that has not begun so long after its occurrence is lost."""
TWICE_S = 2.0
"""How long after the last occurrence it is looked whether one begins again."""


def main() -> None:
    """Start with all of them declared; how long that took, and how late the tenth began."""
    plan = read_plan()
    registry = Registry()
    begun: dict[float, list[float]] = defaultdict(list)

    @registry.job("noop")
    def noop(ctx: JobContext) -> None:
        begun[ctx.scheduled_for.timestamp()].append(time.time())

    schedules = [
        Schedule(id=f"due{number}", every=EVERY_S, jobs=["noop"], enabled=True)
        for number in range(DUE)
    ]
    schedules += [
        Schedule(id=f"s{number}", every=86_400, start=FAR, jobs=["noop"], enabled=True)
        for number in range(plan.count - DUE)
    ]
    scheduler = Scheduler(plan.url, schedules=schedules, registry=registry)
    if plan.task == "declare":
        scheduler.sync()
        wait_for_go()
        report()
        return
    wait_for_go()
    began = time.time()
    scheduler.start()
    started = time.time()
    first = (int(started + 1.5) // EVERY_S + 1) * EVERY_S
    occurrences = [first + EVERY_S * number for number in range(plan.occurrences)]
    wanted = DUE * len(occurrences)
    wait_until(occurrences[-1])
    until_all(lambda: sum(min(DUE, len(begun[one])) for one in occurrences), wanted, LATEST_S)
    wait_until(occurrences[-1] + TWICE_S)
    tenths = [sorted(begun[one])[DUE - 1] - one for one in occurrences if len(begun[one]) == DUE]
    report(
        start_s=started - began,
        tenth_ms=[1000 * one for one in tenths],
        lost=wanted - sum(min(DUE, len(begun[one])) for one in occurrences),
        twice=sum(max(0, len(begun[one]) - DUE) for one in occurrences),
        peak=peak(),
    )
    scheduler.close(grace=5)


if __name__ == "__main__":
    main()
