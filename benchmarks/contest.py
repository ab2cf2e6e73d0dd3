"""Contenders in interleaved order: each repetition runs all of them, beginning with another one."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks import servers
from benchmarks.environments import PeerMissingError, python_of
from benchmarks.program import Program, ProgramError
from benchmarks.setting import Setting
from benchmarks.statistics import Count, paired_ratios

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that does the same as the others."""

    name: str
    program: str
    peer: str | None = None
    """Whose environment it runs in; None for our own."""
    margin_s: float = 2.0
    """What it needs before all is due, whatever the number of schedules."""
    each_s: float = 0.003
    """And what each schedule adds to that."""
    needs_broker: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def margin(self, count: int) -> float:
        """How long before all is due it must be started."""
        return self.margin_s + self.each_s * count


JOBSCHED = Contender("jobsched", "contenders/jobsched_daemon.py", None, 2.5, 0.004)
FLOOR = Contender("bare SQL", "contenders/bare_sql.py")
PEERS = (
    Contender("APScheduler 3", "contenders/apscheduler3.py", "apscheduler3", 3.0, 0.006),
    Contender("APScheduler 4", "contenders/apscheduler4.py", "apscheduler4", 4.0, 0.012),
    Contender("Procrastinate", "contenders/procrastinate_queue.py", "procrastinate", 5.0, 0.002),
    Contender("pgqueuer", "contenders/pgqueuer_queue.py", "pgqueuer", 4.0, 0.002),
    Contender("Celery beat", "contenders/celery_beat.py", "celery", 14.0, 0.001, needs_broker=True),
)
QUEUES = tuple(
    replace(one, name=f"{one.name}, bare queue", extra={"queue": True})
    for one in PEERS
    if one.name in ("Procrastinate", "pgqueuer")
)
"""Spared what a scheduler does first: to find what is due, to decide, to store what it starts."""


@dataclass(frozen=True, slots=True)
class Results:
    """What every contender did in each repetition; None where it failed."""

    by_name: dict[str, list[dict[str, Any] | None]]
    missing: dict[str, str]
    """Why a contender did not take part, or failed."""

    def ratios(self, above: str, below: str, key: str = "seconds") -> list[float]:
        """`above` by `below`, of the repetitions in which neither failed."""
        pairs = [
            (one[key], other[key])
            for one, other in zip(self.by_name[above], self.by_name[below], strict=True)
            if one is not None and other is not None
        ]
        return paired_ratios([one for one, _ in pairs], [other for _, other in pairs])

    def values(self, name: str, key: str = "seconds") -> list[float]:
        """What a contender reported."""
        return [one[key] for one in self.by_name[name] if one is not None]

    def count(self, name: str, wanted: int) -> Count:
        """The fires that a contender lost, or made twice, over all repetitions."""
        done = [one for one in self.by_name[name] if one is not None]
        return Count(
            sum(max(0, wanted - one["recorded"]) for one in done),
            sum(one["twice"] for one in done),
        )


def play(
    setting: Setting, backend: str, contenders: Sequence[Contender], plan: Mapping[str, Any]
) -> Results:
    """Run them all so often; each time on an empty database."""
    results = Results(defaultdict(list), {})
    pythons = {one.name: _python(one, results) for one in contenders}
    entered = [one for one in contenders if one.name not in results.missing]
    for repetition in range(setting.repetitions):
        turn = repetition % max(1, len(entered))
        for contender in entered[turn:] + entered[:turn]:
            found = _once(setting, backend, contender, pythons[contender.name], plan, results)
            results.by_name[contender.name].append(found)
            setting.say(f"{repetition + 1}/{setting.repetitions} {contender.name}: {_shown(found)}")
    return results


def _python(contender: Contender, results: Results) -> Path | None:
    why = servers.why_no_broker() if contender.needs_broker else None
    try:
        if why is None and contender.peer is not None:
            return python_of(contender.peer)
    except PeerMissingError as error:
        why = str(error)
    if why is not None:
        results.missing[contender.name] = why
    return None


def _once(
    setting: Setting,
    backend: str,
    contender: Contender,
    python: Path | None,
    plan: Mapping[str, Any],
    results: Results,
) -> dict[str, Any] | None:
    margin = contender.margin(plan["count"])

    def attempt(margin: float) -> dict[str, Any]:
        with servers.fresh_database(backend, setting.folder) as url:
            whole = complete(plan, contender, url, margin, str(setting.folder))
            return Program(contender.program, whole, python=python).run()

    try:
        return in_time(attempt, margin)
    except ProgramError as error:
        results.missing[contender.name] = str(error)
        return None


def in_time(
    attempt: Callable[[float], dict[str, Any]], margin: float, tries: int = 5
) -> dict[str, Any]:
    """Run with a margin before all is due; again with a longer one if preparing took longer.

    Raises ProgramError.
    """
    for _ in range(tries - 1):
        try:
            return attempt(margin)
        except ProgramError as error:
            if "longer margin" not in str(error):
                raise
        margin *= 2.5
    return attempt(margin)


def complete(
    plan: Mapping[str, Any], contender: Contender, url: str, margin: float, folder: str
) -> dict[str, Any]:
    """The plan with what one run adds to it."""
    return {
        "app": "b",
        "every_s": DAY_S,
        **plan,
        **contender.extra,
        "url": url,
        "dsn": servers.dsn(url),
        "broker": servers.BROKER_URL,
        "folder": folder,
        "margin": margin,
    }


def _shown(found: dict[str, Any] | None) -> str:
    if found is None:
        return "failed"
    return f"{found['seconds']:.2f} s" if "seconds" in found else "done"
