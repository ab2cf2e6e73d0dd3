"""The admin as a FastAPI router; the JSON routes stand in the host's OpenAPI with their models."""

import re
from typing import Any

from jobsched.admin.access import Access
from jobsched.admin.asgi import answer, header_pairs, request_of
from jobsched.admin.core import Admin
from jobsched.admin.openapi import described
from jobsched.admin.request import LARGEST_BODY
from jobsched.admin.routes import Route
from jobsched.errors import ConfigurationError
from jobsched.operations import Operations

try:
    from fastapi import APIRouter, Request, Response
except ImportError as error:
    raise ConfigurationError(
        "the admin router needs FastAPI: pip install 'jobsched[fastapi]'"
    ) from error

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def admin_router(
    scheduler: Operations,
    *,
    access: Access,
    title: str = "jobsched",
    trust_forwarded_prefix: bool = False,
) -> APIRouter:
    """A router with the admin pages and API.

        app.include_router(admin_router(scheduler, access=…), prefix="/jobs")

    A host's `access` gets FastAPI's `Request` and may be async; what it raises, such as an
    `HTTPException`, FastAPI handles. A plain function is called in a worker thread.
    `trust_forwarded_prefix` believes `X-Forwarded-Prefix`.
    """
    admin = Admin(scheduler, access=access, title=title)
    router = APIRouter()

    async def respond(request: Request, below: str) -> Response:
        scope = request.scope
        root, path = scope.get("root_path", ""), scope["path"]
        inner = path[len(root) :] if root and path.startswith(root) else path
        found = await answer(
            admin,
            request_of(
                scope,
                await _body(request),
                mount=root + inner[: len(inner) - len(below)],
                below=below,
                native=request,
                trust_forwarded_prefix=trust_forwarded_prefix,
            ),
        )
        response = Response(found.body, found.status)
        length = response.headers.get("content-length")
        response.raw_headers = header_pairs(found)
        if length is not None and found.status != 304 and request.method != "HEAD":
            response.raw_headers.append((b"content-length", length.encode()))
        return response

    for route in admin.table.routes:
        if route.for_api:
            _add(router, route, respond)

    async def anything(request: Request, path: str = "") -> Response:
        return await respond(request, "/" + path)

    for pattern in ("/", "/{path:path}"):
        router.add_api_route(pattern, anything, methods=_METHODS, include_in_schema=False)
    return router


async def _body(request: Request) -> bytes:
    """The body, which the host's own code may have read before, or may want to read after us."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) <= LARGEST_BODY:
        return await request.body()
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            break
    return body


def _add(router: APIRouter, route: Route, respond: Any) -> None:
    pattern = re.sub(r"\{(\w+):int\}", r"{\1}", route.pattern)  # what is no number is 404, not 422
    plain = re.sub(r":path\}", "}", pattern)

    async def endpoint(request: Request) -> Response:
        found: Response = await respond(request, plain.format(**request.path_params))
        return found

    endpoint.__name__ = route.handler.__name__
    router.add_api_route(
        pattern,
        endpoint,
        methods=[route.method],
        status_code=route.status,
        response_model=route.result,
        summary=route.summary,
        tags=["jobsched"],
        **described(route),
    )
