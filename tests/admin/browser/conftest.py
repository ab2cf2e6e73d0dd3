"""Chromium, its pages under watch, and a shop to look at."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.admin.browser.shop import Shop
from tests.admin.browser.watch import Watch

FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-client-side-phishing-detection",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
"""Chromium asks nobody on its own account, and finds no other host."""
PATIENCE_MS = 25_000
"""More than twice the page's own 10 s: a clock that is moved on while the page still reads an
answer moves nothing, for no timer is set yet; the page then asks when its time has come by itself.
"""

NewPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """Debian's Chromium without a window, shared by a module's tests.

    Not by the session's: Playwright has an event loop in this thread for as long as it is there,
    and then no test of another folder could run one.
    """
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def watch() -> Watch:
    """What the test's pages say in the console, and whom they ask."""
    return Watch()


@pytest.fixture
def new_page(browser: Browser, watch: Watch) -> Iterator[NewPage]:
    """Opens a page in a context of its own: its address, and what a context takes.

    With `clock=True` the test moves the page's time on, beside what goes by itself. At the end
    nothing may stand in a console that the test did not expect, and no request may have left this
    machine.
    """
    contexts = []

    def new(url: str, *, clock: bool = False, **options: Any) -> Page:
        context = browser.new_context(base_url=url, **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        watch.over(context)
        if clock:
            context.clock.install()
        page = context.new_page()
        page.goto(url)
        return page

    yield new
    for context in contexts:
        context.close()
    assert watch.faults == []


MakeShop = Callable[..., Shop]


@pytest.fixture
def make_shop(tmp_path: Path) -> Iterator[MakeShop]:
    """Opens shops, each on an SQLite database of its own unless a URL is given."""
    opened: list[Shop] = []

    def make(url: str | None = None, **options: Any) -> Shop:
        shop = Shop(url or f"sqlite:///{tmp_path / f'shop-{len(opened)}.db'}", **options)
        opened.append(shop)
        return shop

    yield make
    for shop in opened:
        shop.close()


@pytest.fixture
def shop(make_shop: MakeShop) -> Shop:
    """A shop whose daemon runs."""
    return make_shop()


@pytest.fixture
def page(shop: Shop, new_page: NewPage) -> Page:
    """The shop's first page, as Kari sees it."""
    return new_page(shop.url)
