"""The timeline and the density strip: what they show, and that the tables say the same."""

import itertools
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from markupsafe import Markup

from jobsched.admin.pictures.axis import NAMES, RIGHT, WIDTH, Axis
from jobsched.admin.pictures.density import count_slots, density, density_rows
from jobsched.admin.pictures.lanes import Bar, Lane
from jobsched.admin.pictures.marks import MARKS
from jobsched.admin.pictures.timeline import timeline, timeline_rows

UTC_ZONE, OSLO = ZoneInfo("UTC"), ZoneInfo("Europe/Oslo")
NOW = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)
START, END = NOW - timedelta(hours=2), NOW + timedelta(hours=24)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def tree(markup: Markup) -> ElementTree.Element:
    return ElementTree.fromstring(str(markup))


def drawn(lanes: Sequence[Lane], zone: ZoneInfo = UTC_ZONE, now: datetime = NOW) -> Markup:
    return timeline(lanes, now - 2 * HOUR, now, now + 24 * HOUR, zone)


def texts(svg: ElementTree.Element, style: str) -> list[str]:
    return [element.text or "" for element in svg.findall(f".//text[@class='{style}']")]


def bar(number: int, status: str, start: datetime, length: timedelta | None) -> Bar:
    return Bar(number, f"firings/{number}", status, start, start + length if length else None)


def every_minute(name: str, failing: int = 0) -> Lane:
    """Each `failing`-th firing of the last two hours failed."""
    past = tuple(
        bar(
            number,
            "FAILED" if failing and number % failing == 0 else "SUCCESS",
            START + number * MINUTE,
            timedelta(seconds=5),
        )
        for number in range(1, 121)
    )
    coming = tuple(NOW + number * MINUTE for number in range(1, 24 * 60))
    return Lane(name, name, f"schedules/{name}", past, coming)


def said_in(lane: ElementTree.Element) -> int:
    """How many firings the marks of a lane speak of."""
    labels = [link.get("aria-label") for link in lane.findall("a") if link.get("aria-label")]
    counts = [re.match(r"(\d+) firings? ", label or "") for label in labels]
    return sum(int(count[1]) if count else 1 for count in counts)


@pytest.mark.parametrize("failing", [0, 2, 7])
def test_a_hundred_busy_lanes_are_small(failing: int) -> None:
    """A hundred every-minute schedules, also failing ones, are a page that loads."""
    lanes = [every_minute(f"schedule-number-{number}", failing) for number in range(100)]
    assert len(drawn(lanes)) <= 250_000


def test_a_hundred_quarter_hourly_lanes_are_small() -> None:
    """So are a hundred schedules whose marks can all be told apart."""
    lanes = [
        Lane(
            f"feed-{number}",
            f"feed-{number}",
            f"schedules/feed-{number}",
            tuple(bar(n, "SUCCESS", START + n * 15 * MINUTE, MINUTE) for n in range(8)),
            tuple(NOW + n * 15 * MINUTE for n in range(96)),
        )
        for number in range(100)
    ]
    assert len(drawn(lanes)) <= 250_000


