"""What a browser, a stranger or broken input can make of the admin: nothing but a refusal."""

import json
import logging
from typing import Any

import pytest
import sqlalchemy as sa

from jobsched.admin import static_files
from jobsched.admin.request import LARGEST_BODY
from jobsched.admin.routes import Route
from tests.admin.conftest import MakeClient
from tests.admin.examples import JOB, ROUTES, SCHEDULE, UNSAFE, example, name_of
from tests.admin.hosts import FORM, HOST, Answer, Client
from tests.admin.world import Site

OF_ANOTHER_SITE = {
    "cross-site": {"Sec-Fetch-Site": "cross-site"},
    "same site, another origin": {"Sec-Fetch-Site": "same-site"},
    "typed by nobody": {"Sec-Fetch-Site": "none"},
    "says nonsense": {"Sec-Fetch-Site": "friendly"},
    "foreign origin": {"Origin": "https://evil.example"},
    "origin of another port": {"Origin": f"http://{HOST}:8080"},
    "hidden origin": {"Origin": "null"},
    "origin says otherwise": {"Sec-Fetch-Site": "cross-site", "Origin": f"http://{HOST}"},
}
OURS = {
    "own page": {"Sec-Fetch-Site": "same-origin"},
    "own origin": {"Origin": f"http://{HOST}"},
    "both": {"Sec-Fetch-Site": "same-origin", "Origin": f"http://{HOST}"},
    "no browser": {},
}


@pytest.mark.parametrize("route", UNSAFE, ids=name_of)
@pytest.mark.parametrize("where", OF_ANOTHER_SITE)
def test_another_sites_page_changes_nothing(
    route: Route, where: str, readers: dict[str, Client], looked_at: Site
) -> None:
    """Whatever else is right about it, a change that another site asked for is refused."""
    before = looked_at.audit()
    client = readers["wsgi_app"]
    answer = example(route, looked_at.ids).sent_by(client, headers=OF_ANOTHER_SITE[where])
    assert answer.status == 403
    assert answer.header("set-cookie") is None
    assert looked_at.audit() == before


@pytest.mark.parametrize("where", OURS)
def test_our_own_pages_and_programs_are_heard(where: str, api: Client) -> None:
    """Our own origin, and whoever is no browser, gets through."""
    answer = api.put(f"/api/schedules/{SCHEDULE}", {"enabled": False}, headers=OURS[where])
    assert answer.status == 200


HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def check_headers(answer: Answer) -> None:
    for name, value in HEADERS.items():
        assert answer.header(name) == value, (name, answer)
    policy = str(answer.header("content-security-policy"))
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert [name for name, _ in answer.headers if name.startswith("access-control")] == []
    assert answer.header("cache-control") is not None


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_every_answer_has_the_headers(route: Route, reading: Client, looked_at: Site) -> None:
    """Pages, JSON, files and what is refused: all say how a browser is to take them."""
    if route.method == "GET":
        answer = example(route, looked_at.ids).sent_by(reading)
        check_headers(answer)
        tag = answer.header("etag")
        if tag is not None:
            check_headers(reading.get(example(route, looked_at.ids).target, headers={
                "If-None-Match": tag
            }))  # fmt: skip
    refused = example(route, looked_at.ids).sent_by(reading, headers={"Origin": "https://e.x"})
    check_headers(refused)


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "/nowhere"), ("GET", "/api/nowhere"), ("OPTIONS", "/"), ("DELETE", "/api/schedules")],
)
def test_what_is_not_there_has_the_headers_too(
    method: str, target: str, client: Client, adapter: str
) -> None:
    """404 and 405, in every host."""
    check_headers(client(method, target, headers={"Origin": "https://evil.example"}))


def test_a_large_body_is_refused(client: Client) -> None:
    """64 KB are enough for anything; of a larger body no more than that is read."""
    document = {"params": {"note": "x" * LARGEST_BODY}}
    for chunked in (False, True):
        answer = client.post(f"/api/jobs/{JOB}/trigger", document, chunked=chunked)
        assert (answer.status, answer.code) == (413, "too_large")
    form = {"reason": "x" * LARGEST_BODY}
    assert client.post(f"/schedules/{SCHEDULE}/pause", form=form).status == 413


