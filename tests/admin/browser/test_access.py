"""Who is let in, what they are shown, and what they see when nothing can be shown."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect
from sqlalchemy.pool import NullPool

import jobsched
from jobsched.admin.access import READ_ONLY, Actor, Permission, bearer_tokens
from tests.admin.browser.conftest import MakeShop, NewPage
from tests.admin.browser.shop import Shop
from tests.admin.browser.steps import row, switch
from tests.admin.browser.watch import Watch
from tests.admin.examples import TOKEN

LINK = re.compile(r"http://127\.0\.0\.1:\d+/login\?code=\S+")
AWAY, BACK = "The database does not answer", "Schedules"


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", level=1, name=name, exact=True)).to_be_visible()


@pytest.fixture
def guarded(make_shop: MakeShop) -> Shop:
    """A shop that is entered with a token."""
    return make_shop(access=bearer_tokens({TOKEN: "kari"}))


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_signing_in_and_out(guarded: Shop, new_page: NewPage, watch: Watch, scripts: bool) -> None:
    """The form takes a token and leads to the page that was wanted; signing out ends it."""
    watch.expects("status of 40[13]")
    page = new_page(guarded.url + "firings", java_script_enabled=scripts)
    heading(page, "Sign in")
    page.get_by_label("Token").fill("some-other-token-that-is-wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("No one has this token")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    heading(page, "Firings")
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert TOKEN not in cookie["value"]
    page.get_by_role("button", name="Sign out").click()
    heading(page, "Sign in")
    assert page.context.cookies() == []
    page.goto(guarded.url + "firings")
    heading(page, "Sign in")


def test_a_session_that_has_ended_is_noticed(
    guarded: Shop, new_page: NewPage, watch: Watch
) -> None:
    """A page that is looked at asks to sign in as soon as it is answered with 401."""
    watch.expects("status of 401")
    page = new_page(guarded.url, clock=True)
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    heading(page, "Schedules")
    page.wait_for_load_state("networkidle")
    page.context.clear_cookies()
    page.clock.fast_forward(10_500)
    heading(page, "Sign in")


def test_only_what_is_allowed_is_offered(
    make_shop: MakeShop, new_page: NewPage, watch: Watch
) -> None:
    """Who may only read sees no switch to flip and no Run now, and is refused where they go."""
    watch.expects("status of 403")
    shop = make_shop(access=lambda _request: Actor("ola", READ_ONLY))
    page = new_page(shop.url)
    expect(row(page, "plan")).to_contain_text("On")
    expect(page.get_by_role("link", name="Run now")).to_have_count(0)
    expect(page.locator("a.switch")).to_have_count(0)
    expect(page.get_by_role("link", name="Audit")).to_have_count(0)
    for path in ("schedules/plan/run", "schedules/plan/pause", "audit"):
        page.goto(shop.url + path)
        heading(page, "You may not do this")
        expect(page.locator("main")).to_contain_text("ola")
    page.get_by_role("link", name="To the schedules").click()
    heading(page, "Schedules")


def test_logs_are_for_those_who_may_see_them(make_shop: MakeShop, new_page: NewPage) -> None:
    """Without `view_logs` neither lines nor errors nor params are in a firing's page."""
    shop = make_shop(access=lambda _request: Actor("ola", {Permission.READ, Permission.RUN}))
    page = new_page(shop.url)
    row(page, "plan").get_by_role("link", name="Run now").click()
    page.locator("dialog").get_by_role("button", name="Run now").click()
    expect(page.locator(".head .status").first).to_have_text("failed")
    expect(page.locator("main")).to_contain_text("view_logs")
    expect(page.get_by_role("log")).to_have_count(0)
    assert "the supplier does not answer" not in page.content()


@contextmanager
def serving(folder: Path, database_url: str) -> Iterator[str]:
    """The link that `jobsched serve` prints."""
    package = Path(jobsched.__file__).resolve().parents[1]
    command = [sys.executable, "-m", "jobsched", "--database-url", database_url, "serve"]
    with subprocess.Popen(
        [*command, "--port", "0"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(package), "PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            printed = ""
            while not (found := LINK.search(printed)):
                line = process.stdout.readline()
                assert line, process.communicate()[1]
                printed += line
            yield found[0]
        finally:
            process.terminate()
            process.communicate(timeout=30)


def test_the_link_of_serve_signs_in_once(
    shop: Shop, new_page: NewPage, watch: Watch, tmp_path: Path
) -> None:
    """Whoever opens the link is in, with everything; the next one is asked for a token."""
    watch.expects("status of 403")
    with serving(tmp_path, str(shop.web.database.engine.url)) as link:
        page = new_page(link)
        heading(page, "Schedules")
        assert "code=" not in page.url
        switch(page, "plan").click()
        page.locator("dialog").get_by_role("button", name="Pause").click()
        expect(switch(page, "plan")).to_contain_text("Off")
        late = new_page(link)
        expect(late.get_by_role("alert")).to_contain_text("used already")


class Closed:
    """A PostgreSQL database that lets nobody in for a while."""

    def __init__(self, url: str) -> None:
        whole = sa.make_url(url)
        self._name = whole.database
        self._engine = sa.create_engine(
            whole.set(database="postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )

    def close(self) -> None:
        self._sql(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false")
        self._sql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._name}'"
        )

    def open(self) -> None:
        self._sql(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")

    def _sql(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql(statement)


@pytest.mark.backends("postgresql")
def test_a_database_that_is_away_and_comes_back(
    database_url: str, make_shop: MakeShop, new_page: NewPage, watch: Watch
) -> None:
    """A page that is open is stale, a new one says what is wrong; both recover by themselves."""
    watch.expects("status of 503")
    shop = make_shop(database_url, daemon=False)
    looking = new_page(shop.url, clock=True)
    looking.wait_for_load_state("networkidle")
    database = Closed(database_url)
    database.close()
    try:
        for _ in range(2):
            with looking.expect_response(shop.url) as answered:
                looking.clock.fast_forward(10_500)
            assert answered.value.status == 503
        expect(looking.locator("#stale")).to_contain_text("Stale since")
        late = new_page(shop.url, clock=True)
        heading(late, AWAY)
    finally:
        database.open()
    late.clock.fast_forward(10_500)
    heading(late, BACK)
    looking.clock.fast_forward(60_500)
    expect(looking.locator("#stale")).to_be_hidden()
