"""One schedule: when it is due, what it does then, and how that has gone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from jobsched import phrases
from jobsched.admin.pages import sentences
from jobsched.admin.pages.filters import address
from jobsched.admin.pages.firing import as_seen
from jobsched.admin.pages.rendering import render, segment
from jobsched.admin.pages.schedules import words
from jobsched.admin.permissions import Permission
from jobsched.admin.pictures.calendar import Day, calendar, calendar_rows
from jobsched.admin.pictures.durations import duration_rows, durations
from jobsched.admin.response import Response
from jobsched.admin.routes import Call, Route
from jobsched.documents import values
from jobsched.errors import DeclarationError
from jobsched.fixed import fixed
from jobsched.model import LIVE_FIRINGS, Firing, JobDefinition, ScheduleState
from jobsched.occurrences import upcoming
from jobsched.planning.health import is_overdue
from jobsched.planning.plan import select
from jobsched.store import definitions, history, overview, stats
from jobsched.store import schedules as stored
from jobsched.store.database import Transaction
from jobsched.store.listing import FiringFilter
from jobsched.store.listing import firings as listed
from jobsched.store.paging import Page
from jobsched.store.pulse import schedule_pulse
from jobsched.store.stats import Outcomes, ScheduleStats

FIRINGS = 20
OCCURRENCES = 5
CALENDAR = timedelta(days=7 * 13)


@fixed
class Found:
    """What the page is made of."""

    now: datetime
    state: ScheduleState
    overdue: bool
    jobs: Mapping[str, JobDefinition]
    figures: ScheduleStats
    outcomes: Outcomes
    firings: Page[Firing]


def schedule(call: Call) -> Response:
    """The page."""
    found = call.scheduler.read(lambda tx: _read(tx, call))
    state = found.state
    zone = zone_of(state)
    all_firings = address(call, "/firings", {"schedule": state.declaration.id})
    days = _days(call, state, found.outcomes, zone)
    today = found.now.astimezone(zone).date()
    jobs, unplanned = plan(state, found.jobs)
    return render(
        call,
        "schedule.html",
        all_firings=all_firings,
        busy=any(one.status in LIVE_FIRINGS for one in found.firings.items),
        calendar=calendar(days, today),
        days=calendar_rows(days, today),
        declared=state.declaration,
        durations=durations(state.recent),
        duration_rows=duration_rows(state.recent),
        found=found,
        href=call.url("/schedules/" + segment(state.declaration.id)),
        jobs=jobs,
        now=found.now,
        occurrences=occurrences(state, found.now, OCCURRENCES),
        params=values.params(state.declaration.params),
        phrases=phrases,
        sentences=sentences,
        state=state,
        unplanned=unplanned,
        when=words(state),
        zone=zone.key,
    )


def zone_of(state: ScheduleState) -> ZoneInfo:
    """The schedule's zone; UTC when what is stored of it cannot be read."""
    try:
        return ZoneInfo(state.declaration.timing.timezone)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def occurrences(state: ScheduleState, now: datetime, n: int) -> list[datetime]:
    """The coming occurrences; none when what is stored of the timing cannot be read."""
    last = state.last_scheduled_for
    try:
        return list(islice(upcoming(state.declaration.timing, max(now, last or now)), n))
    except DeclarationError:
        return []


def plan(
    state: ScheduleState, jobs: Mapping[str, JobDefinition]
) -> tuple[Sequence[JobDefinition], str]:
    """The jobs that a firing would run, in order; or why that cannot be said."""
    try:
        return [jobs[one.name] for one in select(state.declaration, jobs)], ""
    except DeclarationError as error:
        return (), str(error)


def _read(tx: Transaction, call: Call) -> Found:
    app, schedule_id = call.scheduler.app, call.path["id"]
    state = stored.state(tx, app, schedule_id)
    latest = listed(tx, app, FiringFilter(schedule_id=schedule_id), limit=FIRINGS)
    told = history.with_failures(tx, latest.items)
    return Found(
        now=tx.now,
        state=state,
        overdue=is_overdue(state, tx.now, overview.overdue_limit(tx, app)),
        jobs=definitions.current(tx, app),
        figures=stats.schedule_stats(tx, app, [schedule_id])[schedule_id],
        outcomes=stats.outcomes_by_day(tx, app, schedule_id, tx.now - CALENDAR, zone_of(state)),
        firings=replace(latest, items=tuple(as_seen(call.actor, one) for one in told)),
    )


def _days(call: Call, state: ScheduleState, outcomes: Outcomes, zone: ZoneInfo) -> list[Day]:
    def href(day: date) -> str:
        begin = datetime(day.year, day.month, day.day, tzinfo=zone)
        end = datetime.combine(day + timedelta(days=1), begin.timetz())
        return address(
            call,
            "/firings",
            {
                "schedule": state.declaration.id,
                "since": begin.isoformat(),
                "until": end.isoformat(),
            },
        )

    return [
        Day(one.date, one.succeeded, one.failed, one.other, href(one.date)) for one in outcomes.days
    ]


def _pulse(call: Call) -> str:
    return call.scheduler.read(lambda tx: schedule_pulse(tx, call.scheduler.app, call.path["id"]))


ROUTES = (Route("GET", "/schedules/{id}", schedule, Permission.READ, "One schedule", pulse=_pulse),)
