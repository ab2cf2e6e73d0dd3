"""The home page: what is declared, what is due, and what is wrong."""

from jobsched import phrases
from jobsched.admin import cursors
from jobsched.admin.fields import Cursor, Name
from jobsched.admin.pages import health
from jobsched.admin.pages.filters import Filters, link
from jobsched.admin.pages.rendering import render
from jobsched.admin.permissions import Permission
from jobsched.admin.response import Response
from jobsched.admin.routes import Call, Route
from jobsched.cron.words import in_words
from jobsched.fixed import fixed
from jobsched.model import ScheduleState
from jobsched.planning.facts import ScheduleCounts
from jobsched.planning.health import assess, is_overdue, live_daemons, overdue_limit
from jobsched.store import groups, overview
from jobsched.store.database import Transaction
from jobsched.store.listing import ScheduleFilter, ScheduleSort, ScheduleView
from jobsched.store.overview import Home
from jobsched.store.pulse import pulse

ON_A_PAGE = 100


class HomeQuery(Filters):
    """Which schedules, and in which order."""

    view: ScheduleView = ScheduleView.ALL
    search: Name | None = None
    group: Name | None = None
    job: Name | None = None
    sort: ScheduleSort = ScheduleSort.ID
    cursor: Cursor | None = None


@fixed
class Chip:
    """A view of the list, and how many schedules it shows."""

    word: str
    href: str
    count: int
    current: bool


def home(call: Call) -> Response:
    """The schedules with their state."""
    query: HomeQuery = call.query
    wanted = ScheduleFilter(query.view, query.search, query.group, query.job)
    kinds = (str,) if query.sort is ScheduleSort.ID else (str, str)
    after = cursors.values(query.cursor, kinds)
    scheduler = call.scheduler
    behind = scheduler.tables_behind()

    def read(tx: Transaction) -> tuple[Home, list[str]]:
        found = overview.home(
            scheduler.database,
            tx,
            scheduler.app,
            wanted,
            sort=query.sort,
            after=after,
            limit=ON_A_PAGE,
            stop_grace=scheduler.settings.shutdown_grace,
            tables_behind=behind,
        )
        return found, groups.groups(tx, scheduler.app)

    found, all_groups = scheduler.read(read)
    facts, chosen = found.facts, query.chosen
    limit = overdue_limit(facts.workers)
    more = cursors.cursor(found.page.next)
    return render(
        call,
        "schedules.html",
        busy=bool(facts.in_progress or facts.queued),
        chips=_chips(call, query, facts.counts),
        chosen=chosen,
        clear=link(call, {}),
        counts=facts.counts,
        daemons=len(live_daemons(facts)),
        first=link(call, chosen) if query.cursor else None,
        groups=all_groups,
        health=health.banner(call, assess(facts)),
        more=link(call, chosen, cursor=more) if more else None,
        now=facts.now,
        overdue={
            one.declaration.id for one in found.page.items if is_overdue(one, facts.now, limit)
        },
        page=found.page,
        query=query,
        remark=phrases.remark,
        running=found.running,
        sorts={sort: link(call, chosen, sort=sort.value) for sort in ScheduleSort},
        words=words,
    )


def words(state: ScheduleState) -> tuple[str, str]:
    """When a schedule is due: in words, and beside them what stands in its declaration."""
    timing = state.declaration.timing
    if timing.cron is None:
        return _capital(phrases.timing(timing)), ""
    said = in_words(timing.cron)
    if said is None:
        return timing.cron, timing.timezone
    return _capital(said), f"{timing.cron} {timing.timezone}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _chips(call: Call, query: HomeQuery, counts: ScheduleCounts) -> list[Chip]:
    chosen = {name: value for name, value in query.chosen.items() if name != "view"}
    always = {ScheduleView.ALL, ScheduleView.ENABLED, ScheduleView.DISABLED, query.view}
    numbers = {view: _count(counts, view) for view in ScheduleView}
    return [
        Chip(
            view.value.capitalize(),
            link(call, chosen, view=None if view is ScheduleView.ALL else view.value),
            numbers[view],
            view is query.view,
        )
        for view in ScheduleView
        if numbers[view] or view in always
    ]


def _count(counts: ScheduleCounts, view: ScheduleView) -> int:
    name = "total" if view is ScheduleView.ALL else view.value
    found: int = getattr(counts, name)
    return found


def _pulse(call: Call) -> str:
    return call.scheduler.read(lambda tx: pulse(tx, call.scheduler.app))


ROUTES = (Route("GET", "/", home, Permission.READ, "Schedules", query=HomeQuery, pulse=_pulse),)
