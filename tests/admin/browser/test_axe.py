"""axe finds nothing: on every page, empty and full, light and dark, wide and narrow."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from jobsched.admin import wsgi_app
from jobsched.admin.access import bearer_tokens
from jobsched.admin.routes import Route
from tests.admin.browser.conftest import MakeShop, NewPage
from tests.admin.browser.places import LOOKS, WITHOUT_DATA, address
from tests.admin.browser.shop import kari
from tests.admin.browser.steps import dialog, row, switch
from tests.admin.browser.watch import Watch
from tests.admin.browser.web import PREFIX, WebServer
from tests.admin.examples import TOKEN, name_of
from tests.admin.hosts import nothing_here
from tests.admin.world import Site

NAME = "Feed refresh"
WIDTHS = (1280, 360)
SCHEMES = ("light", "dark")
RUN_AXE = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
  found => `${found.id}: ${found.nodes.map(node => node.html.slice(0, 200)).join(" | ")}`)"""


@pytest.fixture(scope="module")
def full(looked_at: Site) -> Iterator[WebServer]:
    """The admin of a database that has seen every state, and hostile and endless texts."""
    server = WebServer(
        DispatcherMiddleware(nothing_here, {PREFIX: wsgi_app(looked_at.scheduler, access=kari)})
    )
    yield server
    server.stop()


def look_over(page: Page, axe_script: str) -> None:
    """axe's verdict in either scheme, on a wide screen and on a narrow one."""
    page.evaluate(axe_script)
    found = {}
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            if problems := page.evaluate(RUN_AXE):
                found[scheme, width] = problems
    assert not found, found


@pytest.mark.parametrize("route", LOOKS, ids=name_of)
def test_every_page_when_it_is_full(
    route: Route, full: WebServer, looked_at: Site, new_page: NewPage, axe_script: str
) -> None:
    """Rows in every state, long and hostile names, pictures, errors and logs."""
    look_over(new_page(full.url + address(route, looked_at.ids)), axe_script)


@pytest.mark.parametrize("route", WITHOUT_DATA, ids=name_of)
def test_every_page_when_it_is_empty(
    route: Route, make_shop: MakeShop, new_page: NewPage, axe_script: str
) -> None:
    """Nothing declared, nothing run, no daemon: each page says what to do."""
    shop = make_shop(daemon=False)
    look_over(new_page(shop.url + address(route, {})), axe_script)


@pytest.mark.parametrize("filters", ["?search=nothing", "firings?job=nothing", "audit?who=nobody"])
def test_lists_where_nothing_matches(
    filters: str, full: WebServer, new_page: NewPage, axe_script: str
) -> None:
    """The filters that were chosen, and the way back."""
    look_over(new_page(full.url + filters), axe_script)


@pytest.mark.parametrize("which", ["run", "pause", "help"])
def test_with_a_dialog_open(
    which: str, full: WebServer, new_page: NewPage, axe_script: str
) -> None:
    """The dialog has a name and labels, and the page behind it is out of reach."""
    page = new_page(full.url)
    if which == "run":
        row(page, NAME).get_by_role("link", name="Run now").click()
    elif which == "pause":
        switch(page, NAME).click()
    else:
        page.keyboard.press("?")
    expect(dialog(page)).to_be_visible()
    look_over(page, axe_script)


@pytest.mark.parametrize("verb", ["Cancel", "Retry"])
def test_with_a_firings_dialog_open(
    verb: str, full: WebServer, looked_at: Site, new_page: NewPage, axe_script: str
) -> None:
    """What cancelling or retrying means is said in a dialog too."""
    firing = looked_at.ids["RUNNING" if verb == "Cancel" else "FAILED"]
    page = new_page(f"{full.url}firings/{firing}")
    page.get_by_role("link", name=verb, exact=True).first.click()
    expect(dialog(page)).to_be_visible()
    look_over(page, axe_script)


def test_who_is_not_let_in(
    looked_at: Site, new_page: NewPage, watch: Watch, axe_script: str
) -> None:
    """The form to sign in."""
    watch.expects("status of 401")
    access = bearer_tokens({TOKEN: "kari"})
    with_tokens = wsgi_app(looked_at.scheduler, access=access)
    server = WebServer(DispatcherMiddleware(nothing_here, {PREFIX: with_tokens}))
    try:
        look_over(new_page(server.url), axe_script)
    finally:
        server.stop()


@pytest.mark.parametrize("path", ["nowhere", "schedules/unknown", "firings/999999"])
def test_what_is_not_there(
    path: str, full: WebServer, new_page: NewPage, watch: Watch, axe_script: str
) -> None:
    """A page that says what is wrong."""
    watch.expects("status of 404")
    look_over(new_page(full.url + path), axe_script)


def test_axe_finds_what_is_there(full: WebServer, new_page: NewPage, axe_script: str) -> None:
    """A picture without words, put into a page that is otherwise well, does not escape it."""
    page = new_page(full.url)
    page.evaluate("document.getElementById('main').append(document.createElement('img'))")
    with pytest.raises(AssertionError, match="image-alt"):
        look_over(page, axe_script)
