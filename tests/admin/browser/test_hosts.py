"""The same pages in an ASGI host: FastAPI, served by uvicorn."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request
from playwright.sync_api import expect

from jobsched.admin.access import Actor
from jobsched.admin.fastapi import admin_router
from tests.admin.browser.conftest import NewPage
from tests.admin.browser.shop import KARI, Shop
from tests.admin.browser.steps import dialog, look, row, run_now, state, switch
from tests.admin.browser.web import PREFIX, asgi_server


async def access(request: Request) -> Actor:
    """Awaits, as a host that looks a session up would."""
    return KARI


@pytest.fixture
def address(shop: Shop) -> Iterator[str]:
    """The shop's first page in FastAPI."""
    host = FastAPI()
    host.include_router(admin_router(shop.web, access=access), prefix=PREFIX)
    with asgi_server(host) as address:
        yield address


def test_a_shop_in_fastapi(address: str, shop: Shop, new_page: NewPage) -> None:
    """Run now, a log that grows, cancel, the switch and live rows, behind an async login."""
    page = new_page(address)
    run_now(page, "Talk to suppliers")
    shop.work.lines.put("over ASGI")
    expect(page.get_by_role("log")).to_contain_text("over ASGI")
    shop.work.lines.put(None)
    expect(state(page)).to_have_text("succeeded")
    page.goto(address)
    switch(page, "plan").click()
    dialog(page).get_by_role("button", name="Pause").click()
    expect(switch(page, "plan")).to_contain_text("Off")
    run_now(page, "patience")
    page.get_by_role("link", name="Cancel", exact=True).first.click()
    dialog(page).get_by_role("button", name="Cancel the firing").click()
    expect(state(page)).to_have_text("cancelled")
    live = new_page(address, clock=True)
    live.wait_for_load_state("networkidle")
    shop.web.enable("plan", by="ola")
    look(live)
    expect(switch(live, "plan")).to_contain_text("On")
    expect(row(live, "patience")).to_contain_text("cancelled")
