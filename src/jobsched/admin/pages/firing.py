"""One firing: what it is, why it stands where it stands, its plan, its logs."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from jobsched import phrases
from jobsched.admin.fields import Fields
from jobsched.admin.pages import plan
from jobsched.admin.pages.rendering import render
from jobsched.admin.permissions import Actor, Permission
from jobsched.admin.pictures.graph import graph
from jobsched.admin.response import Response
from jobsched.admin.routes import Call, Route
from jobsched.errors import DeclarationError, NotFoundError
from jobsched.fixed import fixed
from jobsched.model import (
    LIVE_FIRINGS,
    Firing,
    FiringStatus,
    JobDefinition,
    JobRun,
    Overlap,
    PlannedJob,
    ScheduleState,
    Worker,
)
from jobsched.redaction import redacted
from jobsched.store import (
    definitions,
    firings,
    history,
    log_tail,
    plans,
    schedules,
    worker_list,
    workers,
)
from jobsched.store.database import Transaction
from jobsched.store.log_tail import Tail
from jobsched.store.pulse import firing_pulse

LINES = 200
"""How many log lines are in the page at once."""

LONGEST_DOCUMENT = 20_000
"""Characters of params or of a result that are shown; the API has the whole."""

Id = Annotated[int, Field(ge=0, lt=2**63)]


class Shown(Fields):
    """Whose log is shown, and which part of it."""

    run: Id | None = None
    before: Id | None = None
    """The line that the shown ones come before; without it the last ones are shown."""


@fixed
class Found:
    """What the page is made of."""

    firing: Firing
    schedule: ScheduleState | None
    definitions: Mapping[str, JobDefinition]
    attempts: list[plan.Attempt]
    claimer: Worker | None
    planned: tuple[PlannedJob, ...]
    """What would run, while nobody has claimed it."""
    unplanned: str
    """Why that cannot be said."""
    ahead: Firing | None
    """The live firing that a waiting one waits for."""
    daemons: int
    """How many daemons were alive when it was looked whether one can take it; else -1."""
    run: JobRun | None
    """Whose log is shown."""
    log: Tail | None


def firing(call: Call) -> Response:
    """The page."""
    found = call.scheduler.read(lambda tx: _read(tx, call))
    one, base = found.firing, f"/firings/{found.firing.id}"

    def log_of(run: JobRun) -> str | None:
        return call.url(f"{base}?run={run.id}#log") if run.started_at else None

    if found.attempts:
        drawn = plan.nodes(found.attempts, log_of if _sees(call.actor) else lambda run: None)
    else:
        drawn = plan.planned_nodes(found.planned)
    return render(
        call,
        "firing.html",
        busy=one.status in LIVE_FIRINGS,
        found=found,
        firing=one,
        base=base,
        picture=graph(drawn) if drawn else None,
        params=document(one.params) if one.params else "",
        results=[
            (row.run, document(row.run.result))
            for row in found.attempts
            if row.is_last and row.run.result is not None
        ],
        is_live=one.status in LIVE_FIRINGS,
        may_retry=one.status in (FiringStatus.FAILED, FiringStatus.CANCELLED),
        following=call.query.before is None,
        most_counted=log_tail.MOST_COUNTED,
        zone=found.schedule.declaration.timing.timezone if found.schedule else "UTC",
        why=phrases.why(one),
        cause=phrases.cause(one),
        took=phrases.took(one),
        clock=clock,
    )


def document(value: Any) -> str:
    """A JSON value to be read by people: without secrets, and not endless."""
    text = json.dumps(redacted(value), indent=2, ensure_ascii=False)
    if len(text) <= LONGEST_DOCUMENT:
        return text
    return (
        f"{text[:LONGEST_DOCUMENT]}\n… {len(text) - LONGEST_DOCUMENT} characters more: see the API"
    )


def clock(at: datetime) -> str:
    """The time of a log line, in UTC: `12:00:05.123`."""
    return f"{at.astimezone(UTC):%H:%M:%S.%f}"[:-3]


def as_seen(actor: Actor, one: Firing) -> Firing:
    """The firing without what it was given and what it said, unless the actor may see logs."""
    if _sees(actor):
        return one
    return replace(one, params={}, runs=tuple(run_as_seen(actor, run) for run in one.runs))


def run_as_seen(actor: Actor, run: JobRun) -> JobRun:
    """The job run without what it was given and what it said, unless the actor may see logs."""
    if _sees(actor):
        return run
    return replace(run, params={}, result=None, progress=None, error=None, traceback=None)


def _sees(actor: Actor) -> bool:
    return actor.may(Permission.VIEW_LOGS)


def _read(tx: Transaction, call: Call) -> Found:
    app = call.scheduler.app
    one = as_seen(call.actor, history.firing(tx, app, call.number("id")))
    schedule = _schedule(tx, app, one)
    known = {name: state.definition for name, state in definitions.states(tx, app).items()}
    named = worker_list.by_ids(tx, [one.claimed_by, *(run.worker_id for run in one.runs)])
    attempts = plan.attempts(one.runs, known, named)
    planned, unplanned = _planned(one, schedule, known)
    run = plan.shown_run(attempts, call.query.run)
    if run is None and call.query.run is not None:
        raise NotFoundError(f"firing {one.id} has no job run {call.query.run}")
    shows = run is not None and _sees(call.actor)
    return Found(
        firing=one,
        schedule=schedule,
        definitions=known,
        attempts=attempts,
        claimer=named.get(one.claimed_by or ""),
        planned=planned,
        unplanned=unplanned,
        ahead=_ahead(tx, one, schedule),
        daemons=len(workers.listed(tx, app, declares=False)) if _waits(one) else -1,
        run=run if shows else None,
        log=log_tail.tail(tx, run.id, before=call.query.before, limit=LINES)
        if run is not None and shows
        else None,
    )


def _waits(one: Firing) -> bool:
    return one.status is FiringStatus.QUEUED


def _schedule(tx: Transaction, app: str, one: Firing) -> ScheduleState | None:
    if one.schedule_id is None:
        return None
    try:
        return schedules.state(tx, app, one.schedule_id)
    except NotFoundError:
        return None


def _planned(
    one: Firing, schedule: ScheduleState | None, known: Mapping[str, JobDefinition]
) -> tuple[tuple[PlannedJob, ...], str]:
    """The plan that a claim would write now; of a firing that has one already, nothing."""
    if one.runs or not _waits(one) or (schedule is None and one.job_name is None):
        return (), ""
    declared = schedule.declaration if schedule else None
    try:
        return plans.plan_of(declared, one.job_name, known), ""
    except DeclarationError as error:
        return (), str(error)


def _ahead(tx: Transaction, one: Firing, schedule: ScheduleState | None) -> Firing | None:
    if not _waits(one) or schedule is None or schedule.declaration.overlap is Overlap.ALLOW:
        return None
    live = firings.live_of_schedules(tx, [schedule.declaration.id])[schedule.declaration.id]
    return next((other for other in live if firings.is_ahead(other, one)), None)


def pulse(call: Call) -> str:
    """What the page shows, but for the log, which follows by itself."""
    return call.scheduler.read(lambda tx: firing_pulse(tx, call.scheduler.app, call.number("id")))


ROUTES = (
    Route(
        "GET",
        "/firings/{id:int}",
        firing,
        Permission.READ,
        "One firing",
        query=Shown,
        pulse=pulse,
    ),
)
