"""Templates made into pages: what every one of them is given, and how values are written in it."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from jobsched import phrases
from jobsched.admin import static_files
from jobsched.admin.permissions import Actor, Permission
from jobsched.admin.pictures.marks import ICON, MARKS, style
from jobsched.admin.pictures.sparkline import sparkline
from jobsched.admin.request import Request
from jobsched.admin.response import Response, page
from jobsched.admin.routes import Call
from jobsched.admin.sign_in import cookie_name
from jobsched.fixed import fixed


@fixed
class Place:
    """An entry of the navigation."""

    path: str
    name: str
    permission: Permission = Permission.READ
    within: tuple[str, ...] = ()
    """What the paths of pages begin with that belong to it."""

    def is_at(self, path: str) -> bool:
        """Whether the page of this path is this place, or within it."""
        return path == self.path or path.startswith(self.within or (self.path + "/",))


NAVIGATION = (
    Place("/", "Schedules", within=("/schedules/",)),
    Place("/timeline", "Timeline"),
    Place("/firings", "Firings", within=("/firings/", "/runs")),
    Place("/jobs", "Jobs"),
    Place("/workers", "Workers"),
    Place("/audit", "Audit", Permission.VIEW_AUDIT),
)


def render(call: Call, template: str, status: int = 200, **context: Any) -> Response:
    """A page of this template, for this actor; `busy=True` lets scripts look often for changes.

    `now` is the database's time as it was measured last, unless the page gives what it has read.
    """
    now = call.scheduler.database.time.now()
    given = {**_surroundings(call.request, call.actor, call.title), "call": call, "now": now}
    return page(_environment().get_template(template).render({**given, **context}), status)


def render_alone(
    request: Request, actor: Actor | None, title: str, template: str, **context: Any
) -> str:
    """A page where no handler was reached: somebody unknown, or a refusal."""
    given = {**_surroundings(request, actor, title), **context}
    return _environment().get_template(template).render(given)


def _surroundings(request: Request, actor: Actor | None, title: str) -> Mapping[str, Any]:
    def may(permission: str) -> bool:
        return actor is not None and actor.may(Permission(permission))

    def url(path: str) -> str:
        return request.mount + path

    def static(name: str) -> str:
        return f"{request.mount}/static/{static_files.version()}/{name}"

    return {
        "actor": actor,
        "busy": False,
        "may": may,
        "now": None,
        "places": [place for place in NAVIGATION if may(place.permission)],
        "request": request,
        "signed_in": cookie_name(request) in request.cookies,
        "static": static,
        "title": title,
        "url": url,
    }


def segment(text: str) -> str:
    """An id as one segment of a path."""
    return quote(text, safe="")


def utc(at: datetime) -> str:
    """An instant as `<time datetime>` has it: `2026-03-02T12:00Z`, with seconds if it has any."""
    at = at.astimezone(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ" if at.second else "%Y-%m-%dT%H:%MZ")


NOTHING = Markup('<span class="quiet">&ndash;</span>')
"""What an empty cell shows."""


_COMMAND = re.compile("`([^`\n]+)`")


def said(text: str) -> Markup:
    """A message of ours: what stands in backquotes is code."""
    return Markup(_COMMAND.sub(r"<code>\1</code>", str(escape(phrases.harmless(text)))))


@pass_context
def time_of(
    context: Context, at: datetime | None, now: datetime | None = None, zone: str = "UTC"
) -> Markup:
    """A `<time>`: how far from now, with the instant on hover; scripts keep the distance true."""
    if at is None:
        return NOTHING
    said = phrases.relative(at, now or context["now"])
    title = escape(phrases.moment(at, zone))
    return Markup(f'<time datetime="{utc(at)}" title="{title}">{said}</time>')


@pass_context
def plain_time_of(context: Context, at: datetime) -> Markup:
    """The same where the instant stands beside it, or matters little: shorter, for long lists."""
    said = phrases.relative(at, context["now"])
    return Markup(f'<time datetime="{utc(at)}">{said}</time>')


_LIKE = {"STARTING": "QUEUED", "STOPPING": "WAITING", "STOPPED": "CANCELLED"}
"""States of workers, and the marks that they share with those of firings and job runs."""


@cache
def status(state: str) -> Markup:
    """A state as a colour, an icon and a word."""
    mark = MARKS[_LIKE.get(state, state)]
    word = MARKS[state].word if state in MARKS else state.lower()
    return Markup(
        f'<span class="status {style(_LIKE.get(state, state))}"><svg viewBox="0 0 {ICON} {ICON}"'
        f' aria-hidden="true"><path d="{mark.at(0, 0)}"/></svg>{word}</span>'
    )


_RELATIVE = re.compile('">[^<]*</time>')  # begins with what is rare: linear


def live(
    key: str,
    tag: str = "tr",
    *,
    caller: Callable[[], str],
    class_: str = "",
    id_: str = "",
    says: str = "",
) -> Markup:
    """An element with a key and a version, which scripts replace when the version has changed.

    How far from now a time is does not change the version: scripts keep that true anyway.
    """
    body = caller()
    given = {"id": id_, "class": class_, "data-says": says}
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in given.items() if value)
    whole = attributes + _RELATIVE.sub("", body)
    version = blake2b(whole.encode("utf-8", "replace"), digest_size=3).hexdigest()
    start = f'<{tag} data-live="{escape(key)}" data-version="{version}"{attributes}>'
    return Markup(f"{start}{body}</{tag}>")


@cache
def _environment() -> Environment:
    environment = Environment(
        auto_reload=False,
        autoescape=True,
        loader=PackageLoader("jobsched.admin.pages", "templates"),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        duration=phrases.duration,
        harmless=lambda text: escape(phrases.harmless(text)),
        moment=phrases.moment,
        one_line=phrases.one_line,
        plain_time_of=plain_time_of,
        said=said,
        segment=segment,
        span=phrases.span,
        sparkline=lru_cache(maxsize=1000)(
            sparkline
        ),  # of most schedules it is that of the last look
        status=status,
        utc=utc,
    )
    environment.globals.update(
        NOTHING=NOTHING, live=live, plain_time_of=plain_time_of, status=status, time_of=time_of
    )
    return environment
