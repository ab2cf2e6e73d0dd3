"""What ran and what comes: two hours back, a day ahead, a lane per schedule."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from jobsched import zones
from jobsched.admin import cursors
from jobsched.admin.fields import Cursor, Name
from jobsched.admin.pages import coming, filters
from jobsched.admin.pages.coming import Calculator, Coming
from jobsched.admin.pages.filters import Filters
from jobsched.admin.pages.rendering import render, segment
from jobsched.admin.permissions import Permission
from jobsched.admin.pictures.density import density, density_rows
from jobsched.admin.pictures.lanes import Bar, Lane
from jobsched.admin.pictures.timeline import timeline, timeline_rows
from jobsched.admin.response import Response
from jobsched.admin.routes import Call, Route
from jobsched.fixed import fixed
from jobsched.model import FiringStatus, ScheduleState, Timing
from jobsched.store import listing, selections, stats
from jobsched.store.database import Transaction
from jobsched.store.listing import Page, ScheduleFilter, ScheduleView
from jobsched.store.pulse import pulse
from jobsched.store.stats import PastFiring

BACK = timedelta(hours=2)
AHEAD = timedelta(hours=24)
LANES = 100
PAST = 60
"""How many of its last firings are shown of a schedule."""

ALL_OF_THEM = 5000
"""How many schedules the density counts at most."""


def _zone(name: str) -> str:
    return zones.zone(name).key


class Shown(StrEnum):
    """Which schedules have a lane."""

    ENABLED = "enabled"
    ALL = "all"


class TimelineFilters(Filters):
    """Which lanes, and on which clock."""

    zone: Annotated[Name, AfterValidator(_zone)] = "UTC"
    view: Shown = Shown.ENABLED
    group: Name | None = None
    search: Name | None = None
    cursor: Cursor | None = None


@fixed
class Found:
    """What the picture is made of."""

    page: Page[ScheduleState]
    past: Mapping[str, list[PastFiring]]
    timings: Sequence[Timing]
    """Of every enabled schedule."""
    now: datetime


def timeline_page(call: Call) -> Response:
    """The picture, the density above it, and the table that says the same."""
    query = call.query
    found = call.scheduler.read(lambda tx: _read(tx, call))
    start, end = _extent(found.now)
    # The same for a minute: the picture changes with what happens, and not with each look.
    calculator = Calculator(found.now)
    minute = calculator.minute
    zone = ZoneInfo(query.zone)
    lanes = [_lane(call, state, found, calculator, minute, end) for state in found.page.items]
    of_all = [calculator.of(timing) for timing in found.timings]
    counts = _counts(of_all, calculator.hour, start, end)
    cursor = cursors.cursor(found.page.next)
    return render(
        call,
        "timeline.html",
        now=found.now,
        query=query,
        chosen=query.chosen,
        views=[
            ("Enabled", filters.link(call, query.chosen, view=None), query.view is Shown.ENABLED),
            ("All", filters.link(call, query.chosen, view="all"), query.view is Shown.ALL),
        ],
        picture=timeline(lanes, start, minute, end, zone),
        rows=timeline_rows(lanes, start, minute, end, zone),
        strip=density(counts, coming.SLOT, start, end, zone),
        slots=density_rows(counts, coming.SLOT, start),
        lanes=lanes,
        cut=calculator.cut,
        often=sum(one.goes_on for one in of_all),
        most=coming.MOST,
        uncounted=len(found.timings) == ALL_OF_THEM,
        all_of_them=ALL_OF_THEM,
        past=PAST,
        zones=_zones(found.page.items),
        first=filters.link(call, query.chosen) if query.cursor else None,
        more=filters.link(call, query.chosen, cursor=cursor) if cursor else None,
    )


def pulse_of_minute(call: Call) -> str:
    """The picture moves on with each minute."""

    def read(tx: Transaction) -> str:
        return f"{pulse(tx, call.scheduler.app)} {tx.now:%H:%M}"

    return call.scheduler.read(read)


def _read(tx: Transaction, call: Call) -> Found:
    query, app = call.query, call.scheduler.app
    wanted = ScheduleFilter(ScheduleView(query.view), query.search, query.group)
    page = listing.schedules(
        tx, app, wanted, after=cursors.values(query.cursor, (str,)), limit=LANES
    )
    ids = [one.declaration.id for one in page.items]
    start, _ = _extent(tx.now)
    return Found(
        page=page,
        past=stats.recent_firings(tx, app, ids, PAST, start),
        timings=selections.enabled_timings(tx, app, limit=ALL_OF_THEM),
        now=tx.now,
    )


def _extent(now: datetime) -> tuple[datetime, datetime]:
    """From and to a quarter of an hour, so that slots are those of the clock."""
    quarter = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    return quarter - BACK, quarter + AHEAD + coming.SLOT


def _lane(
    call: Call,
    state: ScheduleState,
    found: Found,
    calculator: Calculator,
    minute: datetime,
    end: datetime,
) -> Lane:
    declared = state.declaration
    comes = calculator.shown(declared.timing) if _fires(state) else None
    return Lane(
        id=declared.id,
        name=declared.name or declared.id,
        href=call.url(f"/schedules/{segment(declared.id)}"),
        past=tuple(_bar(call, one) for one in reversed(found.past[declared.id])),
        coming=tuple(at for at in comes.times if minute < at <= end) if comes else (),
        goes_on=comes.goes_on if comes else False,
    )


def _fires(state: ScheduleState) -> bool:
    return state.enabled and state.in_environment and state.problem is None


def _bar(call: Call, one: PastFiring) -> Bar:
    skipped = one.started_at is None or one.status == FiringStatus.SKIPPED
    return Bar(
        firing_id=one.id,
        href=call.url(f"/firings/{one.id}"),
        status=one.status,
        start=one.scheduled_for if skipped or one.started_at is None else one.started_at,
        end=None if skipped else one.finished_at,
    )


def _counts(of_all: Sequence[Coming], hour: datetime, start: datetime, end: datetime) -> list[int]:
    """The slots of the picture: nothing before this hour, for that has been."""
    before = (hour - start) // coming.SLOT
    counts = [0] * before + coming.total(of_all)
    return counts[: -((start - end) // coming.SLOT)]


def _zones(states: Sequence[ScheduleState]) -> list[str]:
    return sorted({"UTC", *(one.declaration.timing.timezone for one in states)})


ROUTES = (
    Route(
        "GET",
        "/timeline",
        timeline_page,
        Permission.READ,
        "What ran and what comes",
        query=TimelineFilters,
        pulse=pulse_of_minute,
    ),
)
