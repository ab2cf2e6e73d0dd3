"""What every command keeps: usage, exit codes, errors in one line, and a light start."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobsched import Scheduler
from jobsched.cli import main

if TYPE_CHECKING:
    from conftest import CommandLine


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_has_help_with_an_example(command: str, jobsched: "CommandLine") -> None:
    """`COMMAND --help` says what it does and shows how it is typed."""
    printed = jobsched.out(command, "--help")
    assert printed.startswith(f"Usage: jobsched {command}")
    assert "Examples:\n" in printed
    assert f" {command}" in printed.partition("Examples:")[2]


def test_the_help_names_every_command_in_whole_sentences(jobsched: "CommandLine") -> None:
    """The list of commands is readable in 80 columns: no sentence is cut."""
    listed = jobsched.out("--help").partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == list(main.commands)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)


def test_a_misspelt_command_is_guessed(jobsched: "CommandLine") -> None:
    """Wrong usage, with the command that was meant."""
    assert "history" in jobsched("histroy", code=2).stderr


def test_the_version_is_said(jobsched: "CommandLine") -> None:
    """The program's name and its version."""
    assert jobsched.out("--version").startswith("jobsched ")


def test_a_command_that_needs_an_app_says_how_to_name_one(
    folder: Path, jobsched: "CommandLine"
) -> None:
    """Exit code 2 and every way to name an app."""
    line = jobsched.error("run", code=2)
    for way in ("--app", "JOBSCHED_APP", "[tool.jobsched]"):
        assert way in line


def test_an_app_that_is_named_twice_is_refused(shop: Path, jobsched: "CommandLine") -> None:
    """Two different APPs are a mistake, not a choice."""
    assert "given twice" in jobsched("--app", "a:b", "check", "shop:scheduler", code=2).stderr
    jobsched("--app", "shop:scheduler", "check", "shop:scheduler")


def test_an_app_runs_on_its_own_database(shop: Path, jobsched: "CommandLine") -> None:
    """run, exec and check refuse options that name another database."""
    for command in (["run"], ["exec", "publish"], ["check"]):
        result = jobsched("--database-url", "sqlite://", *command, code=2)
        assert "own database" in result.stderr


def test_a_database_is_enough_for_the_other_commands(
    scheduler: Scheduler, jobsched: "CommandLine", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the app's code its schedules are listed, steered and triggered."""
    monkeypatch.delenv("JOBSCHED_APP")
    url = ("--database-url", scheduler.database.engine.url.render_as_string())
    assert len(jobsched.json(*url, "schedules")) == 3
    assert "--database-url sqlite:///" in jobsched.out(*url, "next", "nightly")
    jobsched(*url, "enable", "nightly")
    assert jobsched.json(*url, "trigger", "nightly")["status"] == "QUEUED"
    assert jobsched.json(*url, "--app-name", "other", "schedules") == []


def test_the_settings_name_a_database_too(
    scheduler: Scheduler, jobsched: "CommandLine", monkeypatch: pytest.MonkeyPatch
) -> None:
    """JOBSCHED_DATABASE_URL is enough where no app is named."""
    monkeypatch.delenv("JOBSCHED_APP")
    url = scheduler.database.engine.url.render_as_string()
    monkeypatch.setenv("JOBSCHED_DATABASE_URL", url)
    assert len(jobsched.json("schedules")) == 3


def test_a_named_app_gives_its_name_to_another_database(
    scheduler: Scheduler, jobsched: "CommandLine", folder: Path
) -> None:
    """--app with --database-url: the app's name and settings, the other database."""
    url = f"sqlite:///{folder / 'copy.db'}"
    jobsched("--app", "shop:scheduler", "--database-url", url, "migrate")
    assert jobsched.json("--app", "shop:scheduler", "--database-url", url, "schedules") == []


def test_a_database_that_does_not_answer_is_one_line(folder: Path, jobsched: "CommandLine") -> None:
    """It says what happened and where, without the password."""
    url = "postgresql://someone:secret@127.0.0.1:1/nowhere"
    line = jobsched.error("--database-url", url, "schedules")
    assert line.startswith("Error: ")
    assert "postgresql+psycopg://someone:***@127.0.0.1:1/nowhere" in line
    assert "secret" not in line


def test_a_database_url_that_cannot_be_read_is_one_line(
    folder: Path, jobsched: "CommandLine"
) -> None:
    """So is a URL with a typing mistake."""
    assert jobsched.error("--database-url", "nonsense", "schedules").startswith("Error: ")


def test_a_bad_setting_is_one_line(
    folder: Path, jobsched: "CommandLine", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable and what it may be."""
    monkeypatch.setenv("JOBSCHED_POLL_INTERVAL", "often")
    assert "JOBSCHED_POLL_INTERVAL" in jobsched.error("schedules")


def test_an_app_that_does_not_import_shows_its_traceback(
    folder: Path, jobsched: "CommandLine"
) -> None:
    """The user's traceback on stderr, and exit code 1."""
    (folder / "broken.py").write_text("raise OSError('no server')\n", "utf-8")
    result = jobsched("check", "broken:app", code=1)
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert result.stderr.rstrip().endswith("OSError: no server")
    assert "Error: " not in result.stderr.splitlines()[0]


def test_help_imports_nothing_heavy() -> None:
    """`python -m jobsched --help` answers without rich, alembic or a database."""
    code = (
        "import sys, runpy\n"
        "sys.argv = ['jobsched', '--help']\n"
        "try: runpy.run_module('jobsched', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = {'rich', 'alembic', 'sqlalchemy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.startswith("Usage: ")
    assert done.returncode == 0, done.stderr


def test_looking_makes_no_database(folder: Path, jobsched: "CommandLine") -> None:
    """A mistyped path is said, with what to do; no empty SQLite file is left behind."""
    for command in (["status"], ["history"], ["enable", "nightly"]):
        said = jobsched.error("--database-url", "sqlite:///mistyped.db", *command)
        assert f"there is no SQLite file {folder / 'mistyped.db'}" in said
    assert list(folder.glob("*.db")) == []
    jobsched.out("--database-url", "sqlite:///mistyped.db", "migrate")
    said = jobsched.out("--database-url", "sqlite:///mistyped.db", "schedules")
    assert "mistyped" not in said
