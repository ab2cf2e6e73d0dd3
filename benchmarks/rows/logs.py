"""10,000 log lines a second from one job: none lost, its own time; and a job without end."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from benchmarks import servers
from benchmarks.program import Program
from benchmarks.setting import Line, Measure, Setting
from benchmarks.statistics import Bar, paired_ratios

BACKENDS = ("postgresql", "sqlite", "mariadb")
NONE = Bar(0, at_most=True)
OWN_TIME = Bar(1.25, at_most=True)
SAID = Bar(1)
PROGRAM = "programs/logging_job.py"


def measure(setting: Setting) -> list[Line]:
    """The same job inside jobsched and, with a NullHandler, outside, in turn."""
    found = Measure("logs")
    for backend in BACKENDS[: setting.scaled(len(BACKENDS), 2)]:
        if why := servers.why_silent(backend):
            found.missing(f"{backend}: logs", why)
            continue
        _steady(setting, found, backend)
        if backend == "sqlite" or not setting.small:
            _without_end(setting, found, backend)
    return found.lines


def _steady(setting: Setting, found: Measure, backend: str) -> None:
    lines = setting.scaled(30_000, 2_000)
    inside, outside, lost = [], [], []
    for repetition in range(setting.repetitions):
        with servers.fresh_database(backend, setting.folder) as url:
            result = _run(url, {"task": "steady", "lines": lines})
            inside.append(result["took"])
            lost.append(float(lines - result["written"]))
        outside.append(Program(PROGRAM, {"task": "plain", "lines": lines}).run()["seconds"])
        setting.say(f"{repetition + 1}/{setting.repetitions} {backend}: {inside[-1]:.2f} s")
    found.add(f"{backend}: lines lost of {lines:,}", lost, "", NONE, exact=True)
    bar = OWN_TIME if not setting.small else None
    found.add(f"{backend}: the job by itself outside", paired_ratios(inside, outside), "", bar)


def _without_end(setting: Setting, found: Measure, backend: str) -> None:
    """As fast as it can, so long that it must be bounded or be written whole."""
    seconds = setting.scaled(20, 1)
    with servers.fresh_database(backend, setting.folder) as url:
        result = _run(url, {"task": "flood", "seconds": seconds})
    logged, written = int(result["took"]), result["written"]
    bounded = bool(result["said"]) or written >= logged
    note = (
        f"{logged:,} logged in {seconds} s, {written:,} written, "
        f"peak {result['peak'] / 2**20:.0f} MiB; says: {result['said'] or 'nothing'}"
    )
    measure = f"{backend}: logging without end is bounded, and a line says so"
    bar = SAID if not setting.small else None
    found.add(measure, [float(bounded and bool(result["said"]))], "", bar, exact=True, note=note)


def _run(url: str, plan: dict[str, object]) -> dict[str, Any]:
    result = Program(PROGRAM, {**plan, "url": url}).run()
    engine = sa.create_engine(url, poolclass=NullPool)
    ours = "FROM job_log WHERE message LIKE 'line %'"
    others = "SELECT message FROM job_log WHERE message NOT LIKE 'line %' ORDER BY id DESC LIMIT 1"
    with engine.connect() as connection:
        written = connection.execute(sa.text(f"SELECT count(*) {ours}")).scalar_one()
        said = connection.execute(sa.text(others)).scalar()
    return {**result, "written": written, "said": said}
