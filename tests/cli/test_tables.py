"""Tables are readable on terminals of any width, and in pipes."""

import pytest

from jobsched.cli import tables

LONG_ID = "a-schedule-with-an-id-as-long-as-they-may-be-00050"
ROW = (LONG_ID, "*/15 * * * * America/Argentina/Buenos_Aires", "2026-03-02 13:00 CET, in 1 h")
HEADINGS = ("schedule", "due", "next")


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> "Printed":
    return Printed(capsys)


class Printed:
    """What a table prints, as lines."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def lines(self, *rows: tuple[str, ...], headings: tuple[str, ...] = HEADINGS) -> list[str]:
        tables.show(headings, rows)
        return self._capsys.readouterr().out.splitlines()


def test_a_row_is_a_line_in_a_pipe(printed: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    """`grep` and `awk` find a row's cells in one line, whatever their length."""
    monkeypatch.delenv("COLUMNS", raising=False)
    heading, line = printed.lines(ROW)
    assert heading.split() == ["SCHEDULE", "DUE", "NEXT"]
    assert line.split("  ") == list(ROW)


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_cut_at_a_given_width(
    printed: Printed, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """What does not fit is folded: every character is still there, and no line is too long."""
    monkeypatch.setenv("COLUMNS", str(width))
    lines = printed.lines(ROW)
    assert max(map(len, lines)) <= width
    assert lines[1].startswith(LONG_ID)
    shown = "".join("".join(lines[1:]).split())
    assert sorted(shown) == sorted("".join("".join(ROW).split()))


def test_words_are_whole(printed: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell is folded between its words, as long as these are no monsters."""
    monkeypatch.setenv("COLUMNS", "60")
    shown = "\n".join(
        printed.lines(("feed-refresh", "*/15 * * * * Europe/Oslo", "in 12 min 5 s" * 3))
    )
    assert "feed-refresh" in shown
    assert "Europe/Oslo" in shown


def test_a_very_narrow_terminal_cuts_nothing(
    printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where not even the words fit, the table is wider than the terminal."""
    monkeypatch.setenv("COLUMNS", "20")
    shown = "".join("".join(printed.lines(ROW)[1:]).split())
    assert sorted(shown) == sorted("".join("".join(ROW).split()))


def test_there_is_no_ansi_in_a_pipe(printed: Printed) -> None:
    """States are coloured on terminals only."""
    assert "\x1b" not in "".join(printed.lines(("a", "SUCCESS", "FAILED")))


def test_what_looks_like_markup_is_text(printed: Printed) -> None:
    """A name or an error with brackets is shown as it is."""
    assert "[bold]x[/] :smile:" in "\n".join(printed.lines(("a", "[bold]x[/] :smile:", "b")))


def test_control_characters_do_not_reach_the_terminal(printed: Printed) -> None:
    """A cell is one harmless line, whatever a job wrote into it."""
    assert "red\\x1b[31m again" in "\n".join(printed.lines(("a", "red\x1b[31m\nagain", "b")))


def test_empty_columns_are_left_out(printed: Printed) -> None:
    """A column without a value in any row takes no room."""
    heading, *_ = printed.lines(("a", "", "x"), ("b", "", "y"))
    assert heading.split() == ["SCHEDULE", "NEXT"]
