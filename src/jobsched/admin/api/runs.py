"""Job runs: across firings, one, and what it logged."""

from jobsched import documents
from jobsched.admin import cursors
from jobsched.admin.api.queries import LogList, RunList, chosen
from jobsched.admin.api.results import LogPage, RunDocument, RunPage
from jobsched.admin.permissions import Permission
from jobsched.admin.response import Response, json_response
from jobsched.admin.reticence import shown_run
from jobsched.admin.routes import Call, Route
from jobsched.model import LIVE_RUNS, JobRunStatus
from jobsched.store import history, listing
from jobsched.store.database import Transaction
from jobsched.store.listing import RunFilter


def run_list(call: Call) -> Response:
    """The job runs that were asked for, newest first."""
    query = call.query
    wanted = RunFilter(
        schedule_id=query.schedule,
        job_name=query.job,
        statuses=chosen(JobRunStatus, query.status),
        firing_id=query.firing,
        worker_id=query.worker,
        since=query.since,
        until=query.until,
    )

    def read(tx: Transaction) -> RunPage:
        page = listing.runs(
            tx, call.scheduler.app, wanted, before=cursors.number(query.cursor), limit=query.limit
        )
        return {
            "items": [shown_run(call.actor, one) for one in page.items],
            "next": cursors.cursor(page.next),
            "searched_to": documents.optional_time(page.searched_to),
        }

    return json_response(call.scheduler.read(read))


def run(call: Call) -> Response:
    """One attempt of a job."""
    return json_response(shown_run(call.actor, call.scheduler.job_run(call.number("id"))))


def logs(call: Call) -> Response:
    """The log lines of a job run after the one that is known already."""
    query = call.query

    def read(tx: Transaction) -> LogPage:
        # The run first: when it has ended by then, all its lines are there to be read.
        found = history.job_run(tx, call.scheduler.app, call.number("id"))
        lines = history.logs(tx, [found.id], after=query.after, limit=query.limit)
        more = len(lines) == query.limit
        after = lines[-1].id if lines else query.after
        return {
            "items": [documents.log_line(line, found) for line in lines],
            "next": str(after) if more else None,
            "after": after,
            "ended": found.status not in LIVE_RUNS,
        }

    return json_response(call.scheduler.read(read))


_ONE = "/api/runs/{id:int}"

ROUTES = (
    Route(
        "GET",
        "/api/runs",
        run_list,
        Permission.READ,
        "Job runs of all firings, newest first",
        query=RunList,
        result=RunPage,
    ),
    Route("GET", _ONE, run, Permission.READ, "One attempt of a job", result=RunDocument),
    Route(
        "GET",
        f"{_ONE}/logs",
        logs,
        Permission.VIEW_LOGS,
        "A job run's log lines since a line that is known",
        query=LogList,
        result=LogPage,
    ),
)
