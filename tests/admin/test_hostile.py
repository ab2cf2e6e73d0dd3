"""Hostile text is shown as the text it is, on every page and in every answer; secrets are not."""

import csv
import io
import json
import re
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from bs4 import BeautifulSoup

from jobsched.admin.access import EVERYTHING, Actor, Permission
from jobsched.admin.routes import Route
from tests.admin import hostile
from tests.admin.conftest import MakeClient
from tests.admin.examples import GUARDED, PAGES, example, name_of
from tests.admin.hosts import Answer, Client
from tests.admin.world import Site

LOOKS = [one for one in GUARDED if one.method == "GET"]
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters and those that turn the direction of text."""


def looks(site: Site) -> list[str]:
    """Every page and answer about what is hostile, and the lists that it is in."""
    ids = site.ids
    firing = ids["of hostile"]
    run = ids[f"run of {hostile.SCRIPT}"]
    return [
        *("/", "/?view=problem", "/?view=retired", "/timeline", "/jobs", "/workers"),
        *("/firings", "/runs", "/audit", "/firings.csv"),
        *("/schedules/hostile", "/schedules/hostile/run", "/schedules/hostile/pause"),
        *(f"/firings/{firing}", f"/firings/{firing}?run={run}", f"/firings/{firing}/retry"),
        f"/jobs/{quote(hostile.SCRIPT, safe='')}/run",
        f"/?search={quote(hostile.QUOTES)}",
        f"/firings?schedule={quote(hostile.QUOTES)}&job={quote(hostile.SCRIPT)}",
        f"/audit?who={quote(hostile.SCRIPT)}",
    ]


def check_page(answer: Answer) -> None:
    """No script but our own file, nothing that acts, and no character that is not to be seen."""
    page = answer.html()
    for script in page.find_all("script"):
        assert script.get("src")
        assert "/static/" in script["src"]
        assert not script.string
    assert page.find_all(["style", "iframe", "object", "embed", "base", "img"]) == []
    for tag in page.find_all(True):
        acting = [name for name in tag.attrs if name.startswith("on") or name == "style"]
        assert acting == [], tag
        for name in ("href", "src", "action", "xlink:href"):
            where = str(tag.get(name) or "")
            assert not where.lower().startswith(("javascript:", "data:", "//", "http")), tag
        for name in ("title", "aria-label", "placeholder", "data-label"):
            assert UNSEEN.search(str(tag.get(name) or "")) is None, tag
    for text in page.find_all(string=True):
        assert UNSEEN.search(text) is None, repr(text)


@pytest.fixture(scope="session")
def pages(looked_at: Site, readers: dict[str, Client]) -> dict[str, Answer]:
    """What is answered to each look."""
    return {target: readers["wsgi_app"].get(target) for target in looks(looked_at)}


def test_hostile_text_is_text_on_every_page(pages: dict[str, Answer]) -> None:
    """Names, descriptions, params, errors, tracebacks, logs, reasons, hosts, filters."""
    for target, answer in pages.items():
        if not target.startswith("/firings.csv"):
            assert answer.status in (200, 404, 409), (target, answer)
            check_page(answer)


@pytest.mark.parametrize("route", PAGES, ids=name_of)
def test_every_page_stands_hostile_rows(
    route: Route, readers: dict[str, Client], looked_at: Site
) -> None:
    """Whatever page is added is looked at too."""
    if route.method == "GET" and not route.pattern.endswith(".csv"):
        check_page(example(route, looked_at.ids).sent_by(readers["wsgi_app"]))


@pytest.mark.parametrize("name", hostile.IDS)
def test_every_id_that_sql_can_write_is_shown(
    name: str, readers: dict[str, Client], looked_at: Site
) -> None:
    """Its page answers or is not found; the lists show its name as text, and link to it whole."""
    client = readers["wsgi_app"]
    answer = client.get(f"/schedules/{quote(name, safe='')}")
    assert answer.status in (200, 404)
    check_page(answer)
    assert client.get(f"/api/schedules/{quote(name, safe='')}").status in (200, 404)
    searched = client.get(f"/?search={quote(name)}")
    assert searched.status == 200
    check_page(searched)


def test_the_text_itself_is_there(pages: dict[str, Answer], looked_at: Site) -> None:
    """It is not thrown away: an operator sees what was written, made harmless."""
    home = seen(pages["/"].html())
    assert hostile.SCRIPT in home
    firing = pages[f"/firings/{looked_at.ids['of hostile']}"]
    assert "\\x1b[31mred" in seen(firing.html())
    assert hostile.SCRIPT in seen(firing.html())


def seen(page: BeautifulSoup) -> str:
    return " ".join(page.get_text(" ").split())


def test_a_long_line_does_not_make_a_long_page(pages: dict[str, Answer]) -> None:
    """A line of a megabyte is cut on the page; the API has what was kept."""
    for target, answer in pages.items():
        assert len(answer.body) < 400_000, target


@pytest.mark.parametrize("route", LOOKS, ids=name_of)
def test_no_secret_is_shown(route: Route, readers: dict[str, Client], looked_at: Site) -> None:
    """What a key names as a secret stands in no page, document or file."""
    answer = example(route, looked_at.ids).sent_by(readers["wsgi_app"])
    assert hostile.SECRET not in answer.text


def test_no_secret_is_shown_where_it_was_given(
    readers: dict[str, Client], looked_at: Site, pages: dict[str, Answer]
) -> None:
    """Nor at the schedule that has it, its firings, the job that logged it, or the audit log."""
    client, ids = readers["wsgi_app"], looked_at.ids
    broken, run = ids["of hourly-broken"], ids["run of broken"]
    targets = [
        *("/schedules/secretive", "/schedules/secretive/run", "/jobs/secretive/run"),
        *("/api/schedules/secretive", "/api/schedules/secretive/history"),
        *(f"/firings/{ids['of secretive']}", f"/api/firings/{ids['of secretive']}"),
        *(f"/firings/{broken}", f"/api/firings/{broken}", f"/api/runs/{run}/logs", "/api/audit"),
    ]
    for target in targets:
        answer = client.get(target)
        assert answer.status == 200, target
        assert hostile.SECRET not in answer.text, target
    assert all(hostile.SECRET not in answer.text for answer in pages.values())


def test_no_secret_is_stored_in_errors_and_logs(looked_at: Site) -> None:
    """It is taken out before it reaches the database."""
    stored = [(one.error or "") + (one.traceback or "") for one in looked_at.rows("job_run")]
    stored += [one.message for one in looked_at.rows("job_log")]
    assert not any(hostile.SECRET in text for text in stored)
    assert any("password=***" in text for text in stored)


@pytest.mark.parametrize("route", LOOKS, ids=name_of)
def test_without_view_logs_nothing_that_was_said_is_seen(
    route: Route, make_client: MakeClient, looked_at: Site
) -> None:
    """That something ran, when and how it ended is seen; params, results, errors, logs are not."""
    actor = Actor("ola", EVERYTHING - {Permission.VIEW_LOGS})
    client = make_client("wsgi_app", looked_at.scheduler, access=lambda native: actor)
    answer = example(route, looked_at.ids).sent_by(client)
    if route.permission is Permission.VIEW_LOGS:
        assert answer.status == 403
        return
    for said in ("about to fail", "the supplier does not answer", "2026-03-02T", "imported"):
        if said != "2026-03-02T":
            assert said not in answer.text, said


def test_without_view_logs_no_document_has_what_was_said(
    make_client: MakeClient, looked_at: Site
) -> None:
    """The keys are there and empty."""
    actor = Actor("ola", EVERYTHING - {Permission.VIEW_LOGS})
    client = make_client("wsgi_app", looked_at.scheduler, access=lambda native: actor)
    documents: list[dict[str, Any]] = [
        *client.all_items("/api/runs?limit=200"),
        *client.all_items("/api/firings?limit=200"),
        *client.all_items("/api/schedules?limit=200"),
    ]
    for one in documents:
        assert one.get("params") in (None, {}), one
        hidden = (one.get(name) for name in ("result", "error", "traceback", "progress"))
        assert not any(hidden), one
    audit = json.dumps(client.all_items("/api/audit"))
    assert '"params"' not in audit


def test_a_spreadsheet_computes_nothing(site: Site, api: Client) -> None:
    """A cell that would be a formula is text, in every column."""
    formulas = ['=cmd|"/C calc"!A0', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1"]

    def write(tx: Any) -> None:
        table = tx.tables.job_firing
        for formula, firing_id in zip(formulas, range(1, 100), strict=False):
            tx.connection.execute(
                sa.update(table)
                .where(table.c.id == firing_id)
                .values(requested_by=formula, schedule_id=formula, reason=formula)
            )

    site.sql(write)
    answer = api.get("/firings.csv")
    assert answer.status == 200
    assert str(answer.header("content-type")).startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    cells = [cell for row in rows[1:] for cell in row]
    assert len(rows) > 10
    assert [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell] == []
    assert "'=cmd|" in answer.text
