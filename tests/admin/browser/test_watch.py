"""The watch over the pages sees what it is there for."""

import pytest

from tests.admin.browser.conftest import NewPage
from tests.admin.browser.watch import Watch

FAULTS = {
    "console log: a word": ("console", "console.log('a word')"),
    "error: thrown": ("weberror", "setTimeout(() => { throw new Error('thrown') })"),
    "request to another host: http://elsewhere.example/": (
        "requestfailed",
        "new Image().src = 'http://elsewhere.example/'",
    ),
}


@pytest.mark.parametrize("seen", FAULTS)
def test_nothing_escapes_the_watch(seen: str, new_page: NewPage, watch: Watch) -> None:
    """What is said in a console, is thrown, or leaves the host would fail a test; and nobody is
    found by another host's name."""
    event, script = FAULTS[seen]
    page = new_page("about:blank")
    with page.context.expect_event(event):
        page.evaluate(f"() => {{ {script} }}")
    assert any(one.startswith(seen) for one in watch.faults), watch.faults
    watch.expects("")
