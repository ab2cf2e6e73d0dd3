"""How the pages look: narrow, light or dark, in the viewer's zone, with very many schedules."""

import re
from collections.abc import Iterator
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from jobsched.admin import wsgi_app
from jobsched.admin.routes import Route
from jobsched.store.database import Transaction
from tests.admin.browser.conftest import NewPage
from tests.admin.browser.places import LOOKS, address
from tests.admin.browser.shop import Shop, kari
from tests.admin.browser.steps import dialog, row, run_now, state
from tests.admin.browser.web import PREFIX, WebServer
from tests.admin.examples import name_of
from tests.admin.hosts import nothing_here
from tests.admin.world import Site

NARROWEST = {"width": 320, "height": 640}
OVERFLOW = "() => document.documentElement.scrollWidth - innerWidth"
BACKGROUND = "() => getComputedStyle(document.body).backgroundColor"
MANY = 10_000


@pytest.fixture(scope="module")
def full(looked_at: Site) -> Iterator[WebServer]:
    """The admin of a database with hostile and endless texts."""
    server = WebServer(
        DispatcherMiddleware(nothing_here, {PREFIX: wsgi_app(looked_at.scheduler, access=kari)})
    )
    yield server
    server.stop()


@pytest.mark.parametrize("route", LOOKS, ids=name_of)
def test_no_page_scrolls_sideways(
    route: Route, full: WebServer, looked_at: Site, new_page: NewPage
) -> None:
    """At 320 px everything is within the window; what is wider scrolls in a box of its own."""
    page = new_page(full.url + address(route, looked_at.ids), viewport=NARROWEST)
    assert page.evaluate(OVERFLOW) <= 0


def test_very_long_names_fit(shop: Shop, new_page: NewPage) -> None:
    """A name of 200 letters without a blank breaks, on every page that shows it."""
    shop.web.database.transact(
        lambda tx: _named(
            tx, "greeting", name="N" * 200, group_name="G" * 50, description="D" * 500
        )
    )
    shop.web.disable("greeting", by="ola" * 50, reason="R" * 300)
    page = new_page(shop.url, viewport=NARROWEST)
    for path in ("", "schedules/greeting", "schedules/greeting/run", "timeline", "audit"):
        page.goto(shop.url + path)
        assert page.evaluate(OVERFLOW) <= 0, path


def _named(tx: Transaction, schedule_id: str, **values: str) -> None:
    table = tx.tables.job_schedule
    tx.connection.execute(sa.update(table).where(table.c.id == schedule_id).values(values))


