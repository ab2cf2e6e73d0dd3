"""What pages make of values: changes, targets, cells of a CSV file, filters, levels of age."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from jobsched.admin.pages import audit, filters, firing, firings, jobs, workers
from jobsched.admin.pages.audit import Change
from jobsched.admin.pages.firings import FiringFilters
from jobsched.admin.permissions import EVERYTHING, Actor
from jobsched.admin.reticence import shown_state
from jobsched.admin.routes import Call
from jobsched.model import Worker, WorkerStatus, WorkerType

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CALL = cast(Call, SimpleNamespace(url=lambda path: f"/ops{path}"))


def test_a_change_is_what_differs() -> None:
    """Value by value; what stayed, and what was nothing and is nothing, is left out."""
    before = {"enabled": True, "reason": None, "kept": 1}
    after = {"enabled": False, "reason": "flood", "kept": 1, "params": {}}
    assert audit.changes(before, after) == [
        Change("enabled", "true", "false"),
        Change("reason", "", "flood"),
    ]
    assert audit.changes(None, None) == []


def test_a_change_tells_no_secret_and_not_all() -> None:
    """A password is stars, and a long value is cut."""
    operator = Actor("ada", EVERYTHING)
    state = shown_state(operator, {"password": "hunter2", "note": "x" * 1000})
    (secret, long) = audit.changes(None, state)
    assert secret.after == "***"
    assert len(long.after) == audit.LONGEST + 1


@pytest.mark.parametrize(
    ("target", "href"),
    [
        ("schedule feed-refresh", "/ops/schedules/feed-refresh"),
        ("firing 12", "/ops/firings/12"),
        ("firing 12 job import feeds", "/ops/firings/12"),
        ("job a&b", "/ops/runs?job=a%26b"),
        ("firing ../x", None),
        ("schedule ../x", "/ops/schedules/..%2Fx"),
        ("something else", None),
    ],
)
def test_a_target_leads_to_its_page(target: str, href: str | None) -> None:
    """Whatever stands in the row: no link leaves the pages."""
    assert audit.href(CALL, target) == href


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_is_no_formula(cell: str) -> None:
    """A spreadsheet shows it, and works nothing out."""
    assert firings.no_formula(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "1", "feed-refresh", "a=b"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    """Nothing is added to what no spreadsheet takes for a formula."""
    assert firings.no_formula(cell) == cell


def test_an_empty_field_is_no_filter() -> None:
    """A form sends each of its fields; a link holds those that narrow the list."""
    query = FiringFilters.model_validate(
        {"schedule": "", "status": "failed", "since": "2026-03-02T12:00", "until": "", "limit": "9"}
    )
    assert query.schedule is None
    assert query.since == NOON
    assert query.chosen == {"status": "failed", "since": "2026-03-02T12:00:00Z"}


def test_a_wrong_filter_is_refused() -> None:
    """Rather than to show another list than was asked for."""
    wrong: list[dict[str, Any]] = [{"status": "FINE"}, {"since": "yesterday"}, {"colour": "red"}]
    for given in wrong:
        with pytest.raises(ValidationError):
            FiringFilters.model_validate(given)


def test_an_address_holds_what_is_given() -> None:
    """Escaped, later ones first, and without what is none."""
    assert filters.address(CALL, "/runs", {"job": "a b", "status": "x"}, status=None) == (
        "/ops/runs?job=a+b"
    )
    assert filters.address(CALL, "/runs", {}) == "/ops/runs"
    assert filters.in_input(NOON) == "2026-03-02T12:00"
    assert filters.in_input(None) == ""


@pytest.mark.parametrize(
    ("age", "status", "level"),
    [
        (29, WorkerStatus.RUNNING, "fresh"),
        (31, WorkerStatus.RUNNING, "late"),
        (61, WorkerStatus.RUNNING, "lost"),
        (1, WorkerStatus.LOST, "lost"),
    ],
)
def test_the_age_of_a_heartbeat(age: int, status: WorkerStatus, level: str) -> None:
    """Late from half of the lock timeout on, as health has it; then lost."""
    worker = Worker(
        id="w",
        app="default",
        worker_type=WorkerType.SCHEDULE_DAEMON,
        status=WorkerStatus.RUNNING,
        hostname="web-1",
        pid=7,
        started_at=NOON,
        last_heartbeat_at=NOON,
        lock_timeout=60 * SECOND,
        version="0.1.0",
        capacity=10,
        running=0,
    )
    assert workers.age_level(replace(worker, status=status), NOON + age * SECOND) == level


def test_parameters_in_words() -> None:
    """Name and type, and whether each may be left out."""
    schema = {
        "properties": {
            "mode": {"enum": ["fast", "slow"]},
            "day": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "any": {},
        },
        "required": ["mode"],
    }
    assert jobs.parameters(schema) == (
        "mode: one of fast, slow",
        "day: string or null, may be left out",
        "any: any value, may be left out",
    )


def test_a_document_is_shown_without_secrets_and_not_endless() -> None:
    """For people; a program asks the API."""
    assert firing.document({"token": "s3cret", "n": 1}) == '{\n  "token": "***",\n  "n": 1\n}'
    assert len(firing.document("x" * 50_000)) < firing.LONGEST_DOCUMENT + 100
    assert firing.clock(NOON + timedelta(milliseconds=1007)) == "12:00:01.007"
