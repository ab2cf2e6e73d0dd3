"""Firings: across schedules, one with its job runs; cancelling and retrying it."""

from jobsched import documents
from jobsched.admin import cursors
from jobsched.admin.api.queries import Cancel, FiringList, chosen
from jobsched.admin.api.results import (
    FiringDocument,
    FiringPage,
    FiringWithRunsDocument,
    HistoryPage,
)
from jobsched.admin.fields import Fields
from jobsched.admin.permissions import Permission
from jobsched.admin.response import Response, json_response
from jobsched.admin.reticence import shown_firing, shown_firing_with_runs
from jobsched.admin.routes import Call, Route
from jobsched.model import Firing, FiringStatus
from jobsched.store import listing
from jobsched.store.database import Transaction
from jobsched.store.listing import FiringFilter


def firing_list(call: Call) -> Response:
    """The firings that were asked for, newest first."""
    query = call.query
    wanted = FiringFilter(
        schedule_id=query.schedule,
        job_name=query.job,
        statuses=chosen(FiringStatus, query.status),
        trigger=query.trigger,
        since=query.since,
        until=query.until,
    )

    def read(tx: Transaction) -> FiringPage:
        page = listing.firings(
            tx, call.scheduler.app, wanted, before=cursors.number(query.cursor), limit=query.limit
        )
        return {
            "items": [shown_firing(call.actor, one) for one in page.items],
            "next": cursors.cursor(page.next),
            "searched_to": documents.optional_time(page.searched_to),
        }

    return json_response(call.scheduler.read(read))


def history_of(call: Call, schedule_id: str) -> Response:
    """A schedule's firings with their job runs, newest first."""
    query = call.query
    wanted = FiringFilter(
        schedule_id=schedule_id,
        statuses=chosen(FiringStatus, query.status),
        trigger=query.trigger,
        since=query.since,
        until=query.until,
    )

    def read(tx: Transaction) -> HistoryPage:
        page = listing.firings(
            tx,
            call.scheduler.app,
            wanted,
            before=cursors.number(query.cursor),
            limit=query.limit,
            with_runs=True,
        )
        return {
            "items": [shown_firing_with_runs(call.actor, one) for one in page.items],
            "next": cursors.cursor(page.next),
            "searched_to": documents.optional_time(page.searched_to),
        }

    return json_response(call.scheduler.read(read))


def firing(call: Call) -> Response:
    """One firing with its job runs."""
    found = call.scheduler.firing(call.number("id"))
    return json_response(shown_firing_with_runs(call.actor, found))


def cancel(call: Call) -> Response:
    """End what waits, and ask what runs to stop; the firing as it is then."""
    found = call.scheduler.cancel(
        call.number("id"), job=call.body.job, reason=call.body.reason, by=call.actor.name
    )
    return accepted(call, found)


def retry(call: Call) -> Response:
    """New attempts of all its jobs that did not succeed; the firing as it is then."""
    return accepted(call, call.scheduler.retry(call.number("id"), by=call.actor.name))


def accepted(call: Call, found: Firing) -> Response:
    """A firing on which a daemon will act."""
    document = shown_firing(call.actor, found)
    return json_response(document, 202, (("Location", call.url(f"/api/firings/{found.id}")),))


_ONE = "/api/firings/{id:int}"

ROUTES = (
    Route(
        "GET",
        "/api/firings",
        firing_list,
        Permission.READ,
        "Firings of all schedules, newest first",
        query=FiringList,
        result=FiringPage,
    ),
    Route(
        "GET",
        _ONE,
        firing,
        Permission.READ,
        "One firing with its plan and job runs",
        result=FiringWithRunsDocument,
    ),
    Route(
        "POST",
        f"{_ONE}/cancel",
        cancel,
        Permission.CANCEL,
        "Cancel a firing, or one of its jobs",
        body=Cancel,
        result=FiringDocument,
        status=202,
    ),
    Route(
        "POST",
        f"{_ONE}/retry",
        retry,
        Permission.RUN,
        "Give what did not succeed another attempt",
        body=Fields,
        result=FiringDocument,
        status=202,
    ),
)
