"""An operator in a process of its own: "Run now", again and again, at moments of no pattern."""

import random
import time

from benchmarks.contenders.protocol import read_plan, report, wait_for_go
from jobsched import Scheduler


def main() -> None:
    """Trigger one schedule after another, and say when each was asked for."""
    plan = read_plan()
    scheduler = Scheduler(plan.url)
    scheduler.status()  # connects
    wait_for_go()
    random.seed(plan.seed)
    asked = []
    for number in range(plan.times):
        time.sleep(random.uniform(*plan.gap_s))
        moment = time.time()
        asked.append((scheduler.trigger(f"s{number % plan.count}").id, moment))
    report(asked=asked)
    scheduler.close()


if __name__ == "__main__":
    main()
