"""Everything can be done without a mouse."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.admin.browser.shop import Shop
from tests.admin.browser.steps import dialog, row, state, switch

NAMES = ("greeting", "off", "patience", "plan", "steady", "Talk to suppliers")
OUTLINE = """() => {
  const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
  return [document.activeElement.outerHTML.slice(0, 80), outlineStyle, outlineWidth];
}"""
INSIDE = "() => document.querySelector('dialog[open]').contains(document.activeElement)"


def test_rows_are_walked_and_opened(page: Page) -> None:
    """`j` and `k` go from row to row and stop at the ends, Enter opens."""

    def focused(name: str) -> None:
        expect(row(page, name).get_by_role("link", name=name, exact=True)).to_be_focused()

    for name in NAMES:
        page.keyboard.press("j")
        focused(name)
    page.keyboard.press("j")
    focused(NAMES[-1])
    page.keyboard.press("k")
    page.keyboard.press("k")
    focused("plan")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/schedules/plan$"))


def test_the_search_is_a_key_away(page: Page) -> None:
    """`/` goes to the search, where letters are letters."""
    page.keyboard.press("/")
    search = page.get_by_role("searchbox", name="Search")
    expect(search).to_be_focused()
    page.keyboard.type("jk?/plan")
    expect(search).to_have_value("jk?/plan")
    expect(dialog(page)).to_have_count(0)


def test_help_names_the_keys(page: Page) -> None:
    """`?` opens a dialog with the keys; Escape closes it, and the focus is where it was."""
    page.keyboard.press("j")
    page.keyboard.press("?")
    expect(dialog(page)).to_contain_text("search")
    assert page.evaluate(INSIDE)
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    expect(dialog(page)).to_have_count(0)
    expect(row(page, NAMES[0]).get_by_role("link", name=NAMES[0], exact=True)).to_be_focused()


@pytest.mark.parametrize("leave", ["Escape", "Not now"])
def test_the_focus_goes_into_a_dialog_and_comes_back(page: Page, leave: str) -> None:
    """Enter opens it, the focus stays in it, and whoever leaves stands where they came from."""
    opener = row(page, "greeting").get_by_role("link", name="Run now")
    opener.focus()
    page.keyboard.press("Enter")
    expect(dialog(page)).to_be_visible()
    page.wait_for_function(INSIDE)
    if leave == "Escape":
        page.keyboard.press("Escape")
    else:
        dialog(page).get_by_role("link", name=leave).focus()
        page.keyboard.press("Enter")
    expect(dialog(page)).to_have_count(0)
    expect(opener).to_be_focused()


def test_a_schedule_is_run_by_keys_alone(page: Page, shop: Shop) -> None:
    """From the switch one tab leads through the row to Run now; Enter in a field sends the form."""
    opener = row(page, "greeting").get_by_role("link", name="Run now")
    opener.focus()
    page.keyboard.press("Enter")
    expect(dialog(page).get_by_label("name")).to_be_focused()
    page.keyboard.type("Ada")
    page.keyboard.press("Enter")
    expect(state(page)).to_have_text("succeeded")
    assert shop.web.history("greeting")[0].params == {"name": "Ada"}


def test_a_switch_is_flipped_by_keys_alone(page: Page) -> None:
    """The focus is at the switch again when it shows its new state."""
    switch(page, "plan").focus()
    page.keyboard.press("Enter")
    expect(dialog(page).get_by_label("Reason")).to_be_focused()
    page.keyboard.press("Enter")
    expect(switch(page, "plan")).to_contain_text("Off")
    expect(switch(page, "plan")).to_be_focused()


def test_the_first_tab_skips_to_the_content(page: Page) -> None:
    """A link that only the focus shows leads past the navigation."""
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_the_focus_can_be_seen(page: Page) -> None:
    """Whatever the tab key reaches has an outline."""
    for _ in range(25):
        page.keyboard.press("Tab")
        element, style, width = page.evaluate(OUTLINE)
        assert style != "none", element
        assert width != "0px", element
