"""What a person does on the pages, step by step."""

import re
from contextlib import AbstractContextManager

from playwright.sync_api import Locator, Page, Response

FIRING = re.compile(r"/firings/(\d+)$")
IDLE_MS = 10_500
"""A little more than an idle page waits before it looks for changes."""


def row(page: Page, name: str) -> Locator:
    """The row of a table whose link says this name."""
    return page.locator("tbody tr").filter(has=page.get_by_role("link", name=name, exact=True))


def switch(page: Page, name: str) -> Locator:
    """The switch in the row of a schedule."""
    return row(page, name).locator(".switch")


def state(page: Page) -> Locator:
    """The state in the head of a firing's page."""
    return page.locator(".head .status").first


def dialog(page: Page) -> Locator:
    """The dialog that is open."""
    return page.locator("dialog[open]")


def run_now(page: Page, name: str) -> int:
    """Press Run now in a schedule's row, and in the dialog; the firing that is shown then."""
    row(page, name).get_by_role("link", name="Run now").click()
    dialog(page).get_by_role("button", name="Run now").click()
    page.wait_for_url(FIRING)
    return shown_firing(page)


def shown_firing(page: Page) -> int:
    """The id of the firing whose page this is."""
    found = FIRING.search(page.url.partition("?")[0])
    assert found, page.url
    return int(found[1])


def looks(page: Page) -> AbstractContextManager[object]:
    """While the page asks for itself, and is answered."""

    def is_itself(response: Response) -> bool:
        return response.url == page.url and response.request.resource_type == "fetch"

    return page.expect_response(is_itself)


def look(page: Page, times: int = 1) -> None:
    """Let the page look for changes; of several looks, all but the last have been dealt with."""
    for _ in range(times):
        with looks(page):
            page.clock.fast_forward(IDLE_MS)
