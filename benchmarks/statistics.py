"""What repeated measurements say: medians with their spread, paired ratios, verdicts. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

REPETITIONS = 7
"""Fewer say nothing about their spread."""


class Verdict(StrEnum):
    """What a measurement says about its bar."""

    PASS = "pass"
    TIE = "tie"
    """Nearer to the bar than the spread: it could as well be on the other side."""
    FAIL = "fail"
    TOO_FEW = "too few repetitions"
    LOST = "lost fires"
    TWICE = "fired twice"
    MISSING = "missing"
    SHOWN = "-"
    """It has no bar: it is shown for comparison."""


GOOD = frozenset({Verdict.PASS, Verdict.TIE, Verdict.SHOWN})


@dataclass(frozen=True, slots=True)
class Summary:
    """A median and the quartiles around it."""

    median: float
    low: float
    high: float
    repetitions: int

    @property
    def spread(self) -> float:
        """The distance between the quartiles."""
        return self.high - self.low


@dataclass(frozen=True, slots=True)
class Bar:
    """What must be reached."""

    limit: float
    at_most: bool = False
    """Whether smaller is better: times, counts and bytes."""
    tie_is_enough: bool = False
    """Whether it asks for no more than a tie ("as fast as")."""

    def is_met(self, value: float) -> bool:
        """Whether a value is on the good side, the bar itself included."""
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.limit:g}{', or a tie' if self.tie_is_enough else ''}"


@dataclass(frozen=True, slots=True)
class Count:
    """How many fires there should have been, and what became of them."""

    lost: int = 0
    twice: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.lost + other.lost, self.twice + other.twice)


def summary(values: Sequence[float]) -> Summary:
    """The median and the quartiles (inclusive) of one or more values."""
    if not values:
        raise ValueError("nothing was measured")
    if len(values) == 1:
        return Summary(values[0], values[0], values[0], 1)
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Summary(median, low, high, len(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed (nearest rank)."""
    if not values:
        raise ValueError("nothing was measured")
    rank = -(-len(values) * percent // 100)
    return sorted(values)[max(0, int(rank) - 1)]


def paired_ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """The ratio within each repetition: what slowed both of a pair down cancels out."""
    return [above / below for above, below in zip(numerators, denominators, strict=True)]


def verdict(
    values: Sequence[float],
    bar: Bar | None,
    count: Count | None = None,
    *,
    exact: bool = False,
) -> Verdict:
    """What the values of all repetitions say about the bar.

    Fires that were lost, or happened twice, come before any speed. `exact` is for what is counted
    and does not vary: one repetition is enough there.
    """
    count = count or Count()
    if count.lost:
        return Verdict.LOST
    if count.twice:
        return Verdict.TWICE
    if not values:
        return Verdict.MISSING
    if bar is None:
        return Verdict.SHOWN
    if len(values) < REPETITIONS and not exact:
        return Verdict.TOO_FEW
    found = summary(values)
    if abs(found.median - bar.limit) < found.spread:
        # What asks for a tie is better served by a plain word where all quartiles agree.
        return Verdict.PASS if bar.tie_is_enough and bar.is_met(found.median) else Verdict.TIE
    return Verdict.PASS if bar.is_met(found.median) else Verdict.FAIL
