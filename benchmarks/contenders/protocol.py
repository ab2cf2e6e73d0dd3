"""What a contender and the harness say to one another. Standard library only.

The plan comes as a JSON argument. The contender prepares, prints `ready`, waits for a line on
its stdin, does its work, counts in its own store what was recorded, and prints one JSON line.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

POLL_S = 0.005
LIMIT_S = 120.0
"""How long everything may take before the contender reports what there is."""


class Plan(dict[str, Any]):
    """The harness's wishes, as attributes."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


def read_plan() -> Plan:
    """The plan that this process was started with; its imports are done.

    Where it has a margin and no moment, all is due at the first whole second after the margin.
    """
    plan = Plan(json.loads(sys.argv[1]))
    if "margin" in plan:
        plan.setdefault("due", int(time.time() + plan.margin) + 1)
    return plan


def wait_for_go() -> None:
    """Say that all is prepared, and wait."""
    print("ready", flush=True)
    if not sys.stdin.readline():
        sys.exit("the harness is gone")


def report(**result: Any) -> None:
    """Say how it went."""
    print(json.dumps(result), flush=True)


class Calls:
    """When the jobs were called; safe between threads."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __len__(self) -> int:
        return len(self.times)

    def add(self) -> None:
        """A job was called just now."""
        self.times.append(time.time())


def refuse_late(due: float) -> None:
    """Raise unless there is time left before the moment at which all is due."""
    if time.time() > due - 0.2:
        raise SystemExit(
            f"preparing took {time.time() - due:.1f} s too long; a longer margin helps"
        )


def wait_until(moment: float) -> None:
    """Sleep until a moment of the wall clock."""
    time.sleep(max(0.0, moment - time.time()))


def until_all(count: Callable[[], int], wanted: int, limit_s: float = LIMIT_S) -> tuple[int, float]:
    """Ask `count` until it is `wanted`; what it was last, and when (wall clock)."""
    end = time.time() + limit_s
    while True:
        found, now = count(), time.time()
        if found >= wanted or now > end:
            return found, now
        time.sleep(POLL_S)


def until_recorded(
    calls: Calls, count: Callable[[], int], wanted: int, limit_s: float = LIMIT_S
) -> tuple[int, float]:
    """The same, without disturbing the store before so many calls were made."""
    end = time.time() + limit_s
    while len(calls) < wanted and time.time() < end:
        time.sleep(POLL_S)
    return until_all(count, wanted, max(1.0, end - time.time()))


def on_stop(act: Callable[[], None]) -> None:
    """Call it when the harness closes our stdin or writes a line."""

    def wait() -> None:
        sys.stdin.readline()
        act()

    threading.Thread(target=wait, daemon=True).start()


def lateness(times: list[float], since: float, until: float) -> list[float]:
    """Milliseconds after the whole second, of calls that belong to seconds in the interval."""
    return [1000 * (t % 1.0) for t in times if since <= t < until]
