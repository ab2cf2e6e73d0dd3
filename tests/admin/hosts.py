"""The admin in each of its hosts, asked through that host's own test transport."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import flask
import httpx
from bs4 import BeautifulSoup
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from werkzeug.datastructures import Headers
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import EnvironBuilder, run_wsgi_app

from jobsched.admin import asgi_app, wsgi_app
from jobsched.admin.fastapi import admin_router
from jobsched.admin.flask import admin_blueprint
from jobsched.operations import Operations

ADAPTERS = ("wsgi_app", "asgi_app", "admin_blueprint", "admin_router")
PREFIX = "/ops/jobs"
HOST = "testserver.local"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, repr=False)
class Answer:
    """An answer, whatever host gave it; the names of headers are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __repr__(self) -> str:
        body = self.body if len(self.body) < 300 else self.body[:300] + b"..."
        return f"<Answer {self.status} {self.header('content-type')} {body!r}>"

    def header(self, name: str) -> str | None:
        """The header's only value."""
        found = [value for key, value in self.headers if key == name.lower()]
        assert len(found) < 2, f"{name} is there more than once: {found}"
        return found[0] if found else None

    @cached_property
    def text(self) -> str:
        return self.body.decode("utf-8")

    def json(self) -> Any:
        """The document, which is said to be JSON."""
        assert self.header("content-type") == "application/json", self
        return json.loads(self.body)

    def html(self) -> BeautifulSoup:
        """The page as a browser would parse it."""
        assert self.header("content-type") == "text/html; charset=utf-8", self
        return BeautifulSoup(self.body, "html5lib", from_encoding="utf-8")

    @property
    def message(self) -> str:
        """What an error says to people; its shape is checked by the way."""
        document = self.json()
        assert set(document) == {"error"}, document
        assert set(document["error"]) == {"code", "message"}, document
        return str(document["error"]["message"])

    @property
    def code(self) -> str:
        return str(self.json()["error"]["code"])


Body = bytes | Iterable[bytes]


@dataclass(frozen=True)
class Sent:
    """A request as it goes out: `target` is what stands in the request line."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    peer: str
    scheme: str
    chunked: bool = False

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


Transport = Callable[[Sent], Answer]


@dataclass
class Client:
    """Asks one mount of the admin; targets are below it, percent-encoded as they are sent."""

    transport: Transport
    prefix: str = PREFIX
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every request."""

    def __call__(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        document: Any = None,
        form: Mapping[str, str] | None = None,
        body: bytes = b"",
        peer: str = "127.0.0.1",
        scheme: str = "http",
        chunked: bool = False,
    ) -> Answer:
        given = {"Host": HOST, **self.headers, **(headers or {})}
        if document is not None:
            body = json.dumps(document).encode()
            given.setdefault("Content-Type", "application/json")
        if form is not None:
            body = urlencode(form).encode()
            given.setdefault("Content-Type", FORM)
        return self.transport(
            Sent(method, self.prefix + target, given, body, peer, scheme, chunked)
        )

    def get(self, target: str, **options: Any) -> Answer:
        return self("GET", target, **options)

    def post(self, target: str, document: Any = None, **options: Any) -> Answer:
        return self("POST", target, document=document, **options)

    def put(self, target: str, document: Any = None, **options: Any) -> Answer:
        return self("PUT", target, document=document, **options)

    def items(self, target: str, **options: Any) -> list[Any]:
        """The items of a list that answers 200."""
        answer = self.get(target, **options)
        assert answer.status == 200, answer
        return list(answer.json()["items"])

    def all_items(self, target: str) -> list[Any]:
        """The items of a list, page after page."""
        found, cursor = [], None
        for _ in range(1000):
            sign = "&" if "?" in target else "?"
            at = "" if cursor is None else sign + urlencode({"cursor": cursor})
            answer = self.get(target + at)
            assert answer.status == 200, answer
            found += answer.json()["items"]
            cursor = answer.json()["next"]
            if cursor is None:
                return found
        raise AssertionError(f"{target} does not end")


