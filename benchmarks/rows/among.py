"""10 due among 10, 1,000, 10,000 and 100,000 schedules: the tenth's start; the daemon's start."""

from contextlib import ExitStack
from statistics import median

from benchmarks import servers
from benchmarks.program import Program
from benchmarks.setting import Line, Measure, Setting
from benchmarks.statistics import Bar, Count, paired_ratios

FULL = (10, 1_000, 10_000, 100_000)
SMALL = (10, 100)
AS_SOON = Bar(1.0, at_most=True, tie_is_enough=True)
START_S = Bar(5.0, at_most=True)
MIB = Bar(250.0, at_most=True)
OCCURRENCES = 3
PATIENCE_S = 1200.0


def measure(setting: Setting) -> list[Line]:
    """Daemons that start with unchanged declarations; the median of three occurrences each."""
    found = Measure("among")
    if why := servers.why_silent("postgresql"):
        found.missing("postgresql", why)
        return found.lines
    sizes = SMALL if setting.small else FULL
    runs: dict[int, list[dict[str, object]]] = {size: [] for size in sizes}
    with ExitStack() as stack:
        urls = {}
        for size in sizes:
            urls[size] = stack.enter_context(servers.fresh_database("postgresql", setting.folder))
            if not setting.small:  # there start() declares them
                _run("declare", size, urls[size], setting)
                setting.say(f"{size:,} declared")
        for repetition in range(setting.repetitions):
            turn = repetition % len(sizes)
            for size in sizes[turn:] + sizes[:turn]:
                runs[size].append(_run("due", size, urls[size], setting))
                setting.say(f"{repetition + 1}/{setting.repetitions} among {size:,}")
    _compare(found, sizes, runs, judged=not setting.small)
    return found.lines


def _run(task: str, size: int, url: str, setting: Setting) -> dict[str, object]:
    plan = {"task": task, "count": size, "url": url, "occurrences": setting.scaled(OCCURRENCES, 1)}
    return Program("programs/among.py", plan, patience_s=PATIENCE_S).run()


def _compare(
    found: Measure,
    sizes: tuple[int, ...],
    runs: dict[int, list[dict[str, object]]],
    *,
    judged: bool,
) -> None:
    tenths = {
        size: [median(one["tenth_ms"]) for one in of_size if one["tenth_ms"]]
        for size, of_size in runs.items()
    }
    for size in sizes:
        count = Count(
            sum(int(str(one["lost"])) for one in runs[size]),
            sum(int(str(one["twice"])) for one in runs[size]),
        )
        found.add(f"postgresql: tenth begins, among {size:,}", tenths[size], "ms", count=count)
    for size in sizes[1:]:
        least = min(len(tenths[size]), len(tenths[sizes[0]]))
        ratios = paired_ratios(tenths[size][:least], tenths[sizes[0]][:least])
        found.add(f"postgresql: the same by that among {sizes[0]}, {size:,}", ratios, "", AS_SOON)
    most = runs[sizes[-1]]
    starts = [float(str(one["start_s"])) for one in most]
    peaks = [int(str(one["peak"])) / 2**20 for one in most]
    start, memory = (START_S, MIB) if judged else (None, None)
    found.add(f"postgresql: start() with {sizes[-1]:,} unchanged", starts, "s", start)
    found.add(f"postgresql: peak memory with {sizes[-1]:,}", peaks, "MiB", memory)
