"""How long a failed job waits."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.backoff import Backoff
from jobsched.errors import DeclarationError

SHARES = st.floats(0, 1, exclude_max=True)


@st.composite
def backoffs(draw: st.DrawFn) -> Backoff:
    initial = draw(st.floats(0.001, 10_000))
    return Backoff(
        initial=initial,
        factor=draw(st.floats(1, 100)),
        maximum=draw(st.floats(initial, 100_000)),
        jitter=draw(st.floats(0, 1)),
    )


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 10), (2, 20), (3, 40), (9, 2560), (10, 3600), (10_000, 3600)]
)
def test_the_default_doubles_from_ten_seconds_to_an_hour(attempt: int, seconds: float) -> None:
    """10 s, 20 s, 40 s and so on, never more than an hour, however often a job has failed."""
    assert Backoff().delay(attempt, 0) == timedelta(seconds=seconds)


def test_durations_are_timedeltas_or_seconds() -> None:
    """Both ways to write a length of time mean the same."""
    assert Backoff(30, 3, 600) == Backoff(
        initial=timedelta(seconds=30), factor=3.0, maximum=timedelta(minutes=10)
    )


@given(backoffs(), st.integers(1, 5000), SHARES)
def test_a_delay_keeps_within_its_bounds(backoff: Backoff, attempt: int, share: float) -> None:
    """Chance takes off at most the jitter's share; nothing makes a wait longer than the maximum."""
    delay, full = backoff.delay(attempt, share), backoff.delay(attempt, 0)
    rounding = timedelta(microseconds=1)
    assert full * (1 - backoff.jitter) - rounding <= delay <= full <= backoff.maximum


@given(backoffs(), st.integers(1, 5000))
def test_a_later_attempt_waits_no_shorter(backoff: Backoff, attempt: int) -> None:
    """Waiting times grow, or stay at the maximum."""
    assert backoff.delay(attempt + 1, 0) >= backoff.delay(attempt, 0)


@given(backoffs())
def test_a_document_gives_the_same_backoff_back(backoff: Backoff) -> None:
    """What the database keeps is the backoff that was declared."""
    assert Backoff.from_document(backoff.as_document()) == backoff


@pytest.mark.parametrize("document", [None, {}, {"added_in_a_later_version": 1}])
def test_a_document_without_values_is_the_default(document: dict[str, Any] | None) -> None:
    """An older or a newer version's row can be read."""
    assert Backoff.from_document(document) == Backoff()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"initial": 0}, ["initial=0", "more than zero"]),
        ({"initial": -1}, ["initial=-1", "more than zero"]),
        ({"initial": True}, ["initial=True", "timedelta"]),
        ({"initial": "10"}, ["initial='10'", "seconds"]),
        ({"initial": float("nan")}, ["initial=nan"]),
        ({"maximum": 1}, ["maximum=1", "initial=10"]),
        ({"maximum": 1e300}, ["maximum=1e+300", "50 years"]),
        ({"factor": 0.5}, ["factor=0.5", "1 or more"]),
        ({"factor": "2"}, ["factor='2'", "number"]),
        ({"factor": float("inf")}, ["factor=inf"]),
        ({"jitter": 1.5}, ["jitter=1.5", "from 0 to 1"]),
        ({"jitter": False}, ["jitter=False"]),
    ],
)
def test_senseless_values_are_refused(wrong: dict[str, Any], words: list[str]) -> None:
    """The message names the field, its value and what is allowed."""
    with pytest.raises(DeclarationError) as caught:
        Backoff(**wrong)
    assert [word for word in ["Backoff", *words] if word not in str(caught.value)] == []
