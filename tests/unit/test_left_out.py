"""How the tests deal with servers and programs that are not there: aloud."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
NOBODY_LISTENS = {
    "JOBSCHED_TEST_POSTGRESQL_URL": "postgresql+psycopg://postgres@127.0.0.1:1/postgres",
    "JOBSCHED_TEST_MARIADB_URL": "mariadb+pymysql://root@127.0.0.1:1/test",
    "JOBSCHED_TEST_REDIS_URL": "redis://127.0.0.1:1/0",
    "JOBSCHED_TEST_CHROMIUM": "/nowhere/chromium",
    "JOBSCHED_TEST_AXE": "/nowhere/axe.min.js",
}
SUITE = """
import pytest

def test_each(database_url): assert database_url.startswith("sqlite:")

@pytest.mark.backends("postgresql", "mariadb")
def test_servers(database_url): pass

def test_redis(redis_url): pass

def test_browser(chromium): pass

def test_axe(chromium, axe_script): pass
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = backends\n", "utf-8")
    (tmp_path / "test_suite.py").write_text(SUITE, "utf-8")
    return tmp_path


def run(suite: Path, require: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-c", str(suite / "pytest.ini"), str(suite)],
        env={**os.environ, **NOBODY_LISTENS, "JOBSCHED_TEST_REQUIRE": require},
        capture_output=True,
        text=True,
        check=False,
    )


def test_absent_servers_leave_out_their_tests_aloud(suite: Path) -> None:
    """Without servers and browser the SQLite tests run and pass, and the summary says which others
    were left out, why, and what to set."""
    done = run(suite, require="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 7 deselected" in done.stdout
    assert "left out for want of a server" in done.stdout
    for server, count in (("postgresql", 2), ("mariadb", 2), ("redis", 1)):
        assert f"{server}: {count} tests; nothing answers at 127.0.0.1:1" in done.stdout
        assert f"JOBSCHED_TEST_{server.upper()}_URL" in done.stdout
    for name, count, variable in (("browser", 2, "CHROMIUM"), ("axe", 1, "AXE")):
        assert f"{name}: {count} tests; there is no /nowhere/" in done.stdout
        assert f"JOBSCHED_TEST_{variable} names another file" in done.stdout


def test_a_required_server_must_answer(suite: Path) -> None:
    """Where a server is required its absence fails the run, before any test."""
    done = run(suite, require="postgresql, redis, browser")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "JOBSCHED_TEST_REQUIRE is not met: browser: there is no /nowhere/" in done.stderr
    assert "redis: nothing answers" in done.stderr
    assert "postgresql: nothing answers" in done.stderr
    assert "mariadb" not in done.stderr


def test_an_unknown_required_server_is_refused(suite: Path) -> None:
    """A misspelt name does not make the requirement vanish."""
    done = run(suite, require="postgres")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "may name postgresql, mariadb, redis, browser, axe" in done.stderr
