"""Schedules: declarations of when which jobs run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails

from jobsched import cron as cron_expressions
from jobsched.arguments import checked_number
from jobsched.clock import SystemClock
from jobsched.durations import Duration, parse_duration
from jobsched.errors import DeclarationError
from jobsched.json_values import parse_params
from jobsched.model import ExecutionMode, Misfire, Overlap, ScheduleDeclaration, Timing
from jobsched.occurrences import next_occurrence, upcoming
from jobsched.policies import parse_job_names
from jobsched.values import (
    did_you_mean,
    parse_choice,
    parse_count,
    parse_flag,
    parse_instant,
    parse_name,
    parse_schedule_id,
    parse_text,
    shown,
)
from jobsched.zones import zone

LONGEST_CRON = 200
"""Characters of a cron expression."""


def _cron(value: object) -> str:
    text = str(cron_expressions.parse(value))  # type: ignore[arg-type]  # it refuses what is no text
    if len(text) > LONGEST_CRON:
        raise ValueError(f"has {len(text)} characters; at most {LONGEST_CRON} are allowed")
    return text


def _zone(value: object) -> str:
    return zone(value).key  # type: ignore[arg-type]  # it refuses what is no text


def _every(value: object) -> timedelta:
    length = parse_duration(value)
    if length % timedelta(seconds=1):
        raise ValueError("must be whole seconds")
    return length


def _instant(value: object, info: ValidationInfo) -> datetime:
    return parse_instant(value, info.data.get("timezone", "UTC"))


def _environments(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        raise ValueError(f"must be a list: write [{value!r}]")
    if not isinstance(value, Sequence | set | frozenset) or not value:
        raise ValueError("must be a list of environments' names; leave it out for every one")
    return tuple(parse_name(one) for one in value)


def _jobs(value: object) -> tuple[str, ...]:
    names = parse_job_names(value)
    if not names:
        raise ValueError("is empty, and would run nothing; leave it out to run every job")
    return names


def _name(value: object, info: ValidationInfo) -> str:
    return parse_name(value, longest=200) if value else str(info.data.get("id", ""))


def _length(value: object) -> timedelta:
    return parse_duration(value)


def _length_or_zero(value: object) -> timedelta:
    return parse_duration(value, zero=True)


Length = Annotated[timedelta, BeforeValidator(_length)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Flag = Annotated[bool, BeforeValidator(parse_flag)]


class Schedule(BaseModel):
    """When which jobs run: exactly one of `cron`, `every` and `at`; a `group`, `jobs`, or all.

    Lengths of time are timedeltas or seconds; datetimes are aware. `every` runs on the grid of
    `start` (default 1970-01-01 00:00 UTC); `start` and `end` are inclusive. `enabled` is only the
    state it gets when a database first sees it. It cannot be changed afterwards.

    Raises DeclarationError that names the schedule, the field, its value and what would be right.
    Groups, jobs and parameters are checked with the others, by `check`, `sync` and at start.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, BeforeValidator(parse_schedule_id)]
    """Its key in the database: another id is another schedule."""
    name: Annotated[str, BeforeValidator(_name), Field(validate_default=True)] = ""
    """What people read; the id unless given."""
    description: Annotated[str, BeforeValidator(parse_text)] = ""
    """Why it exists."""
    timezone: Annotated[str, BeforeValidator(_zone)] = "UTC"
    """The IANA zone whose clock `cron` is read by."""
    cron: Annotated[str, BeforeValidator(_cron)] | None = None
    """5 fields, 6 with seconds first, or 7 with years last."""
    every: Annotated[timedelta, BeforeValidator(_every)] | None = None
    """The distance between two occurrences, in whole seconds."""
    at: Instant | None = None
    """The only occurrence, UTC."""
    start: Instant | None = None
    """Nothing is due before it, UTC."""
    end: Instant | None = None
    """Nothing is due after it, UTC."""
    group: Annotated[str, BeforeValidator(parse_name)] | None = None
    """The group whose jobs it runs."""
    jobs: Annotated[tuple[str, ...], BeforeValidator(_jobs)] | None = None
    """The names of the jobs that it runs."""
    include_dependencies: Flag = False
    """Whether dependencies outside of the selected jobs run too."""
    environments: Annotated[tuple[str, ...], BeforeValidator(_environments)] | None = None
    """Where it fires; None for everywhere."""
    enabled: Flag = False
    """Its state when it is first seen."""
    overlap: Annotated[Overlap, BeforeValidator(parse_choice(Overlap))] = Overlap.SKIP
    """What to do with an occurrence while an earlier firing is live."""
    misfire: Annotated[Misfire, BeforeValidator(parse_choice(Misfire))] = Misfire.RUN_ONCE
    """What to do with occurrences that were noticed too late."""
    misfire_grace: Annotated[timedelta, BeforeValidator(_length_or_zero)] = timedelta(minutes=5)
    """How late an occurrence may be noticed without being a misfire."""
    catchup_window: Length = timedelta(days=1)
    """How far back `misfire="run_all"` reaches."""
    max_catchup: Annotated[int, BeforeValidator(parse_count(1))] = 100
    """How many occurrences `misfire="run_all"` fires at most."""
    start_deadline: Length | None = None
    """How long after its time a firing may still start."""
    timeout: Length | None = None
    """How long a firing may take."""
    priority: Annotated[int, BeforeValidator(parse_count(-(2**31)))] = 0
    """Firings of a higher one are claimed first."""
    jitter: Length | None = None
    """By how much the start is delayed at most; a hash of id and occurrence says how much."""
    params: Annotated[dict[str, Any], BeforeValidator(parse_params)] = {}
    """What its jobs get, each the parameters that it declares; JSON values."""

    if TYPE_CHECKING:  # what may be given is wider than what the fields are then

        def __init__(
            self,
            id: str,  # noqa: A002  # the public name of the field
            *,
            name: str = ...,
            description: str = ...,
            timezone: str = ...,
            cron: str | None = ...,
            every: Duration | None = ...,
            at: datetime | None = ...,
            start: datetime | None = ...,
            end: datetime | None = ...,
            group: str | None = ...,
            jobs: Sequence[str | Callable[..., Any]] | None = ...,
            include_dependencies: bool = ...,
            environments: Sequence[str] | None = ...,
            enabled: bool = ...,
            overlap: Overlap | str = ...,
            misfire: Misfire | str = ...,
            misfire_grace: Duration = ...,
            catchup_window: Duration = ...,
            max_catchup: int = ...,
            start_deadline: Duration | None = ...,
            timeout: Duration | None = ...,
            priority: int = ...,
            jitter: Duration | None = ...,
            params: Mapping[str, Any] = ...,
        ) -> None: ...

    else:

        def __init__(self, id, **fields):  # noqa: A002  # the public name of the field
            try:
                super().__init__(id=id, **fields)
            except ValidationError as error:
                said = "; ".join(_said(one) for one in error.errors(include_url=False))
                raise DeclarationError(f"schedule {shown(id)}: {said}") from None

    @property
    def execution_mode(self) -> ExecutionMode:
        """Which jobs it selects: those of a group, those it names, or all."""
        if self.group is not None:
            return ExecutionMode.GROUP
        return ExecutionMode.ALL_JOBS if self.jobs is None else ExecutionMode.JOBS

    @property
    def timing(self) -> Timing:
        """When it is due."""
        return Timing(self.cron, self.every, self.at, self.timezone, self.start, self.end)

    @property
    def declaration(self) -> ScheduleDeclaration:
        """What the database mirrors of it."""
        return ScheduleDeclaration(
            id=self.id,
            timing=self.timing,
            name=self.name,
            description=self.description,
            execution_mode=self.execution_mode,
            group=self.group,
            jobs=self.jobs or (),
            environments=self.environments,
            enabled=self.enabled,
            overlap=self.overlap,
            misfire=self.misfire,
            misfire_grace=self.misfire_grace,
            catchup_window=self.catchup_window,
            max_catchup=self.max_catchup,
            start_deadline=self.start_deadline,
            timeout=self.timeout,
            priority=self.priority,
            jitter=self.jitter,
            params=self.params,
            include_dependencies=self.include_dependencies,
        )

    def next_runs(self, n: int = 5, after: datetime | None = None) -> list[datetime]:
        """The next `n` occurrences strictly after `after` (default: now), aware, UTC.

        Fewer when the schedule is exhausted. Whether it is enabled, or fires in this environment,
        is not asked. Raises DeclarationError when `after` is naive or `n` no whole number.
        """
        begin = SystemClock().now() if after is None else after
        return list(islice(upcoming(self.timing, begin), checked_number("n", n, at_least=0)))

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        for problem in _contradictions(self):
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _share_given_fields(self) -> Self:
        """One set of them for all that were given the same: each its own doubles the memory.

        None of them changes: the model is frozen.
        """
        given = self.model_fields_set
        shared = _given_fields.setdefault(frozenset(given), given)
        object.__setattr__(self, "__pydantic_fields_set__", shared)
        return self


