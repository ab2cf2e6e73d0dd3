"""The log of a job run, followed while it runs."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.admin.browser.shop import Shop
from tests.admin.browser.steps import run_now, state

TO_END = "log => log.scrollTop + log.clientHeight >= log.scrollHeight - 1"


@pytest.fixture
def log(page: Page, shop: Shop) -> Locator:
    """The log of a run that has begun."""
    run_now(page, "Talk to suppliers")
    expect(state(page)).to_have_text("running")
    log = page.get_by_role("log")
    expect(log).to_be_visible()
    return log


def say(shop: Shop, *lines: str) -> None:
    for line in lines:
        shop.work.lines.put(line)


def test_a_log_grows_while_it_is_watched(page: Page, shop: Shop, log: Locator) -> None:
    """Lines, progress and the end appear without anybody touching the page."""
    say(shop, "the first line")
    expect(log.get_by_text("the first line")).to_be_visible()
    say(shop, "the second line")
    expect(log.locator("p")).to_have_count(2)
    expect(log.locator("p").last).to_contain_text("INFO the second line")
    shop.work.lines.put(0.4)
    expect(page.get_by_text("40 %")).to_be_visible()
    expect(page.get_by_role("progressbar").first).to_have_attribute("value", "0.4")
    say(shop, "the last line")
    shop.work.lines.put(None)
    expect(log.locator("p").last).to_contain_text("the last line")
    expect(page.locator("[data-tail-state]")).to_have_text("ended")
    expect(state(page)).to_have_text("succeeded")


def test_it_follows_only_who_stands_at_its_end(shop: Shop, log: Locator) -> None:
    """New lines are scrolled to where the end was in sight, and nowhere else."""
    say(shop, *(f"line {n}" for n in range(100)))
    expect(log.locator("p")).to_have_count(100)
    assert log.evaluate(TO_END)
    log.evaluate("log => { log.scrollTop = 50 }")
    say(shop, "further down")
    expect(log.locator("p")).to_have_count(101)
    assert log.evaluate("log => log.scrollTop") == 50
    log.evaluate("log => { log.scrollTop = log.scrollHeight }")
    say(shop, "at the end")
    expect(log.locator("p")).to_have_count(102)
    assert log.evaluate(TO_END)


def test_hostile_lines_are_text(shop: Shop, log: Locator) -> None:
    """Mark-up, escapes of a terminal and what turns a line around are shown, not obeyed."""
    say(shop, "<img src=x onerror=alert(1)>", "\x1b[31mred", "user\u202egnp.exe")
    expect(log.locator("p")).to_have_count(3)
    expect(log).to_contain_text("<img src=x onerror=alert(1)>")
    expect(log).to_contain_text(re.compile(r"\\x1b\[31mred"))
    expect(log).to_contain_text(re.compile(r"user\\u202egnp"))
    expect(log.locator("img")).to_have_count(0)


def test_a_line_is_the_same_from_the_server_and_from_the_script(
    page: Page, shop: Shop, log: Locator
) -> None:
    """What the tail adds looks as it does when the page is loaded anew."""
    say(shop, "a\tb \x1b[0m \u2066 é\u00a0日本", "two\nlines")
    expect(log.locator("p")).to_have_count(2)
    followed = log.locator("p").all_text_contents()
    page.reload()
    expect(log.locator("p")).to_have_count(2)
    assert log.locator("p").all_text_contents() == followed


def test_earlier_lines_are_a_page_back(page: Page, shop: Shop, log: Locator) -> None:
    """A page has the last 200 lines; a link leads to those before, and back to the end."""
    say(shop, *(f"line {n}" for n in range(250)))
    expect(log).to_contain_text("line 249")
    page.reload()
    expect(log.locator("p")).to_have_count(200)
    page.get_by_role("link", name="50 earlier lines").click()
    expect(log.locator("p")).to_have_count(50)
    expect(log.locator("p").first).to_contain_text("line 0")
    page.get_by_role("link", name="To its end").click()
    expect(log.locator("p").last).to_contain_text("line 249")
