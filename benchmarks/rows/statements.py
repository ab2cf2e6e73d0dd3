"""SQL statements (DBAPI executes) per fired run."""

from dataclasses import replace

from benchmarks import servers
from benchmarks.contest import JOBSCHED, play
from benchmarks.setting import Line, Measure, Setting
from benchmarks.statistics import Bar

CASES = ((2000, 100, 0.2), (1, None, 10.0))
"""How many are due, with how many workers, and the most executes for each."""
ENOUGH = 3
"""Counts hardly vary."""


def measure(setting: Setting) -> list[Line]:
    """From a second before all are due until a second after all are recorded, everything counts."""
    found = Measure("statements")
    if why := servers.why_silent("postgresql"):
        found.missing("postgresql", why)
        return found.lines
    setting = replace(setting, repetitions=min(ENOUGH, setting.repetitions))
    for full, workers, limit in CASES:
        count = min(full, setting.scaled(full, 20))
        plan = {"task": "burst", "count": count, "workers": workers, "statements": True}
        results = play(setting, "postgresql", (JOBSCHED,), plan)
        measure = f"postgresql: executes per run, {count:,} due"
        bar = Bar(limit, at_most=True)
        if not results.values("jobsched"):
            found.missing(measure, results.missing.get("jobsched", ""), bar)
            continue
        values = [executes / count for executes in results.values("jobsched", "executes")]
        # Of a few that are due each costs more: a small run says nothing about the bar.
        shown = bar if count == full else None
        counted = results.count("jobsched", count)
        found.add(measure, values, "", shown, count=counted, exact=True)
    return found.lines
