"""Cancelling a firing, or one of its jobs, and retrying it: each asks first."""

from typing import Annotated

from jobsched.admin.fields import Fields, Name, Optional, Reason
from jobsched.admin.pages.firing import as_seen
from jobsched.admin.pages.rendering import render
from jobsched.admin.permissions import Permission
from jobsched.admin.refusal import of_error
from jobsched.admin.response import Response, see_other
from jobsched.admin.routes import Call, Route
from jobsched.errors import JobschedError
from jobsched.model import LIVE_FIRINGS, LIVE_RUNS, Firing, JobRun, JobRunStatus
from jobsched.store.plans import last_attempts


class Which(Fields):
    """What of the firing: one job of its plan, or all of it."""

    job: Annotated[Name | None, Optional] = None


class Cancel(Which):
    """The form that cancels."""

    reason: Annotated[Reason | None, Optional] = None


def ask_cancel(call: Call) -> Response:
    """What it would mean, and a field for the reason."""
    return _cancel_page(call, call.query.job)


def cancel(call: Call) -> Response:
    """Cancel, and back to the firing."""
    body = call.body
    try:
        call.scheduler.cancel(
            call.number("id"), job=body.job, reason=body.reason, by=call.actor.name
        )
    except JobschedError as error:
        refused = of_error(error)
        if refused is None or refused.status == 404:
            raise
        return _cancel_page(call, body.job, refused.message, body.reason or "", refused.status)
    return _back(call)


def ask_retry(call: Call) -> Response:
    """Which jobs would get another attempt."""
    return _retry_page(call)


def retry(call: Call) -> Response:
    """Give another attempt to what did not succeed, and back to the firing."""
    try:
        call.scheduler.retry(call.number("id"), by=call.actor.name)
    except JobschedError as error:
        refused = of_error(error)
        if refused is None or refused.status == 404:
            raise
        return _retry_page(call, refused.message, refused.status)
    return _back(call)


def _cancel_page(
    call: Call, job: str | None, said: str = "", reason: str = "", status: int = 200
) -> Response:
    found = _firing(call)
    last = [run for run in last_attempts(found.runs) if job is None or run.job_name == job]
    live = [run for run in last if run.status in LIVE_RUNS]
    possible = found.status in LIVE_FIRINGS and (job is None or bool(live))
    return render(
        call,
        "cancel.html",
        status,
        firing=found,
        job=job,
        said=said,
        reason=reason,
        possible=possible,
        running=[run for run in live if run.status is JobRunStatus.RUNNING],
        queued=[run for run in live if run.status is JobRunStatus.QUEUED],
        dependents=_dependents(found, job) if job else [],
    )


def _retry_page(call: Call, said: str = "", status: int = 200) -> Response:
    found = _firing(call)
    last = last_attempts(found.runs)
    return render(
        call,
        "retry.html",
        status,
        firing=found,
        said=said,
        again=[run for run in last if run.status is not JobRunStatus.SUCCESS],
        kept=[run for run in last if run.status is JobRunStatus.SUCCESS],
    )


def _dependents(found: Firing, job: str) -> list[JobRun]:
    """The jobs of the plan that would not run, because they need this one."""
    lost, without = {job}, []
    for run in last_attempts(found.runs):
        if lost & set(run.depends_on) and run.status is JobRunStatus.QUEUED:
            lost.add(run.job_name)
            without.append(run)
    return without


def _firing(call: Call) -> Firing:
    return as_seen(call.actor, call.scheduler.firing(call.number("id")))


def _back(call: Call) -> Response:
    return see_other(call.url(f"/firings/{call.number('id')}"))


_ONE = "/firings/{id:int}"

ROUTES = (
    Route("GET", f"{_ONE}/cancel", ask_cancel, Permission.CANCEL, "Cancel a firing?", query=Which),
    Route("POST", f"{_ONE}/cancel", cancel, Permission.CANCEL, "Cancel a firing", body=Cancel),
    Route("GET", f"{_ONE}/retry", ask_retry, Permission.RUN, "Retry a firing?", query=Fields),
    Route("POST", f"{_ONE}/retry", retry, Permission.RUN, "Retry a firing", body=Fields),
)
