"""One good request for every route of the table, whatever routes there are."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from jobsched import Registry, Scheduler
from jobsched.admin import static_files
from jobsched.admin.access import bearer_tokens
from jobsched.admin.core import Admin
from jobsched.admin.routes import Route
from tests.admin.hosts import Answer, Client

TOKEN = "a-token-that-nobody-guesses"
SCHEDULE = "feed-refresh"
JOB = "import_feeds"


def table() -> tuple[Route, ...]:
    """Every route that there is, those of signing in included."""
    scheduler = Scheduler("sqlite://", registry=Registry())
    return Admin(scheduler, access=bearer_tokens({TOKEN: "kari"})).table.routes


ROUTES = table()
GUARDED = tuple(route for route in ROUTES if route.permission is not None)
API = tuple(route for route in ROUTES if route.for_api)
PAGES = tuple(route for route in GUARDED if not route.for_api)
UNSAFE = tuple(route for route in ROUTES if route.method != "GET")


def name_of(route: Route) -> str:
    """How a test's name shows a route."""
    return f"{route.method} {route.pattern}"


@dataclass(frozen=True)
class Example:
    """A request that fits the route and what is in the database."""

    method: str
    target: str
    options: dict[str, Any] = field(default_factory=dict)

    def sent_by(self, client: Client, **more: Any) -> Answer:
        """Send it, with more of what a client takes."""
        return client(self.method, self.target, **{**self.options, **more})


def example(route: Route, ids: dict[str, int]) -> Example:
    """The request; the database is `world`'s, and `ids` its ids of note."""

    def value(found: re.Match[str]) -> str:
        return quote(str(_parameter(route, found[1], ids)), safe="")

    target = re.sub(r"\{(\w+)(?::\w+)?\}", value, route.pattern)
    return Example(route.method, target, _body(route))


def _parameter(route: Route, name: str, ids: dict[str, int]) -> Any:
    if name == "version":
        return static_files.version()
    if "/static/" in route.pattern:
        return min(static_files.manifest())
    noun = route.pattern.removeprefix("/api").split("/")[1]
    known: dict[str, Callable[[], Any]] = {
        "schedules": lambda: SCHEDULE,
        "jobs": lambda: JOB,
        "runs": lambda: ids["run of import_feeds"],
        "firings": lambda: ids["FAILED" if "retry" in route.pattern else "RUNNING"],
    }
    return known[noun]()


def _body(route: Route) -> dict[str, Any]:
    if route.body is None:
        return {"form": {}} if route.method != "GET" and not route.for_api else {}
    if route.for_api:
        return {"document": {"enabled": False} if "enabled" in route.body.model_fields else {}}
    known = {"token": TOKEN, "key": "a-key-of-the-form", "reason": "the supplier is closed"}
    return {"form": {name: known[name] for name in route.body.model_fields if name in known}}
