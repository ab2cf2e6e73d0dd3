"""A firing's plan: which jobs, in which order, and what follows when one of them ends."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.errors import DeclarationError
from jobsched.model import (
    ExecutionMode,
    JobDefinition,
    JobRunStatus,
    PlannedJob,
    ScheduleDeclaration,
    Timing,
)
from jobsched.planning.plan import (
    Standing,
    ending,
    order,
    ready,
    select,
    skipped_by,
    waits_until,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=10)
S = JobRunStatus


def jobs(**depends_on: str) -> dict[str, JobDefinition]:
    """Jobs by name, each with the names it depends on, separated by blanks."""
    return {
        name: JobDefinition(name, depends_on=tuple(needed.split()))
        for name, needed in depends_on.items()
    }


def schedule(mode: ExecutionMode = ExecutionMode.ALL_JOBS, **fields: Any) -> ScheduleDeclaration:
    return ScheduleDeclaration("s", Timing(at=NOON), execution_mode=mode, **fields)


def names(plan: tuple[PlannedJob, ...]) -> list[str]:
    return [job.name for job in plan]


def standing(
    name: str, status: JobRunStatus, depends_on: str = "", at: datetime = NOON
) -> Standing:
    return Standing(PlannedJob(name, tuple(depends_on.split())), status, at)


# Which jobs


def test_all_jobs_are_every_job_of_the_app() -> None:
    """Without a group or jobs a schedule runs every registered job, dependencies first."""
    plan = select(schedule(), jobs(match="traits", traits="", clean=""))
    assert sorted(names(plan)) == ["clean", "match", "traits"]
    assert names(plan).index("traits") < names(plan).index("match")


def test_a_group_is_its_jobs() -> None:
    """A schedule of a group runs the jobs of that group and no other."""
    groups = {"a": "feed", "b": "other", "c": "feed", "d": None}
    defined = {name: JobDefinition(name, group=group) for name, group in groups.items()}
    assert names(select(schedule(ExecutionMode.GROUP, group="feed"), defined)) == ["a", "c"]


def test_named_jobs_are_those_and_no_other() -> None:
    """A schedule of jobs runs these, in dependency order whatever order they are named in."""
    defined = jobs(a="", b="a", c="")
    chosen = schedule(ExecutionMode.JOBS, jobs=("b", "a"))
    assert select(chosen, defined) == (PlannedJob("a"), PlannedJob("b", ("a",)))


def test_a_dependency_outside_the_selection_is_ignored() -> None:
    """A job whose dependency is not selected does not wait for it."""
    assert order(["b"], jobs(a="", b="a")) == (PlannedJob("b"),)


def test_dependencies_can_be_included() -> None:
    """`include_dependencies` runs what the selected jobs need, to the last of them."""
    chosen = schedule(ExecutionMode.JOBS, jobs=("c",), include_dependencies=True)
    assert names(select(chosen, jobs(a="", b="a", c="b", d=""))) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (
            schedule(ExecutionMode.GROUP, group="nobody"),
            "schedule 's': no job is in group 'nobody'",
        ),
        (schedule(ExecutionMode.JOBS, jobs=("x",)), "job 'x' is not defined"),
        (
            schedule(ExecutionMode.JOBS, jobs=("a",), include_dependencies=True),
            "job 'gone' is not defined",
        ),
    ],
)
def test_what_is_not_there_is_named(chosen: ScheduleDeclaration, said: str) -> None:
    """I14: a plan that cannot be made says which group or job is missing."""
    with pytest.raises(DeclarationError, match=said):
        select(chosen, jobs(a="gone"))


@pytest.mark.parametrize(
    ("defined", "path"),
    [
        (jobs(a="a"), "a -> a"),
        (jobs(a="c", b="a", c="b", d="a"), "-> "),
    ],
)
def test_a_circle_is_shown_as_a_path(defined: dict[str, JobDefinition], path: str) -> None:
    """Jobs that depend on each other are refused, with the way round."""
    with pytest.raises(DeclarationError, match=path) as refused:
        order(defined, defined)
    shown = str(refused.value).partition("circle: ")[2].split(" -> ")
    assert shown[0] == shown[-1]
    assert all(to in defined[by].depends_on for by, to in pairwise(shown))


@given(st.lists(st.sets(st.integers(0, 7)), max_size=8))
def test_a_job_comes_after_all_it_depends_on(needs: list[set[int]]) -> None:
    """Whatever the dependencies: each job once, after everything in the plan that it needs."""
    defined = {
        f"j{n}": JobDefinition(f"j{n}", depends_on=tuple(f"j{one}" for one in need if one < n))
        for n, need in enumerate(needs)
    }
    plan = order(reversed(defined), defined)
    assert sorted(names(plan)) == sorted(defined)
    for position, job in enumerate(plan):
        assert set(job.depends_on) <= set(names(plan[:position]))


# What may start


def test_jobs_start_when_all_they_depend_on_has_succeeded() -> None:
    """Independent jobs run side by side; a dependent waits for every one of its dependencies."""
    plan = [
        standing("a", S.SUCCESS),
        standing("b", S.RUNNING),
        standing("c", S.QUEUED, "a"),
        standing("d", S.QUEUED, "a b"),
        standing("e", S.QUEUED),
    ]
    assert ready(plan, NOON) == ["c", "e"]


def test_a_retry_starts_at_its_time() -> None:
    """A queued attempt does not start before its `available_at`, and does at it."""
    plan = [standing("a", S.QUEUED, at=LATER)]
    assert ready(plan, LATER - timedelta.resolution) == []
    assert ready(plan, LATER) == ["a"]


def test_a_firing_with_nothing_but_a_retry_to_wait_for_waits() -> None:
    """It waits until the earliest retry, and not while something runs or may start."""
    retry = standing("a", S.QUEUED, at=LATER)
    blocked = standing("b", S.QUEUED, "a")
    assert waits_until([retry, blocked], NOON) == LATER
    assert waits_until([retry, standing("c", S.RUNNING)], NOON) is None
    assert waits_until([retry, standing("c", S.QUEUED)], NOON) is None
    assert waits_until([standing("c", S.SUCCESS)], NOON) is None
    sooner = standing("d", S.QUEUED, at=LATER - timedelta(seconds=1))
    assert waits_until([retry, sooner], NOON) == sooner.available_at


# What follows from an end


@pytest.mark.parametrize("status", [S.FAILED, S.LOST, S.CANCELLED, S.SKIPPED])
def test_what_depends_on_a_broken_job_is_skipped(status: JobRunStatus) -> None:
    """Dependents, and their dependents, are skipped with what is in the way; others go on."""
    plan = [
        standing("a", status),
        standing("b", S.QUEUED, "a"),
        standing("c", S.QUEUED, "b"),
        standing("d", S.QUEUED),
        standing("e", S.SUCCESS, "a"),
    ]
    assert skipped_by(plan) == {"b": "a", "c": "b"}


@pytest.mark.parametrize("status", [S.QUEUED, S.RUNNING, S.SUCCESS])
def test_what_may_still_succeed_blocks_nobody(status: JobRunStatus) -> None:
    """A job that waits for a retry, runs or succeeded skips no dependent."""
    assert skipped_by([standing("a", status), standing("b", S.QUEUED, "a")]) == {}


@pytest.mark.parametrize(
    ("statuses", "end"),
    [
        ("SUCCESS SUCCESS", "SUCCESS"),
        ("SUCCESS SKIPPED", "SUCCESS"),
        ("SUCCESS FAILED SKIPPED", "FAILED"),
        ("SUCCESS LOST CANCELLED", "FAILED"),
        ("FAILED CANCELLED", "FAILED"),
        ("SUCCESS CANCELLED SKIPPED", "CANCELLED"),
        ("FAILED QUEUED", None),
        ("CANCELLED RUNNING", None),
        ("", "SUCCESS"),
    ],
)
def test_a_firing_ends_by_the_last_attempts_of_its_jobs(statuses: str, end: str | None) -> None:
    """Live while any is live, else FAILED by FAILED or LOST, else CANCELLED, else SUCCESS."""
    assert ending(S(status) for status in statuses.split()) == end
