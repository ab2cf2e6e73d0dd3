"""What live daemons declare, beside what is mirrored."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched.model import (
    ExecutionMode,
    JobDefinition,
    ScheduleDeclaration,
    Timing,
    Worker,
    WorkerStatus,
    WorkerType,
)
from jobsched.planning.drift import Drift, Unclaimed, drifts, unclaimed
from jobsched.planning.plan import dependents

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
JOBS = {
    name: JobDefinition(name, group=group, depends_on=needs)
    for name, group, needs in (("a", "g", ()), ("b", "g", ("a",)), ("c", None, ("b",)))
}


def daemon(name: str, schedules: str = "", jobs: str = "") -> Worker:
    """A daemon that declares these schedules (`id=hash`) and jobs."""
    return Worker(
        id=name,
        app="shop",
        worker_type=WorkerType.SCHEDULE_DAEMON,
        status=WorkerStatus.RUNNING,
        hostname="host",
        pid=7,
        started_at=NOON,
        last_heartbeat_at=NOON,
        lock_timeout=timedelta(seconds=60),
        version="1",
        capacity=10,
        running=0,
        declares={
            "schedules": dict(one.split("=") for one in schedules.split()),
            "jobs": dict.fromkeys(jobs.split(), "x"),
        },
    )


def schedule(**fields: Any) -> ScheduleDeclaration:
    return replace(ScheduleDeclaration("s", Timing(cron="0 * * * *")), **fields)


@pytest.mark.parametrize(
    ("declared", "differing"),
    [("", ()), ("s=1", ()), ("s=2", ("s",)), ("other=2", ()), ("t=9 s=2", ("s", "t"))],
)
def test_a_daemon_drifts_by_what_it_declares_otherwise(
    declared: str, differing: tuple[str, ...]
) -> None:
    """What it does not declare, and what is not mirrored, is no drift."""
    one = daemon("w", declared)
    expected = [Drift(one, differing)] if differing else []
    assert drifts([one], {"s": "1", "t": "1"}) == expected


@pytest.mark.parametrize(
    ("fields", "known", "found"),
    [
        ({}, ["a b c"], None),
        ({}, ["a b", "c"], ()),
        ({}, ["a"], ("b", "c")),
        ({"execution_mode": ExecutionMode.GROUP, "group": "g"}, ["a b"], None),
        ({"execution_mode": ExecutionMode.GROUP, "group": "none"}, [""], None),
        ({"execution_mode": ExecutionMode.JOBS, "jobs": ("c",)}, ["c"], None),
        ({"execution_mode": ExecutionMode.JOBS, "jobs": ("gone",)}, ["a b c"], ("gone",)),
        (
            {"execution_mode": ExecutionMode.JOBS, "jobs": ("c",), "include_dependencies": True},
            ["c"],
            ("a", "b"),
        ),
    ],
)
def test_a_schedule_is_unclaimed_when_no_daemon_knows_its_whole_plan(
    fields: dict[str, Any], known: list[str], found: tuple[str, ...] | None
) -> None:
    """Who claims a firing must know every job of it; those that none knows are named."""
    daemons = [daemon(f"w{number}", jobs=names) for number, names in enumerate(known)]
    expected = [] if found is None else [Unclaimed("s", found)]
    assert unclaimed([schedule(**fields)], JOBS, daemons) == expected


def test_dependents_are_found_all_the_way() -> None:
    """The job itself, those that need it, and those that need these."""
    assert dependents("a", JOBS) == {"a", "b", "c"}
    assert dependents("c", JOBS) == {"c"}
