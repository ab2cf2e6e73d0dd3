"""One core in four hosts: whichever is asked, the answer is the same."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import flask
import pytest
from fastapi import FastAPI, HTTPException
from fastapi import Request as FastApiRequest
from starlette.applications import Starlette
from starlette.routing import Mount
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from jobsched.admin import asgi_app, wsgi_app
from jobsched.admin.access import EVERYTHING, READ_ONLY, Actor, bearer_tokens
from jobsched.admin.fastapi import admin_router
from jobsched.admin.flask import admin_blueprint
from jobsched.admin.routes import Route
from jobsched.errors import ConfigurationError
from tests.admin.conftest import KARI, MakeClient
from tests.admin.examples import JOB, ROUTES, SCHEDULE, TOKEN, UNSAFE, example, name_of
from tests.admin.hosts import (
    ADAPTERS,
    PREFIX,
    Answer,
    AsgiTransport,
    Client,
    WsgiTransport,
    nothing_here,
)
from tests.admin.world import Site

MakeSite = Callable[..., Site]
AT_RANDOM = re.compile(rb'(name="key" value=")[^"]+')
"""Each form has a key of its own, against being sent twice."""


def unlike(answers: dict[str, Answer]) -> list[str]:
    """In what the answers differ from that of the WSGI app, said shortly."""
    first = comparable(answers["wsgi_app"])
    return [
        f"{adapter}: {one} instead of {other}"
        for adapter, answer in answers.items()
        for one, other in zip(comparable(answer), first, strict=True)
        if one != other
    ]


def comparable(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    body = AT_RANDOM.sub(rb"\1...", answer.body)
    tagged_by_content = body != answer.body
    headers = [one for one in answer.headers if not (tagged_by_content and one[0] == "etag")]
    return answer.status, headers, body


@pytest.mark.parametrize("route", [one for one in ROUTES if one.method == "GET"], ids=name_of)
def test_every_look_is_alike_through_every_adapter(
    route: Route, looked_at: Site, readers: dict[str, Client]
) -> None:
    """Status, headers and body are the same to the byte."""
    sent = example(route, looked_at.ids)
    answers = {adapter: sent.sent_by(client) for adapter, client in readers.items()}
    assert answers["wsgi_app"].status in (200, 503 if route.pattern == "/health" else 200)
    assert unlike(answers) == []


@pytest.mark.parametrize("route", UNSAFE, ids=name_of)
def test_every_change_is_alike_through_every_adapter(
    route: Route, make_site: MakeSite, make_client: MakeClient
) -> None:
    """On copies of a database the same request has the same answer, to the byte."""
    answers = {}
    for adapter in ADAPTERS:
        site = make_site()
        client = make_client(adapter, site.scheduler, access=bearer_tokens({TOKEN: "kari"}))
        sent = example(route, site.ids)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answers[adapter] = sent.sent_by(client, headers=headers)
    assert answers["wsgi_app"].status in (200, 202, 303), answers["wsgi_app"]
    assert unlike(answers) == []


REFUSED = {
    "unknown page": ("GET", "/nowhere", {}),
    "unknown in the API": ("GET", "/api/nowhere", {}),
    "unknown schedule": ("GET", "/api/schedules/nobody", {}),
    "no number": ("GET", "/api/firings/abc", {}),
    "malformed body": ("PUT", f"/api/schedules/{SCHEDULE}", {"body": b"{"}),
    "malformed JSON": (
        "PUT",
        f"/api/schedules/{SCHEDULE}",
        {"body": b'{"enabled": tru', "headers": {"Content-Type": "application/json"}},
    ),
    "wrong field": ("PUT", f"/api/schedules/{SCHEDULE}", {"document": {"enabled": "perhaps"}}),
    "too large": ("POST", f"/api/jobs/{JOB}/trigger", {"document": {"params": {"a": "x" * 70000}}}),
    "wrong query": ("GET", "/api/schedules?sort=colour", {}),
    "no such method": ("DELETE", f"/api/schedules/{SCHEDULE}", {}),
    "odd method": ("PATCH", "/", {}),
    "options": ("OPTIONS", "/api/schedules", {"headers": {"Origin": "https://evil.example"}}),
    "cross-site": ("POST", "/api/firings/1/cancel", {"headers": {"Sec-Fetch-Site": "cross-site"}}),
    "bad escapes": ("GET", "/api/schedules/%ff%fe", {}),
    "a NUL": ("GET", "/api/schedules/a%00b", {}),
    "a slash in an id": ("GET", "/api/schedules/a%2Fb", {}),
    "a double escape": ("GET", "/api/schedules/a%252Fb", {}),
    "bad query": ("GET", "/api/schedules?search=%ff", {}),
    "many fields": ("GET", "/api/schedules?" + "&".join(f"f{n}=1" for n in range(200)), {}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_every_refusal_is_alike_through_every_adapter(
    what: str, readers: dict[str, Client]
) -> None:
    """What cannot be answered is refused in the same words by every host."""
    method, target, options = REFUSED[what]
    answers = {adapter: client(method, target, **options) for adapter, client in readers.items()}
    assert 400 <= answers["wsgi_app"].status < 500, answers["wsgi_app"]
    assert unlike(answers) == []


def links(answer: Answer) -> list[str]:
    page = answer.html()
    found = [tag.get(name) for name in ("href", "src", "action") for tag in page.find_all(True)]
    return [one for one in found if one is not None and not one.startswith("#")]


@pytest.mark.parametrize("prefix", ["", "/a/deep/mount-point_1", "/æ ø"])
def test_every_link_is_below_the_mount(
    adapter: str, prefix: str, looked_at: Site, make_client: MakeClient
) -> None:
    """Wherever it is mounted, links, forms and files stay within the mount and are found."""
    client = make_client(adapter, looked_at.scheduler, prefix=prefix)
    client.prefix = mount = quote(prefix)
    files = set()
    for target in ("/", f"/schedules/{SCHEDULE}"):
        found = links(client.get(target))
        assert len(found) > 5
        assert [one for one in found if not one.startswith((mount + "/", "?"))] == []
        files |= {one for one in found if "/static/" in one}
    assert {client.get(one.removeprefix(mount)).status for one in files} == {200}


def test_a_mount_without_its_final_slash_is_found(
    adapter: str, looked_at: Site, make_client: MakeClient
) -> None:
    """`/ops/jobs` is the home page, or leads to it."""
    client = make_client(adapter, looked_at.scheduler)
    answer = client.get("")
    assert answer.status in (301, 303, 307, 308), answer
    where = str(answer.header("location"))
    assert where.removeprefix("http://testserver.local") == f"{PREFIX}/"


@pytest.mark.parametrize("adapter", ["wsgi_app", "admin_blueprint", "asgi_app", "admin_router"])
def test_below_a_script_name_or_root_path(
    adapter: str, looked_at: Site, make_client: MakeClient
) -> None:
    """What the server takes off the path stands in every link again."""
    client = make_client(adapter, looked_at.scheduler, root="/outer")
    answer = client.get("/")
    assert answer.status == 200, answer
    assert [one for one in links(answer) if not one.startswith(f"/outer{PREFIX}/")] == []


@pytest.mark.parametrize(
    ("header", "outside"),
    [
        ("/proxy", "/proxy"),
        ("/proxy/deep/", "/proxy/deep"),
        ("/first, /second", "/first"),
        ("//evil.example", ""),
        ("https://evil.example", ""),
        ('/"><script>', ""),
        ("/a\\b", ""),
        ("", ""),
    ],
)
def test_a_prefix_that_a_trusted_proxy_names(
    adapter: str, looked_at: Site, make_client: MakeClient, header: str, outside: str
) -> None:
    """`X-Forwarded-Prefix` goes before links if the host trusts it, and if it is a plain path."""
    client = make_client(adapter, looked_at.scheduler, trust_forwarded_prefix=True)
    answer = client.get("/", headers={"X-Forwarded-Prefix": header})
    assert [one for one in links(answer) if not one.startswith(f"{outside}{PREFIX}/")] == []


def test_a_prefix_that_nobody_trusts(client: Client) -> None:
    """By default `X-Forwarded-Prefix` is what any client may send: it changes nothing."""
    answer = client.get("/", headers={"X-Forwarded-Prefix": "/proxy"})
    assert [one for one in links(answer) if not one.startswith(f"{PREFIX}/")] == []


def two_mounts(adapter: str, site: Site) -> WsgiTransport | AsgiTransport:
    """One app with the admin at /all for Kari and at /some for somebody who only looks."""
    mounts = {"/all": KARI, "/some": Actor("ola", READ_ONLY)}
    made: Any
    if adapter == "wsgi_app":
        apps = {
            prefix: wsgi_app(site.scheduler, access=lambda native, actor=actor: actor)
            for prefix, actor in mounts.items()
        }
        return WsgiTransport(DispatcherMiddleware(nothing_here, apps))
    if adapter == "admin_blueprint":
        made = flask.Flask("two")
        for prefix, actor in mounts.items():
            blueprint = admin_blueprint(
                site.scheduler, access=lambda native, actor=actor: actor, name=prefix.strip("/")
            )
            made.register_blueprint(blueprint, url_prefix=prefix)
        return WsgiTransport(made)
    if adapter == "asgi_app":
        made = Starlette(
            routes=[
                Mount(prefix, asgi_app(site.scheduler, access=lambda native, actor=actor: actor))
                for prefix, actor in mounts.items()
            ]
        )
        return AsgiTransport(made)
    made = FastAPI()
    for prefix, actor in mounts.items():
        router = admin_router(site.scheduler, access=lambda native, actor=actor: actor)
        made.include_router(router, prefix=prefix)
    assert made.openapi()["paths"]["/some/api/schedules"]
    return AsgiTransport(made)


@pytest.mark.filterwarnings("error")
def test_two_mounts_in_one_app(adapter: str, site: Site) -> None:
    """Each has its own access and links; neither is in the other's way."""
    transport = two_mounts(adapter, site)
    everything, some = Client(transport, "/all"), Client(transport, "/some")
    assert everything.post(f"/api/schedules/{SCHEDULE}/trigger", {}).status == 202
    assert some.post(f"/api/schedules/{SCHEDULE}/trigger", {}).status == 403
    assert [one for one in links(some.get("/")) if not one.startswith("/some/")] == []
    assert "kari" in everything.get("/").text
    assert "ola" in some.get("/").text
    if isinstance(transport, AsgiTransport):
        transport.close()


