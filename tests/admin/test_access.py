"""Who is let in, and to what: the server decides, on every route, by the route's permission."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobsched.admin import asgi_app, wsgi_app
from jobsched.admin.access import (
    EVERYTHING,
    READ_ONLY,
    Access,
    Actor,
    Permission,
    basic_auth,
    bearer_tokens,
    local_only,
    remote_user,
)
from jobsched.admin.core import Admin
from jobsched.admin.fastapi import admin_router
from jobsched.admin.flask import admin_blueprint
from jobsched.admin.routes import Route
from jobsched.errors import ConfigurationError
from tests.admin.conftest import MakeClient
from tests.admin.examples import GUARDED, ROUTES, SCHEDULE, TOKEN, example, name_of
from tests.admin.hosts import FORM, PREFIX, Answer, Client
from tests.admin.world import Site

OPEN = {
    ("GET", "/health"),
    ("GET", "/static/{version}/{name}"),
    ("GET", "/login"),
    ("POST", "/login"),
    ("POST", "/logout"),
}
OTHER = "another-token-of-another"
FACTORIES = (wsgi_app, asgi_app, admin_blueprint, admin_router)


def test_every_route_declares_a_permission() -> None:
    """What is open to everybody is this list, and nothing is added to it by forgetting."""
    assert {(one.method, one.pattern) for one in ROUTES if one.permission is None} == OPEN


def test_every_change_needs_more_than_reading() -> None:
    """No route that changes something is open to whoever may only look."""
    changing = {one.permission for one in GUARDED if one.method != "GET"}
    assert changing <= {Permission.TOGGLE, Permission.RUN, Permission.CANCEL, Permission.EDIT}


@pytest.fixture
def as_actor(make_client: MakeClient, looked_at: Site) -> Callable[[Actor | None], Client]:
    """Makes a client for somebody, or for nobody."""

    def make(actor: Actor | None) -> Client:
        return make_client("wsgi_app", looked_at.scheduler, access=lambda native: actor)

    return make


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_nobody_is_let_in(
    route: Route, as_actor: Callable[[Actor | None], Client], looked_at: Site
) -> None:
    """Without an actor every route but the open ones answers 401, in its own format."""
    before = looked_at.audit()
    answer = example(route, looked_at.ids).sent_by(as_actor(None))
    assert answer.status == 401
    assert answer.code == "unauthorized" if route.for_api else "Sign in" in answer.text
    assert SCHEDULE not in answer.text.replace(f"/schedules/{SCHEDULE}", "")
    assert looked_at.audit() == before


@pytest.mark.parametrize("target", ["/nowhere", "/api/nowhere", "/api", "/schedules/nobody/x/y"])
def test_nobody_learns_what_there_is(as_actor: Callable[..., Client], target: str) -> None:
    """Whether a path exists is not told to who is not let in."""
    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        assert as_actor(None)(method, target).status == 401


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_all_permissions_but_the_routes_own_are_not_enough(
    route: Route, as_actor: Callable[[Actor | None], Client], looked_at: Site
) -> None:
    """403 names the permission that is missing, and nothing has happened."""
    before = looked_at.audit()
    client = as_actor(Actor("ola", EVERYTHING - {route.permission}))
    answer = example(route, looked_at.ids).sent_by(client)
    assert answer.status == 403
    assert str(route.permission) in answer.text
    assert looked_at.audit() == before


@pytest.mark.parametrize("permission", [*Permission, None], ids=str)
def test_each_permission_alone_opens_exactly_its_routes(
    permission: Permission | None, site: Site, make_client: MakeClient
) -> None:
    """Nothing comes with a permission that it does not say; an actor without any sees nothing."""
    actor = Actor("ola", () if permission is None else (permission,))
    client = make_client("wsgi_app", site.scheduler, access=lambda native: actor)
    opened = set()
    for route in GUARDED:
        answer = example(route, site.ids).sent_by(client)
        assert answer.status in (200, 202, 303, 403, 409), (route, answer)
        if answer.status != 403:
            opened.add(name_of(route))
    assert opened == {name_of(one) for one in GUARDED if one.permission == permission}


@pytest.mark.parametrize(
    "route", [r for r in GUARDED if r.for_api and r.method == "GET"], ids=name_of
)
def test_every_adapter_asks_the_access(
    route: Route, readers: dict[str, Client], looked_at: Site
) -> None:
    """In no host is there a way around it."""
    sent = example(route, looked_at.ids)
    for adapter, client in readers.items():
        assert sent.sent_by(client, headers={"Authorization": ""}).status == 401, adapter


# How it is given


@pytest.mark.parametrize("factory", FACTORIES, ids=lambda one: one.__name__)
def test_access_has_no_default(factory: Callable[..., Any], looked_at: Site) -> None:
    """Who forgets it, or gives what cannot be asked, gets an error and no open page."""
    with pytest.raises(TypeError, match="access"):
        factory(looked_at.scheduler)
    for wrong in (None, "kari", True, {"a-token": "kari"}):
        with pytest.raises(ConfigurationError, match="access="):
            factory(looked_at.scheduler, access=wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Actor("", EVERYTHING),
        lambda: Actor("a\nb", EVERYTHING),
        lambda: Actor("x" * 201, EVERYTHING),
        lambda: Actor("ola", ["raed"]),
        lambda: bearer_tokens({}),
        lambda: bearer_tokens({"short": "ola"}),
        lambda: basic_auth({}),
        lambda: basic_auth({"ola": ""}),
        lambda: basic_auth({("ola", "password"): "ola"}),  # type: ignore[dict-item] # that is it
        lambda: remote_user(header="X-User", proxies=["the proxy"]),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(wrong: Callable[[], Any]) -> None:
    """Not at the first request."""
    with pytest.raises(ConfigurationError):
        wrong()


def test_a_misspelt_permission_is_told(looked_at: Site) -> None:
    """The error offers the word that was meant."""
    with pytest.raises(ConfigurationError, match="did you mean 'read'"):
        Actor("ola", ["raed"])


@pytest.mark.parametrize("wrong", ["kari", True, 1, {"name": "kari"}, ("kari", EVERYTHING)])
def test_what_a_host_returns_instead_of_an_actor_opens_nothing(
    wrong: Any, looked_at: Site, make_client: MakeClient
) -> None:
    """A host's access that gives a user's name, or True, is a fault that is logged, not a key."""
    client = make_client("wsgi_app", looked_at.scheduler, access=lambda native: wrong)
    for target in ("/api/schedules", "/"):
        answer = client.get(target)
        assert answer.status == 500, answer
        assert SCHEDULE not in answer.text


# Tokens


@pytest.fixture
def tokens() -> Any:
    return bearer_tokens({TOKEN: "kari", OTHER: Actor("ola", READ_ONLY)})


@pytest.fixture
def door(adapter: str, make_client: MakeClient, site: Site, tokens: Any) -> Client:
    """Nobody yet, at the door that tokens open."""
    return make_client(adapter, site.scheduler, access=tokens)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_lets_its_owner_in(door: Client, site: Site) -> None:
    """A name alone may do everything; an Actor what it says; who it was stands in the audit log."""
    assert door.get("/api/schedules", headers=bearer(OTHER)).status == 200
    target = f"/api/schedules/{SCHEDULE}"
    assert door.put(target, {"enabled": False}, headers=bearer(OTHER)).status == 403
    assert door.put(target, {"enabled": False}, headers=bearer(TOKEN)).status == 200
    assert site.audit()[-1].who == "kari"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        f"bearer x{TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN} {TOKEN}",
        f"Token {TOKEN}",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer \udc00".encode("utf-8", "surrogatepass").decode("latin-1"),
        "Bearer " + "x" * 5000,
    ],
)
def test_no_other_header_opens(readers: dict[str, Client], header: str) -> None:
    """What is nearly right is wrong, with the same 401 and challenge."""
    answer = readers["wsgi_app"].get("/api/schedules", headers={"Authorization": header})
    assert (answer.status, answer.header("www-authenticate")) == (401, "Bearer")
    assert answer.message == "sign in first"


@pytest.mark.parametrize("name", ["token", "access_token", "authorization", "bearer", "api_key"])
def test_a_token_in_a_query_string_is_nothing(readers: dict[str, Client], name: str) -> None:
    """Query strings stand in logs: no token is taken from one, in the API, on pages, at login."""
    for client in readers.values():
        for target in ("/api/schedules", "/", "/firings"):
            answer = client.get(f"{target}?{name}={TOKEN}", headers={"Authorization": ""})
            assert answer.status == 401
        login = client.get(f"/login?{name}={TOKEN}", headers={"Authorization": ""})
        assert login.status == 422
        assert login.header("set-cookie") is None
        assert TOKEN not in login.text


def sign_in(door: Client, token: str = TOKEN, **options: Any) -> Answer:
    """Post the form as a browser does."""
    wanted = options.pop("wanted", "/")
    headers = {"Sec-Fetch-Site": "same-origin", **options.pop("headers", {})}
    return door.post("/login", form={"token": token, "next": wanted}, headers=headers, **options)


def cookie_of(answer: Answer) -> str:
    return str(answer.header("set-cookie")).partition(";")[0]


def test_the_form_signs_a_browser_in(door: Client, site: Site) -> None:
    """The 401 page has the form; a token makes a cookie that works until it is signed out."""
    asked = door.get("/firings?status=FAILED")
    assert asked.status == 401
    form = asked.html().find("form")
    assert form is not None
    fields = {one["name"]: one for one in form.find_all("input") if one.get("name")}
    assert (form["method"], form["action"]) == ("post", f"{PREFIX}/login")
    assert fields["token"]["type"] == "password"
    answer = sign_in(door, wanted="/firings")
    assert (answer.status, answer.header("location")) == (303, f"{PREFIX}/firings")
    cookie = {"Cookie": cookie_of(answer)}
    assert door.get("/firings", headers=cookie).status == 200
    assert door.get("/api/schedules", headers=cookie).status == 200
    out = door.post("/logout", form={}, headers={**cookie, "Sec-Fetch-Site": "same-origin"})
    assert out.status == 303
    assert cookie_of(out) == "jobsched_session="
    assert "Max-Age=0" in str(out.header("set-cookie"))


def test_the_cookies_flags(door: Client) -> None:
    """No script reads it, no other site sends it, no other path gets it; Secure under HTTPS."""
    plain, secure = sign_in(door), sign_in(door, scheme="https")
    flags = set(str(plain.header("set-cookie")).split("; ")[1:])
    assert flags == {f"Path={PREFIX}", "Max-Age=43200", "HttpOnly", "SameSite=Strict"}
    assert set(str(secure.header("set-cookie")).split("; ")[1:]) == {*flags, "Secure"}
    assert TOKEN not in str(plain.header("set-cookie"))


def test_two_apps_on_one_machine_keep_their_sessions_apart(door: Client) -> None:
    """Browsers do not tell the cookies of one host's ports apart: their names do."""
    one = cookie_of(sign_in(door, headers={"Host": "127.0.0.1:8642"}))
    other = cookie_of(sign_in(door, headers={"Host": "127.0.0.1:8643"}))
    assert one.partition("=")[0] != other.partition("=")[0]
    for host, cookie, status in (("8642", one, 200), ("8643", one, 401), ("8643", other, 200)):
        headers = {"Host": f"127.0.0.1:{host}", "Cookie": cookie}
        assert door.get("/api/jobs", headers=headers).status == status


