"""The admin, whatever framework serves it: let in, find the route, answer, and never leak."""

import hashlib
import inspect
import json
import logging
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from jobsched.admin import api, pages, refusal, static_files
from jobsched.admin.access import Access, BearerTokens, ReadyMade
from jobsched.admin.permissions import Actor, Permission
from jobsched.admin.refusal import RefusalError
from jobsched.admin.request import FORM, LARGEST_BODY, Request
from jobsched.admin.response import Response, json_response, page, secured, see_other
from jobsched.admin.routes import Call, Route, Table
from jobsched.admin.same_origin import is_cross_site
from jobsched.admin.sign_in import SignIn, SignInForm, SignInLink, signed_out
from jobsched.errors import ConfigurationError, JobschedError
from jobsched.operations import Operations

logger = logging.getLogger(__name__)


class Admin:
    """The admin pages and API of one scheduler: `respond` answers any request.

    It needs the database only: no daemon in this process, none of the host's job code.
    """

    def __init__(self, scheduler: Operations, *, access: Access, title: str = "jobsched") -> None:
        """`access` says who is let in (see `jobsched.admin.access`); `title` names the pages.

        Raises ConfigurationError for an `access` that cannot be asked.
        """
        if not callable(access):
            raise ConfigurationError(
                f"access={access!r}: must be a callable that gives an Actor or None, such as "
                "bearer_tokens({…}) or local_only() of jobsched.admin.access"
            )
        self._scheduler = scheduler
        self._access = access
        self._title = title
        self._sign_in = SignIn(access) if isinstance(access, BearerTokens) else None
        self.table = Table([*self._own_routes(), *api.ROUTES, *pages.ROUTES])

    # Who asks

    def ask(self, request: Request) -> Any:
        """What the access says of this request: an Actor, None, or an awaitable of one."""
        if isinstance(self._access, ReadyMade):
            signed_in = self._sign_in.actor(request, self._now()) if self._sign_in else None
            return signed_in or self._access(request)
        return self._access(request.native)

    def respond_sync(self, request: Request) -> Response:
        """Ask the access and answer, where nothing can be awaited."""
        found = None if self.is_open(request) else self.ask(request)
        if inspect.isawaitable(found):
            if inspect.iscoroutine(found):
                found.close()
            raise ConfigurationError(
                "access= is async, and WSGI cannot await it: give a plain function, or mount the "
                "admin with asgi_app or admin_router"
            )
        return self.respond(request, found)

    def is_open(self, request: Request) -> bool:
        """Whether nobody needs to be asked: health, signing in, styles."""
        return any(route.permission is None for route, _ in self.table.at(request.path).values())

    # The answer

    def respond(self, request: Request, actor: Actor | None) -> Response:
        """Answer as this actor; faults of ours are logged, and never shown."""
        known = actor if isinstance(actor, Actor) else None
        try:
            if actor is not known:
                raise TypeError(f"access= gave a {type(actor).__name__}, not an Actor or None")
            response = self._answer(request, known)
        except RefusalError as refused:
            response = self._refused(request, known, refused)
        except JobschedError as error:
            found = refusal.of_error(error)
            response = self._refused(request, known, found or self._fault(request, error))
        except Exception as error:
            response = self._refused(request, known, self._fault(request, error))
        if request.method == "HEAD":
            response = Response(response.status, b"", response.content_type, response.headers)
        return secured(response)

    def _answer(self, request: Request, actor: Actor | None) -> Response:
        if request.path == "":
            return see_other(request.mount + "/")
        offered = self.table.at(request.path) if request.path.isprintable() else {}
        is_open = any(route.permission is None for route, _ in offered.values())
        if actor is None and not is_open:
            raise self._unknown()
        route, path = _chosen(offered, request)
        if request.body_of_unknown_length:
            raise RefusalError(411, "length_required", "send the body with its Content-Length")
        if len(request.body) > LARGEST_BODY:
            raise RefusalError(413, "too_large", f"a body may have {LARGEST_BODY} bytes at most")
        if is_cross_site(request):
            raise RefusalError(
                403, "cross_site", "a change must be asked for by these pages, or by no browser"
            )
        who = actor or Actor("nobody", ())
        if route.permission is not None and not who.may(route.permission):
            raise RefusalError(
                403,
                "forbidden",
                f"{who.name} does not have the permission {route.permission.value!r}",
            )
        return self._handled(route, self._call(route, request, who, path))

    def _call(self, route: Route, request: Request, actor: Actor, path: dict[str, str]) -> Call:
        try:
            query = route.query.model_validate(request.parameters) if route.query else None
            if route.query is None and route.for_api and request.parameters:
                unknown = ", ".join(sorted(request.parameters))
                raise RefusalError(422, "invalid", f"{unknown}: there is no such parameter here")
            body = _body(route.body, request) if route.body else None
        except ValidationError as error:
            raise refusal.of_validation(error) from error
        except ValueError as error:
            raise RefusalError(400, "malformed", f"the request cannot be read: {error}") from error
        return Call(request, actor, self._scheduler, path, query, body, self._title)

    def _handled(self, route: Route, call: Call) -> Response:
        if route.method != "GET" or route.permission is None:
            return route.handler(call)
        if route.pulse is not None:
            tag = _tag(call, route.pulse(call).encode())
            if _has(call.request, tag):
                return Response(304, headers=(("ETag", tag),))
            return route.handler(call).with_headers(("ETag", tag))
        response = route.handler(call)
        tag = _tag(call, response.body)
        if response.status == 200 and _has(call.request, tag):
            return Response(304, headers=(("ETag", tag),))
        return response.with_headers(("ETag", tag))

    # Refusing

    def _unknown(self) -> RefusalError:
        challenge = self._access.challenge if isinstance(self._access, ReadyMade) else None
        headers = (("WWW-Authenticate", challenge),) if challenge else ()
        return RefusalError(401, "unauthorized", "sign in first", headers=headers)

    def _refused(self, request: Request, actor: Actor | None, refused: RefusalError) -> Response:
        if request.for_api:
            document = {"error": {"code": refused.code, "message": refused.message}}
            return json_response(document, refused.status, refused.headers)
        if refused.status == 401 and self._sign_in is not None:
            html = pages.sign_in(request, self._title)
        else:
            html = pages.problem(request, actor, self._title, refused)
        return page(html, refused.status).with_headers(*refused.headers)

    def _fault(self, request: Request, error: Exception) -> RefusalError:
        logger.error("the admin failed at %s %s", request.method, request.path, exc_info=error)
        return RefusalError(500, "fault", "this is a fault of jobsched; its log says more")

    # The routes of its own

    def _own_routes(self) -> list[Route]:
        routes = [
            Route("GET", "/health", self._health, None, "Only whether all is well"),
            Route("GET", "/static/{version}/{name}", static_files.serve, None, "Styles, scripts"),
        ]
        if self._sign_in is not None:
            routes += [
                Route("GET", "/login", self._login_page, None, "Sign in", query=SignInLink),
                Route("POST", "/login", self._login, None, "Sign in", body=SignInForm),
                Route("POST", "/logout", lambda call: signed_out(call.request), None, "Sign out"),
            ]
        return routes

    def _health(self, call: Call) -> Response:
        """`ok`, or `not ok` with 503: no word more, for anybody may ask."""
        try:
            well = self._scheduler.health().level != "critical"
        except JobschedError:
            well = False
        return Response(200, b"ok\n") if well else Response(503, b"not ok\n")

    def _login_page(self, call: Call) -> Response:
        assert self._sign_in is not None  # else there is no such route
        if call.query.code is None:
            return page(pages.sign_in(call.request, self._title, wanted=call.query.next))
        found = self._sign_in.by_code(call.request, call.query, self._now())
        if found is not None:
            return found
        said = "This link has been used already, or is of another start. Start anew for another."
        return page(pages.sign_in(call.request, self._title, said=said), 403)

    def _login(self, call: Call) -> Response:
        assert self._sign_in is not None  # else there is no such route
        found = self._sign_in.by_token(call.request, call.body, self._now())
        if found is not None:
            return found
        said = "No one has this token. Nothing else about it is wrong."
        wanted = call.body.next
        return page(pages.sign_in(call.request, self._title, said=said, wanted=wanted), 403)

    def _now(self) -> float:
        return self._scheduler.database.clock.now().timestamp()