@pytest.mark.parametrize(
    "target",
    [
        "/static/{version}/../../core.py",
        "/static/{version}/..%2f..%2fcore.py",
        "/static/{version}/%2e%2e/layout.html",
        "/static/{version}/layout.html",
        "/static/{version}//etc/passwd",
        "/static/{version}/",
        "/static/000000000000/jobsched.css",
    ],
)
def test_files_are_served_by_name_only(target: str, client: Client) -> None:
    """No path leads out of the manifest, nor to a file of another version."""
    answer = client.get(target.replace("{version}", static_files.version()))
    assert answer.status == 404


def test_files_are_kept_for_a_year(client: Client) -> None:
    """Their address changes with them."""
    answer = client.get(f"/static/{static_files.version()}/jobsched.css")
    assert answer.status == 200
    assert "immutable" in str(answer.header("cache-control"))
    assert answer.header("content-type") == "text/css; charset=utf-8"


CURSORS = [
    "x",
    "%00",
    "bnVsbA",  # null
    "W10",  # []
    "WzEsMl0",  # [1,2]
    "WyJhIl0",  # ["a"], where a number belongs
    "Wy0xXQ",  # [-1]
    "WzEuNV0",  # [1.5]
    "W3RydWVd",  # [true]
    "WzkyMjMzNzIwMzY4NTQ3NzU4MDhd",  # [2**63]
    "W1tdXQ",  # [[]]
    "eyJhIjoxfQ",  # {"a":1}
    "A" * 400,
]


@pytest.mark.parametrize("cursor", CURSORS)
@pytest.mark.parametrize("noun", ["firings", "runs", "audit"])
def test_a_made_up_cursor_is_refused(noun: str, cursor: str, reading: Client) -> None:
    """A cursor says where a list goes on, and can be made into nothing else."""
    answer = reading.get(f"/api/{noun}?cursor={cursor}")
    assert answer.status == 400, answer
    assert reading.get(f"/{noun}?cursor={cursor}").status == 400


@pytest.mark.parametrize("sort", ["id", "next_run", "last_run"])
@pytest.mark.parametrize(
    "cursor", ["x", "WzFd", "WyJub29uIiwgImEiXQ", "WyJhIiwgImIiLCAiYyJd", "WyJcdTAwMDAiLCJhIl0"]
)
def test_a_made_up_cursor_of_schedules_is_refused(sort: str, cursor: str, reading: Client) -> None:
    """Also where it holds a time and an id."""
    answer = reading.get(f"/api/schedules?sort={sort}&cursor={cursor}")
    assert answer.status in (400, 422)
    assert answer.message.startswith("cursor: ")


