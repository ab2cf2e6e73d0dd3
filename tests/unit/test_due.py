"""What a due schedule does: tables for every misfire and overlap policy, and what always holds."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model import Misfire, Overlap, Reason, ScheduleDeclaration, Timing
from jobsched.occurrences import next_occurrence, upcoming
from jobsched.planning.due import (
    COUNT_LIMIT,
    Decision,
    LiveFiring,
    Skip,
    decide,
    first_after,
    jittered,
    pause,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
HOURLY = Timing(every=HOUR)


def schedule(timing: Timing = HOURLY, **policies: Any) -> ScheduleDeclaration:
    return ScheduleDeclaration("s", timing, **policies)


def hours(instants: Sequence[datetime]) -> list[int]:
    return [instant.hour for instant in instants]


def fired(decision: Decision) -> list[int]:
    return hours([fire.scheduled_for for fire in decision.fires])


def ranges(decision: Decision, reason: Reason) -> list[tuple[int, int, int | None]]:
    """(first hour, last hour, count) of the skips for this reason."""
    return [
        ((skip.missed_from or skip.scheduled_for).hour, skip.scheduled_for.hour, skip.missed_count)
        for skip in decision.skips
        if skip.reason is reason
    ]


# Every misfire policy with every overlap policy

MOMENTS = {
    "one on time": (NOON, NOON + 30 * SECOND),
    "one late": (NOON, NOON + 30 * MINUTE),
    "three, the last on time": (NOON - 2 * HOUR, NOON + 30 * SECOND),
    "three, the last late": (NOON - 2 * HOUR, NOON + 30 * MINUTE),
}
"""`next_run_at` of an hourly schedule, and when it is looked at; the grace is five minutes."""

MISFIRES: dict[tuple[str, str], tuple[list[int], list[tuple[int, int, int | None]]]] = {
    ("one on time", "run_once"): ([12], []),
    ("one on time", "skip"): ([12], []),
    ("one on time", "run_all"): ([12], []),
    ("one late", "run_once"): ([12], []),
    ("one late", "skip"): ([], [(12, 12, 1)]),
    ("one late", "run_all"): ([12], []),
    ("three, the last on time", "run_once"): ([12], [(10, 11, 2)]),
    ("three, the last on time", "skip"): ([12], [(10, 11, 2)]),
    ("three, the last on time", "run_all"): ([10, 11, 12], []),
    ("three, the last late", "run_once"): ([12], [(10, 11, 2)]),
    ("three, the last late", "skip"): ([], [(10, 12, 3)]),
    ("three, the last late", "run_all"): ([10, 11, 12], []),
}
"""What is left to run, and what is missed, before overlap is looked at."""

RUNS, WAITS = LiveFiring(7, running=True), LiveFiring(8, running=False)
LIVE = {"nothing": [], "one runs": [RUNS], "one waits": [WAITS], "both": [RUNS, WAITS]}

OVERLAPS: dict[tuple[str, str], int | None] = {
    ("skip", "nothing"): None,
    ("skip", "one runs"): 7,
    ("skip", "one waits"): 8,
    ("skip", "both"): 7,
    ("queue", "nothing"): None,
    ("queue", "one runs"): None,
    ("queue", "one waits"): 8,
    ("queue", "both"): 8,
    ("allow", "nothing"): None,
    ("allow", "one runs"): None,
    ("allow", "one waits"): None,
    ("allow", "both"): None,
    ("cancel_previous", "nothing"): None,
    ("cancel_previous", "one runs"): None,
    ("cancel_previous", "one waits"): None,
    ("cancel_previous", "both"): None,
}
"""Which live firing is in the way; `run_all` queues behind it all the same."""


@pytest.mark.parametrize("live", LIVE)
@pytest.mark.parametrize("overlap", Overlap)
@pytest.mark.parametrize("misfire", Misfire)
@pytest.mark.parametrize("moment", MOMENTS)
def test_every_misfire_policy_with_every_overlap_policy(
    moment: str, misfire: Misfire, overlap: Overlap, live: str
) -> None:
    """I2: misfire is decided first, overlap on what is left, and nothing is left undecided."""
    due_at, now = MOMENTS[moment]
    decision = decide(schedule(misfire=misfire, overlap=overlap), due_at, now, LIVE[live])
    wanted, missed = MISFIRES[moment, misfire]
    blocker = None if misfire is Misfire.RUN_ALL else OVERLAPS[overlap, live]
    assert fired(decision) == (wanted if blocker is None else [])
    assert ranges(decision, Reason.MISSED) == missed
    overlapping = [skip for skip in decision.skips if skip.reason is Reason.OVERLAP]
    assert hours([skip.scheduled_for for skip in overlapping]) == (
        [] if blocker is None else wanted
    )
    assert {skip.blocked_by for skip in overlapping} <= {blocker}
    replaces = overlap is Overlap.CANCEL_PREVIOUS and bool(wanted)
    assert decision.cancels == (tuple(one.id for one in LIVE[live]) if replaces else ())
    assert decision.last_scheduled_for == NOON
    assert decision.next_run_at == NOON + HOUR


def test_what_does_not_run_cancels_nothing() -> None:
    """`cancel_previous` makes room for a firing; a missed occurrence needs none."""
    late = schedule(misfire=Misfire.SKIP, overlap=Overlap.CANCEL_PREVIOUS)
    assert decide(late, NOON, NOON + 30 * MINUTE, [RUNS]).cancels == ()
    dead = schedule(start_deadline=MINUTE, overlap=Overlap.CANCEL_PREVIOUS)
    assert decide(dead, NOON, NOON + 30 * MINUTE, [RUNS]).cancels == ()


# Grace, deadline, catching up


@pytest.mark.parametrize(("late", "fires"), [(5 * MINUTE, True), (5 * MINUTE + SECOND, False)])
def test_grace_is_inclusive(late: timedelta, fires: bool) -> None:
    """`misfire="skip"` fires an occurrence that is exactly as late as its grace."""
    decision = decide(schedule(misfire=Misfire.SKIP), NOON, NOON + late)
    assert bool(decision.fires) is fires


@pytest.mark.parametrize("misfire", Misfire)
@pytest.mark.parametrize(("late", "fires"), [(MINUTE, True), (MINUTE + SECOND, False)])
def test_nothing_fires_after_its_start_deadline(
    misfire: Misfire, late: timedelta, fires: bool
) -> None:
    """I6: an occurrence past its start deadline is skipped and says so, under every policy."""
    declared = schedule(misfire=misfire, start_deadline=MINUTE)
    decision = decide(declared, NOON, NOON + late)
    assert bool(decision.fires) is fires
    assert bool(ranges(decision, Reason.DEADLINE)) is not fires


def test_of_a_catch_up_only_what_is_past_its_deadline_is_skipped() -> None:
    """I6: each occurrence that `run_all` makes up for is held against its own deadline."""
    declared = schedule(misfire=Misfire.RUN_ALL, start_deadline=90 * MINUTE)
    decision = decide(declared, NOON - 3 * HOUR, NOON)
    assert fired(decision) == [11, 12]
    assert ranges(decision, Reason.DEADLINE) == [(9, 9, None), (10, 10, None)]


def test_run_all_reaches_back_as_far_as_its_window() -> None:
    """I8: what lies before `catchup_window`, which is inclusive, is one skip of the missed."""
    declared = schedule(misfire=Misfire.RUN_ALL, catchup_window=2 * HOUR)
    decision = decide(declared, NOON - 5 * HOUR, NOON)
    assert fired(decision) == [10, 11, 12]
    assert ranges(decision, Reason.MISSED) == [(7, 9, 3)]


def test_grace_is_longer_than_a_short_window() -> None:
    """What is within grace is on time, however short the window to catch up is."""
    declared = schedule(misfire=Misfire.RUN_ALL, catchup_window=SECOND, misfire_grace=HOUR)
    assert fired(decide(declared, NOON - 2 * HOUR, NOON)) == [11, 12]


def test_run_all_fires_the_latest_up_to_its_cap() -> None:
    """I8: never a burst beyond `max_catchup`; the oldest give way, as one skip with reason cap."""
    declared = schedule(misfire=Misfire.RUN_ALL, max_catchup=2)
    decision = decide(declared, NOON - 5 * HOUR, NOON)
    assert fired(decision) == [11, 12]
    assert ranges(decision, Reason.CAP) == [(7, 10, 4)]


def test_run_all_leaves_room_for_what_waits_already() -> None:
    """I8: firings that wait count towards `max_catchup`; a later outage does not add to them."""
    declared = schedule(misfire=Misfire.RUN_ALL, max_catchup=3)
    live = [RUNS, WAITS, LiveFiring(9, running=False)]
    decision = decide(declared, NOON - 2 * HOUR, NOON, live)
    assert fired(decision) == [10]
    assert ranges(decision, Reason.CAP) == [(11, 12, 2)]
    assert [skip.blocked_by for skip in decision.skips] == [9]


# Long outages


@pytest.mark.parametrize(
    ("missed", "count"),
    [(1, 1), (9_999, 9_999), (10_000, 10_000), (10_001, None), (10**9, None)],
)
def test_missed_occurrences_are_counted_to_ten_thousand(missed: int, count: int | None) -> None:
    """I8: the count is exact to 10,000, else unknown; the range is always known to the end."""
    decision = decide(schedule(Timing(every=SECOND)), NOON - missed * SECOND, NOON)
    assert [fire.scheduled_for for fire in decision.fires] == [NOON]
    assert decision.skips == (
        Skip(
            NOON - SECOND,
            Reason.MISSED,
            missed_count=count,
            missed_from=NOON - missed * SECOND,
        ),
    )


@pytest.mark.parametrize("misfire", Misfire)
def test_a_schedule_is_never_stuck_behind_an_outage(misfire: Misfire) -> None:
    """I8: after twenty years down a schedule of every minute goes on, within its cap."""
    declared = schedule(Timing(cron="* * * * *", timezone="Europe/Oslo"), misfire=misfire)
    decision = decide(declared, NOON - 20 * 365 * DAY, NOON)
    assert len(decision.fires) == (100 if misfire is Misfire.RUN_ALL else 1)
    assert decision.fires[-1].scheduled_for == NOON
    assert decision.skips[0].missed_from == NOON - 20 * 365 * DAY
    assert decision.skips[0].scheduled_for == decision.fires[0].scheduled_for - MINUTE
    assert decision.next_run_at == NOON + MINUTE


def test_a_cap_beyond_what_is_due_fires_nothing_twice() -> None:
    """I1: catching up never reaches behind `next_run_at`: what lies before it is decided."""
    due_at = NOON - (COUNT_LIMIT + 500) * SECOND
    declared = schedule(Timing(every=SECOND), misfire=Misfire.RUN_ALL, max_catchup=2**31 - 1)
    decision = decide(declared, due_at, NOON)
    assert decision.fires[0].scheduled_for == due_at
    assert len(decision.fires) == COUNT_LIMIT + 501
    assert decision.skips == ()


def test_a_schedule_that_began_late_has_nothing_before_its_start() -> None:
    """I8: a search for the latest occurrences ends at the first one, not before the year 1."""
    due_at = NOON - (COUNT_LIMIT + 500) * SECOND
    timing = Timing(every=SECOND, start=due_at)
    declared = schedule(timing, misfire=Misfire.RUN_ALL, max_catchup=2**31 - 1)
    assert decide(declared, due_at, NOON).fires[0].scheduled_for == due_at


def test_an_exhausted_schedule_is_decided_to_its_end() -> None:
    """After its last occurrence a schedule is due no more."""
    decision = decide(schedule(Timing(at=NOON)), NOON, NOON + DAY)
    assert fired(decision) == [12]
    assert decision.next_run_at is None
    ended = schedule(Timing(every=SECOND, end=NOON))
    decision = decide(ended, NOON - DAY, NOON + DAY)
    assert decision.last_scheduled_for == NOON
    assert decision.next_run_at is None


# Pause, resume, jitter


def test_pausing_skips_what_is_due_as_one_range() -> None:
    """I2: what came due before its schedule was disabled is skipped, reason paused."""
    assert pause(schedule(), NOON - 2 * HOUR, NOON + MINUTE) == Skip(
        NOON, Reason.PAUSED, missed_count=3, missed_from=NOON - 2 * HOUR
    )
    assert pause(schedule(), NOON, NOON - SECOND) is None


def test_pausing_after_an_outage_knows_the_range() -> None:
    """I8: a count beyond 10,000 is unknown; the range is known."""
    skip = pause(schedule(Timing(every=SECOND)), NOON - 30 * DAY, NOON)
    assert skip == Skip(NOON, Reason.PAUSED, missed_count=None, missed_from=NOON - 30 * DAY)


@pytest.mark.parametrize(
    ("last", "first"),
    [
        (None, NOON + HOUR),
        (NOON - DAY, NOON + HOUR),
        (NOON, NOON + HOUR),
        (NOON + 3 * HOUR, NOON + 4 * HOUR),
    ],
)
def test_a_schedule_never_goes_back(last: datetime | None, first: datetime) -> None:
    """I1: the first occurrence is after now and after the last one decided, if a clock ran fast."""
    assert first_after(schedule(), NOON, last) == first


def test_jitter_delays_the_start_and_nothing_else() -> None:
    """The delay is within the jitter, the same on every node, and never in `scheduled_for`."""
    declared = schedule(jitter=10 * MINUTE)
    delays = [jittered(declared, NOON + n * HOUR) - (NOON + n * HOUR) for n in range(200)]
    assert min(delays) >= timedelta(0)
    assert max(delays) < 10 * MINUTE
    assert len(set(delays)) == 200
    assert min(delays) < MINUTE
    assert max(delays) > 9 * MINUTE
    assert jittered(declared, NOON) == datetime(2026, 3, 2, 12, 2, 4, 877204, tzinfo=UTC)
    assert decide(declared, NOON, NOON).fires[0].scheduled_for == NOON


# What always holds

TIMINGS = st.sampled_from(
    [
        HOURLY,
        Timing(every=7 * MINUTE, start=NOON - DAY),
        Timing(cron="*/20 8-17 * * mon-fri", timezone="Europe/Oslo"),
        Timing(cron="30 1,2 * * *", timezone="America/New_York"),
        Timing(cron="0 0 13 * fri"),
    ]
)
LENGTHS = st.timedeltas(timedelta(0), 2 * DAY)


@st.composite
def situations(
    draw: st.DrawFn,
) -> tuple[ScheduleDeclaration, datetime, datetime, list[LiveFiring]]:
    declared = schedule(
        draw(TIMINGS),
        misfire=draw(st.sampled_from(Misfire)),
        overlap=draw(st.sampled_from(Overlap)),
        misfire_grace=draw(LENGTHS),
        catchup_window=draw(LENGTHS),
        max_catchup=draw(st.integers(1, 8)),
        start_deadline=draw(st.none() | LENGTHS),
        jitter=draw(st.none() | st.timedeltas(SECOND, HOUR)),
    )
    due_at = next_occurrence(declared.timing, NOON + draw(st.timedeltas(-40 * DAY, 40 * DAY)))
    assert due_at is not None
    now = due_at + draw(st.timedeltas(timedelta(0), 3 * DAY))
    running = draw(st.lists(st.booleans(), max_size=3))
    live = [LiveFiring(n, running=runs) for n, runs in enumerate(running)]
    return declared, due_at, now, live


def occurrences(declared: ScheduleDeclaration, due_at: datetime, now: datetime) -> list[datetime]:
    following = upcoming(declared.timing, due_at)
    return [due_at, *takewhile(lambda occurrence: occurrence <= now, following)]


def covered(skip: Skip, among: list[datetime]) -> list[datetime]:
    first = skip.missed_from or skip.scheduled_for
    return [occurrence for occurrence in among if first <= occurrence <= skip.scheduled_for]


@given(situations())
def test_every_occurrence_is_accounted_for_exactly_once(
    situation: tuple[ScheduleDeclaration, datetime, datetime, list[LiveFiring]],
) -> None:
    """I2: each occurrence in (last, now] is a firing or within one skip, and none is in both."""
    declared, due_at, now, live = situation
    decision = decide(declared, due_at, now, live)
    due = occurrences(declared, due_at, now)
    accounts = [fire.scheduled_for for fire in decision.fires]
    for skip in decision.skips:
        skipped = covered(skip, due)
        assert skip.scheduled_for == skipped[-1]
        assert skip.missed_count in ({None, 1} if len(skipped) == 1 else {len(skipped)})
        accounts += skipped
    assert sorted(accounts) == due


@given(situations())
def test_schedules_move_forward_only(
    situation: tuple[ScheduleDeclaration, datetime, datetime, list[LiveFiring]],
) -> None:
    """I1: `last_scheduled_for` is the latest occurrence due, `next_run_at` strictly after now."""
    declared, due_at, now, live = situation
    decision = decide(declared, due_at, now, live)
    assert decision.last_scheduled_for == occurrences(declared, due_at, now)[-1]
    assert due_at <= decision.last_scheduled_for <= now
    assert decision.next_run_at is not None
    assert decision.next_run_at == next_occurrence(declared.timing, now)
    assert decision.next_run_at > now


@given(situations())
def test_what_fires_keeps_its_policies(
    situation: tuple[ScheduleDeclaration, datetime, datetime, list[LiveFiring]],
) -> None:
    """I6, I8: in order, never early, never past its deadline, never beyond the cap."""
    declared, due_at, now, live = situation
    fires = decide(declared, due_at, now, live).fires
    assert all(one.scheduled_for < other.scheduled_for for one, other in pairwise(fires))
    assert all(fire.scheduled_for <= fire.available_at for fire in fires)
    assert len(fires) <= (declared.max_catchup if declared.misfire is Misfire.RUN_ALL else 1)
    if declared.start_deadline is not None:
        assert all(now <= fire.scheduled_for + declared.start_deadline for fire in fires)


@given(situations())
def test_every_policy_goes_by_the_same_words(
    situation: tuple[ScheduleDeclaration, datetime, datetime, list[LiveFiring]],
) -> None:
    """Each skip gives a reason that its schedule's policies can lead to, and names the blocker."""
    declared, due_at, now, live = situation
    decision = decide(declared, due_at, now, live)
    possible = {Reason.MISSED}
    if declared.start_deadline is not None:
        possible.add(Reason.DEADLINE)
    if declared.misfire is Misfire.RUN_ALL:
        possible.add(Reason.CAP)
    elif declared.overlap in (Overlap.SKIP, Overlap.QUEUE):
        possible.add(Reason.OVERLAP)
    assert {skip.reason for skip in decision.skips} <= possible
    assert all(
        skip.blocked_by in {one.id for one in live}
        for skip in decision.skips
        if skip.reason is Reason.OVERLAP
    )
