"""The table of routes: one for every adapter, so that all of them answer alike."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from pydantic import BaseModel

from jobsched.admin.permissions import Actor, Permission
from jobsched.admin.request import Request
from jobsched.admin.response import Response
from jobsched.fixed import fixed
from jobsched.operations import Operations


@fixed
class Call:
    """A request that was let in and whose parts fit the route: what a handler gets."""

    request: Request
    actor: Actor
    scheduler: Operations
    path: Mapping[str, str] = field(default_factory=dict)
    query: Any = None
    """The query's parameters as the route's model, or None."""
    body: Any = None
    """The body, JSON or a form, as the route's model, or None."""
    title: str = "jobsched"

    def number(self, name: str) -> int:
        """A path parameter that the pattern lets be digits only."""
        return int(self.path[name])

    def url(self, path: str) -> str:
        """A path below the mount, as a link."""
        return self.request.mount + path


Handler = Callable[[Call], Response]
Pulse = Callable[[Call], str]
"""A text that changes when what the route shows has changed; cheaper than to show it."""


@fixed
class Route:
    """One method of one pattern, with what it needs and gives."""

    method: str
    pattern: str
    """Such as `/firings/{id:int}`; `{name}` is one segment, `{name:path}` may hold slashes."""
    handler: Handler
    permission: Permission | None
    """None is open to everybody."""
    summary: str
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    result: Any = None
    """The type of the JSON it answers with; None for pages."""
    status: int = 200
    errors: Sequence[int] = ()
    """Statuses beyond those that every route may answer with."""
    pulse: Pulse | None = None

    @property
    def for_api(self) -> bool:
        """Whether it is part of the JSON API."""
        return self.pattern.startswith("/api/")


class Table:
    """The routes, to be found by path and method."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._compiled = [(_compiled(route.pattern), route) for route in self.routes]

    def at(self, path: str) -> dict[str, tuple[Route, dict[str, str]]]:
        """What this path offers: by method, the route and the path's parameters."""
        found: dict[str, tuple[Route, dict[str, str]]] = {}
        for pattern, route in self._compiled:
            match = pattern.fullmatch(path)
            if match is not None:
                found.setdefault(route.method, (route, match.groupdict()))
        return found


_KINDS = {"": "[^/]+", "int": "[0-9]{1,18}", "path": ".+"}


def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)(?::(\w+))?\}", pattern)
    said = re.escape(parts[0])
    for name, kind, rest in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        said += f"(?P<{name}>{_KINDS[kind or '']}){re.escape(rest)}"
    return re.compile(said)