def test_a_wrong_token_at_the_form(door: Client) -> None:
    """403 with the form again, no cookie, and the token is not shown."""
    answer = sign_in(door, token="not-a-token-of-anybody")
    assert answer.status == 403
    assert answer.header("set-cookie") is None
    assert "not-a-token" not in answer.text
    assert answer.html().find("input", {"name": "token"}) is not None


def test_a_session_runs_out(make_client: MakeClient, site: Site, tokens: Any) -> None:
    """After twelve hours one signs in again."""
    door = make_client("wsgi_app", site.scheduler, access=tokens)
    cookie = {"Cookie": cookie_of(sign_in(door))}
    site.clock.advance(timedelta(hours=12))
    assert door.get("/api/jobs", headers=cookie).status == 200
    site.clock.advance(timedelta(seconds=1))
    assert door.get("/api/jobs", headers=cookie).status == 401


def test_forged_cookies(make_client: MakeClient, site: Site, tokens: Any) -> None:
    """No part of it can be altered, made up, or taken from another token's."""
    door = make_client("wsgi_app", site.scheduler, access=tokens)
    good = cookie_of(sign_in(door)).partition("=")[2]
    other = cookie_of(sign_in(door, token=OTHER)).partition("=")[2]
    who, until, signature = good.split(".")
    forged = [
        "",
        "..",
        good + "x",
        good[:-1],
        f"{who}.{int(until) + 1}.{signature}",
        f"{who}.{'9' * 12}.{signature}",
        f"{who}.{'9' * 400}.{signature}",
        f"{who}.-1.{signature}",
        f"{who}.{until}.",
        f"{who}.{until}.{'0' * 64}",
        f"{other.split('.')[0]}.{until}.{signature}",
        f"{who.upper()}.{until}.{signature}",
        f"{who}.٣.{signature}",
        f"{TOKEN}",
        '"' + good,
        good.replace(".", "\x00"),
    ]
    for value in forged:
        raw = value.encode("utf-8").decode("latin-1")
        answer = door.get("/api/jobs", headers={"Cookie": f"jobsched_session={raw}"})
        assert answer.status == 401, value
    assert door.get("/api/jobs", headers={"Cookie": f"a=b; jobsched_session={good}"}).status == 200