BROKEN: dict[str, dict[str, Any]] = {
    "deep": {"body": b"[" * 60_000},
    "deep params": {"body": b'{"params": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}"},
    "not a number": {"body": b'{"params": {"a": NaN}}'},
    "infinite": {"body": b'{"params": {"a": 1e999}}'},
    "huge number": {"body": b'{"params": {"a": ' + b"9" * 5000 + b"}}"},
    "large number": {"body": b'{"params": {"limit": 99999999999999999999}}'},
    "half a pair": {"body": b'{"params": {"a": "\\ud83d"}}'},
    "a NUL": {"body": b'{"params": {"a": "\\u0000"}}'},
    "a list": {"body": b"[]"},
    "a text": {"body": b'"x"'},
    "bytes": {"body": b"\xff\xfe"},
    "no JSON": {"body": b"{]"},
    "unknown field": {"body": b'{"parms": {}}'},
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_bodies_are_refused(what: str, client: Client, site: Site) -> None:
    """They are somebody's mistake and said to be one, never a fault of ours, and do nothing."""
    before = len(site.rows("job_firing"))
    headers = {"Content-Type": "application/json"}
    answer = client.post(f"/api/jobs/{JOB}/trigger", headers=headers, **BROKEN[what])
    assert answer.status in (400, 422), answer
    assert answer.message
    assert len(site.rows("job_firing")) == before


@pytest.mark.parametrize("key", ["", "x" * 91, "a\tb", "\x7f"])
def test_a_key_that_cannot_be_kept_is_refused(key: str, api: Client) -> None:
    """422 names the header."""
    answer = api.post(f"/api/schedules/{SCHEDULE}/trigger", {}, headers={"Idempotency-Key": key})
    assert answer.status == 422
    assert "Idempotency-Key" in answer.message


@pytest.mark.parametrize("body", [b"reason=%00", b"reason=%ff", b"&".join([b"a=1"] * 200)])
def test_broken_forms_are_refused(body: bytes, api: Client, site: Site) -> None:
    """A form that cannot be read is 400, on a page."""
    before = site.audit()
    answer = api.post(f"/schedules/{SCHEDULE}/pause", headers={"Content-Type": FORM}, body=body)
    assert answer.status in (400, 422)
    assert site.audit() == before


@pytest.mark.parametrize("limit", ["0", "-1", "201", "many", "1e3", ""])
def test_limits_have_bounds(limit: str, reading: Client) -> None:
    """Nobody gets a list of everything at once."""
    answer = reading.get(f"/api/firings?limit={limit}")
    assert answer.status == 422
    assert answer.message.startswith("limit: ")


def test_a_time_out_of_reach_is_refused(reading: Client) -> None:
    """422, whatever its offset does to it."""
    for time in ("0001-01-01T00:00:00%2B23:00", "9999-12-31T23:59:59-23:00", "2026-03-02"):
        assert reading.get(f"/api/firings?since={time}").status == 422


def test_without_tables_it_is_503(client: Client, site: Site) -> None:
    """Pages and API say what is missing and when to come again, and no stack trace."""
    site.sql(lambda tx: tx.tables.metadata.drop_all(tx.connection))
    for target in ("/", "/firings", "/api/schedules", "/api/daemon/status"):
        answer = client.get(target)
        assert answer.status in (500, 503)
        assert "Traceback" not in answer.text
    assert client.get("/health").body == b"not ok\n"


def test_without_a_database_it_is_503(make_client: MakeClient) -> None:
    """The database that does not answer is told of, without its password."""
    from jobsched import Registry, Scheduler

    gone = Scheduler("postgresql://shop:hunter2@127.0.0.1:1/shop", registry=Registry())
    client = make_client("wsgi_app", gone)
    for target in ("/", "/api/schedules", f"/schedules/{SCHEDULE}", "/timeline"):
        answer = client.get(target)
        assert answer.status == 503
        assert answer.header("retry-after") == "5"
        assert "hunter2" not in answer.text
        assert "Traceback" not in answer.text
    assert client.get("/health").status == 503


def test_a_fault_of_ours_says_nothing_and_is_logged(
    client: Client, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """500 with one sentence; the traceback is in the host's log."""

    def fail(*_: object) -> None:
        raise RuntimeError("hunter2 at line 5")

    sa.event.listen(site.scheduler.database.engine, "before_cursor_execute", fail)
    with caplog.at_level(logging.ERROR, logger="jobsched.admin"):
        for target in ("/", "/api/jobs"):
            answer = client.get(target)
            assert answer.status == 500
            assert "hunter2" not in answer.text
            assert "Traceback" not in answer.text
            check_headers(answer)
    assert "hunter2" in caplog.text


def test_the_health_of_a_broken_database_is_not_ok(client: Client, site: Site) -> None:
    """Whoever asks learns no more than that."""
    for answer in (client.get("/health"), client.get("/health?x=1")):
        assert answer.body in (b"ok\n", b"not ok\n")
        assert json.dumps(answer.text) in ('"ok\\n"', '"not ok\\n"')