@pytest.mark.parametrize("failing", [0, 2, 7])
def test_the_table_says_the_same(failing: int) -> None:
    """Every firing of the picture is in the table, and every coming occurrence is counted."""
    lanes = [every_minute("busy", failing), Lane("idle", "idle", "schedules/idle")]
    busy, idle = timeline_rows(lanes, START, NOW, END, UTC_ZONE)
    groups = tree(drawn(lanes)).findall("g")
    assert [said_in(group) for group in groups] == [len(busy.bars), len(idle.bars)] == [120, 0]
    assert busy.past.split(" ")[0] == str(120 - (120 // failing if failing else 0))
    assert (busy.next_at, busy.coming) == (NOW + MINUTE, "1439 occurrences")
    assert (idle.past, idle.next_at, idle.coming) == ("", None, "")


def test_a_bar_is_a_link_that_says_what_it_is() -> None:
    """Status, time and length, for a screen reader and under the pointer."""
    past = (
        bar(1, "SUCCESS", NOW - 90 * MINUTE, 2 * MINUTE),
        bar(2, "FAILED", NOW - 50 * MINUTE, timedelta(seconds=4.2)),
        bar(3, "RUNNING", NOW - 3 * MINUTE, None),
    )
    svg = tree(drawn([Lane("a", "a", "schedules/a", past)], OSLO))
    links = {link.get("href"): link for link in svg.iter("a")}
    assert {href: link.get("aria-label") for href, link in links.items() if href} == {
        "schedules/a": None,
        "firings/1": "succeeded, 09:37, 2 min",
        "firings/2": "failed, 10:17, 4.2 s",
        "firings/3": "running, 11:04, for 3 min so far",
    }
    assert links["firings/2"].findtext("title") == "failed, 10:17, 4.2 s"


def test_what_cannot_be_told_apart_is_one_mark() -> None:
    """Bars of the same status without a gap between them lead to their schedule."""
    past = tuple(bar(n, "SUCCESS", NOW - (10 - n) * MINUTE, MINUTE) for n in range(1, 6))
    svg = tree(drawn([Lane("a", "a", "schedules/a", past)]))
    marks = [link for link in svg.iter("a") if link.get("aria-label")]
    assert [(mark.get("href"), mark.get("aria-label")) for mark in marks] == [
        ("schedules/a", "5 firings succeeded, 09:58 to 10:02")
    ]


@pytest.mark.parametrize("status", MARKS)
def test_a_status_is_a_shape(status: str) -> None:
    """Success is a block; every other status shows its icon."""
    svg = tree(drawn([Lane("a", "a", "x", (bar(1, status, NOW - HOUR, MINUTE),))]))
    blocks = svg.findall(f".//a/rect[@class='pic-{status.lower()}']")
    icons = svg.findall(f".//a/path[@class='pic-{status.lower()}']")
    if status == "SUCCESS":
        assert (len(blocks), len(icons)) == (1, 0)
    else:
        assert [icon.get("d", "").endswith(MARKS[status].path) for icon in icons] == [True]


def test_few_failures_among_many_firings_look_few() -> None:
    """An icon is wider than a short firing: those that follow it are thin bars of their own."""
    svg = tree(drawn([every_minute("a", failing=10)]))
    failed = svg.findall(".//a/path[@class='pic-failed']")
    thin = "".join(path.get("d", "") for path in failed if path.get("stroke-width"))
    widths = [float(b) - float(a) for a, b in re.findall(r"M([\d.]+) [\d.]+H([\d.]+)", thin)]
    assert 4 <= len(widths) <= 11
    assert max(widths) <= 2


def test_failures_lie_on_top() -> None:
    """A failed firing among many that succeeded is drawn after them."""
    marks = list(tree(drawn([every_minute("a", failing=40)])).iter("a"))
    words = [mark.get("aria-label") or "" for mark in marks]
    assert ["failed" in word for word in words] == sorted("failed" in word for word in words)


def test_dense_occurrences_are_a_band() -> None:
    """Ticks that would touch are drawn as one band, others one by one."""
    sparse = Lane("a", "a", "a", (), tuple(NOW + n * HOUR for n in range(1, 5)))
    svg = tree(drawn([sparse, every_minute("b")]))
    first, second = svg.findall("g")
    ticks = first.findall("path[@class='pic-coming']")
    assert [tick.get("d", "").count("M") for tick in ticks] == [4]
    assert len(second.findall("rect[@class='pic-coming']")) == 1


def test_a_cut_list_of_occurrences_goes_on() -> None:
    """A lane whose occurrences were too many to list ends with dots; the table says more."""
    lane = Lane("a", "a", "a", (), (NOW + HOUR, NOW + 2 * HOUR), goes_on=True)
    assert 'stroke-dasharray="2 6"' in drawn([lane])
    assert timeline_rows([lane], START, NOW, END, OSLO)[0].coming == "more than 2 occurrences"


def test_the_time_now_is_marked() -> None:
    """A line stands at now; without it where now is outside."""
    svg = tree(drawn([Lane("a", "a", "a")], OSLO))
    assert texts(svg, "pic-now") == ["now 11:07"]
    later = timeline([Lane("a", "a", "a")], NOW, END + HOUR, END, OSLO)
    assert "pic-now" not in later


@pytest.mark.parametrize(
    ("zone", "now", "change"),
    [
        ("Europe/Oslo", "2026-03-28 22:07", "clock 02:00 → 03:00"),
        ("Europe/Oslo", "2026-10-24 22:07", "clock 03:00 → 02:00"),
        ("Australia/Lord_Howe", "2026-10-03 12:00", "clock 02:00 → 02:30"),
        ("Africa/Cairo", "2026-04-23 12:00", "clock 00:00 → 01:00"),
        ("Europe/Oslo", "2026-03-02 10:07", None),
    ],
)
def test_changes_of_the_clock_are_marked(zone: str, now: str, change: str | None) -> None:
    """The night on which the viewer's clock is changed shows it, with what the clock does."""
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    svg = tree(drawn([Lane("a", "a", "a")], ZoneInfo(zone), at))
    assert texts(svg, "pic-dst") == ([change] if change else [])


def test_days_and_hours_are_labelled_in_the_viewers_zone() -> None:
    """Hours are those of the zone's clock, which may be half an hour off; midnight has its day."""
    svg = tree(drawn([Lane("a", "a", "a")], ZoneInfo("Asia/Kolkata")))
    labels = texts(svg, "pic-small")
    assert {"Asia/Kolkata", "14:00", "00:00", "Mon 2 Mar", "Tue 3 Mar"} <= set(labels)
    assert len(svg.findall("path[@class='pic-day']")) == 1


def test_hours_are_further_apart_on_a_longer_axis() -> None:
    """Labels never run into each other."""
    axis = Axis(NOW, NOW + timedelta(days=7), OSLO)
    places = [axis.x(at) for at in axis.hours()]
    assert min(b - a for a, b in itertools.pairwise(places)) >= 38
    assert len(list(axis.midnights())) == 7


def test_an_axis_goes_forward() -> None:
    """Start and end that were exchanged are an error, not an empty picture."""
    with pytest.raises(ValueError, match="forward"):
        timeline([], END, NOW, START, OSLO)


def test_what_is_outside_is_left_out() -> None:
    """Firings that ended before, and occurrences after the end, are in neither."""
    past = (bar(1, "SUCCESS", START - HOUR, MINUTE), bar(2, "SUCCESS", START - HOUR, 2 * HOUR))
    lane = Lane("a", "a", "a", past, (END + MINUTE,))
    row = timeline_rows([lane], START, NOW, END, OSLO)[0]
    assert ([bar.firing_id for bar in row.bars], row.coming) == ([2], "")
    for block in tree(drawn([lane])).findall(".//a/rect"):
        assert float(block.get("x", 0)) >= NAMES


def test_density_shows_where_it_piles_up() -> None:
    """A bar for each slot that is not empty; the busiest is labelled; the table has the same."""
    lanes = [Lane(str(n), str(n), "a", (), (END - 8 * HOUR, NOW + n * HOUR)) for n in range(1, 6)]
    slot = 15 * MINUTE
    counts = count_slots(lanes, slot, START, END)
    rows = density_rows(counts, slot, START)
    svg = tree(density(counts, slot, START, END, UTC_ZONE))
    load = svg.find("path[@class='pic-load']")
    assert sum(counts) == sum(row.count for row in rows) == 10
    assert load is not None
    assert load.get("d", "").count("M") == len(rows) == 6
    assert (rows[-1].start, rows[-1].count) == (datetime(2026, 3, 3, 2, 0, tzinfo=UTC), 5)
    assert "5 at Tue 3 Mar 02:00" in texts(svg, "pic-small")


def test_density_stands_under_the_timeline() -> None:
    """Both have the same axis: a bar is where its ticks are."""
    axis = Axis(START, END, OSLO)
    assert axis.x(START) == NAMES
    assert axis.x(END) == WIDTH - RIGHT
    assert axis.x(END + HOUR) == axis.x(END)