def test_head_is_get_without_a_body(client: Client) -> None:
    """HEAD has the status and headers of GET."""
    for target in ("/", "/api/schedules", f"/schedules/{SCHEDULE}", "/health", "/api/nobody"):
        got, head = client.get(target), client("HEAD", target)
        assert (head.status, head.body) == (got.status, b"")
        without = [one for one in got.headers if one[0] not in ("content-length", "etag")]
        assert [one for one in head.headers if one[0] not in ("content-length", "etag")] == without
        length = head.header("content-length")
        assert length is None or int(length) == len(got.body)


@pytest.mark.parametrize("method", ["OPTIONS", "PATCH", "DELETE", "PUT"])
def test_methods_that_are_not_offered(client: Client, method: str) -> None:
    """405 says which are, on pages and in the API alike."""
    page, api = client(method, "/firings"), client(method, "/api/firings")
    assert (page.status, page.header("allow")) == (405, "GET, HEAD")
    assert (api.status, api.header("allow"), api.code) == (405, "GET, HEAD", "method")
    both = client("OPTIONS", f"/api/schedules/{SCHEDULE}")
    assert both.header("allow") == "GET, HEAD, PUT"


# A host's own access


@pytest.mark.parametrize("adapter", ["asgi_app", "admin_router"])
def test_access_may_be_async_under_asgi(
    adapter: str, looked_at: Site, make_client: MakeClient
) -> None:
    """It is awaited on the host's loop, and what it gives is who asks."""
    seen = []

    async def access(native: Any) -> Actor | None:
        seen.append(native)
        headers = native.headers if adapter == "admin_router" else dict(native["headers"])
        known = headers.get("x-user" if adapter == "admin_router" else b"x-user")
        return Actor("ola", EVERYTHING) if known else None

    client = make_client(adapter, looked_at.scheduler, access=access)
    assert client.get("/api/firings").status == 401
    assert client.get("/api/firings", headers={"X-User": "ola"}).status == 200
    assert client.get("/health").status in (200, 503)
    assert len(seen) == 2
    if adapter == "admin_router":
        assert isinstance(seen[0], FastApiRequest)
    else:
        assert seen[0]["type"] == "http"


