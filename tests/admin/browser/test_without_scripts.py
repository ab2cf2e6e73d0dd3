"""Every page works with JavaScript off: links, forms, and pages that ask."""

import re

import pytest
from playwright.sync_api import Page, expect

from jobsched.model import FiringStatus
from tests.admin.browser.conftest import NewPage
from tests.admin.browser.shop import Shop
from tests.admin.browser.steps import FIRING, row, shown_firing, state, switch
from tests.admin.browser.watch import Watch


@pytest.fixture
def page(shop: Shop, new_page: NewPage) -> Page:
    """The shop's first page in a browser that runs no script."""
    return new_page(shop.url, java_script_enabled=False)


def run(page: Page, name: str) -> int:
    """Follow Run now, and send the form of the page that asks."""
    row(page, name).get_by_role("link", name="Run now").click()
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url(FIRING)
    return shown_firing(page)


def until(page: Page, word: str) -> None:
    """Load the page anew until the firing has this state, as somebody would."""
    for _ in range(100):
        if state(page).text_content() == word:
            return
        page.reload()
    raise AssertionError(f"{state(page).text_content()!r} does not become {word!r}")


def test_run_now(page: Page, shop: Shop) -> None:
    """The link leads to a page that asks, its form to the firing, which has its log."""
    row(page, "greeting").get_by_role("link", name="Run now").click()
    page.get_by_label("name").fill("Ada")
    page.get_by_role("button", name="Run now").click()
    until(page, "succeeded")
    expect(page.get_by_role("log")).to_contain_text("good day, Ada")


def test_a_wrong_parameter_is_shown_in_its_form(page: Page, shop: Shop, watch: Watch) -> None:
    """The form comes back with what was typed and what is wrong with it."""
    watch.expects("status of 422")
    row(page, "greeting").get_by_role("link", name="Run now").click()
    page.get_by_label("times").fill("many")
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("alert")).to_contain_text("times")
    expect(page.get_by_label("times")).to_have_value("many")
    assert shop.web.history("greeting") == []


def test_pause_and_enable(page: Page, shop: Shop) -> None:
    """The switch is a link to a form."""
    switch(page, "plan").click()
    page.get_by_label("Reason").fill("closed")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("main")).to_contain_text("closed")
    page.goto(shop.url)
    expect(switch(page, "plan")).to_contain_text("Off")
    switch(page, "plan").click()
    page.get_by_role("button", name="Enable").click()
    page.goto(shop.url)
    expect(switch(page, "plan")).to_contain_text("On")


def test_nothing_happens_to_who_thinks_better_of_it(page: Page, shop: Shop) -> None:
    """`Not now` leads back, and changes nothing."""
    switch(page, "plan").click()
    page.get_by_role("link", name="Not now").click()
    expect(page).to_have_url(re.compile("/schedules/plan$"))
    assert shop.schedule("plan").enabled


def test_cancel(page: Page, shop: Shop) -> None:
    """A running firing is cancelled by a form."""
    firing = run(page, "patience")
    until(page, "running")
    page.get_by_role("link", name="Cancel", exact=True).first.click()
    page.get_by_role("button", name="Cancel the firing").click()
    page.wait_for_url(FIRING)
    until(page, "cancelled")
    assert shop.web.firing(firing).status is FiringStatus.CANCELLED


def test_retry(page: Page, shop: Shop) -> None:
    """A failed firing is retried by a form."""
    run(page, "plan")
    until(page, "failed")
    expect(page.get_by_text("Traceback").first).to_be_visible()
    shop.work.mended.set()
    page.get_by_role("link", name="Retry", exact=True).click()
    page.get_by_role("button", name="Retry").click()
    page.wait_for_url(FIRING)
    until(page, "succeeded")


def test_filters(page: Page, shop: Shop) -> None:
    """Chips are links, search is a form, and times are written out by the server."""
    rows = page.locator("table.home tbody tr")
    page.get_by_role("link", name=re.compile("^Disabled")).click()
    expect(rows).to_have_count(1)
    page.goto(shop.url)
    page.get_by_role("searchbox", name="Search").fill("greeting")
    page.get_by_role("button", name="Filter").click()
    expect(rows).to_have_count(1)
    expect(rows.first.locator("time")).to_have_text(re.compile(r"^in \d+ d$"))
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Firings").click()
    page.get_by_label("Status").select_option("failed")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("heading", name="No firing matches")).to_be_visible()


def test_what_needs_scripts_is_not_offered(page: Page) -> None:
    """No button that would do nothing: the theme's, and the keys' help."""
    expect(page.locator("#theme")).to_be_hidden()
    expect(page.locator("#foot")).to_be_hidden()
