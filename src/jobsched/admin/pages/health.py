"""Health as pages say it: one quiet line, or what is wrong, since when, and where to look."""

from jobsched.admin.pages.rendering import segment
from jobsched.admin.routes import Call
from jobsched.fixed import fixed
from jobsched.model import Health, HealthLevel, Problem

SHOWN = 5
"""So many problems are told at once; the others are folded."""

_PLACES = {"schedule": "/schedules/", "firing": "/firings/"}


@fixed
class Told:
    """A problem, and the page that shows what it is about."""

    problem: Problem
    href: str | None


@fixed
class Banner:
    """What stands above the schedules."""

    level: HealthLevel
    message: str
    first: tuple[Told, ...]
    rest: tuple[Told, ...]

    @property
    def heading(self) -> str:
        """`Critical: 2 problems`."""
        count = len(self.first) + len(self.rest)
        return f"{self.level.value.capitalize()}: {count} problem{'s' if count > 1 else ''}"


def banner(call: Call, health: Health) -> Banner:
    """The worst first."""
    order = (HealthLevel.CRITICAL, HealthLevel.WARNING, HealthLevel.HEALTHY)
    problems = sorted(health.problems, key=lambda one: order.index(one.level))
    told = tuple(Told(one, _href(call, one)) for one in problems)
    return Banner(health.level, health.message, told[:SHOWN], told[SHOWN:])


def _href(call: Call, problem: Problem) -> str | None:
    kind, _, name = problem.target.partition(" ")
    if kind == "worker":
        return call.url("/workers")
    return call.url(_PLACES[kind] + segment(name)) if kind in _PLACES else None
