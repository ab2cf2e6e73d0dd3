"""2,000 schedules due at once, until all are recorded: against the peers and the floor."""

from dataclasses import replace

from benchmarks import servers
from benchmarks.contest import FLOOR, JOBSCHED, PEERS, QUEUES, Results, play
from benchmarks.setting import Line, Measure, Setting
from benchmarks.statistics import Bar

BARS = {"APScheduler 3": (4.0, 8.0), "Procrastinate": (12.0, 20.0), "bare SQL": (0.35, 0.5)}
"""How many times faster at least, and the stretch."""
FLOOR_ELSEWHERE = 0.3
NO_RIVALS = frozenset({"APScheduler 3", "pgqueuer", *(one.name for one in QUEUES)})
"""Those that keep no record of what ran, or do no scheduler's work."""
TEN = replace(JOBSCHED, name="jobsched, 10 workers", extra={"workers": None})
AHEAD = Bar(1.0)


def measure(setting: Setting) -> list[Line]:
    """On PostgreSQL with everybody, elsewhere against the floor."""
    found = Measure("burst")
    for backend in ("postgresql", "sqlite", "mariadb"):
        if why := servers.why_silent(backend):
            found.missing(backend, why)
        elif backend == "postgresql":
            _with_everybody(setting, found)
        else:
            _with_the_floor(setting, found, backend)
    return found.lines


def plan_of(setting: Setting) -> dict[str, object]:
    """The same for all."""
    return {"task": "burst", "count": setting.scaled(2000, 20), "workers": 100}


def _with_everybody(setting: Setting, found: Measure) -> None:
    plan = plan_of(setting)
    peers = () if setting.small else (*PEERS, *QUEUES)
    ours = (JOBSCHED,) if setting.small else (JOBSCHED, TEN)
    results = play(setting, "postgresql", (*ours, FLOOR, *peers), plan)
    for name in [one.name for one in ours]:
        _seconds(found, results, name, plan, "postgresql")
    for other in (FLOOR, *peers):
        limit, stretch = BARS.get(other.name, (None, None))
        bar = None if limit is None else Bar(limit)
        _ratio(found, results, JOBSCHED.name, other.name, plan, bar, stretch)
    for other in peers:
        bar = None if other.name in NO_RIVALS else AHEAD
        _ratio(found, results, TEN.name, other.name, plan, bar)
    for other in (FLOOR, *peers):
        if results.values(other.name):
            _seconds(found, results, other.name, plan, "postgresql")


def _with_the_floor(setting: Setting, found: Measure, backend: str) -> None:
    plan = plan_of(setting)
    results = play(setting, backend, (JOBSCHED, FLOOR), plan)
    _seconds(found, results, JOBSCHED.name, plan, backend)
    bar = Bar(FLOOR_ELSEWHERE)
    _ratio(found, results, JOBSCHED.name, FLOOR.name, plan, bar, backend=backend)


def _seconds(
    found: Measure, results: Results, name: str, plan: dict[str, object], backend: str
) -> None:
    measure = f"{backend}: {name}"
    if not results.values(name):
        found.missing(measure, results.missing.get(name, "never ran"))
        return
    count = results.count(name, int(str(plan["count"])))
    found.add(measure, results.values(name), "s", count=count)


def _ratio(
    found: Measure,
    results: Results,
    ours: str,
    theirs: str,
    plan: dict[str, object],
    bar: Bar | None,
    stretch: float | None = None,
    backend: str = "postgresql",
) -> None:
    """How many times faster ours is."""
    measure = f"{backend}: {ours} as fast as {theirs}, times"
    values = results.ratios(theirs, ours)
    why = results.missing.get(theirs) or results.missing.get(ours)
    if not values:
        found.missing(measure, why or "never ran", bar)
        return
    wanted = int(str(plan["count"]))
    count = results.count(ours, wanted)
    lost = results.count(theirs, wanted)
    notes = [f"{theirs} lost {lost.lost}"] if lost.lost else []
    note = "; ".join([*notes, f"failed once: {why}"] if why else notes)
    found.add(measure, values, "", bar, count=count + lost, stretch=stretch, note=note)
