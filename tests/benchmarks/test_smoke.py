"""The instrument works: every row runs, small, on the servers that are there; no time is judged."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from benchmarks import servers
from benchmarks.rows import ROWS
from benchmarks.setting import Line, Setting
from benchmarks.statistics import Verdict

AT_ONCE = 3
"""Most rows wait more than they work."""

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[list[Line]]]]:
    """What each row finds, as soon as it has."""
    setting = Setting(
        tmp_path_factory.mktemp("benchmarks"), repetitions=1, small=True, history_rows=5_000
    )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(row.measure, setting) for name, row in ROWS.items()}


@pytest.mark.parametrize("row", list(ROWS))
def test_the_row_measures_something_and_loses_nothing(
    row: str, found: dict[str, Future[list[Line]]]
) -> None:
    """Only what has no server is missing, with the reason; no fire is lost or happens twice."""
    lines = found[row].result()
    assert lines
    assert [line for line in lines if line.verdict in (Verdict.LOST, Verdict.TWICE)] == []
    silent = [server for server in servers.DEFAULT_URLS if servers.why_silent(server)]
    missing = [line for line in lines if line.verdict is Verdict.MISSING]
    assert [line for line in missing if not line.measure.startswith(tuple(silent))] == []
