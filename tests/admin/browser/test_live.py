"""Pages that stay true while somebody looks at them, and say so when they cannot."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.admin.browser.conftest import NewPage
from tests.admin.browser.shop import Shop
from tests.admin.browser.steps import dialog, look, looks, row, run_now, state, switch
from tests.admin.browser.watch import Watch
from tests.admin.browser.web import PREFIX

HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
"""A browser without a window has no way to put a tab behind another one."""
A_MINUTE_MS = 60_500
GONE = "ERR_CONNECTION_(REFUSED|RESET)|ERR_EMPTY_RESPONSE"
"""What a console says of a request to a server that has gone, or goes just then."""


@pytest.fixture
def page(shop: Shop, new_page: NewPage) -> Page:
    """The shop's first page, whose clock the test moves; it has looked once."""
    page = new_page(shop.url, clock=True)
    page.wait_for_load_state("networkidle")
    return page


def test_what_others_do_is_seen(page: Page, shop: Shop) -> None:
    """A row changes in its place when somebody else pauses the schedule; the others are left."""
    left = row(page, "steady").element_handle()
    shop.web.disable("plan", by="ola", reason="gone fishing")
    look(page)
    expect(switch(page, "plan")).to_contain_text("Off")
    expect(row(page, "plan")).to_contain_text("gone fishing")
    assert left.evaluate("row => row.isConnected")


def test_a_change_is_read_out(page: Page, shop: Shop) -> None:
    """The polite live region says which schedule has which state now."""
    shop.web.trigger("steady", by="ola")
    look(page)
    expect(page.locator("#said")).to_contain_text("steady")


def test_unchanged_pages_are_not_sent_again(page: Page, shop: Shop) -> None:
    """Once a script knows the page's tag it sends it along, and is told that it has the page."""
    look(page, times=3)
    home = [status for path, status in shop.server.answered if path == f"{PREFIX}/"]
    assert home == [200, 200, *[304] * (len(home) - 2)]
    assert len(home) >= 4


def test_a_row_with_the_focus_stays(page: Page, shop: Shop) -> None:
    """It is not replaced under somebody's hands, but as soon as they have left it."""
    link = row(page, "steady").get_by_role("link", name="steady", exact=True)
    link.focus()
    shop.web.disable("steady", by="ola")
    shop.web.disable("talk", by="ola")
    look(page)
    expect(switch(page, "Talk to suppliers")).to_contain_text("Off")
    expect(switch(page, "steady")).to_contain_text("On")
    expect(link).to_be_focused()
    link.blur()
    look(page)
    expect(switch(page, "steady")).to_contain_text("Off")


def test_nothing_changes_behind_a_dialog(page: Page, shop: Shop) -> None:
    """While a dialog is open the page stays as it is; afterwards it catches up."""
    row(page, "steady").get_by_role("link", name="Run now").click()
    expect(dialog(page)).to_be_visible()
    shop.web.disable("plan", by="ola")
    look(page, times=2)
    expect(switch(page, "plan")).to_contain_text("On")
    dialog(page).get_by_role("link", name="Not now").click()
    look(page)
    expect(switch(page, "plan")).to_contain_text("Off")


def test_a_hidden_page_asks_nothing(page: Page, watch: Watch) -> None:
    """Polling stops while the tab is hidden, and begins at once when it is seen again."""
    page.evaluate(HIDE, True)
    page.clock.fast_forward(A_MINUTE_MS)
    fence(page)
    before = watch.asked("/ops/jobs/")
    page.clock.fast_forward(A_MINUTE_MS)
    fence(page)
    assert watch.asked("/ops/jobs/") == before
    with looks(page):
        page.evaluate(HIDE, False)


def fence(page: Page) -> None:
    """What was asked before has been seen when this has been answered."""
    page.evaluate("async () => (await fetch('./health')).status")


def test_a_server_that_is_gone_is_told_of(page: Page, shop: Shop, watch: Watch) -> None:
    """`Stale since …` appears when the server does not answer, and vanishes when it is back."""
    watch.expects(GONE)
    stale = page.locator("#stale")
    expect(stale).to_be_hidden()
    shop.server.stop()
    for _ in range(2):
        with page.expect_event("requestfailed"):
            page.clock.fast_forward(10_500)
    expect(stale).to_have_text(
        re.compile(r"Stale since \d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? .+: the server does not answer")
    )
    shop.server.start()
    shop.web.disable("plan", by="ola")
    with looks(page):
        page.clock.fast_forward(A_MINUTE_MS)
    expect(stale).to_be_hidden()
    expect(switch(page, "plan")).to_contain_text("Off")


def test_an_action_without_a_server_says_that_nothing_happened(
    page: Page, shop: Shop, watch: Watch
) -> None:
    """A dialog cannot be opened, or its form not be sent: it is said, and can be tried again."""
    watch.expects(GONE)
    button = row(page, "greeting").get_by_role("link", name="Run now")
    shop.server.stop()
    button.click()
    expect(dialog(page)).to_contain_text("Nothing was changed")
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    shop.server.start()
    button.click()
    expect(dialog(page).get_by_role("button", name="Run now")).to_be_visible()
    shop.server.stop()
    dialog(page).get_by_role("button", name="Run now").click()
    expect(dialog(page)).to_contain_text("does not answer")
    shop.server.start()
    assert shop.web.history("greeting") == []


def test_the_first_firing_of_all_appears(page: Page, shop: Shop) -> None:
    """A page that had nothing to list shows the list as soon as there is one."""
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Firings").click()
    expect(page.get_by_role("heading", name="Nothing has fired yet")).to_be_visible()
    page.wait_for_load_state("networkidle")
    shop.web.trigger("greeting", by="ola")
    look(page)
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("succeeded")


def test_rows_come_at_the_top(page: Page, shop: Shop) -> None:
    """A new firing appears above the old ones, and a firing that ends says so in its row."""
    shop.work.mended.set()
    shop.web.trigger("steady", by="ola")
    page.goto(shop.url + "firings")
    page.wait_for_load_state("networkidle")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(1)
    shop.web.trigger("plan", by="ola")
    look(page)
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("plan")
    shop.work.gate.set()
    expect(rows.last).to_contain_text("succeeded")


def test_relative_times_stay_true(page: Page, shop: Shop, watch: Watch) -> None:
    """`now` becomes `5 min ago` although nobody asks the server for it."""
    watch.expects(GONE)  # the page may be asking when it stops
    run_now(page, "greeting")
    expect(state(page)).to_have_text("succeeded")
    shop.server.stop()
    ended = page.locator("dt:text-is('Ended') + dd time")
    page.evaluate(HIDE, True)
    page.clock.fast_forward("05:00")
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => false })")
    expect(ended).to_have_text(re.compile(r"^5 min( \d+ s)? ago$"))
