"""A schedule's policies, and what "Run now" would do, in sentences."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobsched.admin.pages import sentences
from jobsched.model import (
    ExecutionMode,
    Misfire,
    Overlap,
    ScheduleDeclaration,
    ScheduleState,
    Timing,
)

DECLARED = ScheduleDeclaration("nightly", Timing(cron="0 2 * * *", timezone="Europe/Oslo"))


def state(declared: ScheduleDeclaration) -> ScheduleState:
    """An enabled schedule that has not fired yet."""
    return ScheduleState(
        declaration=declared,
        app="default",
        enabled=True,
        next_run_at=None,
        last_run_at=None,
        last_scheduled_for=None,
        run_count=0,
        failure_count=0,
        problem=None,
        locked_by=None,
        retired_at=None,
        version=1,
    )


def said(**changes: object) -> dict[str, str]:
    """The sentences of a declaration that differs so from the plainest one."""
    return dict(sentences.policies(state(replace(DECLARED, **changes))))  # type: ignore[arg-type] # any field


def test_a_plain_schedule_says_its_overlap_and_misfire_only() -> None:
    """What was not declared is not spoken of."""
    assert said().keys() == {"Overlap", "Misfire"}


def test_each_overlap_and_misfire_has_a_sentence_of_its_own() -> None:
    """No two policies read alike, and each is a whole sentence."""
    overlaps = {said(overlap=one)["Overlap"] for one in Overlap}
    misfires = {said(misfire=one)["Misfire"] for one in Misfire}

    assert len(overlaps) == len(Overlap)
    assert len(misfires) == len(Misfire)
    assert all(one.endswith(".") and one[0].isupper() for one in overlaps | misfires)


def test_limits_are_said_with_their_values() -> None:
    """Timeout, deadline, jitter and priority appear once they are declared."""
    found = said(
        timeout=timedelta(minutes=10),
        start_deadline=timedelta(hours=4),
        jitter=timedelta(seconds=30),
        priority=-1,
    )

    assert "10 min" in found["Timeout"]
    assert "4 h" in found["Start deadline"]
    assert "30 s" in found["Jitter"]
    assert "starts after" in found["Priority"]


def test_catching_up_says_how_far_and_how_many() -> None:
    """`run_all` is bounded by a window and a count, and both are said."""
    found = said(misfire=Misfire.RUN_ALL, catchup_window=timedelta(hours=6), max_catchup=20)[
        "Misfire"
    ]

    assert "6 h" in found
    assert "20" in found


def test_environments_and_bounds_are_said() -> None:
    """Where it fires and from when to when, in the schedule's own zone."""
    timing = replace(DECLARED.timing, end=datetime(2026, 3, 1, 12, tzinfo=UTC))
    found = said(environments=("staging",), timing=timing)

    assert found["Environments"] == "It fires in staging only, and this is production."
    assert "2026-03-01 13:00 CET" in found["End"]


def test_a_selection_is_a_sentence() -> None:
    """Which jobs it runs: a group's, those it names, or all of them."""
    grouped = replace(DECLARED, execution_mode=ExecutionMode.GROUP, group="feed")
    named = replace(
        DECLARED, execution_mode=ExecutionMode.JOBS, jobs=("a",), include_dependencies=True
    )

    assert sentences.selection(grouped).startswith("Every job of group feed,")
    assert "what they depend on" in sentences.selection(named)
    assert sentences.selection(DECLARED).startswith("Every registered job,")


@pytest.mark.parametrize(
    ("overlap", "consequence"),
    [
        (Overlap.SKIP, "wait until it has ended"),
        (Overlap.QUEUE, "wait until it has ended"),
        (Overlap.ALLOW, "run beside it"),
        (Overlap.CANCEL_PREVIOUS, "it will be cancelled"),
    ],
)
def test_run_now_says_what_becomes_of_it_beside_a_live_firing(
    overlap: Overlap, consequence: str
) -> None:
    """By the overlap policy, naming the firing and since when it is live."""
    found = sentences.run_now(state(replace(DECLARED, overlap=overlap)), 7, "4 min")

    assert found.startswith("Firing 7 is live since 4 min: ")
    assert consequence in found


def test_run_now_beside_nothing_starts_at_once() -> None:
    """Without a live firing nothing is in the way."""
    assert "as soon as" in sentences.run_now(state(DECLARED), None, None)
