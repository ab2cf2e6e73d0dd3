"""Before a deploy: the declarations and the tables."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import CommandLine


def test_sound_declarations(shop: Path, jobsched: "CommandLine") -> None:
    """Exit code 0 and how much was looked at; no database is made."""
    assert jobsched.out("check") == "3 schedules, 3 jobs: nothing is wrong.\n"
    assert jobsched.json("check", "shop:scheduler") == {"ok": True, "problems": []}
    assert not (shop / "jobs.db").exists()


def test_wrong_declarations(shop: Path, jobsched: "CommandLine") -> None:
    """Every problem at once, a line each, and exit code 1."""
    wrong = (shop / "shop.py").read_text("utf-8").replace('jobs=["broken"]', 'jobs=["brokn"]')
    (shop / "wrong.py").write_text(wrong.replace('group="feed", enabled', 'group="fed", enabled'))
    lines = jobsched.out("check", "wrong:scheduler", code=1).splitlines()
    assert any("brokn" in line and "nightly" in line for line in lines)
    assert any("fed" in line and "feed-refresh" in line for line in lines)
    document = jobsched.json("check", "wrong:scheduler", code=1)
    assert document == {"ok": False, "problems": lines}


def test_migrate_creates_the_tables_once(folder: Path, jobsched: "CommandLine") -> None:
    """--check tells before and after, and a second time there is nothing to do."""
    url = ("--database-url", f"sqlite:///{folder / 'jobs.db'}")
    assert "there is no SQLite file" in jobsched.error(*url, "migrate", "--check")
    assert not (folder / "jobs.db").exists()
    (folder / "jobs.db").touch()
    assert jobsched.out(*url, "migrate", "--check", code=1).startswith("there are no tables")
    assert jobsched.out(*url, "migrate").startswith("Now at version ")
    assert jobsched.out(*url, "migrate") == "Nothing to do.\n"
    assert jobsched.out(*url, "migrate", "--check").startswith("the tables are ")


def test_prune_says_what_it_deletes(shop: Path, jobsched: "CommandLine") -> None:
    """--dry-run counts and deletes nothing; what is young, or live, stays."""
    jobsched.out("exec", "import_feeds")
    assert jobsched.out("prune", "--dry-run") == (
        "Would delete 0 firings, 0 job runs, 0 log lines, 0 audit rows, 0 workers.\n"
    )
    assert jobsched.json("prune") == {
        "firings": 0,
        "job_runs": 0,
        "log_lines": 0,
        "audit_rows": 0,
        "workers": 0,
    }
    assert len(jobsched.json("history")) == 1
    jobsched.out("prune", "--days", "0", code=2)
