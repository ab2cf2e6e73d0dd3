"""A firing's plan as its page shows it: attempts, progress, whose log comes first."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from jobsched.admin.pages import plan
from jobsched.model import JobDefinition, JobRun, JobRunStatus

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
R = JobRunStatus


def run(number: int, job: str, status: JobRunStatus, **values: Any) -> JobRun:
    """A job run that has started, unless it is queued or skipped."""
    started = None if status in (R.QUEUED, R.SKIPPED) else NOON
    found = JobRun(
        id=number,
        firing_id=1,
        schedule_id="s",
        job_name=job,
        attempt=1,
        status=status,
        reason=None,
        scheduled_for=NOON,
        available_at=NOON,
        queued_at=NOON,
        started_at=started,
        finished_at=None,
        duration_ms=None,
        error=None,
        traceback=None,
        result=None,
        progress=None,
        worker_id=None,
    )
    return replace(found, **values)


def rows(*runs: JobRun, **definitions: JobDefinition) -> list[plan.Attempt]:
    return plan.attempts(runs, definitions, {})


def test_an_attempt_says_how_many_there_may_be() -> None:
    """`2 of 4` where the job has retries; past them, as after an operator's retry, its number."""
    retried = JobDefinition("a", retries=1)
    found = rows(
        run(1, "a", R.FAILED), run(2, "a", R.FAILED, attempt=3), run(3, "b", R.SUCCESS), a=retried
    )
    assert [one.place for one in found] == ["1 of 2", "3", "1"]
    assert [one.is_last for one in found] == [False, True, True]


@pytest.mark.parametrize(
    ("progress", "fraction", "message"),
    [
        (None, None, ""),
        ({"fraction": 0.5, "message": "half"}, 0.5, "half"),
        ({"fraction": 7, "message": None}, 1.0, ""),
        ({"fraction": True, "message": 3}, None, ""),
        ({"fraction": "a lot"}, None, ""),
        ({"fraction": float("nan")}, None, ""),
    ],
)
def test_progress_is_read_with_care(
    progress: dict[str, Any] | None, fraction: float | None, message: str
) -> None:
    """Somebody may have written anything there: it is shown as far as it is a fraction."""
    (found,) = rows(run(1, "a", R.RUNNING, progress=progress))
    assert (found.fraction, found.message) == (fraction, message)


def test_the_log_of_what_matters_comes_first() -> None:
    """What runs, else what failed, else what ran last; or the one that is asked for."""
    ended = rows(run(1, "a", R.FAILED), run(2, "b", R.SUCCESS), run(3, "c", R.SKIPPED))
    running = rows(run(1, "a", R.FAILED), run(2, "b", R.RUNNING))
    well = rows(run(1, "a", R.SUCCESS), run(2, "b", R.SUCCESS))

    def shown(found: list[plan.Attempt], wanted: int | None = None) -> int | None:
        chosen = plan.shown_run(found, wanted)
        return None if chosen is None else chosen.id

    assert (shown(ended), shown(running), shown(well)) == (1, 2, 2)
    assert (shown(ended, 2), shown(ended, 9), shown([])) == (2, None, None)


def test_the_graph_is_of_last_attempts() -> None:
    """One node for each job, with a link to its log where there is one."""
    found = rows(
        run(1, "a", R.FAILED),
        run(2, "a", R.SUCCESS, attempt=2, duration_ms=1500),
        run(3, "b", R.QUEUED, depends_on=("a",)),
    )
    a, b = plan.nodes(found, lambda one: f"#{one.id}" if one.started_at else None)
    assert (a.status, a.detail, a.href) == ("SUCCESS", "1.5 s", "#2")
    assert (b.status, b.depends_on, b.href) == ("QUEUED", ("a",), None)
