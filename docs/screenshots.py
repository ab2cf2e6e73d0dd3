"""Takes the documentation's screenshots of the admin pages, light and dark.

    python docs/screenshots.py [NAME ...]

Needs `jobsched[admin]`, Playwright, and a Chromium: the one that `CHROMIUM` names, or Debian's.
The pages show the shop of `docs/demo.py`, which takes a minute to make. Without names all of them
are taken, into `docs/_static/screenshots`.
"""

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from wsgiref.handlers import format_date_time

import demo
from playwright.sync_api import Browser, Page, sync_playwright

from jobsched import Scheduler
from jobsched.admin import standalone, wsgi_app
from jobsched.admin.access import EVERYTHING, Actor
from jobsched.admin.wsgi import Environ, StartResponse
from jobsched.testing import FakeClock

TARGET = Path(__file__).parent / "_static" / "screenshots"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
MOST_BYTES = 150_000
"""What a picture may weigh."""


@dataclass(frozen=True)
class Shot:
    """A page as it is shown: its name, its path below the mount, and how high it is."""

    name: str
    path: str
    height: int = 800
    width: int = 1200
    opens: str = ""
    """The text of a link that opens a dialog."""
    after: timedelta = timedelta(0)
    """How long ago both daemons died."""


SHOTS = (
    Shot("schedules", "/", 760),
    Shot("run-now", "/schedules/hourly-matching", 800, opens="Run now"),
    Shot("schedule", "/schedules/abandoned-carts", 1000),
    Shot("timeline", "/timeline?zone=Europe%2FOslo", 560),
    Shot("firings", "/firings", 800),
    Shot("firing", "/firings/{running}", 820),
    Shot("jobs", "/jobs", 840),
    Shot("workers", "/workers", 320),
    Shot("audit", "/audit", 500),
    Shot("narrow", "/", 780, width=375),
    Shot("incident", "/", 640, after=timedelta(minutes=12)),
)
"""In this order: time does not run back."""


def main(names: Iterable[str]) -> int:
    """Take the shots of these names, or all of them."""
    wanted = set(names)
    unknown = wanted - {one.name for one in SHOTS}
    if unknown:
        known = ", ".join(one.name for one in SHOTS)
        sys.stderr.write(f"{', '.join(sorted(unknown))}: there are {known}\n")
        return 2
    TARGET.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        demo.shop(Path(folder)) as (scheduler, clock),
        served(scheduler, clock) as address,
        sync_playwright() as playwright,
    ):
        [running] = [one.id for one in scheduler.history(limit=50) if one.status == "RUNNING"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for shot in SHOTS:
            if shot.after:
                clock.move_to(demo.NOW + shot.after)
            if not wanted or shot.name in wanted:
                for scheme in ("light", "dark"):
                    take(browser, address, shot, scheme, clock, running)
    return 0


@contextmanager
def served(scheduler: Scheduler, clock: FakeClock) -> Iterator[str]:
    """The pages, with an operator signed in; the server's `Date` is that of the clock."""
    pages = wsgi_app(scheduler, access=lambda _: Actor("ada", EVERYTHING), title="Shop jobs")

    def dated(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]]) -> Callable[[bytes], object]:
            date = ("Date", format_date_time(clock.now().timestamp()))
            written: Callable[[bytes], object] = start_response(status, [*headers, date])
            return written

        return pages(environ, start)

    with standalone.serve(dated, "127.0.0.1", 0, standalone.gate_of("127.0.0.1")) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield standalone.address(server)
        server.shutdown()


def take(
    browser: Browser, address: str, shot: Shot, scheme: str, clock: FakeClock, running: int
) -> None:
    """Write one picture. Raises RuntimeError when it is too heavy, or the page is not found."""
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        color_scheme="dark" if scheme == "dark" else "light",
        timezone_id=demo.ZONE,
        locale="en-GB",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.clock.set_fixed_time(clock.now())
    response = page.goto(address + shot.path.format(running=running), wait_until="networkidle")
    if response is None or not response.ok:
        raise RuntimeError(f"{shot.name}: {shot.path} is not answered")
    if shot.opens:
        open_dialog(page, shot.opens)
    target = TARGET / f"{shot.name}-{scheme}.png"
    page.screenshot(path=target, animations="disabled", caret="hide")
    context.close()
    size = target.stat().st_size
    sys.stdout.write(f"{target.name} {size // 1000} kB\n")
    if size > MOST_BYTES:
        raise RuntimeError(f"{target.name} has {size} bytes, more than {MOST_BYTES}")


def open_dialog(page: Page, text: str) -> None:
    """Follow the link, and wait for the dialog that scripts make of it."""
    page.get_by_role("link", name=text).first.click()
    page.locator("dialog[open] form").wait_for()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
