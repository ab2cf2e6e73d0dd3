"""Jobs: what is registered, and running one of them."""

from jobsched import documents
from jobsched.admin.api import firings
from jobsched.admin.api.queries import JobList, Trigger
from jobsched.admin.api.results import FiringDocument, JobPage
from jobsched.admin.api.schedules import idempotency_key
from jobsched.admin.permissions import Permission
from jobsched.admin.response import Response, json_response
from jobsched.admin.routes import Call, Route


def job_list(call: Call) -> Response:
    """The registered jobs, in the order of their declaration."""
    found = call.scheduler.list_jobs(retired=call.query.retired)
    group = call.query.group
    page: JobPage = {
        "items": [
            documents.job(one) for one in found if group is None or one.definition.group == group
        ],
        "next": None,
    }
    return json_response(page)


def trigger(call: Call) -> Response:
    """Run one job now; the new firing."""
    firing = call.scheduler.trigger_job(
        call.path["name"],
        params=call.body.params,
        key=idempotency_key(call),
        by=call.actor.name,
    )
    return firings.accepted(call, firing)


ROUTES = (
    Route(
        "GET",
        "/api/jobs",
        job_list,
        Permission.READ,
        "Registered jobs with their groups and dependencies",
        query=JobList,
        result=JobPage,
    ),
    Route(
        "POST",
        "/api/jobs/{name:path}/trigger",
        trigger,
        Permission.RUN,
        "Run one job now",
        body=Trigger,
        result=FiringDocument,
        status=202,
    ),
)
