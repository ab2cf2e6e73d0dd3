"""The registered jobs: groups, dependencies, policies, who runs them, how they ran last."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from jobsched import phrases
from jobsched.admin.fields import Name
from jobsched.admin.pages import filters
from jobsched.admin.pages.filters import Filters
from jobsched.admin.pages.firings import pulse_of_all
from jobsched.admin.pages.rendering import render
from jobsched.admin.permissions import Permission
from jobsched.admin.pictures.graph import Node, graph
from jobsched.admin.response import Response
from jobsched.admin.routes import Call, Route
from jobsched.errors import DeclarationError
from jobsched.fixed import fixed
from jobsched.model import LIVE_RUNS, JobDefinition, JobRun, JobState
from jobsched.planning.plan import Planner
from jobsched.store import definitions, listing, selections
from jobsched.store.database import Transaction
from jobsched.store.listing import RunFilter
from jobsched.store.selections import Selection

LATEST = 200
"""Among how many of the latest job runs each job's last one is looked for."""

MOST_DRAWN = 60
"""More jobs than this are not drawn: nobody would find anything in it."""

MOST_SHOWN = 300
SCHEDULES = 2000
"""How many schedules are asked which jobs they run."""

NAMED = 3
"""How many of a job's schedules are named."""


class JobFilters(Filters):
    """Which jobs."""

    group: Name | None = None


@fixed
class Row:
    """A job with what else is known of it."""

    job: JobDefinition
    depends_on: tuple[tuple[str, bool], ...]
    """Each name, and whether the code has it."""
    parameters: tuple[str, ...]
    policies: str
    schedules: tuple[Selection, ...]
    more_schedules: int
    last: JobRun | None


def jobs(call: Call) -> Response:
    """The jobs by group, and the graph of them."""
    wanted, app = call.query.group, call.scheduler.app

    def read(
        tx: Transaction,
    ) -> tuple[Mapping[str, JobState], list[Selection], Sequence[JobRun]]:
        return (
            definitions.states(tx, app),
            selections.selections(tx, app, limit=SCHEDULES),
            listing.runs(tx, app, RunFilter(), limit=LATEST).items,
        )

    states, selected, latest = call.scheduler.read(read)
    known = definitions.in_code(states)
    shown = [one for one in known.values() if wanted is None or (one.group or "") == wanted]
    rows = _rows(shown[:MOST_SHOWN], known, selected, latest)
    return render(
        call,
        "jobs.html",
        busy=any(row.last is not None and row.last.status in LIVE_RUNS for row in rows),
        groups=_grouped(rows),
        chips=_chips(call, known.values()),
        total=len(known),
        shown=len(shown),
        most_shown=MOST_SHOWN,
        picture=_drawn(call, shown) if len(shown) <= MOST_DRAWN else None,
        retired=[one for one in states.values() if one.retired_at is not None]
        if wanted is None
        else [],
        latest=LATEST,
        wanted=wanted,
        is_cut=len(selected) == SCHEDULES,
        address=lambda path, **given: filters.address(call, path, given),
    )


def parameters(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """A job's parameters in words: `limit: integer, may be left out`."""
    required = schema.get("required", ())
    return tuple(
        f"{name}: {_type(one)}{'' if name in required else ', may be left out'}"
        for name, one in schema.get("properties", {}).items()
    )


def _rows(
    shown: Sequence[JobDefinition],
    known: Mapping[str, JobDefinition],
    selected: Sequence[Selection],
    latest: Sequence[JobRun],
) -> list[Row]:
    of_job = _schedules(known, selected)
    last: dict[str, JobRun] = {}
    for run in latest:
        last.setdefault(run.job_name, run)
    return [
        Row(
            job=one,
            depends_on=tuple((name, name in known) for name in one.depends_on),
            parameters=parameters(one.parameters),
            policies=phrases.policies(one),
            schedules=tuple(of_job.get(one.name, ())[:NAMED]),
            more_schedules=max(0, len(of_job.get(one.name, ())) - NAMED),
            last=last.get(one.name),
        )
        for one in shown
    ]


def _schedules(
    known: Mapping[str, JobDefinition], selected: Sequence[Selection]
) -> dict[str, list[Selection]]:
    """The schedules whose firings would run each job."""
    planner, found = Planner(known), dict[str, list[Selection]]()
    for one in selected:
        try:
            plan = planner.of_schedule(one.declared)
        except DeclarationError:
            continue
        for job in plan:
            found.setdefault(job.name, []).append(one)
    return found


def _grouped(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.job.group or "", []).append(row)
    alone = groups.pop("", None)
    return [*groups.items(), *([("", alone)] if alone else [])]


def _chips(call: Call, known: Collection[JobDefinition]) -> list[tuple[str, str, int, bool]]:
    counts: dict[str, int] = {}
    for one in known:
        if one.group:
            counts[one.group] = counts.get(one.group, 0) + 1
    wanted = call.query.group
    everything = ("All", call.url("/jobs"), len(known), wanted is None)
    return [
        everything,
        *(
            (name, filters.link(call, {"group": name}), count, wanted == name)
            for name, count in counts.items()
        ),
    ]


def _drawn(call: Call, shown: Sequence[JobDefinition]) -> Markup:
    return graph(
        [
            Node(
                one.name,
                one.depends_on,
                href=filters.address(call, "/runs", {"job": one.name}),
                detail=f"group {one.group}" if one.group else "",
            )
            for one in shown
        ]
    )


def _type(schema: Mapping[str, Any]) -> str:
    if isinstance(schema.get("enum"), list):
        return "one of " + ", ".join(map(str, schema["enum"]))
    if isinstance(schema.get("anyOf"), list):
        return " or ".join(_type(one) for one in schema["anyOf"] if isinstance(one, Mapping))
    return str(schema.get("type", "any value"))


ROUTES = (
    Route(
        "GET",
        "/jobs",
        jobs,
        Permission.READ,
        "Registered jobs",
        query=JobFilters,
        pulse=pulse_of_all,
    ),
)