def _chosen(
    offered: dict[str, tuple[Route, dict[str, str]]], request: Request
) -> tuple[Route, dict[str, str]]:
    """The route of this method."""
    if not offered:
        raise RefusalError(404, "not_found", f"there is nothing at {request.path!r}")
    method = "GET" if request.method == "HEAD" else request.method
    if method in offered:
        return offered[method]
    allowed = ", ".join(sorted({*offered, *(["HEAD"] if "GET" in offered else [])}))
    message = f"{request.method} is not offered here, but {allowed}"
    raise RefusalError(405, "method", message, headers=(("Allow", allowed),))


def _body(model: type[BaseModel], request: Request) -> BaseModel:
    if request.for_api:
        return model.model_validate(_json(request))
    if request.content_type not in (FORM, ""):
        raise RefusalError(400, "malformed", f"a form is sent as {FORM}")
    return model.model_validate(request.form)


def _json(request: Request) -> Any:
    if not request.body.strip():
        return {}
    if request.content_type != "application/json":
        raise RefusalError(400, "malformed", "send JSON, with Content-Type: application/json")
    try:
        found = json.loads(request.body)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(found, dict):
        raise RefusalError(
            400, "malformed", 'the body must be a JSON object, such as {"enabled": true}'
        )
    return found


def _tag(call: Call, content: bytes) -> str:
    """Differs for all that a page depends on: what it shows, where it stands, and who looks."""
    actor = call.actor
    who = f"{actor.name}\x00{','.join(sorted(p for p in Permission if actor.may(p)))}"
    request = call.request
    said = f"{request.mount}\x00{request.path}\x00{request.query}\x00{who}\x00"
    whole = said.encode("utf-8", "replace") + static_files.version().encode() + content
    return f'W/"{hashlib.sha256(whole).hexdigest()[:24]}"'


def _has(request: Request, tag: str) -> bool:
    known = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
    return tag in known or "*" in known


def mount_of(path: str) -> str:
    """A mount as it stands in links: from a decoded path, without a final slash."""
    return quote(path.rstrip("/"), safe="/~:@!$&'()*+,;=-._")
