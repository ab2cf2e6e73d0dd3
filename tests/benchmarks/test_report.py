"""What the benchmarks say: honest exit codes, a table that renders, nothing dropped."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import environments, rows
from benchmarks.__main__ import main, measured
from benchmarks.contest import PEERS, Contender, play
from benchmarks.environments import PeerMissingError
from benchmarks.report import as_document, as_markdown, exit_code
from benchmarks.setting import Measure, Setting
from benchmarks.statistics import Bar, Count, Verdict

WHERE = {
    "date": "2026-01-01",
    "python": "3.11",
    "machine": "two cores",
    "load": [0.1],
    "postgresql": {"fsync": "on"},
}


def lines_of(*, lost: int = 0, repetitions: int = 7) -> Measure:
    found = Measure("burst")
    found.add("as fast as bare SQL", [0.5] * repetitions, "", Bar(0.35), count=Count(lost))
    return found


def test_every_bar_met_is_exit_code_0() -> None:
    """CI may trust it."""
    assert exit_code(lines_of().lines, small=False) == 0


def test_a_lost_fire_is_exit_code_1_and_named() -> None:
    """Also in a small run, which asserts nothing else: and the line says how many."""
    lines = lines_of(lost=3).lines
    assert (lines[0].verdict, lines[0].note) == (Verdict.LOST, "3 lost")
    assert exit_code(lines, small=False) == 1
    assert exit_code(lines, small=True) == 1


def test_too_few_repetitions_are_exit_code_1_unless_the_run_is_small() -> None:
    """Nobody gets a green row by measuring once."""
    lines = lines_of(repetitions=3).lines
    assert exit_code(lines, small=False) == 1
    assert exit_code(lines, small=True) == 0


def test_what_is_missing_is_shown_and_no_pass() -> None:
    """A peer that cannot be installed stays in the table, with the reason."""
    found = Measure("burst")
    found.missing("as fast as Procrastinate", "no such version", Bar(12))
    assert exit_code(found.lines, small=False) == 1
    assert "| missing | no such version |" in as_markdown(found.lines, WHERE)


def test_markdown_has_the_circumstances_and_a_row_for_each_line() -> None:
    """The table of docs/performance.md is what the command prints."""
    text = as_markdown(lines_of().lines, WHERE)
    assert "2026-01-01" in text
    assert "`fsync = on`" in text
    assert "| burst | as fast as bare SQL | 0.50 | 0.50-0.50 | 7 | ≥ 0.35 | pass |  |" in text


def test_json_keeps_the_value_of_each_repetition() -> None:
    """Who doubts a median can take another one."""
    document = json.loads(json.dumps(as_document(lines_of().lines, WHERE)))
    assert document["lines"][0]["values"] == [0.5] * 7
    assert document["lines"][0]["verdict"] == "pass"


def test_kept_figures_are_shown_again_as_they_were(tmp_path: Path) -> None:
    """Two hours of measuring need not be repeated for another form of the table."""
    lines = lines_of(lost=1).lines
    kept = tmp_path / "figures.json"
    kept.write_text(json.dumps(as_document(lines, WHERE)), "utf-8")
    result = CliRunner().invoke(main, ["--from", str(kept), "--markdown"])
    assert result.output == as_markdown(lines, WHERE) + "\n"
    assert result.exit_code == 1


def test_a_peer_that_cannot_be_installed_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The others go on without it, and the reason is kept."""

    def refuse(peer: str) -> Path:
        raise PeerMissingError(f"no {peer} today")

    monkeypatch.setattr("benchmarks.contest.python_of", refuse)
    results = play(Setting(tmp_path), "sqlite", [Contender("X", "x.py", "x")], {"count": 1})
    assert results.missing == {"X": "no x today"}
    assert results.values("X") == []


def test_every_peer_is_pinned() -> None:
    """Figures of a peer are those of one version; all versions stand in one place."""
    assert {peer.peer for peer in PEERS} == set(environments.PINS)
    assert all("==" in pin for pins in environments.PINS.values() for pin in pins)


def test_a_row_that_breaks_down_is_a_line_that_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The rows behind it are measured all the same."""

    class Broken:
        @staticmethod
        def measure(setting: Setting) -> None:
            raise RuntimeError("the disk is full")

    monkeypatch.setitem(rows.ROWS, "burst", Broken)  # type: ignore[arg-type]  # no module
    (line,) = measured("burst", Setting(tmp_path))
    assert (line.verdict, line.note) == (Verdict.MISSING, "RuntimeError: the disk is full")


def test_the_rows_are_listed_with_what_they_measure() -> None:
    """`--list` measures nothing."""
    result = CliRunner().invoke(main, ["--list"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == list(rows.ROWS)
    assert all(len(line.split()) > 3 for line in result.output.splitlines())
