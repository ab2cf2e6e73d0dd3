"""A history of 5 million job runs: firing speed, history and admin pages, pruning."""

from typing import Any

from benchmarks import servers
from benchmarks.contest import JOBSCHED, complete, in_time
from benchmarks.history import SCHEDULES, days_of_slice, fill
from benchmarks.program import Program
from benchmarks.setting import Line, Measure, Setting
from benchmarks.statistics import Bar, Count, paired_ratios, percentile
from jobsched import Scheduler

AS_WITH_NONE = Bar(1.0, tie_is_enough=True)
PAGE_MS = Bar(60.0, at_most=True)
LOCK_MS = Bar(200.0, at_most=True)
APP, PREFIX = "history", "h"
ROUNDS = 10
SLOW = 90
"""The percentile of the rounds: the ninth of ten."""
EXPORT = ".csv"
"""It reads everything, and is no page."""


def measure(setting: Setting) -> list[Line]:
    """PostgreSQL; pages of a hundred, once read before."""
    found = Measure("history")
    if why := servers.why_silent("postgresql"):
        found.missing("postgresql", why)
        return found.lines
    with servers.fresh_database("postgresql", setting.folder) as url:
        scheduler = Scheduler(url)
        scheduler.migrate()
        scheduler.close()
        fill(url, setting.history_rows, app=APP, prefix=PREFIX)
        setting.say(f"{setting.history_rows:,} job runs filled in")
        _bursts(setting, found, url)
        _readings(setting, found, url)
    return found.lines


def _bursts(setting: Setting, found: Measure, full: str) -> None:
    wanted = setting.scaled(2000, 20)
    plan = {"task": "burst", "count": wanted, "workers": 100}
    runs: dict[str, list[dict[str, Any]]] = {"none": [], "full": []}
    for repetition in range(setting.repetitions):
        named = {**plan, "app": f"r{repetition}"}
        for which in ("none", "full") if repetition % 2 else ("full", "none"):
            if which == "full":
                runs[which].append(_burst(setting, named, full))
            else:
                with servers.fresh_database("postgresql", setting.folder) as url:
                    runs[which].append(_burst(setting, named, url))
            setting.say(f"{repetition + 1}/{setting.repetitions} {which}")
    seconds = {which: [one["seconds"] for one in of_it] for which, of_it in runs.items()}
    all_of_them = [one for of_it in runs.values() for one in of_it]
    count = Count(
        sum(max(0, wanted - one["recorded"]) for one in all_of_them),
        sum(one["twice"] for one in all_of_them),
    )
    rows = f"{setting.history_rows:,} job runs"
    found.add(f"postgresql: {wanted:,} due, with {rows}", seconds["full"], "s")
    ratios = paired_ratios(seconds["none"], seconds["full"])
    found.add("postgresql: as fast as with none, times", ratios, "", AS_WITH_NONE, count=count)


def _burst(setting: Setting, plan: dict[str, Any], url: str) -> dict[str, Any]:
    def attempt(margin: float) -> dict[str, Any]:
        # Another app for each attempt: what an earlier one has declared stays where it is.
        named = {**plan, "app": f"{plan['app']}-{int(margin)}"}
        whole = complete(named, JOBSCHED, url, margin, str(setting.folder))
        return Program(JOBSCHED.program, whole).run()

    return in_time(attempt, JOBSCHED.margin(plan["count"]))


def _readings(setting: Setting, found: Measure, url: str) -> None:
    plan = {
        "url": url,
        "app": APP,
        "prefix": PREFIX,
        "schedules": SCHEDULES,
        "rounds": setting.scaled(ROUNDS, 1),
    }
    runs = []
    for repetition in range(setting.repetitions):
        whole = {**plan, "days": days_of_slice(repetition)}
        runs.append(Program("programs/reading.py", whole).run())
        setting.say(f"{repetition + 1}/{setting.repetitions} read")
    for name in runs[0]["took"]:
        slow = [percentile(one["took"][name], SLOW) for one in runs]
        judged = name.startswith(("history", "GET")) and not name.endswith(EXPORT)
        bar = PAGE_MS if judged else None
        found.add(f"postgresql: {name}, p{SLOW} of {plan['rounds']}", slow, "ms", bar)
    if not any(name.startswith("GET") for name in runs[0]["took"]):
        found.missing("postgresql: admin pages", "this jobsched has none", PAGE_MS)
    note = f"{runs[0]['pruned']:,} firings in {runs[0]['transactions']} transactions"
    longest = [one["longest_ms"] for one in runs]
    found.add("postgresql: pruning, longest transaction", longest, "ms", LOCK_MS, note=note)
