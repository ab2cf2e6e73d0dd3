"""1,000 schedules of which none is due, shipped defaults: statements, processor and memory."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks import servers
from benchmarks.program import Program
from benchmarks.setting import Line, Measure, Setting
from benchmarks.statistics import Bar

EXECUTES = Bar(45, at_most=True)
CPU_S = Bar(0.05, at_most=True)
MIB = Bar(12, at_most=True)
BACKENDS = ("postgresql", "sqlite", "mariadb")


def measure(setting: Setting) -> list[Line]:
    """Minutes of one daemon on each database, all at the same time; `data_version` not counted."""
    backends = BACKENDS[: setting.scaled(len(BACKENDS), 2)]
    with ThreadPoolExecutor(len(backends)) as pool:
        parts = list(pool.map(lambda backend: _of(setting, backend), backends))
    return [line for part in parts for line in part.lines]


def _of(setting: Setting, backend: str) -> Measure:
    found = Measure("idle")
    if why := servers.why_silent(backend):
        found.missing(f"{backend}: idle", why)
        return found
    window = setting.scaled(60, 2)
    with servers.fresh_database(backend, setting.folder) as url:
        plan = {
            "task": "idle",
            "url": url,
            "count": setting.scaled(1000, 50),
            "settle_s": setting.scaled(5, 0),
            "window_s": window,
            "windows": setting.repetitions,
        }
        patience = 120.0 + window * setting.repetitions
        result = Program("programs/host.py", plan, patience_s=patience).run()
    setting.say(f"{backend}: {setting.repetitions} minutes")
    minute = 60 / window
    engine, driver, cpu = ([one[part] * minute for one in result["windows"]] for part in range(3))
    past = [beyond - ours for ours, beyond in zip(engine, driver, strict=True) if beyond]
    note = f"past the engines {max(past):g} more" if any(past) else ""
    # A short window says nothing about a minute: heartbeats come every ten seconds.
    judged = not setting.small
    found.add(
        f"{backend}: executes a minute",
        engine,
        "",
        EXECUTES if judged else None,
        exact=True,
        note=note,
    )
    found.add(f"{backend}: CPU-seconds a minute", cpu, "s", CPU_S if judged else None)
    _memory(setting, found, backend, result)
    return found


def _memory(setting: Setting, found: Measure, backend: str, result: dict[str, Any]) -> None:
    plan = {"modules": result["modules"]}
    bare = [Program("programs/bare.py", plan).run()["rss"] for _ in range(setting.repetitions)]
    above = [(result["rss"] - one) / 2**20 for one in bare]
    note = f"{result['rss'] / 2**20:.0f} MiB in all"
    judged = MIB if not setting.small else None
    found.add(f"{backend}: memory above bare imports", above, "MiB", judged, note=note)
