"""What is kept from an actor who may see that something ran, but not what it said."""

from collections.abc import Mapping
from typing import Any

from jobsched import documents
from jobsched.admin.permissions import Actor, Permission
from jobsched.documents import (
    FiringDocument,
    FiringWithRunsDocument,
    RunDocument,
    ScheduleDocument,
)
from jobsched.model import Firing, JobRun, ScheduleState
from jobsched.redaction import redacted


def shown_schedule(actor: Actor, state: ScheduleState) -> ScheduleDocument:
    """A schedule; without its params unless the actor may see logs."""
    document = documents.schedule(state)
    return document if actor.may(Permission.VIEW_LOGS) else {**document, "params": {}}


def shown_firing(actor: Actor, one: Firing) -> FiringDocument:
    """A firing; without its params unless the actor may see logs."""
    document = documents.firing(one)
    return document if actor.may(Permission.VIEW_LOGS) else {**document, "params": {}}


def shown_run(actor: Actor, one: JobRun) -> RunDocument:
    """A job run; without params, result, progress, error and traceback unless it may see logs."""
    document = documents.run(one)
    if actor.may(Permission.VIEW_LOGS):
        return document
    hidden: RunDocument = {
        **document,
        "params": {},
        "result": None,
        "progress": None,
        "error": None,
        "traceback": None,
    }
    return hidden


def shown_firing_with_runs(actor: Actor, one: Firing) -> FiringWithRunsDocument:
    """A firing with its job runs, as far as the actor may see them."""
    return {**shown_firing(actor, one), "runs": [shown_run(actor, each) for each in one.runs]}


def shown_state(actor: Actor, state: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What the audit log says of a target, without secrets; params as far as the actor may see."""
    if state is None:
        return None
    may_see = actor.may(Permission.VIEW_LOGS)
    return {name: value for name, value in redacted(state).items() if may_see or name != "params"}
