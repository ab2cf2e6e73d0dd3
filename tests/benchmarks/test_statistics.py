"""What repeated measurements say: pure arithmetic, tested by hand-made samples."""

import pytest

from benchmarks.statistics import (
    REPETITIONS,
    Bar,
    Count,
    Summary,
    Verdict,
    paired_ratios,
    percentile,
    summary,
    verdict,
)

AT_LEAST_4 = Bar(4.0)
AT_MOST_5 = Bar(5.0, at_most=True)
AS_FAST = Bar(1.0, tie_is_enough=True)


def test_a_summary_is_the_median_and_the_quartiles() -> None:
    """One slow repetition in seven moves neither the median nor the spread much."""
    assert summary([1, 2, 3, 4, 5, 6, 100]) == Summary(4, 2.5, 5.5, 7)
    assert summary([1, 2, 3, 4, 5, 6, 100]).spread == 3


def test_a_single_value_has_no_spread() -> None:
    """What was measured once is its own median; that it says little is the verdict's business."""
    assert summary([3.0]) == Summary(3.0, 3.0, 3.0, 1)


def test_nothing_measured_has_no_summary() -> None:
    """A row without values must not become a zero."""
    with pytest.raises(ValueError, match="nothing was measured"):
        summary([])


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1), (50, 50), (95, 95), (99, 99), (100, 100)]
)
def test_a_percentile_is_one_of_the_values(percent: float, expected: int) -> None:
    """By nearest rank: of a hundred values the p99 is the second largest."""
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_ratios_are_taken_within_each_repetition() -> None:
    """A repetition on a machine that was twice as slow for both changes no ratio."""
    assert paired_ratios([8, 16, 9], [2, 4, 3]) == [4, 4, 3]


def test_ratios_of_unequal_numbers_are_refused() -> None:
    """A contender that missed a repetition cannot be paired with another's."""
    with pytest.raises(ValueError, match="argument 2"):
        paired_ratios([8, 16], [2])


def test_beyond_the_bar_by_more_than_the_spread_passes() -> None:
    """Seven repetitions whose median is clear of the bar are a pass."""
    assert verdict([5.0, 5.1, 5.2, 5.2, 5.3, 5.1, 5.0], AT_LEAST_4) is Verdict.PASS
    assert verdict([3.0, 3.1, 3.2, 3.2, 3.3, 3.1, 3.0], AT_MOST_5) is Verdict.PASS


def test_short_of_the_bar_by_more_than_the_spread_fails() -> None:
    """The same on the wrong side is a failure, in both directions."""
    assert verdict([3.0, 3.1, 3.2, 3.2, 3.3, 3.1, 3.0], AT_LEAST_4) is Verdict.FAIL
    assert verdict([9.0, 9.1, 9.2, 9.2, 9.3, 9.1, 9.0], AT_MOST_5) is Verdict.FAIL


@pytest.mark.parametrize("median", [3.8, 4.2])
def test_nearer_to_the_bar_than_the_spread_is_a_tie(median: float) -> None:
    """On either side: neither a pass nor a failure can be claimed."""
    values = [median + off for off in (-0.5, -0.4, -0.3, 0, 0.3, 0.4, 0.5)]
    assert verdict(values, AT_LEAST_4) is Verdict.TIE


def test_exactly_at_the_bar_without_spread_passes() -> None:
    """The bar itself is on the good side."""
    assert verdict([4.0] * 7, AT_LEAST_4) is Verdict.PASS
    assert verdict([5.0] * 7, AT_MOST_5) is Verdict.PASS


def test_where_a_tie_is_enough_being_ahead_is_a_pass() -> None:
    """ "No slower than": a little faster within the spread is what was asked for."""
    assert verdict([0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2], AS_FAST) is Verdict.PASS
    assert verdict([0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1], AS_FAST) is Verdict.TIE
    assert verdict([0.5, 0.5, 0.51, 0.5, 0.5, 0.5, 0.52], AS_FAST) is Verdict.FAIL


def test_too_few_repetitions_are_no_verdict() -> None:
    """Whatever six of them say, nobody knows their spread."""
    assert verdict([9.0] * (REPETITIONS - 1), AT_LEAST_4) is Verdict.TOO_FEW
    assert verdict([1.0] * (REPETITIONS - 1), AT_LEAST_4) is Verdict.TOO_FEW


def test_what_is_counted_exactly_needs_no_repetitions() -> None:
    """Statements do not vary as times do."""
    assert verdict([4.0], AT_MOST_5, exact=True) is Verdict.PASS
    assert verdict([6.0], AT_MOST_5, exact=True) is Verdict.FAIL


def test_lost_fires_come_before_any_speed() -> None:
    """A scheduler that leaves half of its work undone is no fast scheduler."""
    assert verdict([9.0] * 7, AT_LEAST_4, Count(lost=1)) is Verdict.LOST
    assert verdict([9.0] * 7, None, Count(lost=1)) is Verdict.LOST
    assert verdict([], AT_LEAST_4, Count(lost=1)) is Verdict.LOST


def test_what_fired_twice_comes_before_any_speed() -> None:
    """A duplicate is as bad, and a loss beside it is named first."""
    assert verdict([9.0] * 7, AT_LEAST_4, Count(twice=1)) is Verdict.TWICE
    assert verdict([9.0] * 7, AT_LEAST_4, Count(1, 1)) is Verdict.LOST


def test_without_values_it_is_missing_and_without_a_bar_only_shown() -> None:
    """A peer that could not run is no pass; a figure for comparison is no verdict."""
    assert verdict([], AT_LEAST_4) is Verdict.MISSING
    assert verdict([1.0], None) is Verdict.SHOWN


def test_a_bar_reads_as_it_is_meant() -> None:
    """The table shows the direction, and where a tie is enough."""
    assert [str(bar) for bar in (AT_LEAST_4, AT_MOST_5, AS_FAST)] == [
        "≥ 4",
        "≤ 5",
        "≥ 1, or a tie",
    ]


def test_counts_add_up_over_repetitions() -> None:
    """One fire lost in the third repetition is lost in the row."""
    assert Count(1, 0) + Count(0, 2) == Count(1, 2)
