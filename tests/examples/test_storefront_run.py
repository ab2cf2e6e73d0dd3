"""The README's command, from a fresh copy of the example, with the real daemon."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

STOREFRONT = Path(__file__).resolve().parents[2] / "examples" / "storefront"
APP = "storefront.jobs:scheduler"
SCHEDULES = {"feed-refresh", "hourly-matching", "daily-full-sync", "dev-quick-test"}
JOBS = {
    "simulate_visitors",
    "import_feeds",
    "build_user_traits",
    "profile_search_index",
    "compute_matches",
    "clean_old_rows",
}
FIRST_FIRING_ENDED = (
    "SELECT id FROM job_firing WHERE schedule_id = 'dev-quick-test' AND trigger_type = 'CRON'"
    " AND status IN ('SUCCESS', 'FAILED', 'CANCELLED')"
)
IMPORT_STARTED = (
    "SELECT id FROM job_run WHERE schedule_id = 'feed-refresh' AND trigger_type = 'MANUAL'"
    " AND status <> 'QUEUED'"
)

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The example as a fresh clone has it."""
    leave_out = shutil.ignore_patterns("storefront.db*", "inbox", "done", "rejected", "__pycache__")
    return Path(shutil.copytree(STOREFRONT, tmp_path / "storefront", ignore=leave_out))


def environment(name: str = "development") -> dict[str, str]:
    """This process's, without settings that would lead the example elsewhere."""
    kept = {
        variable: value
        for variable, value in os.environ.items()
        if not variable.startswith(("JOBSCHED_", "STOREFRONT_", "SCHEDULE_"))
        and variable not in ("DATABASE_URL", "LOCK_TIMEOUT_MS")
    }
    return {**kept, "JOBSCHED_ENVIRONMENT": name, "PYTHONUNBUFFERED": "1"}


@contextmanager
def daemon(shop: Path, environment_name: str = "development") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "jobsched", "run", APP]
    with subprocess.Popen(
        command,
        cwd=shop,
        env=environment(environment_name),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def jobsched(shop: Path, *arguments: str, environment_name: str = "development") -> str:
    """What a command of ours prints; any exit code but 0 fails the test."""
    done = subprocess.run(
        [sys.executable, "-m", "jobsched", "--app", APP, *arguments],
        cwd=shop,
        env=environment(environment_name),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def lines_until(process: subprocess.Popen[str], reached: Callable[[str], bool]) -> str:
    """The daemon's output up to the line at which the condition on all of it holds."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if reached(seen):
            return seen
    pytest.fail(f"the daemon ended too early:\n{seen}")


def exists(shop: Path, statement: str) -> bool:
    """Whether the database has such a row; a line of the daemon's output is the moment to look."""
    try:
        return rows(shop, statement) != []
    except sqlite3.OperationalError:  # no tables yet
        return False


def rows(shop: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(shop / "storefront.db")) as connection:
        return connection.execute(statement).fetchall()


def test_the_declarations_are_sound(shop: Path) -> None:
    """`check` finds nothing wrong with the example."""
    jobsched(shop, "check")


def test_the_readme_command_shows_something(shop: Path) -> None:
    """One command, and soon every job has run once in dependency order; SIGTERM drains it with
    exit code 0; afterwards history, logs, search and matches show what happened."""
    with daemon(shop) as process:
        output = lines_until(process, lambda _: exists(shop, FIRST_FIRING_ENDED))
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output + rest
    assert all(schedule in output for schedule in SCHEDULES), output

    ended = rows(
        shop,
        "SELECT id, status, trigger_type FROM job_firing"
        " WHERE schedule_id = 'dev-quick-test' AND status <> 'SKIPPED' ORDER BY id",
    )
    first, *_ = ended
    assert first[1:] == ("SUCCESS", "CRON")
    runs = rows(
        shop,
        "SELECT job_name, status, started_at, finished_at FROM job_run"
        f" WHERE firing_id = {first[0]} ORDER BY started_at",
    )
    assert {run[0]: run[1] for run in runs} == dict.fromkeys(JOBS, "SUCCESS")
    started = {run[0]: run[2] for run in runs}
    finished = {run[0]: run[3] for run in runs}
    for earlier, later in [
        ("simulate_visitors", "import_feeds"),
        ("import_feeds", "build_user_traits"),
        ("build_user_traits", "profile_search_index"),
        ("build_user_traits", "compute_matches"),
        ("profile_search_index", "clean_old_rows"),
        ("compute_matches", "clean_old_rows"),
    ]:
        assert finished[earlier] <= started[later]

    assert "SUCCESS" in json.dumps(
        json.loads(jobsched(shop, "history", "dev-quick-test", "--json"))
    )
    logs = jobsched(shop, "logs", "dev-quick-test")
    assert "02-gardeners.jsonl line" in logs  # a record of the domain's own logger
    assert "opened the demo shop" in logs  # a record of ctx.log

    assert [path.name for path in (shop / "rejected").glob("03-broken.*.reason.txt")]
    found = subprocess.run(
        [sys.executable, "-m", "storefront", "find", "coffee"],
        cwd=shop,
        env=environment(),
        text=True,
        capture_output=True,
        check=True,
    )
    assert "coffee" in found.stdout


def test_an_operator_triggers_a_schedule_by_hand(shop: Path) -> None:
    """In production nothing is made up, and a feed that was dropped is imported at once by
    `trigger feed-refresh`, though it is not due."""
    with daemon(shop, "production") as process:
        lines_until(process, lambda seen: "feed-refresh" in seen)
        (shop / "inbox").mkdir()
        feed = "sku,name,category,price,stock\nTEA-900,Jasmine Tea,tea,7.90,12\n"
        (shop / "inbox" / "mine.part").write_text(feed, "utf-8")
        (shop / "inbox" / "mine.part").rename(shop / "inbox" / "mine.csv")
        jobsched(shop, "trigger", "feed-refresh", environment_name="production")
        lines_until(process, lambda _: exists(shop, IMPORT_STARTED))
        process.send_signal(signal.SIGTERM)  # the drain waits for its end
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, rest
    assert rows(shop, "SELECT sku, price_cents FROM product") == [("TEA-900", 790)]
    assert [path.name for path in (shop / "done").iterdir()] != []