def test_a_phone_is_enough(shop: Shop, new_page: NewPage) -> None:
    """At 360 px a finger finds Run now, the dialog fits, and the firing can be read."""
    page = new_page(
        shop.url, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    row(page, "greeting").get_by_role("link", name="Run now").tap()
    expect(dialog(page)).to_be_in_viewport()
    dialog(page).get_by_role("button", name="Run now").tap()
    expect(state(page)).to_have_text("succeeded")
    expect(page.get_by_role("log")).to_contain_text("good day, nobody")
    assert page.evaluate(OVERFLOW) <= 0


def test_a_chosen_theme_is_kept(page: Page) -> None:
    """The button goes from system to light to dark; the next page, and a new load, keep it."""
    button = page.locator("#theme")
    expect(button).to_have_text("Theme: system")
    light = page.evaluate(BACKGROUND)
    button.click()
    expect(button).to_have_text("Theme: light")
    button.click()
    expect(button).to_have_text("Theme: dark")
    dark = page.evaluate(BACKGROUND)
    assert dark != light
    page.reload()
    expect(button).to_have_text("Theme: dark")
    assert page.evaluate(BACKGROUND) == dark
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Workers").click()
    expect(button).to_have_text("Theme: dark")
    assert page.evaluate(BACKGROUND) == dark


def test_the_system_theme_is_followed(shop: Shop, new_page: NewPage) -> None:
    """Until somebody chooses, the page is as dark as the rest of the screen; at once, and back."""
    page = new_page(shop.url, color_scheme="dark")
    dark = page.evaluate(BACKGROUND)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(BACKGROUND)
    assert brightness(dark) < 128 < brightness(light)
    page.locator("#theme").click()
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(BACKGROUND) == light


def brightness(colour: str) -> float:
    numbers = [float(one) for one in re.findall(r"[\d.]+", colour)[:3]]
    return sum(numbers) / 3


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns"])
def test_times_are_the_viewers_too(zone: str, shop: Shop, new_page: NewPage) -> None:
    """A schedule says its next occurrences in its own zone, in UTC, and where the viewer is."""
    page = new_page(shop.url + "schedules/plan", timezone_id=zone)
    occurrence = shop.web.next_runs("plan", 1)[0]
    first = page.get_by_role("region", name="Next occurrences").locator("tbody tr").first
    for where in (ZoneInfo("Europe/Oslo"), UTC, ZoneInfo(zone)):
        expect(first).to_contain_text(f"{occurrence.astimezone(where):%Y-%m-%d %H:%M}")


def test_a_time_says_its_instant_on_hover(shop: Shop, new_page: NewPage) -> None:
    """How far it is from now stands there; the tooltip adds the instant, also the viewer's."""
    page = new_page(shop.url, timezone_id="Asia/Kathmandu")
    firing = shop.web.firing(run_now(page, "greeting"))
    expect(state(page)).to_have_text("succeeded")
    time = page.locator("dt:text-is('Started') + dd time")
    time.hover()
    started = shop.web.firing(firing.id).started_at
    assert started is not None
    there = started.astimezone(ZoneInfo("Asia/Kathmandu"))
    for said in (f"{started:%Y-%m-%d %H:%M}", f"{there:%Y-%m-%d %H:%M}"):
        expect(time).to_have_attribute("title", re.compile(re.escape(said)))


def test_ten_thousand_schedules(shop: Shop, new_page: NewPage) -> None:
    """The list comes by pages of a hundred, without end or gap, and search finds the last one."""
    shop.web.database.transact(_ten_thousand)
    page = new_page(shop.url)
    rows = page.locator("table.home tbody tr")
    expect(page.get_by_role("link", name=re.compile(r"^All 10,006"))).to_be_visible()
    expect(rows).to_have_count(100)
    expect(rows.first).to_contain_text("bulk-00000")
    page.get_by_role("link", name="Next page").click()
    expect(rows.first).to_contain_text("bulk-00100")
    expect(rows).to_have_count(100)
    page.get_by_role("link", name="To the first page").click()
    expect(rows.first).to_contain_text("bulk-00000")
    page.get_by_role("searchbox", name="Search").fill("bulk-09999")
    page.get_by_role("button", name="Filter").click()
    expect(rows).to_have_count(1)
    expect(page.get_by_role("link", name="Next page")).to_have_count(0)


def _ten_thousand(tx: Transaction) -> None:
    table = tx.tables.job_schedule
    like = tx.connection.execute(sa.select(table).where(table.c.id == "off")).one()._mapping
    rows = [
        {**like, "id": f"bulk-{number:05}", "name": f"bulk-{number:05}"} for number in range(MANY)
    ]
    tx.connection.execute(sa.insert(table), rows)


def test_nothing_declared_says_what_to_write(shop: Shop, new_page: NewPage) -> None:
    """The first page of a new database shows the lines to paste, and how to start a daemon."""
    shop.web.database.transact(lambda tx: tx.connection.execute(sa.delete(tx.tables.job_schedule)))
    page = new_page(shop.url)
    expect(page.get_by_role("heading", name="Nothing is declared yet")).to_be_visible()
    expect(page.locator("main pre")).to_contain_text("from jobsched import Schedule")
    expect(page.locator("main")).to_contain_text("python -m jobsched run")


def test_all_disabled_is_said(shop: Shop, new_page: NewPage) -> None:
    """Where nothing is enabled the page says that nothing fires by itself."""
    for one in shop.web.list_schedules():
        shop.web.disable(one.declaration.id, by="ola")
    page = new_page(shop.url)
    expect(page.locator("main")).to_contain_text("Every schedule is disabled")


def test_no_daemon_is_said(shop: Shop, new_page: NewPage) -> None:
    """The banner is critical and says what to do; a dialog says that Run now waits."""
    assert shop.daemon.stop(grace=timedelta(seconds=10))
    page = new_page(shop.url)
    expect(page.locator("[data-live=health]")).to_contain_text("Critical")
    expect(page.locator("[data-live=health]")).to_contain_text("daemon")
    row(page, "greeting").get_by_role("link", name="Run now").click()
    expect(dialog(page)).to_contain_text("No daemon is alive")
