"""What a row is measured with, and the shape of what it finds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.statistics import REPETITIONS, Bar, Count, Verdict, verdict

HISTORY_ROWS = 5_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """How thoroughly to measure."""

    folder: Path
    """For SQLite's files."""
    repetitions: int = REPETITIONS
    small: bool = False
    """A few of everything, and no peers: does the instrument work?"""
    history_rows: int = HISTORY_ROWS
    say: Callable[[str], None] = lambda _: None
    """Progress, a line each."""

    def scaled(self, full: int, small: int) -> int:
        """How many: `full`, or `small` for a small run."""
        return small if self.small else full


@dataclass(frozen=True, slots=True)
class Line:
    """One measured thing and its bar."""

    row: str
    measure: str
    values: tuple[float, ...]
    """One for each repetition."""
    unit: str
    verdict: Verdict
    bar: Bar | None = None
    stretch: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """Makes lines of one row."""

    row: str
    lines: list[Line] = field(default_factory=list)

    def add(
        self,
        measure: str,
        values: Sequence[float],
        unit: str,
        bar: Bar | None = None,
        *,
        count: Count | None = None,
        stretch: float | None = None,
        exact: bool = False,
        note: str = "",
    ) -> None:
        """A line with the verdict that its values deserve."""
        found = verdict(values, bar, count, exact=exact)
        shown = f"{note}; {_said(count)}".strip("; ") if count and _said(count) else note
        self.lines.append(Line(self.row, measure, tuple(values), unit, found, bar, stretch, shown))

    def missing(self, measure: str, why: str, bar: Bar | None = None) -> None:
        """A line for what could not be measured."""
        self.lines.append(Line(self.row, measure, (), "", Verdict.MISSING, bar, None, why))


def _said(count: Count) -> str:
    said = [f"{count.lost} lost"] if count.lost else []
    return ", ".join([*said, f"{count.twice} twice"] if count.twice else said)