class Declarations(Mapping[str, ScheduleDeclaration]):
    """What the database mirrors of each schedule, by id; made when it is asked for.

    A hundred thousand of them, kept, would take 30 MiB.
    """

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        self._schedules = {one.id: one for one in schedules}

    def __getitem__(self, schedule_id: str) -> ScheduleDeclaration:
        return self._schedules[schedule_id].declaration

    def __iter__(self) -> Iterator[str]:
        return iter(self._schedules)

    def __len__(self) -> int:
        return len(self._schedules)


def _contradictions(schedule: Schedule) -> Iterator[str]:
    """What is wrong between fields that are right by themselves."""
    timings = _given(schedule, "cron", "every", "at")
    if len(timings) != 1:
        said = " and ".join(timings) or "no time is given"
        yield f"{said}: exactly one of cron=, every= and at= says when it is due"
    if schedule.group is not None and schedule.jobs is not None:
        said = " and ".join(_given(schedule, "group", "jobs"))
        yield f"{said}: give one of them, or neither for every job"
    if schedule.start and schedule.end and schedule.end < schedule.start:
        yield f"end={schedule.end} is before start={schedule.start}: it would never run"
    elif len(timings) == 1 and _is_never_due(schedule):
        bounds = " and ".join(_given(schedule, "start", "end"))
        within = f" within {bounds}" if bounds else ""
        yield f"{timings[0]} has no occurrence{within}: it would never run"
    if schedule.start_deadline and schedule.jitter and schedule.start_deadline <= schedule.jitter:
        yield (
            f"start_deadline={schedule.start_deadline} is not longer than "
            f"jitter={schedule.jitter}: some firings could never start"
        )


