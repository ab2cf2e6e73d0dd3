"""1, 2 and 4 daemons on one database, 2,000 due at once: speed, shares, duplicates."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from benchmarks import servers
from benchmarks.contest import JOBSCHED, complete, in_time
from benchmarks.program import Program
from benchmarks.setting import Line, Measure, Setting
from benchmarks.statistics import Bar, Count, paired_ratios

FULL, SMALL = (1, 2, 4), (1, 2)
NO_SLOWER = Bar(1.0, tie_is_enough=True)
LEAST_SHARE = Bar(0.1)
MORE_S = 4.0
"""What each further daemon needs to start."""


def measure(setting: Setting) -> list[Line]:
    """Seconds of one daemon by those of several, and the smallest share of four."""
    found = Measure("daemons")
    if why := servers.why_silent("postgresql"):
        found.missing("postgresql", why)
        return found.lines
    plan = {"task": "burst", "count": setting.scaled(2000, 40), "workers": 100}
    numbers = SMALL if setting.small else FULL
    runs: dict[int, list[dict[str, Any]]] = {number: [] for number in numbers}
    for repetition in range(setting.repetitions):
        turn = repetition % len(numbers)
        for number in numbers[turn:] + numbers[:turn]:
            runs[number].append(_once(setting, number, plan))
            seconds = runs[number][-1]["seconds"]
            setting.say(f"{repetition + 1}/{setting.repetitions} {number} daemons: {seconds:.2f} s")
    _compare(found, runs, int(str(plan["count"])), judged=not setting.small)
    return found.lines


def _once(setting: Setting, daemons: int, plan: Mapping[str, object]) -> dict[str, Any]:
    count = int(str(plan["count"]))
    margin = MORE_S + JOBSCHED.margin(count) + (MORE_S + 0.001 * count) * (daemons - 1)
    return in_time(lambda margin: _race(setting, daemons, plan, margin), margin)


def _race(
    setting: Setting, daemons: int, plan: Mapping[str, object], margin: float
) -> dict[str, Any]:
    count = int(str(plan["count"]))
    with ExitStack() as stack:
        url = stack.enter_context(servers.fresh_database("postgresql", setting.folder))
        whole = complete(plan, JOBSCHED, url, margin, str(setting.folder))
        whole |= {"daemons": daemons, "due": int(time.time() + margin) + 1}
        leader = stack.enter_context(Program(JOBSCHED.program, whole))
        leader.wait_ready()  # the first one makes the tables
        followers = [
            stack.enter_context(Program(JOBSCHED.program, {**whole, "follower": True}))
            for _ in range(daemons - 1)
        ]
        for one in followers:
            one.wait_ready()
        for one in [*followers, leader]:
            one.tell("go")
        result = leader.result()
        called = result["called"]
        for one in followers:
            one.tell("stop")
            called += one.result()["called"]
    return {**result, "twice": max(result["twice"], called - count)}


def _compare(
    found: Measure, runs: dict[int, list[dict[str, Any]]], count: int, *, judged: bool
) -> None:
    for number, of_number in runs.items():
        fires = Count(
            sum(max(0, count - one["recorded"]) for one in of_number),
            sum(max(0, one["twice"]) for one in of_number),
        )
        seconds = [one["seconds"] for one in of_number]
        found.add(f"postgresql: {number} daemons", seconds, "s", count=fires)
    one_alone = [one["seconds"] for one in runs[1]]
    for number in list(runs)[1:]:
        ratios = paired_ratios(one_alone, [one["seconds"] for one in runs[number]])
        found.add(f"postgresql: {number} daemons as fast as one, times", ratios, "", NO_SLOWER)
    most = max(runs)
    shares = [
        (min(one["by_worker"]) if len(one["by_worker"]) == most else 0) / count
        for one in runs[most]
    ]
    bar = LEAST_SHARE if judged else None
    found.add(f"postgresql: least share of {most}", shares, "", bar)
