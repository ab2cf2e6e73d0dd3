"""The fields of a "Run now" form: one for each parameter that the schedule's jobs declare."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from jobsched.errors import ParameterError
from jobsched.fixed import fixed
from jobsched.model import JobDefinition
from jobsched.redaction import redacted

PREFIX = "p."
"""What the names of these fields begin with, so that no parameter is taken for another field."""


@fixed
class Input:
    """One parameter as a field; left empty, the firing gets what the schedule or the job says."""

    name: str
    kind: str
    """`integer`, `number`, `boolean`, `string`, `choice`, or `json` for anything else."""
    jobs: tuple[str, ...]
    required: bool
    default: str
    """What holds when it is left empty, as JSON; empty when there is nothing."""
    choices: tuple[str, ...] = ()
    typed: str = ""


def inputs(
    jobs: Iterable[JobDefinition], declared: Mapping[str, Any], typed: Mapping[str, str]
) -> list[Input]:
    """The fields for the parameters of these jobs; `declared` are the schedule's own params."""
    found: dict[str, Input] = {}
    shown = redacted(declared)
    for job in jobs:
        needed = job.parameters.get("required", ())
        for name, schema in job.parameters.get("properties", {}).items():
            known = found.get(name)
            if known is not None:
                found[name] = _of_both(known, job.name, name in needed and name not in declared)
                continue
            values = {name: schema["default"]} if "default" in schema else {}
            values = redacted(values) | ({name: shown[name]} if name in shown else {})
            kind, choices = _kind(schema)
            found[name] = Input(
                name=name,
                kind=kind,
                jobs=(job.name,),
                required=name in needed and name not in declared,
                default=json.dumps(values[name], ensure_ascii=False) if name in values else "",
                choices=choices,
                typed=typed.get(name, ""),
            )
    return list(found.values())


def params(fields: Iterable[Input]) -> dict[str, Any]:
    """The values that were typed. Raises ParameterError that names the parameter."""
    return {one.name: _value(one) for one in fields if one.typed.strip()}


def _of_both(known: Input, job: str, required: bool) -> Input:
    return Input(
        known.name,
        known.kind,
        (*known.jobs, job),
        known.required or required,
        known.default,
        known.choices,
        known.typed,
    )


def _kind(schema: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    choices = schema.get("enum")
    if isinstance(choices, list) and all(isinstance(one, str) for one in choices):
        return "choice", tuple(choices)
    kind = schema.get("type")
    return (kind if kind in ("integer", "number", "boolean", "string") else "json"), ()


def _value(one: Input) -> Any:
    if one.kind in ("string", "choice"):
        return one.typed
    try:
        return json.loads(one.typed)
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"{one.name}: {one.typed!r} {_WANTED[one.kind]}") from error


_WANTED = {
    "integer": "is no whole number",
    "number": "is no number",
    "boolean": "is neither true nor false",
    "json": 'is no JSON: write a text in quotes, such as "2026-03-02"',
}