@pytest.mark.parametrize("adapter", ["wsgi_app", "admin_blueprint"])
def test_an_async_access_under_wsgi_is_a_clear_error(
    adapter: str, looked_at: Site, make_client: MakeClient
) -> None:
    """Nobody is let in by a coroutine that is always true: it says what to write instead."""

    async def access(native: Any) -> Actor:
        return KARI

    client = make_client(adapter, looked_at.scheduler, access=access)
    with pytest.raises(ConfigurationError, match="asgi_app or admin_router"):
        client.get("/api/firings")


def test_access_gets_the_wsgi_environ(looked_at: Site, make_client: MakeClient) -> None:
    """A WSGI host decides by what the server and its middleware put there."""

    def access(environ: dict[str, Any]) -> Actor | None:
        return Actor(environ["REMOTE_USER"], READ_ONLY) if "REMOTE_USER" in environ else None

    options = {"access": access, "transport_options": {"remote_user": "ola"}}
    assert make_client("wsgi_app", looked_at.scheduler, **options).get("/api/jobs").status == 200
    nobody = make_client("wsgi_app", looked_at.scheduler, access=access)
    assert nobody.get("/api/jobs").status == 401


def test_access_within_flasks_context(looked_at: Site) -> None:
    """Flask's request, session and `abort(redirect(…))` work as in a view of the host's."""
    app = flask.Flask("host")
    app.secret_key = "not so secret"

    def access(request: flask.Request) -> Actor | None:
        assert request is flask.request._get_current_object()  # type: ignore[attr-defined] # proxy
        assert flask.current_app.name == "host"
        if "user" not in flask.session:
            flask.abort(flask.redirect("/login?next=" + request.path))
        return Actor(flask.session["user"], READ_ONLY)

    @app.post("/login")
    def login() -> str:
        flask.session["user"] = flask.request.form["user"]
        return "welcome"

    app.register_blueprint(admin_blueprint(looked_at.scheduler, access=access), url_prefix="/jobs")
    browser = app.test_client()
    refused = browser.get("/jobs/firings")
    assert (refused.status_code, refused.headers["Location"]) == (302, "/login?next=/jobs/firings")
    browser.post("/login", data={"user": "ola"})
    assert browser.get("/jobs/firings").status_code == 200
    assert browser.post(f"/jobs/api/schedules/{SCHEDULE}/trigger", json={}).status_code == 403


