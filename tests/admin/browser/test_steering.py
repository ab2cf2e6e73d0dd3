"""What operators do to a running shop, in a browser."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from jobsched.model import FiringStatus
from tests.admin.browser.conftest import MakeShop, NewPage
from tests.admin.browser.shop import Shop
from tests.admin.browser.steps import dialog, row, run_now, state, switch
from tests.admin.browser.watch import Watch


def test_a_schedule_is_run_now(page: Page, shop: Shop) -> None:
    """Run now asks first, and then shows the firing that it made, with all that comes to it."""
    firing = run_now(page, "greeting")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Firing {firing}")
    expect(state(page)).to_have_text("succeeded")
    expect(row_of_job(page, "greeter")).to_contain_text("succeeded")
    expect(page.get_by_role("log")).to_contain_text("good day, nobody")
    expect(page.get_by_text("an operator, kari")).to_be_visible()
    assert shop.web.firing(firing).requested_by == "kari"


def row_of_job(page: Page, job: str) -> Locator:
    rows = page.get_by_role("region", name="Job runs").locator("tbody tr")
    return rows.filter(has=page.locator("td:first-child", has_text=re.compile(rf"^\s*{job}")))


def test_parameters_are_asked_for(page: Page, shop: Shop, watch: Watch) -> None:
    """What does not fit is refused in the dialog with what was typed kept; then it is run."""
    watch.expects("status of 422")
    row(page, "greeting").get_by_role("link", name="Run now").click()
    dialog(page).get_by_label("name").fill("Ada")
    dialog(page).get_by_label("times").fill("many")
    dialog(page).get_by_role("button", name="Run now").click()
    expect(dialog(page).get_by_role("alert")).to_contain_text("times")
    expect(dialog(page).get_by_label("name")).to_have_value("Ada")
    expect(dialog(page).get_by_label("times")).to_have_value("many")
    assert shop.web.history("greeting") == []
    dialog(page).get_by_label("times").fill("2")
    dialog(page).get_by_role("button", name="Run now").click()
    expect(state(page)).to_have_text("succeeded")
    expect(page.get_by_role("log").get_by_text("good day, Ada")).to_have_count(2)


def test_a_second_one_waits_and_a_third_is_refused(page: Page, shop: Shop, watch: Watch) -> None:
    """The dialog says that one is running and what overlap does; a conflict names the firing."""
    watch.expects("status of 409")
    running = run_now(page, "steady")
    expect(state(page)).to_have_text("running")
    page.goto(shop.url)
    row(page, "steady").get_by_role("link", name="Run now").click()
    expect(dialog(page)).to_contain_text(f"Firing {running}")
    dialog(page).get_by_role("button", name="Run now").click()
    expect(state(page)).to_have_text("queued")
    waiting = int(page.url.rpartition("/")[2])
    page.goto(shop.url)
    row(page, "steady").get_by_role("link", name="Run now").click()
    dialog(page).get_by_role("button", name="Run now").click()
    expect(dialog(page).get_by_role("alert")).to_contain_text(str(waiting))
    dialog(page).get_by_role("link", name="Not now").click()
    expect(dialog(page)).to_have_count(0)
    expect(page).to_have_url(shop.url)


def test_a_schedule_is_paused_and_enabled(page: Page, shop: Shop) -> None:
    """The switch asks for a reason, stays on the page, and shows the state that it has now."""
    switch(page, "plan").click()
    dialog(page).get_by_label("Reason").fill("the supplier is closed")
    dialog(page).get_by_role("button", name="Pause").click()
    expect(switch(page, "plan")).to_contain_text("Off")
    expect(switch(page, "plan")).to_be_focused()
    expect(row(page, "plan")).to_contain_text("the supplier is closed")
    expect(dialog(page)).to_have_count(0)
    assert shop.schedule("plan").disabled_reason == "the supplier is closed"
    switch(page, "plan").click()
    expect(dialog(page)).to_contain_text("the supplier is closed")
    dialog(page).get_by_role("button", name="Enable").click()
    expect(switch(page, "plan")).to_contain_text("On")
    expect(page).to_have_url(shop.url)
    assert shop.schedule("plan").enabled


def test_a_running_firing_is_cancelled(page: Page, shop: Shop) -> None:
    """Cancel says what it means, takes a reason for the audit log, and the page shows the end."""
    firing = run_now(page, "patience")
    expect(state(page)).to_have_text("running")
    page.get_by_role("link", name="Cancel", exact=True).first.click()
    expect(dialog(page)).to_contain_text("obliging")
    dialog(page).get_by_label("Why").fill("not today")
    dialog(page).get_by_role("button", name="Cancel the firing").click()
    expect(state(page)).to_have_text("cancelled")
    page.goto(shop.url + "audit")
    expect(page.locator("tbody tr").first).to_contain_text("not today")
    assert shop.web.firing(firing).status is FiringStatus.CANCELLED


def retried(page: Page, shop: Shop) -> None:
    """A plan that failed in its middle is retried from there."""
    run_now(page, "plan")
    expect(state(page)).to_have_text("failed")
    expect(row_of_job(page, "publish")).to_contain_text("skipped")
    expect(page.get_by_text("the supplier does not answer").first).to_be_visible()
    shop.work.mended.set()
    page.get_by_role("link", name="Retry", exact=True).click()
    expect(dialog(page)).to_contain_text("convert, publish")
    expect(dialog(page)).to_contain_text("fetch")
    dialog(page).get_by_role("button", name="Retry").click()
    expect(state(page)).to_have_text("succeeded")
    expect(row_of_job(page, "convert")).to_have_count(2)
    expect(row_of_job(page, "fetch")).to_have_count(1)


def test_a_failed_plan_is_retried(page: Page, shop: Shop) -> None:
    """Retry runs what failed and what was skipped for it, and nothing that succeeded."""
    retried(page, shop)


@pytest.mark.backends("postgresql")
def test_the_same_on_postgresql(database_url: str, make_shop: MakeShop, new_page: NewPage) -> None:
    """A plan fails and is retried in a shop whose database is PostgreSQL."""
    shop = make_shop(database_url)
    retried(new_page(shop.url), shop)


def test_filters_stand_in_the_address(page: Page, shop: Shop) -> None:
    """Views, search and group narrow the list, can be shared as a link, and are taken back."""
    names = page.locator("table.home tbody tr")
    expect(names).to_have_count(6)
    page.get_by_role("link", name=re.compile("^Disabled")).click()
    expect(names).to_contain_text(["off"])
    page.get_by_role("link", name=re.compile("^All")).click()
    page.get_by_role("searchbox", name="Search").fill("suppliers")
    page.get_by_role("button", name="Filter").click()
    expect(names).to_contain_text(["Talk to suppliers"])
    expect(page).to_have_url(re.compile("search=suppliers"))
    page.reload()
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("suppliers")
    page.get_by_role("searchbox", name="Search").fill("nothing like it")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No schedule matches")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(names).to_have_count(6)
    page.get_by_label("Group").select_option("greet")
    page.get_by_role("button", name="Filter").click()
    expect(names).to_contain_text(["greeting", "off"])


def test_firings_are_filtered(page: Page, shop: Shop) -> None:
    """Status and schedule narrow the list of firings; the filters stand in the address."""
    run_now(page, "plan")
    expect(state(page)).to_have_text("failed")
    page.goto(shop.url)
    run_now(page, "greeting")
    expect(state(page)).to_have_text("succeeded")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Firings").click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    page.get_by_label("Status").select_option("failed")
    page.get_by_role("button", name="Filter").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("plan")
    expect(page).to_have_url(re.compile("status=FAILED"))
    page.get_by_label("Schedule").fill("greeting")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("heading", name="No firing matches")).to_be_visible()
    page.get_by_role("link", name="Show all").last.click()
    expect(rows).to_have_count(2)


def test_a_job_is_run_by_itself(page: Page, shop: Shop) -> None:
    """The page of jobs runs one without its schedule, with params that it asks for."""
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Jobs").click()
    page.locator("tbody tr").filter(has_text="greeter").get_by_role("link", name="Run").click()
    dialog(page).get_by_label("name").fill("Grace")
    dialog(page).get_by_role("button", name="Run now").click()
    expect(state(page)).to_have_text("succeeded")
    expect(page.get_by_role("log")).to_contain_text("good day, Grace")
