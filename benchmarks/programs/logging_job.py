"""A job that logs 10,000 lines a second, inside jobsched and outside; or one that does not end."""

import logging
import time
from collections.abc import Callable

from benchmarks.contenders.protocol import Plan, read_plan, report, until_all, wait_for_go
from benchmarks.programs.host import peak
from jobsched import JobContext, Registry, Scheduler

RATE = 10_000
STEP = 100
"""Lines at a time; then it waits for its next hundredth of a second."""


def main() -> None:
    """Do as the plan says: `steady`, the same job `plain`, or `flood`."""
    plan = read_plan()
    if plan.task == "plain":
        logger = logging.getLogger("plain")
        logger.setLevel(logging.INFO)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
        wait_for_go()
        report(seconds=paced(plan.lines, logger.info))
        return
    run(plan)


def paced(lines: int, log: Callable[..., None]) -> float:
    """Log so many lines at the rate; how long that took."""
    began = time.perf_counter()
    for number in range(0, lines, STEP):
        for line in range(number, number + STEP):
            log("line %d of something that goes on", line)
        time.sleep(max(0.0, began + (number + STEP) / RATE - time.perf_counter()))
    return time.perf_counter() - began


def flood(seconds: float, log: Callable[..., None]) -> int:
    """Log as fast as it goes for so long; how many lines."""
    end, number = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        log("line %d of something without end", number)
        number += 1
    return number


def run(plan: Plan) -> None:
    """As a job, in a daemon as shipped."""
    registry = Registry()
    took: list[float] = []

    @registry.job("logs")
    def logs(ctx: JobContext) -> None:
        if plan.task == "steady":
            took.append(paced(plan.lines, ctx.log.info))
        else:
            took.append(float(flood(plan.seconds, ctx.log.info)))

    scheduler = Scheduler(plan.url, registry=registry)
    scheduler.start()
    wait_for_go()
    firing = scheduler.enqueue("logs")
    until_all(lambda: len(took), 1)
    until_all(lambda: int(scheduler.firing(firing.id).status == "SUCCESS"), 1)
    ended = scheduler.firing(firing.id)
    report(took=took[0], firing=firing.id, status=str(ended.status), peak=peak())
    scheduler.close(grace=5)


if __name__ == "__main__":
    main()