@pytest.mark.parametrize("is_async", [True, False])
def test_what_a_fastapi_hosts_access_raises_fastapi_handles(
    looked_at: Site, make_client: MakeClient, is_async: bool
) -> None:
    """An HTTPException of the host's login is the answer, with its headers."""

    def raises(request: FastApiRequest) -> Actor:
        raise HTTPException(307, "sign in", headers={"Location": "/login"})

    async def raises_async(request: FastApiRequest) -> Actor:
        return raises(request)

    access = raises_async if is_async else raises
    client = make_client("admin_router", looked_at.scheduler, access=access)
    for target in ("/firings", "/api/firings"):
        answer = client.get(target)
        assert (answer.status, answer.header("location")) == (307, "/login")


def test_access_may_read_the_body_too(site: Site, make_client: MakeClient) -> None:
    """A host's login or CSRF check that reads the form, before or in the access, is not in the way.

    Flask-WTF reads `request.form` before each request.
    """
    app = flask.Flask("host")
    seen = []

    @app.before_request
    def read_early() -> None:
        seen.append(flask.request.form.get("reason"))

    def access(request: flask.Request) -> Actor:
        seen.append(request.form.get("reason"))
        return KARI

    app.register_blueprint(admin_blueprint(site.scheduler, access=access), url_prefix="/jobs")
    client = Client(WsgiTransport(app), "/jobs")
    answer = client.post(f"/schedules/{SCHEDULE}/pause", form={"reason": "tea & cake"})
    assert answer.status == 303, answer
    assert seen == ["tea & cake"] * 2
    (row,) = site.rows("job_schedule", id=SCHEDULE)
    assert (row.enabled, row.disabled_reason) == (False, "tea & cake")
    said = client.put(f"/api/schedules/{SCHEDULE}", {"enabled": True})
    assert said.status == 200, said


def test_a_fastapi_access_may_read_the_body_too(site: Site, make_client: MakeClient) -> None:
    """The host's `await request.form()` or `.body()` neither hangs nor takes the body away."""
    seen = []

    async def access(request: FastApiRequest) -> Actor:
        seen.append(await request.body())
        return KARI

    client = make_client("admin_router", site.scheduler, access=access)
    answer = client.put(f"/api/schedules/{SCHEDULE}", {"enabled": False, "reason": "tea"})
    assert answer.status == 200, answer
    assert seen == [b'{"enabled": false, "reason": "tea"}']


def test_a_body_of_unknown_length_is_read(client: Client, site: Site) -> None:
    """A chunked body is obeyed as any other, never taken for an empty one."""
    answer = client.post(f"/api/jobs/{JOB}/trigger", {"params": {"limit": 9}}, chunked=True)
    assert answer.status == 202, answer
    (firing,) = site.rows("job_firing", id=answer.json()["id"])
    assert firing.params == {"limit": 9}


def test_lifespan_and_websockets_of_an_asgi_host(looked_at: Site) -> None:
    """A server that asks for more than HTTP is told politely."""

    async def ask(scope: dict[str, Any], *messages: dict[str, Any]) -> list[Any]:
        sent: list[Any] = []
        waiting = list(messages)

        async def receive() -> dict[str, Any]:
            return waiting.pop(0)

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await asgi_app(looked_at.scheduler, access=lambda scope: KARI)(scope, receive, send)
        return sent

    transport = AsgiTransport(None)
    run = transport._runner.run
    told = run(
        ask({"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    )
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert run(ask({"type": "websocket"}, {"type": "websocket.connect"})) == ["websocket.close"]
    transport.close()
