"""How values become markup: live elements, times, states, messages."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from jobsched.admin.pages.rendering import live, said, segment, status, utc
from jobsched.model import FiringStatus, JobRunStatus, WorkerStatus

STATES = sorted({one.value for kind in (FiringStatus, JobRunStatus, WorkerStatus) for one in kind})


def version(markup: str) -> str:
    """The version of a live element."""
    found = re.search(r'data-version="(\w+)"', markup)
    assert found is not None
    return found[1]


def test_a_live_element_has_another_version_when_it_says_something_else() -> None:
    """Its cells, its class and its key's element count."""
    plain = version(live("a", caller=lambda: "<td>1</td>"))

    assert version(live("a", caller=lambda: "<td>2</td>")) != plain
    assert version(live("a", class_="bad", caller=lambda: "<td>1</td>")) != plain
    assert version(live("a", caller=lambda: "<td>1</td>")) == plain


def test_how_long_ago_something_was_does_not_change_the_version() -> None:
    """Scripts keep that true by themselves; the row need not be replaced for it."""
    start = '<td><time datetime="2026-03-02T12:00Z">'
    rows = [
        live("a", caller=lambda ago=ago: f"{start}{ago}</time></td>")
        for ago in ("1 s ago", "2 s ago")
    ]

    assert version(rows[0]) == version(rows[1])
    assert "2 s ago" in rows[1]


def test_keys_and_sentences_of_live_elements_are_escaped() -> None:
    """A schedule's name is hostile text wherever it stands."""
    found = live('"><script>', says='"<b>', caller=lambda: "")

    assert "<script>" not in found
    assert "<b>" not in found


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_an_icon_and_a_word(state: str) -> None:
    """Never a colour alone."""
    found = status(state)

    assert '<svg viewBox="0 0 10 10" aria-hidden="true"><path d="M' in found
    assert re.search(r"</svg>[a-z]+</span>$", found)


def test_an_instant_is_in_utc_to_the_second() -> None:
    """As `<time datetime>` has it, whatever zone it came in."""
    at = datetime(2026, 3, 2, 13, 0, tzinfo=UTC)

    assert utc(at) == "2026-03-02T13:00Z"
    assert utc(at + timedelta(seconds=5, milliseconds=300)) == "2026-03-02T13:00:05Z"


def test_commands_in_messages_are_code_and_everything_is_escaped() -> None:
    """Also within the backquotes; a control character is shown, not obeyed."""
    assert said("start one with `jobsched run <APP>` \x1b") == (
        "start one with <code>jobsched run &lt;APP&gt;</code> \\x1b"
    )


def test_an_id_is_one_segment_of_a_path() -> None:
    """Nothing in it can reach another page."""
    assert segment("a/../b?c#d") == "a%2F..%2Fb%3Fc%23d"
