"""50 schedules that are due each second, all at the whole second: how late a job begins."""

from collections.abc import Sequence
from typing import Any

from benchmarks import servers
from benchmarks.contest import JOBSCHED, PEERS, Results, play
from benchmarks.setting import Line, Measure, Setting
from benchmarks.statistics import Bar, Count, paired_ratios, percentile

PERCENTILES = ((50, 5.0), (99, 20.0))
"""Each with the most milliseconds."""
BELOW = Bar(1.0)


def measure(setting: Setting) -> list[Line]:
    """Lateness is the job's first instruction minus the occurrence, by the host's clock."""
    found = Measure("lateness")
    if why := servers.why_silent("postgresql"):
        found.missing("postgresql", why)
        return found.lines
    peers = () if setting.small else tuple(one for one in PEERS if one.peer != "celery")
    plan = {
        "task": "steady",
        "count": setting.scaled(50, 5),
        "workers": 100,
        "every_s": 1,
        "seconds": setting.scaled(20, 3),
    }
    results = play(setting, "postgresql", (JOBSCHED, *peers), plan)
    for contender in (JOBSCHED, *peers):
        _of(found, results, contender.name)
    if not setting.small:
        found.missing("postgresql: Celery beat", "beat has no grid below a minute", None)
    return found.lines


def _of(found: Measure, results: Results, name: str) -> None:
    runs = [one for one in results.by_name[name] if one and one["lateness_ms"]]
    ours = name == JOBSCHED.name
    skipped = [float(one["skipped"]) for one in results.by_name[name] if one]
    for percent, limit in PERCENTILES:
        measure = f"postgresql: {name}, p{percent}"
        bar = Bar(limit, at_most=True) if ours else None
        if not runs:
            found.missing(measure, results.missing.get(name, "nothing ran"), bar)
            continue
        values = [percentile(one["lateness_ms"], percent) for one in runs]
        missed = sum(max(0, one["expected"] - len(one["lateness_ms"])) for one in runs)
        note = "" if ours or not missed else f"{missed} fires skipped"
        count = Count(lost=missed) if ours else None
        found.add(measure, values, "ms", bar, count=count, note=note)
        if not ours:
            _below(found, results, name, percent)
    if skipped and ours:
        found.add("postgresql: skipped", skipped, "", Bar(0, at_most=True), exact=True)


def _below(found: Measure, results: Results, name: str, percent: int) -> None:
    pairs: list[tuple[Any, Any]] = [
        (theirs, ours)
        for theirs, ours in zip(results.by_name[name], results.by_name[JOBSCHED.name], strict=True)
        if theirs and ours and theirs["lateness_ms"] and ours["lateness_ms"]
    ]
    theirs = _percentiles([pair[0] for pair in pairs], percent)
    ours = _percentiles([pair[1] for pair in pairs], percent)
    measure = f"postgresql: {name} as late as jobsched, p{percent}, times"
    found.add(measure, paired_ratios(theirs, ours), "", BELOW)


def _percentiles(runs: Sequence[dict[str, Any]], percent: int) -> list[float]:
    return [percentile(one["lateness_ms"], percent) for one in runs]