def test_a_removed_token_ends_its_sessions(
    make_client: MakeClient, site: Site, tokens: Any
) -> None:
    """A restart without the token lets its cookies in no more; the others' stay good."""
    door = make_client("wsgi_app", site.scheduler, access=tokens)
    gone = {"Cookie": cookie_of(sign_in(door))}
    stays = {"Cookie": cookie_of(sign_in(door, token=OTHER))}
    restarted = make_client(
        "wsgi_app", site.scheduler, access=bearer_tokens({OTHER: Actor("ola", READ_ONLY)})
    )
    assert restarted.get("/api/jobs", headers=gone).status == 401
    assert restarted.get("/api/jobs", headers=stays).status == 200


def test_a_one_time_code_is_good_once(door: Client, tokens: Any) -> None:
    """The link signs in who opens it first; a second time, and made up, it says so."""
    code = tokens.one_time_code(TOKEN)
    first = door.get(f"/login?code={code}&next=/firings")
    assert (first.status, first.header("location")) == (303, f"{PREFIX}/firings")
    assert door.get("/api/jobs", headers={"Cookie": cookie_of(first)}).status == 200
    for used in (code, "made-up", "x" * 200):
        again = door.get(f"/login?code={used}")
        assert again.status == 403
        assert again.header("set-cookie") is None
        assert "used already" in again.text
    with pytest.raises(ConfigurationError, match="not among those"):
        tokens.one_time_code("not-a-token-of-anybody")


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "///evil.example",
        "javascript:alert(1)",
        "/ok\r\nSet-Cookie: a=b",
        "/\t/evil.example",
        "evil.example",
        "http:evil.example",
        " //evil.example",
        "/\x01",
        "/é",
        "",
    ],
)
def test_signing_in_leads_to_no_other_place(
    make_client: MakeClient, site: Site, tokens: Any, wanted: str
) -> None:
    """`next` is a path below the mount or home: no open redirect, no header made of it."""
    door = make_client("wsgi_app", site.scheduler, access=tokens)
    answer = sign_in(door, wanted=wanted)
    assert (answer.status, answer.header("location")) == (303, f"{PREFIX}/")
    assert len([one for one in answer.headers if one[0] == "set-cookie"]) == 1


