"""Who changed what, from what to what, and why."""

import json
import re
from collections.abc import Mapping
from typing import Any

from jobsched.admin import cursors
from jobsched.admin.api.queries import AuditList
from jobsched.admin.pages import filters
from jobsched.admin.pages.filters import Filters
from jobsched.admin.pages.firings import pulse_of_all
from jobsched.admin.pages.rendering import render, segment
from jobsched.admin.permissions import Permission
from jobsched.admin.response import Response
from jobsched.admin.reticence import shown_state
from jobsched.admin.routes import Call, Route
from jobsched.fixed import fixed
from jobsched.store import listing
from jobsched.store.listing import AuditEntry, AuditFilter

LONGEST = 300
"""Characters of a value that are shown."""

VERBS = ("enable", "disable", "trigger", "cancel", "retry")
"""What is offered to filter by."""

_TARGET = re.compile(r"(?P<kind>schedule|firing|job) (?P<name>\S+)(?: job (?P<job>.+))?")


class AuditFilters(Filters, AuditList):
    """Which changes."""


@fixed
class Change:
    """One value that is otherwise now."""

    name: str
    before: str
    """Empty when there was none."""
    after: str


def audit(call: Call) -> Response:
    """The changes that were asked for, newest first, a page at a time."""
    query = call.query
    wanted = AuditFilter(query.who, query.what, query.target, query.since, query.until)
    page = call.scheduler.read(
        lambda tx: listing.audit(
            tx, call.scheduler.app, wanted, before=cursors.number(query.cursor), limit=query.limit
        )
    )
    cursor = cursors.cursor(page.next)
    return render(
        call,
        "audit.html",
        entries=[(one, _changes(call, one), href(call, one.target)) for one in page.items],
        query=query,
        chosen=query.chosen,
        verbs=VERBS,
        in_input=filters.in_input,
        link=lambda **more: filters.link(call, query.chosen, **more),
        first=filters.link(call, query.chosen) if query.cursor else None,
        more=filters.link(call, query.chosen, cursor=cursor) if cursor else None,
        searched_to=page.searched_to,
    )


def _changes(call: Call, one: AuditEntry) -> list[Change]:
    return changes(shown_state(call.actor, one.before), shown_state(call.actor, one.after))


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Change]:
    """What differs, value by value; what stayed the same is left out."""
    old, new = before or {}, after or {}
    found = [
        Change(name, _said(old.get(name)), _said(new.get(name)))
        for name in dict.fromkeys([*old, *new])
    ]
    return [one for one in found if one.before != one.after]


def href(call: Call, target: str) -> str | None:
    """Where the page of a target is; None for what has none."""
    found = _TARGET.fullmatch(target)
    if found is None:
        return None
    kind, name = found["kind"], found["name"]
    if kind == "job":
        return filters.address(call, "/runs", {"job": name})
    if kind == "firing" and not name.isdecimal():
        return None
    return call.url(f"/{kind}s/{segment(name)}")


def _said(value: Any) -> str:
    if value in (None, {}, []):
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


ROUTES = (
    Route(
        "GET",
        "/audit",
        audit,
        Permission.VIEW_AUDIT,
        "Who changed what",
        query=AuditFilters,
        pulse=pulse_of_all,
    ),
)
