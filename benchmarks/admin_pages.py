"""Every GET route of the admin pages and API, asked through WSGI as a web server would."""

import io
import re
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any
from urllib.parse import quote

from jobsched import Scheduler

App = Callable[..., Iterable[bytes]]
OPEN = ("/static", "/login")
"""They read no database."""


def pages(scheduler: Scheduler) -> dict[str, Callable[[], None]]:
    """A reader for each page, by its pattern; empty where this jobsched has no admin."""
    if find_spec("jobsched.admin") is None:
        return {}
    from jobsched.admin.core import Admin
    from jobsched.admin.permissions import EVERYTHING, Actor
    from jobsched.admin.wsgi import wsgi_app

    actor = Actor("operator", EVERYTHING)

    def access(_request: object) -> Actor:
        return actor

    app = wsgi_app(scheduler, access=access)
    firing = scheduler.history(limit=1)[0]
    values = {"name": firing.runs[0].job_name, "schedule": str(firing.schedule_id)}
    values |= {"firing": str(firing.id), "run": str(firing.runs[0].id)}
    routes = Admin(scheduler, access=access).table.routes
    patterns = [one.pattern for one in routes if one.method == "GET"]
    return {
        f"GET {pattern}": _reader(app, _filled(pattern, values))
        for pattern in patterns
        if not pattern.startswith(OPEN)
    }


def _filled(pattern: str, values: dict[str, str]) -> str:
    """A path of that pattern: what an id is the id of, the word before it says."""

    def value(match: re.Match[str]) -> str:
        noun = match["noun"].rstrip("s")
        found = values["name"] if noun == "job" else values.get(noun, values["name"])
        return f"{match['noun']}/{quote(found)}"

    return re.sub(r"(?P<noun>\w+)/\{\w+(:\w+)?\}", value, pattern)


def _reader(app: App, path: str) -> Callable[[], None]:
    def read() -> None:
        seen: list[str] = []

        def start_response(status: str, _headers: Any, _error: Any = None) -> None:
            seen.append(status)

        size = sum(len(part) for part in app(_environ(path), start_response))
        # One that asks "Retry?" may rightly refuse; and no daemon is alive: 503 for health.
        if not size or seen[0].startswith(("500", "404", "401", "403")):
            raise RuntimeError(f"GET {path} was answered with {seen[0]}")

    return read


def _environ(path: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
