"""How long an import takes in a fresh process."""

import importlib
import time

from benchmarks.contenders.protocol import read_plan, report, wait_for_go


def main() -> None:
    """Import the plan's modules, by the clock."""
    plan = read_plan()
    wait_for_go()
    began = time.perf_counter()
    for name in plan.modules:
        importlib.import_module(name)
    report(seconds=time.perf_counter() - began)


if __name__ == "__main__":
    main()
