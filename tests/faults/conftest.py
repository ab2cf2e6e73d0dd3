"""Trials in pytest; one whose programs are not installed is left out, aloud."""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

# `python -m tests.faults` and pytest find the same modules, under the same names.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.faults import servers, skew

LEFT_OUT = pytest.StashKey[Counter[str]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = config.stash[LEFT_OUT] = Counter()
    dropped = []
    for item in items:
        needs = item.get_closest_marker("needs_programs")
        missing = [name for name in (needs.args if needs else ()) if not installed(name)]
        left_out.update(missing)
        if missing:
            dropped.append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for name, count in sorted(config.stash.get(LEFT_OUT, Counter()).items()):
        terminalreporter.line(f"left out: {count} trials, for want of {name}")


def installed(name: str) -> bool:
    """Whether a server, or the C compiler, can be started here."""
    return skew.compiler() is not None if name == "cc" else not servers.missing(name)


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder that the servers' users may enter."""
    with tempfile.TemporaryDirectory(prefix="jobsched-faults-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)
