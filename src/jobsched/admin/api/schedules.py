"""Schedules: what is declared, with its state; switching and triggering it; its figures."""

from datetime import datetime
from itertools import islice

from jobsched import documents
from jobsched.admin import cursors
from jobsched.admin.api import firings
from jobsched.admin.api.queries import (
    HistoryList,
    OneSchedule,
    ScheduleList,
    StatsList,
    Switch,
    Trigger,
)
from jobsched.admin.api.results import (
    FiringDocument,
    HistoryPage,
    ScheduleDetail,
    ScheduleItem,
    SchedulePage,
    StatsItem,
    StatsPage,
)
from jobsched.admin.permissions import Actor, Permission
from jobsched.admin.refusal import RefusalError
from jobsched.admin.response import Response, json_response
from jobsched.admin.reticence import shown_schedule
from jobsched.admin.routes import Call, Route
from jobsched.arguments import LONGEST_KEY
from jobsched.cron.words import in_words
from jobsched.errors import DeclarationError
from jobsched.model import ScheduleState
from jobsched.occurrences import upcoming
from jobsched.planning.health import is_overdue
from jobsched.store import overview, stats
from jobsched.store import schedules as stored
from jobsched.store.database import Transaction
from jobsched.store.listing import ScheduleFilter, ScheduleSort
from jobsched.store.listing import schedules as listed
from jobsched.store.stats import ScheduleStats


def schedule_list(call: Call) -> Response:
    """The schedules that were asked for."""
    query = call.query
    kinds = (str,) if query.sort is ScheduleSort.ID else (str, str)
    wanted = ScheduleFilter(query.view, query.search, query.group, query.job)
    after = cursors.values(query.cursor, kinds)

    def read(tx: Transaction) -> SchedulePage:
        page = listed(
            tx, call.scheduler.app, wanted, sort=query.sort, after=after, limit=query.limit
        )
        limit = overview.overdue_limit(tx, call.scheduler.app)
        return {
            "items": [item(call.actor, one, is_overdue(one, tx.now, limit)) for one in page.items],
            "next": cursors.cursor(page.next),
        }

    return json_response(call.scheduler.read(read))


def schedule(call: Call) -> Response:
    """One schedule, with its coming occurrences."""

    def read(tx: Transaction) -> ScheduleDetail:
        app = call.scheduler.app
        state = stored.state(tx, app, call.path["id"])
        overdue = is_overdue(state, tx.now, overview.overdue_limit(tx, app))
        return {
            **item(call.actor, state, overdue),
            "next_runs": [documents.time(at) for at in next_runs(state, tx.now, call.query.n)],
            "drift": state.declaration.id in overview.drifting(tx, app),
        }

    return json_response(call.scheduler.read(read))


def switch(call: Call) -> Response:
    """Enable or disable a schedule; the schedule as it is then."""
    verb = call.scheduler.enable if call.body.enabled else call.scheduler.disable
    state = verb(call.path["id"], by=call.actor.name, reason=call.body.reason)
    return json_response(item(call.actor, state, overdue=False))


def trigger(call: Call) -> Response:
    """Fire a schedule now; the new firing."""
    firing = call.scheduler.trigger(
        call.path["id"],
        params=call.body.params,
        key=idempotency_key(call),
        by=call.actor.name,
    )
    return firings.accepted(call, firing)


def history(call: Call) -> Response:
    """A schedule's firings with their job runs, newest first."""
    call.scheduler.read(lambda tx: stored.state(tx, call.scheduler.app, call.path["id"]))
    return firings.history_of(call, call.path["id"])


def figures(call: Call) -> Response:
    """Totals, and what the last firings say, for each schedule."""

    def read(tx: Transaction) -> StatsPage:
        app = call.scheduler.app
        after = cursors.values(call.query.cursor, (str,))
        page = listed(
            tx, app, ScheduleFilter(), sort=ScheduleSort.ID, after=after, limit=call.query.limit
        )
        found = stats.schedule_stats(tx, app, [one.declaration.id for one in page.items])
        return {
            "items": [_figures(found[one.declaration.id]) for one in page.items],
            "next": cursors.cursor(page.next),
        }

    return json_response(call.scheduler.read(read))


# What pages show too


def item(actor: Actor, state: ScheduleState, overdue: bool) -> ScheduleItem:
    """A schedule as lists show it."""
    cron = state.declaration.timing.cron
    return {
        **shown_schedule(actor, state),
        "words": None if cron is None else in_words(cron),
        "last_result": state.recent[-1].status if state.recent else None,
        "overdue": overdue,
    }


def next_runs(state: ScheduleState, now: datetime, n: int) -> list[datetime]:
    """The coming occurrences; none when what is stored of the timing cannot be read."""
    last = state.last_scheduled_for
    try:
        return list(islice(upcoming(state.declaration.timing, max(now, last or now)), n))
    except DeclarationError:
        return []


def idempotency_key(call: Call) -> str | None:
    """The key of a request that may come twice. Refuses one that cannot be kept."""
    key = call.request.headers.get("idempotency-key")
    if key is not None and (not 0 < len(key) <= LONGEST_KEY or not key.isprintable()):
        raise RefusalError(
            422, "invalid", f"Idempotency-Key: must be 1 to {LONGEST_KEY} printable characters"
        )
    return key


def _figures(one: ScheduleStats) -> StatsItem:
    return {
        "schedule_id": one.schedule_id,
        "run_count": one.run_count,
        "failure_count": one.failure_count,
        "last_firings": one.last_firings,
        "success_rate": one.success_rate,
        "duration_p50_ms": one.duration_p50_ms,
        "duration_p95_ms": one.duration_p95_ms,
    }


_READ = Permission.READ
_ONE = "/api/schedules/{id}"

ROUTES = (
    Route(
        "GET",
        "/api/schedules",
        schedule_list,
        _READ,
        "Schedules with their state",
        query=ScheduleList,
        result=SchedulePage,
    ),
    Route(
        "GET",
        _ONE,
        schedule,
        _READ,
        "One schedule with its coming occurrences",
        query=OneSchedule,
        result=ScheduleDetail,
    ),
    Route(
        "PUT",
        _ONE,
        switch,
        Permission.TOGGLE,
        "Enable or disable a schedule",
        body=Switch,
        result=ScheduleItem,
    ),
    Route(
        "POST",
        f"{_ONE}/trigger",
        trigger,
        Permission.RUN,
        "Fire a schedule now",
        body=Trigger,
        result=FiringDocument,
        status=202,
    ),
    Route(
        "GET",
        f"{_ONE}/history",
        history,
        _READ,
        "A schedule's firings and job runs, newest first",
        query=HistoryList,
        result=HistoryPage,
    ),
    Route(
        "GET",
        "/api/stats",
        figures,
        _READ,
        "Figures of each schedule",
        query=StatsList,
        result=StatsPage,
    ),
)
