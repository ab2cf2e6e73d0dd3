"""A route as OpenAPI tells of it, from the same models that its requests are checked by."""

import re
from typing import Any

from pydantic import BaseModel

from jobsched.admin.api.results import ErrorDocument
from jobsched.admin.routes import Route

_ERRORS = {
    304: "As the ETag says",
    400: "The request cannot be read",
    401: "Sign in first",
    403: "The actor may not do this, or another site's page asked",
    404: "There is no such thing",
    405: "This method is not offered here",
    409: "It contradicts the present state",
    413: "The body is too large",
    422: "A field is wrong; the message names it",
    503: "The database does not answer, or its tables do not fit",
}


def described(route: Route) -> dict[str, Any]:
    """What FastAPI's `add_api_route` takes beyond the route itself."""
    statuses = {400, 401, 403, 404, 405, 422, 503, *route.errors}
    if route.method == "GET":
        statuses.add(304)
    else:
        statuses |= {409, 413}
    responses = {status: _response(status) for status in sorted(statuses)}
    extra: dict[str, Any] = {"parameters": [*_path(route), *_query(route), *_headers(route)]}
    if route.body is not None:
        schema = route.body.model_json_schema()
        required = bool(schema.get("required"))
        extra["requestBody"] = {
            "required": required,
            "content": {"application/json": {"schema": schema}},
        }
    return {"responses": responses, "openapi_extra": extra}


def _response(status: int) -> dict[str, Any]:
    if status == 304:
        return {"description": _ERRORS[status]}
    return {"description": _ERRORS[status], "model": ErrorDocument}


def _path(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": (
                {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
                if kind == "int"
                else {"type": "string", "minLength": 1}
            ),
        }
        for name, kind in re.findall(r"\{(\w+)(?::(\w+))?\}", route.pattern)
    ]


def _query(route: Route) -> list[dict[str, Any]]:
    return [] if route.query is None else _fields(route.query)


def _fields(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    named = schema.get("$defs", {})
    found = []
    for name, field in schema.get("properties", {}).items():
        inlined = _inlined(field, named)
        described_as = inlined.pop("description", None)
        parameter = {"name": name, "in": "query", "required": False, "schema": inlined}
        found.append({**parameter, **({"description": described_as} if described_as else {})})
    return found


def _inlined(field: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    """The field's schema, without references, and without null, which no query can say."""
    field = {key: value for key, value in field.items() if key != "title"}
    if "$ref" in field:
        return {**_inlined(named[field.pop("$ref").rpartition("/")[2]], named), **field}
    options = [one for one in field.pop("anyOf", []) if one.get("type") != "null"]
    if field.get("default", ...) is None:
        field.pop("default")
    return {**_inlined(options[0], named), **field} if options else field


def _headers(route: Route) -> list[dict[str, Any]]:
    if route.method == "POST" and route.pattern.endswith("/trigger"):
        return [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The same key gives the same firing",
                "schema": {"type": "string", "minLength": 1, "maxLength": 90},
            }
        ]
    return []