def test_signing_in_from_another_site(door: Client) -> None:
    """Nobody is signed in, or out, by another site's page."""
    for target, form in (("/login", {"token": TOKEN}), ("/logout", {})):
        answer = door.post(target, form=form, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status == 403
        assert answer.header("set-cookie") is None


# The other ready-made ones


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_basic_auth(adapter: str, make_client: MakeClient, site: Site) -> None:
    """Name and password, with any letters and colons; a challenge for all others."""
    access = basic_auth({("kåri", "pass:wørd"): Actor("Kåri", READ_ONLY)})
    client = make_client(adapter, site.scheduler, access=access)
    assert client.get("/", headers=basic("kåri", "pass:wørd")).status == 200
    assert (
        client.post("/api/jobs/slow/trigger", {}, headers=basic("kåri", "pass:wørd")).status == 403
    )
    wrong = [
        {},
        basic("kåri", "pass"),
        basic("kåri:pass", "word"),
        basic("", ""),
        basic("KÅRI", "pass:wørd"),
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe").decode()},
        {"Authorization": "Basic"},
    ]
    for headers in wrong:
        answer = client.get("/api/jobs", headers=headers)
        assert answer.status == 401
        assert answer.header("www-authenticate") == 'Basic realm="jobsched", charset="UTF-8"'


@pytest.mark.parametrize(
    ("peer", "host", "more", "allowed"),
    [
        ("127.0.0.1", "localhost", {}, True),
        ("127.0.0.1", "localhost:8000", {}, True),
        ("127.0.0.1", "LOCALHOST:8000", {}, True),
        ("127.8.8.8", "127.0.0.1:8000", {}, True),
        ("::1", "[::1]:8000", {}, True),
        ("::1", "[::1]", {}, True),
        ("::ffff:127.0.0.1", "localhost", {}, True),
        ("::ffff:10.0.0.1", "localhost", {}, False),
        ("10.0.0.1", "localhost", {}, False),
        ("fe80::1", "localhost", {}, False),
        ("", "localhost", {}, False),
        ("unix:", "localhost", {}, False),
        ("127.0.0.1", "evil.example", {}, False),
        ("127.0.0.1", "localhost.evil.example", {}, False),
        ("127.0.0.1", "evil.example:80", {}, False),
        ("127.0.0.1", "localhost:80@evil.example", {}, False),
        ("127.0.0.1", "127.0.0.1.nip.io", {}, False),
        ("127.0.0.1", "localhost", {"X-Forwarded-For": "127.0.0.1"}, False),
        ("127.0.0.1", "localhost", {"X-Forwarded-Host": "localhost"}, False),
        ("127.0.0.1", "localhost", {"Forwarded": "for=127.0.0.1"}, False),
        ("127.0.0.1", "localhost", {"X-Real-IP": "127.0.0.1"}, False),
        ("127.0.0.1", "localhost", {"Via": "1.1 proxy"}, False),
        ("127.0.0.1", "localhost", {"CF-Connecting-IP": "127.0.0.1"}, False),
    ],
)
def test_local_only(
    make_client: MakeClient,
    looked_at: Site,
    peer: str,
    host: str,
    more: dict[str, str],
    allowed: bool,
) -> None:
    """This machine, by its own name, without a proxy between: and nobody else."""
    client = make_client("wsgi_app", looked_at.scheduler, access=local_only())
    answer = client.get("/api/jobs", peer=peer, headers={"Host": host, **more})
    assert answer.status == (200 if allowed else 401)


def test_local_only_through_every_adapter(
    adapter: str, make_client: MakeClient, looked_at: Site
) -> None:
    """Each host's idea of the peer is understood."""
    client = make_client(adapter, looked_at.scheduler, access=local_only("me"))
    here = {"Host": "localhost:8000"}
    assert client.get("/api/jobs", headers=here).status == 200
    assert client.get("/api/jobs", headers=here, peer="10.1.2.3").status == 401
    assert client.get("/api/jobs", headers={**here, "X-Forwarded-For": "::1"}).status == 401


def test_remote_user_by_the_server(make_client: MakeClient, looked_at: Site) -> None:
    """WSGI's REMOTE_USER, which no client can set by a header."""
    options = {"access": remote_user(permissions=READ_ONLY)}
    signed_in = make_client(
        "wsgi_app", looked_at.scheduler, transport_options={"remote_user": "ola"}, **options
    )
    assert signed_in.get("/api/jobs").status == 200
    assert signed_in.post("/api/jobs/slow/trigger", {}).status == 403
    nobody = make_client("wsgi_app", looked_at.scheduler, **options)
    for header in ("Remote-User", "REMOTE_USER", "X-Remote-User"):
        assert nobody.get("/api/jobs", headers={header: "ola"}).status == 401


@pytest.mark.parametrize(
    ("peer", "name", "allowed"),
    [
        ("10.0.0.7", "ola", True),
        ("::1", "ola", True),
        ("10.0.1.7", "ola", False),
        ("127.0.0.1", "ola", False),
        ("", "ola", False),
        ("10.0.0.7", "", False),
        ("10.0.0.7", "x" * 201, False),
        ("10.0.0.7", "a\tb", False),
    ],
)
def test_remote_user_by_a_header(
    adapter: str, make_client: MakeClient, looked_at: Site, peer: str, name: str, allowed: bool
) -> None:
    """Believed of the listed proxies only."""
    access = remote_user(header="X-Remote-User", proxies=["10.0.0.0/24", "::1"])
    client = make_client(adapter, looked_at.scheduler, access=access)
    answer = client.get("/api/jobs", peer=peer, headers={"X-Remote-User": name})
    assert answer.status == (200 if allowed else 401)


def test_remote_users_permissions_by_name(make_client: MakeClient, site: Site) -> None:
    """A function of the name says what each may do."""
    access = remote_user(
        header="X-Remote-User",
        permissions=lambda name: EVERYTHING if name == "kari" else {"read"},
    )
    client = make_client("wsgi_app", site.scheduler, access=access)
    for name, status in (("kari", 202), ("ola", 403)):
        answer = client.post("/api/jobs/slow/trigger", {}, headers={"X-Remote-User": name})
        assert answer.status == status


# Health


@pytest.mark.parametrize(
    "access", [local_only(), bearer_tokens({TOKEN: "kari"}), lambda native: None]
)
def test_health_says_one_word_to_everybody(
    access: Access, make_client: MakeClient, site: Site
) -> None:
    """`ok` or `not ok`: enough for a load balancer, nothing for anybody else."""
    client = make_client("wsgi_app", site.scheduler, access=access)
    assert site.scheduler.health().level == "warning"
    answer = client.get("/health", peer="8.8.8.8")
    assert (answer.status, answer.body) == (200, b"ok\n")
    site.clock.advance(timedelta(days=1))
    answer = client.get("/health", peer="8.8.8.8")
    assert (answer.status, answer.body) == (503, b"not ok\n")
    assert client.get("/health?verbose=1", peer="8.8.8.8").body == b"not ok\n"


def test_access_is_not_asked_what_is_open(looked_at: Site) -> None:
    """A host's login is not bothered with health checks and styles."""

    def access(native: Any) -> Actor:
        raise AssertionError("asked")

    admin = Admin(looked_at.scheduler, access=access)
    opened = {one.pattern for one in admin.table.routes if one.permission is None}
    assert opened == {"/health", "/static/{version}/{name}"}


def test_forms_are_urlencoded(door: Client) -> None:
    """Another kind of body is refused, not guessed at."""
    answer = door.post("/login", body=b"{}", headers={"Content-Type": "text/plain", "Accept": FORM})
    assert answer.status == 400
