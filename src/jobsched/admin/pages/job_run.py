"""Running one job by hand: asked for, then done."""

import secrets
from collections.abc import Mapping

from jobsched.admin.pages import run_form
from jobsched.admin.pages.rendering import render
from jobsched.admin.pages.run_form import PREFIX
from jobsched.admin.pages.switching import RunForm
from jobsched.admin.permissions import Permission
from jobsched.admin.response import Response, see_other
from jobsched.admin.routes import Call, Route
from jobsched.errors import ConflictError, NotFoundError, ParameterError
from jobsched.model import JobDefinition
from jobsched.planning.facts import Facts
from jobsched.planning.health import live_daemons
from jobsched.store import definitions, workers
from jobsched.store.database import Transaction


def ask_run(call: Call) -> Response:
    """What it would do, and a field for each parameter."""
    return _ask(call, {}, secrets.token_urlsafe(12))


def run(call: Call) -> Response:
    """Run it; then look at the firing."""
    form: RunForm = call.body
    job, _ = _job(call)
    try:
        fields = run_form.inputs([job], {}, form.typed)
        unknown = sorted(form.typed.keys() - {one.name for one in fields})
        if unknown:
            raise ParameterError(f"{', '.join(unknown)}: the job does not take this parameter")
        firing = call.scheduler.trigger_job(
            job.name, params=run_form.params(fields), key=form.key, by=call.actor.name
        )
    except ParameterError as error:
        return _ask(call, form.typed, form.key, str(error), 422)
    except ConflictError as error:
        return _ask(call, form.typed, form.key, str(error), 409)
    return see_other(call.url(f"/firings/{firing.id}"))


def _ask(
    call: Call, typed: Mapping[str, str], key: str, said: str = "", status: int = 200
) -> Response:
    job, daemons = _job(call)
    return render(
        call,
        "run_job.html",
        status,
        job=job,
        fields=run_form.inputs([job], {}, typed),
        daemons=daemons,
        key=key,
        prefix=PREFIX,
        said=said,
    )


def _job(call: Call) -> tuple[JobDefinition, int]:
    """The job, and how many daemons are alive."""
    app, name = call.scheduler.app, call.path["name"]

    def read(tx: Transaction) -> tuple[JobDefinition, int]:
        found = definitions.current(tx, app).get(name)
        if found is None:
            raise NotFoundError(f"there is no job {name!r} in app {app!r}")
        alive = workers.listed(tx, app, declares=False)
        return found, len(live_daemons(Facts(now=tx.now, app=app, workers=alive)))

    return call.scheduler.read(read)


_RUN = "/jobs/{name:path}/run"

ROUTES = (
    Route("GET", _RUN, ask_run, Permission.RUN, "Ask before a job is run"),
    Route("POST", _RUN, run, Permission.RUN, "Run a job now", body=RunForm, status=303),
)