def lower(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name.lower(), value) for name, value in headers))


class WsgiTransport:
    """Werkzeug's, which calls the app as a server does."""

    def __init__(self, app: Any, *, root: str = "", remote_user: str | None = None) -> None:
        """`root` is the SCRIPT_NAME that a server would set."""
        self._app = app
        self._root = root
        self._user = remote_user

    def __call__(self, sent: Sent) -> Answer:
        headers = dict(sent.headers)
        builder = EnvironBuilder(
            path=sent.path.removeprefix(self._root) or "/",
            query_string=sent.query,
            base_url=f"{sent.scheme}://{headers.pop('Host', HOST)}{self._root}/",
            method=sent.method,
            headers=list(headers.items()),
            input_stream=None,
            data=sent.body,
            environ_base={"REMOTE_ADDR": sent.peer},
        )
        environ = builder.get_environ()
        if not sent.path.removeprefix(self._root):
            environ["PATH_INFO"] = ""
        if sent.chunked:  # as gunicorn tells of it
            environ.pop("CONTENT_LENGTH", None)
            environ["HTTP_TRANSFER_ENCODING"] = "chunked"
            environ["wsgi.input_terminated"] = True
        if self._user is not None:
            environ["REMOTE_USER"] = self._user
        body, status, found = run_wsgi_app(self._app, environ, buffered=True)
        return Answer(int(status.split()[0]), lower(Headers(found).items()), b"".join(body))


class AsgiTransport:
    """httpx's transport for ASGI apps, on an event loop of its own."""

    def __init__(self, app: Any, *, root: str = "") -> None:
        self._app = app
        self._root = root
        self._runner = asyncio.Runner()

    def __call__(self, sent: Sent) -> Answer:
        return self._runner.run(self._send(sent))

    def close(self) -> None:
        self._runner.close()

    async def _send(self, sent: Sent) -> Answer:
        transport = httpx.ASGITransport(
            app=self._app, root_path=self._root, client=(sent.peer, 40000)
        )
        headers = dict(sent.headers)
        target = sent.target if sent.path else "/" + sent.target
        request = httpx.Request(
            sent.method,
            f"{sent.scheme}://{headers['Host']}{target}",
            headers={"Accept": "*/*", **headers},
            content=_chunks(sent.body) if sent.chunked else sent.body,
        )
        response = await transport.handle_async_request(request)
        body = await response.aread()
        return Answer(response.status_code, lower(response.headers.multi_items()), body)


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


def mounted(adapter: str, scheduler: Operations, prefix: str, **options: Any) -> Any:
    """A host app that has the admin mounted at the prefix (empty: at its root)."""
    if adapter == "wsgi_app":
        ours = wsgi_app(scheduler, **options)
        as_wsgi_has_it = prefix.encode().decode("latin-1")
        return DispatcherMiddleware(nothing_here, {as_wsgi_has_it: ours}) if prefix else ours
    if adapter == "asgi_app":
        ours = asgi_app(scheduler, **options)
        return Starlette(routes=[Mount(prefix, ours)]) if prefix else ours
    if adapter == "admin_blueprint":
        app = flask.Flask("host", static_folder=None)
        app.testing = True
        app.register_blueprint(admin_blueprint(scheduler, **options), url_prefix=prefix or None)
        return app
    assert adapter == "admin_router"
    host = FastAPI()
    host.include_router(admin_router(scheduler, **options), prefix=prefix)
    return host


def transport(adapter: str, app: Any, **options: Any) -> WsgiTransport | AsgiTransport:
    """What asks such a host."""
    kind = WsgiTransport if adapter in ("wsgi_app", "admin_blueprint") else AsgiTransport
    return kind(app, **options)


def nothing_here(environ: Any, start_response: Any) -> list[bytes]:
    start_response("404 NOT FOUND", [("Content-Type", "text/plain")])
    return [b"the host's own"]
