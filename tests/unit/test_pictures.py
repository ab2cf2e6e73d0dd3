"""Every picture: well-formed, named, harmless, and readable without colours."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from jobsched.admin import pictures
from jobsched.admin.pictures.calendar import Day, calendar
from jobsched.admin.pictures.density import count_slots, density
from jobsched.admin.pictures.durations import durations
from jobsched.admin.pictures.graph import Node, graph
from jobsched.admin.pictures.lanes import Bar, Lane
from jobsched.admin.pictures.marks import MARKS, icon, outcomes
from jobsched.admin.pictures.sparkline import sparkline
from jobsched.admin.pictures.svg import clipped, number
from jobsched.admin.pictures.timeline import timeline
from jobsched.model import FiringStatus, FiringSummary, JobRunStatus

NOW = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)
START, END = NOW - timedelta(hours=2), NOW + timedelta(hours=24)
OSLO = ZoneInfo("Europe/Oslo")
SLOT = timedelta(minutes=15)

HOSTILE = [
    "<script>alert(1)</script>",
    "\"' onload='alert(1)' x=\"",
    "a\x00b\x1b[31mc\u202egnp.exe\ud800",
    "]]>&lt;&#0;--><!--",
    "W" * 200,
    "日本語の名前" * 20,
    "e\u0301" * 50,
    " \n\t ",
    "",
]


def one_lane(name: str = "feeds") -> Lane:
    past = (
        Bar(1, f"firings/{name}", "SUCCESS", NOW - timedelta(minutes=60), NOW),
        Bar(2, "firings/2", "FAILED", NOW - timedelta(minutes=30), NOW - timedelta(minutes=9)),
    )
    return Lane(name, name, f"schedules/{name}", past, (NOW + timedelta(hours=1),))


def recent(*statuses: FiringStatus) -> list[FiringSummary]:
    return [FiringSummary(number, status, 1200) for number, status in enumerate(statuses)]


def of_lanes(lanes: list[Lane]) -> Markup:
    return density(count_slots(lanes, SLOT, START, END), SLOT, START, END, OSLO)


PICTURES: dict[str, Callable[[str], Markup]] = {
    "sparkline": lambda _: sparkline(recent(*FiringStatus)),
    "timeline": lambda name: timeline([one_lane(name)], START, NOW, END, OSLO),
    "density": lambda name: of_lanes([one_lane(name)]),
    "graph": lambda name: graph(
        [Node(name, (), "FAILED", f"jobs/{name}", name), Node("other", (name,)), Node("alone")]
    ),
    "calendar": lambda name: calendar([Day(NOW.date(), 3, 1, 1, f"x?{name}")], NOW.date()),
    "durations": lambda _: durations(recent(*FiringStatus)),
}

EMPTY: dict[str, Callable[[], Markup]] = {
    "sparkline": lambda: sparkline([]),
    "timeline": lambda: timeline([], START, NOW, END, OSLO),
    "density": lambda: of_lanes([]),
    "graph": lambda: graph([]),
    "durations": lambda: durations([]),
}


def tree(markup: Markup) -> ElementTree.Element:
    return ElementTree.fromstring(str(markup))


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_is_named(kind: str) -> None:
    """A picture has a role and a title; one with links is a group, whose links a reader hears."""
    svg = tree(PICTURES[kind]("feeds"))
    holds_links = svg.find(".//a") is not None
    assert svg.tag == "svg"
    assert svg.get("class") == f"pic pic-{kind}"
    assert svg.get("role") == ("group" if holds_links else "img")
    assert svg[0].tag == "title"
    assert svg[0].text
    assert svg.get("aria-label", svg[0].text) == svg[0].text
    assert all(link.get("href") for link in svg.iter("a"))


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_obeys_the_content_security_policy(kind: str) -> None:
    """No inline style and nothing that runs; no id either, which another picture could have."""
    allowed = {"svg", "g", "a", "title", "text", "path", "rect"}
    for element in tree(PICTURES[kind]("feeds")).iter():
        assert element.tag in allowed
        assert not {"style", "id"} & set(element.keys())
        assert not [name for name in element.keys() if name.startswith("on")]  # noqa: SIM118  # no mapping


@pytest.mark.parametrize("kind", PICTURES)
def test_colours_are_left_to_the_stylesheet(kind: str) -> None:
    """Every class that a picture uses is in the list that the stylesheet is written from."""
    documented = set(re.findall(r"`(pic-[\w-]+)`", pictures.__doc__ or ""))
    svg = tree(PICTURES[kind]("feeds"))
    used = {name for element in svg.iter() for name in element.get("class", "").split()}
    assert used - {"pic"} <= documented
    assert not [element for element in svg.iter() if {"fill", "stroke"} & set(element.keys())]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("kind", PICTURES)
def test_names_are_hostile_text(kind: str, name: str) -> None:
    """No name ends an attribute or an element, and none has a character that turns text around."""
    markup = PICTURES[kind](name)
    assert isinstance(markup, Markup)
    assert {element.tag for element in tree(markup).iter()} <= {
        *("svg", "g", "a", "title", "text", "path", "rect"),
    }
    assert str(markup).isprintable()
    assert len(PICTURES["graph"](name)) < 4000


@pytest.mark.parametrize("kind", EMPTY)
def test_nothing_to_show_is_said(kind: str) -> None:
    """In place of an empty picture stands a quiet word."""
    assert re.fullmatch(r'<span class="pic-none">no[a-z ]+</span>', EMPTY[kind]())


def test_an_empty_calendar_shows_its_days() -> None:
    """Thirteen weeks without a firing are shown as such."""
    svg = tree(calendar([], date(2026, 4, 2)))
    assert len(svg.findall(".//rect[@class='pic-empty']")) == 12 * 7 + 4


def test_every_status_has_a_shape_of_its_own() -> None:
    """Who sees no colours still tells the states apart, by shape and by word."""
    assert set(MARKS) == {*FiringStatus, *JobRunStatus}
    assert len({mark.path for mark in MARKS.values()}) == len(MARKS)
    assert len({mark.word for mark in MARKS.values()}) == len(MARKS)


@pytest.mark.parametrize("status", MARKS)
def test_an_icon_beside_its_word_is_silent(status: str) -> None:
    """The word says it; the icon is not read out a second time."""
    svg = tree(icon(status))
    assert svg.get("aria-hidden") == "true"
    assert svg[0].get("class") == f"pic-{status.lower()}"


def test_outcomes_in_words() -> None:
    """The good news first, then the worst."""
    assert outcomes(["FAILED", "SUCCESS", "SKIPPED", "SUCCESS"]) == (
        "2 succeeded, 1 failed, 1 skipped"
    )
    assert outcomes([]) == ""


@given(st.text(), st.integers(10, 300))
def test_a_clipped_text_fits(text: str, width: int) -> None:
    """A text is whole or ends with an ellipsis, and is never longer than it was."""
    cut = clipped(text, width)
    assert cut == clipped(text, 10**6) or cut.endswith("…")
    assert len(cut) <= max(1, len(clipped(text, 10**6)))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12, "12"), (12.34, "12.3"), (-0.04, "0"), (-0.5, "-0.5"), (-10.0, "-10")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    """To a tenth, without what means nothing."""
    assert number(value) == text


def test_the_stylesheets_owner_finds_every_class_in_the_code() -> None:
    """The list of classes names none that no picture uses."""
    documented = set(re.findall(r"`(pic-[\w-]+)`", pictures.__doc__ or ""))
    folder = Path(pictures.__file__).parent
    code = "".join(
        path.read_text("utf-8") for path in folder.glob("*.py") if path.stem != "__init__"
    )
    made = {f"pic-{status.lower()}" for status in MARKS}
    made |= {f"pic-{kind}" for kind in PICTURES} | {"pic-p50", "pic-p95", "pic-icon", "pic-none"}
    assert {name for name in documented - made if f'"{name}"' not in code} == set()
