"""`serve`: the admin pages by themselves, in a process as its users start it."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import jobsched as jobsched_package
from jobsched import Scheduler

if TYPE_CHECKING:
    from conftest import CommandLine

LINK = re.compile(r"http://(?P<host>\S+):(?P<port>\d+)(?P<path>/login\?code=\S+)")


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    headers: http.client.HTTPMessage
    text: str


@dataclass(frozen=True)
class Serving:
    """`jobsched serve`, listening."""

    process: "subprocess.Popen[str]"
    printed: str
    port: int
    login: str
    """The path of the link that it has printed."""

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a path on the loopback."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def sign_in(self) -> str:
        """The cookie of who opens the link."""
        return self.get(self.login).headers["Set-Cookie"].partition(";")[0]

    def end(self, how: signal.Signals) -> tuple[int, str]:
        """Its exit code, and what it printed on stderr."""
        self.process.send_signal(how)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


def start(folder: Path, *arguments: str, path: Path | None = None) -> "subprocess.Popen[str]":
    package = Path(jobsched_package.__file__).resolve().parents[1]
    paths = [str(one) for one in (path, package) if one is not None]
    return subprocess.Popen(
        [sys.executable, "-m", "jobsched", "serve", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Serving]:
    """`jobsched serve --port 0`, until it has printed its link."""
    with start(folder, "--port", "0", *arguments) as process:
        try:
            assert process.stdout is not None
            printed = ""
            while not (found := LINK.search(printed)):
                line = process.stdout.readline()
                assert line, process.communicate()[1]
                printed += line
            yield Serving(process, printed, int(found["port"]), found["path"])
        finally:
            process.kill()


@pytest.fixture
def served(scheduler: Scheduler, shop: Path) -> Iterator[Serving]:
    with serving(shop) as found:
        yield found


def test_the_link_signs_in_once(served: Serving) -> None:
    """Whoever opens it first sees the pages, as who started it; then it is good for nobody."""
    assert served.get("/").status == 401
    first = served.get(served.login)
    assert first.status == 303
    assert "HttpOnly" in first.headers["Set-Cookie"]
    cookie = first.headers["Set-Cookie"].partition(";")[0]
    page = served.get("/", Cookie=cookie)
    assert page.status == 200
    assert "feed-refresh" in page.text
    assert socket.gethostname() in page.text
    assert served.get(served.login).status == 403


def test_every_page_answers(served: Serving) -> None:
    """The pages and the API are those that hosts mount."""
    cookie = served.sign_in()
    for path in ("/timeline", "/firings", "/runs", "/jobs", "/workers", "/audit", "/api/schedules"):
        assert served.get(path, Cookie=cookie).status == 200, path


@pytest.mark.parametrize(
    "headers",
    [{"Host": "attacker.example"}, {"Host": "attacker.example:8642"}, {"X-Forwarded-For": "::1"}],
    ids=["name", "name-and-port", "forwarded"],
)
def test_other_names_are_refused(served: Serving, headers: dict[str, str]) -> None:
    """A page of another site that has this address by a name of its own (DNS rebinding), and a
    proxy, get nothing, also with a link that is good."""
    for path in ("/", "/health", served.login):
        assert served.get(path, **headers).status == 403
    assert served.get(served.login).status == 303


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly(served: Serving, how: signal.Signals) -> None:
    """Ctrl+C and SIGTERM are how it is meant to end: exit code 0, no traceback."""
    assert served.end(how) == (0, "")


def test_requests_are_not_logged(served: Serving) -> None:
    """Pages that ask every two seconds leave the terminal quiet."""
    served.get("/")
    served.get("/nowhere")
    assert served.end(signal.SIGINT) == (0, "")


def test_a_port_in_use(scheduler: Scheduler, shop: Path) -> None:
    """One line that names the port and what to do; exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with start(shop, "--port", port) as process:
            printed, errors = process.communicate(timeout=30)
    assert (process.returncode, printed) == (1, "")
    (line,) = errors.splitlines()
    assert f"127.0.0.1:{port}" in line
    assert "--port" in line


def test_other_hosts_are_let_in_with_a_warning(scheduler: Scheduler, shop: Path) -> None:
    """`--host 0.0.0.0` works, by addresses and this machine's name, and says what it means."""
    with serving(shop, "--host", "0.0.0.0") as found:
        assert found.get("/health", Host="192.0.2.7:8642").status in (200, 503)
        assert found.get("/health", Host="attacker.example").status == 403
        code, errors = found.end(signal.SIGINT)
    assert code == 0
    assert errors.startswith("Warning: ")
    assert "not encrypted" in errors


def test_without_tables_it_says_so(folder: Path, jobsched: "CommandLine") -> None:
    """A database without jobsched's tables is refused at start, not by every page."""
    (folder / "other.db").touch()
    assert "migrate" in jobsched.error("--database-url", "sqlite:///other.db", "serve")


def test_two_apps(shop: Path, jobsched: "CommandLine") -> None:
    """An APP that contradicts --app is wrong usage."""
    assert "given twice" in jobsched("--app", "a:b", "serve", "shop:scheduler", code=2).stderr


def test_jinja_is_missing(scheduler: Scheduler, shop: Path, tmp_path: Path) -> None:
    """The extra to install is named."""
    hidden = tmp_path / "hidden" / "jinja2"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text(
        "raise ModuleNotFoundError('no jinja2 here', name='jinja2')\n", "utf-8"
    )
    with start(shop, path=hidden.parent) as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "pip install 'jobsched[admin]'" in errors
