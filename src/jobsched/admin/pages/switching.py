"""What operators do to a schedule: run it now, pause it, enable it; each asked for, then done."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, model_validator

from jobsched import phrases
from jobsched.admin.fields import Fields, Optional, Reason, Text
from jobsched.admin.pages import run_form, sentences
from jobsched.admin.pages.rendering import render, segment
from jobsched.admin.pages.run_form import PREFIX, Input
from jobsched.admin.pages.schedule import occurrences, plan
from jobsched.admin.permissions import Permission
from jobsched.admin.response import Response, see_other
from jobsched.admin.routes import Call, Route
from jobsched.arguments import LONGEST_KEY
from jobsched.errors import ConflictError, ParameterError
from jobsched.fixed import fixed
from jobsched.model import Firing, ScheduleState
from jobsched.planning.facts import Facts
from jobsched.planning.health import live_daemons
from jobsched.store import definitions, overview, workers
from jobsched.store import schedules as stored
from jobsched.store.database import Transaction

Typed = Annotated[Text, Field(max_length=20_000)]


class RunForm(Fields):
    """What "Run now" sends: a field per parameter, whose name begins with `p.`."""

    key: Annotated[Text, Field(min_length=1, max_length=LONGEST_KEY)]
    typed: dict[str, Typed] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        own = {name: value for name, value in given.items() if not name.startswith(PREFIX)}
        typed = {
            name.removeprefix(PREFIX): value
            for name, value in given.items()
            if name.startswith(PREFIX)
        }
        if "typed" in own:
            raise ValueError("typed: there is no such field here")
        return {**own, "typed": typed}


class SwitchForm(Fields):
    """Why a schedule is paused or enabled."""

    reason: Annotated[Reason | None, Optional] = None


@fixed
class Asked:
    """What the pages that ask are made of."""

    state: ScheduleState
    fields: Sequence[Input]
    live: Firing | None
    daemons: int
    unplanned: str


def ask_run(call: Call) -> Response:
    """What "Run now" would do."""
    return _ask_run(call, {}, secrets.token_urlsafe(12))


def run(call: Call) -> Response:
    """Fire it; then look at the firing."""
    form: RunForm = call.body
    asked = _asked(call, form.typed)
    try:
        unknown = sorted(form.typed.keys() - {one.name for one in asked.fields})
        if unknown:
            raise ParameterError(f"{', '.join(unknown)}: none of its jobs takes this parameter")
        firing = call.scheduler.trigger(
            call.path["id"],
            params=run_form.params(asked.fields),
            key=form.key,
            by=call.actor.name,
        )
    except ParameterError as error:
        return _ask_run(call, form.typed, form.key, str(error), 422)
    except ConflictError as error:
        return _ask_run(call, form.typed, form.key, str(error), 409)
    return see_other(call.url(f"/firings/{firing.id}"))


def ask_pause(call: Call) -> Response:
    """What pausing would do."""
    return _ask_switch(call, "pause.html")


def pause(call: Call) -> Response:
    """Let it fire no more."""
    return _switch(call, "pause.html")


def ask_enable(call: Call) -> Response:
    """What enabling would do."""
    return _ask_switch(call, "enable.html")


def enable(call: Call) -> Response:
    """Let it fire again."""
    return _switch(call, "enable.html")


def _switch(call: Call, template: str) -> Response:
    reason, by = call.body.reason, call.actor.name
    verb = call.scheduler.disable if template == "pause.html" else call.scheduler.enable
    try:
        verb(call.path["id"], by=by, reason=reason)
    except ConflictError as error:
        return _ask_switch(call, template, reason or "", str(error), 409)
    return see_other(_href(call))


def _ask_switch(
    call: Call, template: str, reason: str = "", said: str | None = None, status: int = 200
) -> Response:
    asked = _asked(call, {})
    now = call.scheduler.database.time.now()
    return render(
        call,
        template,
        status,
        asked=asked,
        href=_href(call),
        id=asked.state.declaration.id,
        next_runs=occurrences(asked.state, now, 1),
        phrases=phrases,
        reason=reason,
        said=said,
    )


def _ask_run(
    call: Call,
    typed: Mapping[str, str],
    key: str,
    said: str | None = None,
    status: int = 200,
) -> Response:
    asked = _asked(call, typed)
    now = call.scheduler.database.time.now()
    live = asked.live
    began = None if live is None else live.started_at or live.created_at
    return render(
        call,
        "run.html",
        status,
        asked=asked,
        consequence=sentences.run_now(
            asked.state,
            None if live is None else live.id,
            None if began is None else _ago(began, now),
        ),
        href=_href(call),
        id=asked.state.declaration.id,
        key=key,
        prefix=PREFIX,
        said=said,
    )


def _ago(began: datetime, now: datetime) -> str | None:
    """`4 min`; None for what has only just begun."""
    said = phrases.relative(began, now)
    return said.removesuffix(" ago") if said.endswith(" ago") else None


def _asked(call: Call, typed: Mapping[str, str]) -> Asked:
    app, schedule_id = call.scheduler.app, call.path["id"]

    def read(tx: Transaction) -> Asked:
        state = stored.state(tx, app, schedule_id)
        jobs, unplanned = plan(state, definitions.current(tx, app))
        alive = workers.listed(tx, app, declares=False)
        return Asked(
            state=state,
            fields=run_form.inputs(jobs, state.declaration.params, typed),
            live=overview.live_firings(tx, [schedule_id]).get(schedule_id),
            daemons=len(live_daemons(Facts(now=tx.now, app=app, workers=alive))),
            unplanned=unplanned,
        )

    return call.scheduler.read(read)


def _href(call: Call) -> str:
    return call.url("/schedules/" + segment(call.path["id"]))


_RUN, _PAUSE, _ENABLE = (f"/schedules/{{id}}/{verb}" for verb in ("run", "pause", "enable"))
_MAY_RUN, _MAY_SWITCH = Permission.RUN, Permission.TOGGLE

ROUTES = (
    Route("GET", _RUN, ask_run, _MAY_RUN, "Ask before a schedule is run"),
    Route("POST", _RUN, run, _MAY_RUN, "Run a schedule now", body=RunForm, status=303),
    Route("GET", _PAUSE, ask_pause, _MAY_SWITCH, "Ask before a schedule is paused"),
    Route("POST", _PAUSE, pause, _MAY_SWITCH, "Pause a schedule", body=SwitchForm, status=303),
    Route("GET", _ENABLE, ask_enable, _MAY_SWITCH, "Ask before a schedule is enabled"),
    Route("POST", _ENABLE, enable, _MAY_SWITCH, "Enable a schedule", body=SwitchForm, status=303),
)
