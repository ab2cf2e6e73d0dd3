"""The documentation as a site: it builds without a warning, asks no other host, misses nothing."""

import ast
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import jobsched
from jobsched import executors, locks, testing
from jobsched.cli import main
from jobsched.model import Reason
from jobsched.settings import Settings
from jobsched.store.tables import build_tables

ROOT = Path(__file__).resolve().parents[2]
LOADS = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "link": "href",
    "object": "data",
    "script": "src",
    "source": "src",
    "video": "src",
}
"""Elements by which a page makes the browser fetch something, and the attribute that says what."""
IN_CSS = re.compile(r"(?:url\(|@import)\s*['\"]?\s*((?:https?:)?//[^'\")\s;]+)")
NO_REQUEST = {"next", "prev", "canonical", "author", "license"}
"""Kinds of `<link>` that name a page and load nothing."""
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `tox -e docs` builds it: a warning is an error."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    done = subprocess.run(
        [*command, str(ROOT / "docs"), str(target / "html"), "-d", str(target / "doctrees")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    return target / "html"


def events() -> set[str]:
    """The names of all events that the code emits."""
    return {
        call.args[0].value
        for path in Path(jobsched.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", None) in ("emit", "emit_failure")
        and isinstance(call.args[0], ast.Constant)
    }


class Requests(HTMLParser):
    """What a page makes the browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in LOADS and not (tag == "link" and values.get("rel") in NO_REQUEST):
            self.urls.append(values.get(LOADS[tag], ""))


def test_no_page_asks_another_host(site: Path) -> None:
    """Pages, styles and scripts come from the site itself: it works offline, and tells nobody."""
    foreign = []
    for page in site.rglob("*.html"):
        requests = Requests()
        requests.feed(page.read_text("utf-8"))
        foreign += [(page.name, url) for url in requests.urls if re.match(r"(https?:)?//", url)]
    for style in site.rglob("*.css"):
        foreign += [(style.name, url) for url in IN_CSS.findall(style.read_text("utf-8"))]
    assert foreign == []


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("python", [name for name in jobsched.__all__ if name.isidentifier()]),
        ("python", [*executors.__all__, *locks.__all__, *testing.__all__]),
        ("cli", list(main.commands)),
        ("settings", [f"JOBSCHED_{name.upper()}" for name in Settings.model_fields]),
        ("tables", sorted(build_tables().metadata.tables)),
        ("states", sorted(Reason)),
        ("running", sorted(events())),
    ],
)
def test_the_reference_is_complete(site: Path, page: str, names: list[str]) -> None:
    """Whatever is public in the code has its place on its page."""
    text = (site / f"{page}.html").read_text("utf-8")
    assert [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)] == []


def test_the_readmes_links_lead_somewhere() -> None:
    """Each relative link of README names a file of the repository."""
    links = LINK.findall((ROOT / "README.md").read_text("utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
