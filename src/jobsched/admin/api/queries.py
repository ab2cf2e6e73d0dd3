"""What the API's lists can be asked for, and what its changes are told."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from jobsched.admin.fields import Cursor, Fields, Limit, Name, Reason, Time
from jobsched.model import FiringStatus, JobRunStatus, TriggerType
from jobsched.store.listing import ScheduleSort, ScheduleView
from jobsched.values import parse_choice


def chosen(kind: Any, text: str | None) -> tuple[Any, ...]:
    """The statuses that a list is asked for."""
    parse = parse_choice(kind)
    return () if text is None else tuple(parse(one.strip()) for one in text.split(","))


def _validated(kind: Any) -> AfterValidator:
    def parsed(text: str) -> str:
        chosen(kind, text)
        return text

    return AfterValidator(parsed)


def _described(kind: Any) -> Any:
    words = ", ".join(one.value for one in kind)
    return Field(description=f"One or several, with commas between them, of {words}")


_Words = Annotated[str, StringConstraints(max_length=200)]
FiringStatuses = Annotated[_Words, _validated(FiringStatus), _described(FiringStatus)]
RunStatuses = Annotated[_Words, _validated(JobRunStatus), _described(JobRunStatus)]


class ScheduleList(Fields):
    """Which schedules."""

    view: ScheduleView = ScheduleView.ALL
    search: Name | None = Field(None, description="Part of the id, name or description")
    group: Name | None = None
    job: Name | None = None
    sort: ScheduleSort = ScheduleSort.ID
    limit: Limit = 50
    cursor: Cursor | None = None


class OneSchedule(Fields):
    """How much of a schedule's future."""

    n: Annotated[int, Field(ge=0, le=100, description="How many coming occurrences")] = 5


class FiringList(Fields):
    """Which firings."""

    schedule: Name | None = None
    job: Name | None = Field(None, description="Firings of this single job")
    status: FiringStatuses | None = None
    trigger: TriggerType | None = None
    since: Time | None = None
    until: Time | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class HistoryList(Fields):
    """Which firings of a schedule."""

    status: FiringStatuses | None = None
    trigger: TriggerType | None = None
    since: Time | None = None
    until: Time | None = None
    limit: Limit = 20
    cursor: Cursor | None = None


class RunList(Fields):
    """Which job runs."""

    schedule: Name | None = None
    job: Name | None = None
    firing: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    worker: Name | None = None
    status: RunStatuses | None = None
    since: Time | None = None
    until: Time | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class LogList(Fields):
    """Which log lines."""

    after: Annotated[
        int, Field(ge=0, lt=2**63, description="The id of the last line that is known already")
    ] = 0
    limit: Annotated[int, Field(ge=1, le=1000, description="How many lines at most")] = 200


class JobList(Fields):
    """Which jobs."""

    group: Name | None = None
    retired: bool = Field(False, description="With those that left the code")


class StatsList(Fields):
    """Whose figures."""

    limit: Annotated[int, Field(ge=1, le=100, description="How many at most")] = 50
    cursor: Cursor | None = None


class AuditList(Fields):
    """Which changes."""

    who: Name | None = None
    what: Name | None = None
    target: Name | None = None
    since: Time | None = None
    until: Time | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class Switch(Fields):
    """Whether a schedule fires."""

    enabled: bool
    reason: Reason | None = None


class Trigger(Fields):
    """What a firing is given."""

    params: dict[str, Any] = Field(default_factory=dict, description="Params for its jobs")


class Cancel(Fields):
    """What is cancelled of a firing, and why."""

    job: Name | None = Field(None, description="Only this job of its plan")
    reason: Reason | None = None
