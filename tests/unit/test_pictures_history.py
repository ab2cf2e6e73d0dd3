"""Sparkline, calendar and chart of durations: what they show, and that the tables say the same."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from jobsched.admin.pictures.calendar import WEEKS, Day, calendar, calendar_rows
from jobsched.admin.pictures.durations import duration_rows, durations, percentile
from jobsched.admin.pictures.sparkline import sparkline
from jobsched.model import FiringStatus, FiringSummary

SUCCESS, FAILED = FiringStatus.SUCCESS, FiringStatus.FAILED
SKIPPED, CANCELLED = FiringStatus.SKIPPED, FiringStatus.CANCELLED
TODAY = date(2026, 4, 2)

summaries = st.builds(
    FiringSummary,
    st.integers(1, 10**9),
    st.sampled_from([SUCCESS, FAILED, SKIPPED, CANCELLED]),
    st.none() | st.integers(0, 10**9) | st.just(-5),
)


def tree(markup: Markup) -> ElementTree.Element:
    return ElementTree.fromstring(str(markup))


def firings(status: FiringStatus, *lengths: int | None) -> list[FiringSummary]:
    return [FiringSummary(number, status, length) for number, length in enumerate(lengths, 1)]


def paths(markup: Markup) -> dict[str, str]:
    return {path.get("class", ""): path.get("d", "") for path in tree(markup).iter("path")}


def heights(markup: Markup) -> list[int]:
    """Of the bars that stand for success."""
    return [int(height) for height in re.findall(r"v-(\d)", paths(markup)["pic-success"])]


# the sparkline


def test_the_sparkline_says_what_it_shows() -> None:
    """How many ended how, and how long the longest took."""
    recent = [
        *firings(SUCCESS, *[1000] * 28),
        *firings(FAILED, 4200),
        *firings(SKIPPED, None),
    ]
    assert tree(sparkline(recent)).findtext("title") == (
        "last 30 firings: 28 succeeded, 1 failed, 1 skipped; longest 4.2 s"
    )


@given(st.lists(summaries, max_size=40))
def test_a_sparkline_is_small(recent: Sequence[FiringSummary]) -> None:
    """A hundred of them fit a page: at most 600 bytes, whatever ended how."""
    assert len(sparkline(recent).encode()) <= 600


@given(st.lists(summaries, min_size=1, max_size=40))
def test_a_sparkline_shows_the_last_thirty(recent: Sequence[FiringSummary]) -> None:
    """One bar or dash each, as the title counts them."""
    markup = sparkline(recent)
    shown = min(30, len(recent))
    assert sum(path.count("M") for path in paths(markup).values()) == shown
    said = (tree(markup).findtext("title") or "").partition(":")[2].partition(";")[0]
    assert sum(map(int, re.findall(r"\d+", said))) == shown


def test_the_longest_is_the_tallest_and_the_short_are_seen() -> None:
    """Heights grow with the duration, and none is nothing."""
    found = heights(sparkline(firings(SUCCESS, 0, 10, 100, 1000, 10_000)))
    assert found == sorted(found)
    assert found[0] >= 2
    assert found[-1] == 9


def test_outcomes_are_shapes() -> None:
    """One stands on the floor, one hangs, one floats, one is a dash: no two paths are alike."""
    shapes = {
        re.sub(r"M\d+", "M", path)
        for status in (SUCCESS, FAILED, SKIPPED, CANCELLED)
        for path in paths(sparkline(firings(status, 700))).values()
    }
    assert len(shapes) == 4


def test_the_newest_is_at_the_right_edge() -> None:
    """Rows of a table can be compared, also where a schedule has few firings."""
    assert paths(sparkline(firings(SUCCESS, 5)))["pic-success"].startswith("M59 ")


# the calendar


def some_days(count: int) -> list[Day]:
    return [
        Day(TODAY - timedelta(days=n), n % 5, int(n % 9 == 4), int(n % 7 == 3), f"firings?day={n}")
        for n in range(count)
    ]


def test_the_calendar_has_thirteen_weeks_from_monday() -> None:
    """Up to today and no further; older days are left out."""
    labels = [
        link.get("aria-label", "") for link in tree(calendar(some_days(200), TODAY)).iter("a")
    ]
    assert len(labels) == 7 * (WEEKS - 1) + TODAY.weekday() + 1
    assert labels[0].startswith("Mon 5 Jan: ")
    assert labels[-1].startswith("Thu 2 Apr (today): ")


def test_the_worst_outcome_of_a_day_decides() -> None:
    """A failure is seen however many succeeded; each outcome is a shape."""
    assert Day(TODAY, 96, 1, 3).worst is FAILED
    assert Day(TODAY, 96, 0, 3).worst is SKIPPED
    assert Day(TODAY, 96).worst is SUCCESS
    assert Day(TODAY).worst is None
    monday = TODAY - timedelta(days=TODAY.weekday())
    days = [Day(monday, 3, 1), Day(monday + timedelta(days=1), 3, 0, 1), Day(TODAY, 3)]
    svg = tree(calendar(days, TODAY))
    shapes = {
        style: [
            each.tag + each.get("height", "") for each in svg.iter() if each.get("class") == style
        ]
        for style in ("pic-failed", "pic-skipped", "pic-success")
    }
    assert shapes == {
        "pic-failed": ["path"],
        "pic-skipped": ["rect6"],
        "pic-success": ["rect14"],
    }


def test_today_and_months_are_marked() -> None:
    """One outline, and the name of each month over the week in which it begins."""
    svg = tree(calendar(some_days(91), TODAY))
    texts = [text.text for text in svg.iter("text")]
    assert len(svg.findall(".//path[@class='pic-today']")) == 1
    assert [text for text in texts if text in ("Jan", "Feb", "Mar", "Apr")] == ["Feb", "Mar", "Apr"]


def test_the_calendars_table_says_the_same() -> None:
    """The days with a firing, newest first, with the counts of the picture."""
    days = some_days(200)
    rows = calendar_rows(days, TODAY)
    links = {
        link.get("href"): link.get("aria-label", "")
        for link in tree(calendar(days, TODAY)).iter("a")
    }
    assert [row.date for row in rows] == sorted((row.date for row in rows), reverse=True)
    assert {row.href: row.says for row in rows} == {
        href: label.partition(": ")[2]
        for href, label in links.items()
        if not label.endswith("no firing")
    }


def test_days_without_an_address_are_no_links() -> None:
    """The calendar is an image then, each day with its tooltip."""
    svg = tree(calendar([Day(TODAY, 3)], TODAY))
    assert svg.get("role") == "img"
    assert svg.find(".//a") is None
    assert "Thu 2 Apr (today): 3 succeeded" in [title.text for title in svg.iter("title")]


# durations


@given(st.lists(summaries, max_size=150))
def test_durations_show_the_last_hundred_that_ran(recent: Sequence[FiringSummary]) -> None:
    """A bar for each firing that has a duration, and a row of the table."""
    markup = durations(recent)
    rows = duration_rows(recent)
    if not rows:
        assert "no durations yet" in markup
        return
    styles = {f"pic-{status.lower()}" for status in FiringStatus}
    bars = sum(path.count("M") for style, path in paths(markup).items() if style in styles)
    assert bars == len(rows) == min(100, sum(each.duration_ms is not None for each in recent))
    inside = [float(y) for path in paths(markup).values() for y in re.findall(r"V(-?[\d.]+)", path)]
    assert all(0 <= y <= 150 for y in inside)


def test_percentiles_are_by_nearest_rank() -> None:
    """The least duration that half, or 95 %, do not exceed: always one that was measured."""
    assert percentile(range(1, 101), 0.5) == 50
    assert percentile(range(1, 101), 0.95) == 95
    assert percentile([7], 0.95) == 7
    assert percentile([1, 2], 0.5) == 1


@pytest.mark.parametrize(
    ("lengths", "labels"),
    [
        ([3, 9], {"0", "5 ms", "10 ms"}),
        ([900, 4200], {"0", "2 s", "4 s", "6 s"}),
        ([90_000, 170_000], {"0", "1 min", "2 min", "3 min"}),
        ([3_600_000, 9_000_000], {"0", "1 h", "2 h", "3 h"}),
        ([10, 10, 60_000], {"10 ms", "100 ms", "1 s", "10 s", "1 min"}),
        ([0, 0], {"0", "1 ms"}),
    ],
)
def test_the_axis_has_round_numbers(lengths: list[int], labels: set[str]) -> None:
    """In the unit that fits; where one firing dwarfs the others, on a logarithmic scale."""
    texts = tree(durations(firings(SUCCESS, *lengths))).findall(".//text[@text-anchor='end']")
    assert {text.text for text in texts} == labels


def test_p50_and_p95_are_lines_with_labels() -> None:
    """Their labels never lie on each other."""
    svg = tree(durations(firings(SUCCESS, *[4200] * 20)))
    labels = {
        text.text: float(text.get("y", 0))
        for text in svg.iter("text")
        if text.get("class") in ("pic-p50", "pic-p95")
    }
    assert labels.keys() == {"p50 4.2 s", "p95 4.2 s"}
    assert labels["p50 4.2 s"] - labels["p95 4.2 s"] >= 12
    assert "p50 4.2 s, p95 4.2 s, longest 4.2 s" in (svg.findtext("title") or "")


def test_a_failed_firing_is_a_shape() -> None:
    """Its bar ends in a cross."""
    drawn = paths(durations([*firings(SUCCESS, 100, 200), *firings(FAILED, 300)]))
    assert drawn["pic-failed"].count("l5-5") + drawn["pic-failed"].count("m0-5l-5 5") == 1
