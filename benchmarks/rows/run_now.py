"""An operator's "Run now" in another process, until the job's first instruction."""

from benchmarks import servers
from benchmarks.program import Program
from benchmarks.setting import Line, Measure, Setting
from benchmarks.statistics import Bar, Count, percentile

MILLISECONDS = {"postgresql": 50.0, "sqlite": 1000.0, "mariadb": 5000.0}
"""The p95 at most; on MariaDB, which wakes nobody, the poll interval as shipped."""
GAPS_S = {"postgresql": (0.1, 0.4), "sqlite": (0.1, 0.6), "mariadb": (0.5, 1.5)}
TIMES = {"postgresql": 30, "sqlite": 20, "mariadb": 10}
SCHEDULES = 50


def measure(setting: Setting) -> list[Line]:
    """From the call of `trigger` until the job begins, by the host's clock."""
    found = Measure("run-now")
    # A poll takes its time: a small run leaves the database out that is found by polling only.
    for backend in list(MILLISECONDS)[: setting.scaled(len(MILLISECONDS), 2)]:
        limit = MILLISECONDS[backend]
        bar = Bar(limit, at_most=True)
        measure = f"{backend}: p95"
        if why := servers.why_silent(backend):
            found.missing(measure, why, bar)
            continue
        lost, values = 0, []
        for repetition in range(setting.repetitions):
            late, missing = _once(setting, backend, repetition)
            lost += missing
            values += [percentile(late, 95)] if late else []
            setting.say(f"{repetition + 1}/{setting.repetitions} {backend}")
        found.add(measure, values, "ms", bar, count=Count(lost))
    return found.lines


def _once(setting: Setting, backend: str, seed: int) -> tuple[list[float], int]:
    times = setting.scaled(TIMES[backend], 2)
    with servers.fresh_database(backend, setting.folder) as url:
        plan = {"url": url, "count": SCHEDULES}
        host = Program("programs/host.py", {**plan, "task": "wait"})
        with host:
            host.wait_ready()
            wanted = {**plan, "seed": seed, "times": times, "gap_s": GAPS_S[backend]}
            asked = dict(Program("programs/run_now.py", wanted).run()["asked"])
            host.tell("go")
            begun = _begun_when_all_ran(url, host, times)
    late = [1000 * (begun[firing] - moment) for firing, moment in asked.items() if firing in begun]
    return late, len(asked) - len(late)


def _begun_when_all_ran(url: str, host: Program, times: int) -> dict[int, float]:
    servers.wait_for_rows(url, "SELECT count(*) FROM job_run WHERE status = 'SUCCESS'", times, 15)
    host.tell("stop")
    return dict(host.result()["begun"])