def _is_never_due(schedule: Schedule) -> bool:
    is_bounded = schedule.at or (schedule.start and schedule.end)
    return bool(is_bounded) and next_occurrence(schedule.timing, _BEFORE_ALL) is None


def _given(schedule: Schedule, *fields: str) -> list[str]:
    values = {field: getattr(schedule, field) for field in fields}
    return [f"{field}={_plain(value)}" for field, value in values.items() if value is not None]


def _plain(value: object) -> str:
    return str(value) if isinstance(value, datetime | timedelta) else shown(value)


def _said(error: ErrorDetails) -> str:
    reason = error.get("ctx", {}).get("error", error["msg"])
    if not error["loc"] or isinstance(reason, DeclarationError):  # it says where and what itself
        return str(reason)
    field = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        hint = _ELSEWHERE.get(field)
        meant = did_you_mean(field, Schedule.model_fields) if hint is None else f"; write {hint}"
        return f"unknown argument {field}={meant}"
    return f"{field}={shown(error['input'])}: {reason}"


_ELSEWHERE = {
    **dict.fromkeys(("seconds", "minutes", "hours", "days", "weeks"), "every=timedelta(…)"),
    **dict.fromkeys(("args", "kwargs"), "params={…}, by the names of the jobs' parameters"),
    **dict.fromkeys(("func", "task"), "jobs=[…]"),
    **dict.fromkeys(("start_date", "start_time"), "start="),
    **dict.fromkeys(("end_date", "end_time"), "end="),
    "coalesce": "misfire='run_once' for one firing of all that was missed, 'run_all' for each",
    "crontab": "cron=",
    "max_instances": "overlap='skip', 'queue', 'allow' or 'cancel_previous'",
    "misfire_grace_time": "misfire_grace=",
    "run_date": "at=",
    "trigger": "cron=, every= or at=",
    "tz": "timezone=",
}
"""What other schedulers call it (APScheduler, Celery beat)."""
_given_fields: dict[frozenset[str], set[str]] = {}
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
