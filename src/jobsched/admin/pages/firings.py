"""Firings of all schedules, and their job runs: two tabs of one page."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from jobsched import documents, phrases
from jobsched.admin import cursors
from jobsched.admin.api.queries import FiringList, RunList, chosen
from jobsched.admin.pages import filters
from jobsched.admin.pages.filters import Filters
from jobsched.admin.pages.firing import as_seen, run_as_seen
from jobsched.admin.pages.rendering import render
from jobsched.admin.permissions import Permission
from jobsched.admin.response import Response
from jobsched.admin.routes import Call, Route
from jobsched.model import (
    LIVE_FIRINGS,
    LIVE_RUNS,
    Firing,
    FiringStatus,
    JobRun,
    JobRunStatus,
    TriggerType,
    Worker,
)
from jobsched.store import history, listing, selections, worker_list
from jobsched.store.database import Transaction
from jobsched.store.listing import FiringFilter, Page, RunFilter
from jobsched.store.pulse import pulse

NAMES = 300
"""How many schedules and jobs the filters offer; any other can be typed."""

MOST_ROWS = 10_000
"""Of a CSV file."""

FAILURES_AT_ONCE = 500
"""Of how many firings of a CSV file the errors are held at once: each may have a long traceback."""

MOST_LOOKS = 20
"""How often a search for the rows of a CSV file goes on where it ended early."""


_SHARED = ("schedule", "job", "since", "until")
"""The filters that both tabs know."""


class FiringFilters(Filters, FiringList):
    """Which firings."""


class RunFilters(Filters, RunList):
    """Which job runs."""


def firings(call: Call) -> Response:
    """The firings that were asked for, newest first, a page at a time."""
    query, app = call.query, call.scheduler.app

    def read(tx: Transaction) -> tuple[Page[Firing], list[str], list[str]]:
        found = listing.firings(
            tx, app, _wanted(query), before=cursors.number(query.cursor), limit=query.limit
        )
        return replace(found, items=history.with_failures(tx, found.items)), *_names(tx, app)

    found, schedules, jobs = call.scheduler.read(read)
    rows = [as_seen(call.actor, one) for one in found.items]
    return render(
        call,
        "firings.html",
        busy=any(one.status in LIVE_FIRINGS for one in rows),
        firings=rows,
        why=phrases.why,
        took=phrases.took,
        cause=phrases.cause,
        triggers=list(TriggerType),
        csv=filters.address(call, "/firings.csv", query.chosen),
        **_list(call, found, list(FiringStatus), schedules, jobs),
    )


def runs(call: Call) -> Response:
    """The job runs that were asked for, newest first, a page at a time."""
    query, app = call.query, call.scheduler.app
    wanted = RunFilter(
        schedule_id=query.schedule,
        job_name=query.job,
        statuses=chosen(JobRunStatus, query.status),
        firing_id=query.firing,
        worker_id=query.worker,
        since=query.since,
        until=query.until,
    )

    def read(
        tx: Transaction,
    ) -> tuple[Page[JobRun], dict[str, Worker], list[str], list[str]]:
        found = listing.runs(
            tx, app, wanted, before=cursors.number(query.cursor), limit=query.limit
        )
        workers = worker_list.by_ids(tx, (one.worker_id for one in found.items))
        return found, workers, *_names(tx, app)

    found, workers, schedules, jobs = call.scheduler.read(read)
    rows = [run_as_seen(call.actor, one) for one in found.items]
    return render(
        call,
        "runs.html",
        busy=any(one.status in LIVE_RUNS for one in rows),
        runs=rows,
        workers=workers,
        why=phrases.run_why,
        **_list(call, found, list(JobRunStatus), schedules, jobs),
    )


def as_csv(call: Call) -> Response:
    """The firings that were asked for as a CSV file, newest first."""
    name = ("Content-Disposition", 'attachment; filename="firings.csv"')
    body = call.scheduler.read(lambda tx: _csv(list(_rows(tx, call))))
    return Response(200, body.encode("utf-8"), "text/csv; charset=utf-8", (name,))


def pulse_of_all(call: Call) -> str:
    """Changes with anything that a list of firings shows."""
    return call.scheduler.read(lambda tx: pulse(tx, call.scheduler.app))


def _wanted(query: FiringFilters) -> FiringFilter:
    return FiringFilter(
        schedule_id=query.schedule,
        job_name=query.job,
        statuses=chosen(FiringStatus, query.status),
        trigger=query.trigger,
        since=query.since,
        until=query.until,
    )


def _names(tx: Transaction, app: str) -> tuple[list[str], list[str]]:
    return (
        selections.schedule_ids(tx, app, limit=NAMES),
        selections.job_names(tx, app, limit=NAMES),
    )


def _list(
    call: Call,
    found: Page[Firing] | Page[JobRun],
    statuses: list[FiringStatus] | list[JobRunStatus],
    schedules: list[str],
    jobs: list[str],
) -> dict[str, Any]:
    query = call.query
    cursor = cursors.cursor(found.next)
    shared = {name: query.chosen[name] for name in _SHARED if name in query.chosen}
    return {
        "tabs": [
            (word, filters.address(call, path, shared), path == call.request.path)
            for path, word in (("/firings", "Firings"), ("/runs", "Job runs"))
        ],
        "query": query,
        "chosen": query.chosen,
        "statuses": statuses,
        "schedules": schedules,
        "jobs": jobs,
        "in_input": filters.in_input,
        "link": lambda **more: filters.link(call, query.chosen, **more),
        "first": filters.link(call, query.chosen) if query.cursor else None,
        "more": filters.link(call, query.chosen, cursor=cursor) if cursor else None,
        "searched_to": found.searched_to,
    }


# CSV (RFC 4180)

_COLUMNS = ("firing", "schedule", "job", "scheduled_for", "trigger", "requested_by", "status")
_MORE_COLUMNS = ("why", "started_at", "finished_at", "duration_s")


def _rows(tx: Transaction, call: Call) -> Iterator[tuple[str, ...]]:
    before, left = cursors.number(call.query.cursor), MOST_ROWS
    for _ in range(MOST_LOOKS):
        found = listing.firings(
            tx, call.scheduler.app, _wanted(call.query), before=before, limit=left
        )
        for at in range(0, len(found.items), FAILURES_AT_ONCE):
            part = history.with_failures(tx, found.items[at : at + FAILURES_AT_ONCE])
            yield from (_row(as_seen(call.actor, one)) for one in part)
        left -= len(found.items)
        if found.next is None or left <= 0:
            return
        before = int(found.next[0] or 0)


def _row(one: Firing) -> tuple[str, ...]:
    took = one.finished_at - one.started_at if one.started_at and one.finished_at else None
    return (
        str(one.id),
        one.schedule_id or "",
        one.job_name or "",
        documents.time(one.scheduled_for),
        one.trigger,
        one.requested_by or "",
        one.status,
        phrases.why(one),
        documents.optional_time(one.started_at) or "",
        documents.optional_time(one.finished_at) or "",
        "" if took is None else f"{took.total_seconds():.3f}",
    )


def _csv(rows: list[tuple[str, ...]]) -> str:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow((*_COLUMNS, *_MORE_COLUMNS))
    writer.writerows([no_formula(cell) for cell in row] for row in rows)
    return written.getvalue()


def no_formula(cell: str) -> str:
    """The text as a spreadsheet shows it, instead of working it out.

    With an apostrophe where it would be a formula (OWASP, CSV injection).
    """
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


ROUTES = (
    Route(
        "GET",
        "/firings",
        firings,
        Permission.READ,
        "Firings, newest first",
        query=FiringFilters,
        pulse=pulse_of_all,
    ),
    Route(
        "GET",
        "/runs",
        runs,
        Permission.READ,
        "Job runs, newest first",
        query=RunFilters,
        pulse=pulse_of_all,
    ),
    Route(
        "GET",
        "/firings.csv",
        as_csv,
        Permission.READ,
        "Firings as CSV",
        query=FiringFilters,
    ),
)
