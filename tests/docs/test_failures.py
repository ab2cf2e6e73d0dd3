"""The table of what happens if … is backed by tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "failures.md"
NAMED = re.compile(r"`(test_\w+)`")


def existing_tests() -> set[str]:
    """The names of all test functions."""
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^\s*def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }


def test_every_line_names_its_test() -> None:
    """No line of a table is without a test, and every test that is named exists."""
    lines = [
        line
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith("| ") and not line.startswith(("| what happens |", "| --- |"))
    ]
    assert len(lines) > 20
    unbacked = [line for line in lines if not NAMED.search(line.rpartition(" | ")[2])]
    assert unbacked == []
    named = set(NAMED.findall(PAGE.read_text("utf-8")))
    assert named - existing_tests() == set()
