"""A bare process that has imported the same modules: how much memory that takes."""

import importlib

from benchmarks.contenders.protocol import read_plan, report, wait_for_go
from benchmarks.programs.host import resident


def main() -> None:
    """Import what the plan names."""
    plan = read_plan()
    for name in plan.modules:
        importlib.import_module(name)
    wait_for_go()
    report(rss=resident())


if __name__ == "__main__":
    main()
