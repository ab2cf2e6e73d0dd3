"""An example's web app as a process, started as its README says, and its visitors."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ADMIN = "/ops/jobs"
LISTENS = re.compile(r"[Rr]unning on (http://127\.0\.0\.1:\d+)")
LEFT_BEHIND = ("*.db*", "inbox", "done", "rejected", "__pycache__", "jar")
"""What an earlier run of an example leaves in its folder."""


def fresh_examples(target: Path) -> Path:
    """The examples as a fresh clone has them."""
    leave_out = shutil.ignore_patterns(*LEFT_BEHIND)
    return Path(shutil.copytree(EXAMPLES, target / "examples", ignore=leave_out))


def environment() -> dict[str, str]:
    """This process's, without settings that would lead the example elsewhere."""
    kept = {
        variable: value
        for variable, value in os.environ.items()
        if not variable.startswith(("JOBSCHED_", "STOREFRONT_", "SCHEDULE_", "SHOP_"))
        and variable not in ("DATABASE_URL", "LOCK_TIMEOUT_MS")
    }
    return {**kept, "JOBSCHED_ENVIRONMENT": "development", "PYTHONUNBUFFERED": "1"}


@dataclass
class Program:
    """A process that says what it does, a line at a time."""

    process: subprocess.Popen[str]
    seen: str = ""

    def wait_for(self, pattern: str | re.Pattern[str]) -> re.Match[str]:
        """The first match in what it has said, waiting for as many lines as that takes."""
        assert self.process.stdout is not None
        while (found := re.search(pattern, self.seen)) is None:
            line = self.process.stdout.readline()
            if not line:
                pytest.fail(f"it ended before it said {pattern!r}:\n{self.seen}")
            self.seen += line
        return found

    def interrupt(self) -> int:
        """Ctrl+C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        rest, _ = self.process.communicate(timeout=60)
        self.seen += rest
        return self.process.returncode


@contextmanager
def program(folder: Path, *command: str) -> Iterator[Program]:
    """Python with these arguments, in this folder."""
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield Program(process)
        finally:
            process.kill()


@dataclass
class Visitor:
    """Somebody with a browser's cookies, but without its haste: no redirect is followed."""

    address: str
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.address, timeout=30)

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_error: object) -> None:
        self.http.close()

    def sign_in(self, name: str, password: str, wanted: str = f"{ADMIN}/") -> httpx.Response:
        form = {"name": name, "password": password, "next": wanted}
        return self.http.post("/sign-in", data=form)

    def page(self, path: str = "/") -> httpx.Response:
        return self.http.get(f"{ADMIN}{path}")

    def api(self, path: str) -> httpx.Response:
        return self.http.get(f"{ADMIN}/api{path}")

    def trigger(self, schedule: str) -> httpx.Response:
        return self.http.post(f"{ADMIN}/api/schedules/{schedule}/trigger")


def sees_that_a_login_is_needed(visitor: Visitor) -> None:
    """A page leads to the shop's own form and back, a program gets a 401."""
    page = visitor.page("/firings?status=FAILED")
    assert page.status_code in (302, 303)
    assert page.headers["location"].startswith("/sign-in?")
    form = visitor.http.get(page.headers["location"])
    assert f'value="{ADMIN}/firings?status=FAILED"' in form.text
    refused = visitor.trigger("feed-refresh")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized")


def triggers_and_sees_it_succeed(visitor: Visitor, daemon: Program) -> None:
    """Sign in as the operator, see the schedules, trigger one, and see that it ran."""
    assert visitor.sign_in("ada", "wrong").status_code == 403
    signed_in = visitor.sign_in("ada", "espresso")
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, f"{ADMIN}/")
    home = visitor.page()
    assert home.status_code == 200
    assert all(one in home.text for one in ("feed-refresh", "daily-full-sync", "Storefront jobs"))

    asked = visitor.trigger("feed-refresh")
    assert asked.status_code == 202
    firing = asked.json()["id"]
    daemon.wait_for(rf"schedule feed-refresh firing {firing} SUCCESS")
    found = visitor.api(f"/firings/{firing}").json()
    assert (found["status"], found["requested_by"]) == ("SUCCESS", "ada")
    assert visitor.page(f"/firings/{firing}").status_code == 200
    latest = visitor.api("/audit").json()["items"][0]
    assert (latest["who"], latest["target"]) == ("ada", "schedule feed-refresh")

    assert visitor.http.post("/sign-out").status_code == 303
    assert visitor.api("/schedules").status_code == 401


def may_only_look(visitor: Visitor) -> None:
    """The product person sees schedules and firings, and can change nothing."""
    visitor.sign_in("grete", "teapot")
    assert "feed-refresh" in visitor.page().text
    refused = visitor.trigger("feed-refresh")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    assert visitor.api("/audit").status_code == 403
