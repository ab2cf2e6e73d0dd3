"""What the host's OpenAPI says of the API, and whether the API keeps to it."""

import re
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from jobsched.admin.fastapi import admin_router
from jobsched.admin.routes import Route
from tests.admin.conftest import KARI
from tests.admin.examples import API, name_of
from tests.admin.world import Site

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
OPERATIONS = [(one.method, re.sub(r":\w+\}", "}", "/jobs" + one.pattern)) for one in API]


def host(scheduler: Any) -> FastAPI:
    app = FastAPI()
    app.include_router(admin_router(scheduler, access=lambda request: KARI), prefix="/jobs")
    return app


@pytest.fixture(scope="module")
def document(looked_at: Site) -> dict[str, Any]:
    """The host's OpenAPI."""
    return host(looked_at.scheduler).openapi()


@pytest.mark.parametrize("route", API, ids=name_of)
def test_every_route_of_the_api_is_described(route: Route, document: dict[str, Any]) -> None:
    """With its parameters, its body, what it answers and how it refuses."""
    path = "/jobs" + re.sub(r":\w+\}", "}", route.pattern)
    described = document["paths"][path][route.method.lower()]
    assert described["summary"] == route.summary
    good = described["responses"][str(route.status)]["content"]["application/json"]["schema"]
    assert "$ref" in good
    for status in ("401", "403", "422", "503"):
        assert "ErrorDocument" in str(described["responses"][status])
    names = {one["name"] for one in described["parameters"] if one["in"] == "query"}
    assert names == set(route.query.model_fields if route.query else ())
    in_path = {one["name"] for one in described["parameters"] if one["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)", route.pattern))
    assert ("requestBody" in described) == (route.body is not None)


def test_pages_are_not_in_the_openapi(document: dict[str, Any]) -> None:
    """It is the API's alone."""
    assert all(path.startswith("/jobs/api/") for path in document["paths"])


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda one: str(one))
def test_whatever_is_asked_the_api_keeps_to_its_description(
    method: str, path: str, site: Site
) -> None:
    """Generated requests, sound and unsound: no fault of ours, no status, type or shape that is
    not described."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", host(site.scheduler))
    operation = schema[path][method]
    answered: list[int] = []

    @settings(
        max_examples=40,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        answered.append(case.call_and_validate(checks=CHECKS).status_code)

    ask()
    assert len(answered) >= 10 or path.endswith("/daemon/status")  # it takes no parameters
    assert answered.count(401) == answered.count(403) == 0
