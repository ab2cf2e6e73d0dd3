"""`Schedule`: what it keeps, what it derives, and what it refuses."""

import copy
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from jobsched.declarations import Schedule
from jobsched.errors import ConfigurationError, DeclarationError
from jobsched.model import ExecutionMode, Misfire, Overlap, ScheduleDeclaration, Timing
from jobsched.registry import Registry
from jobsched.scheduler import Scheduler

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_defaults_are_the_documented_ones() -> None:
    """A schedule of an id and a time runs every job, in UTC, when somebody enables it."""
    assert Schedule(id="nightly", cron="0 2 * * *").declaration == ScheduleDeclaration(
        id="nightly",
        timing=Timing(cron="0 2 * * *", timezone="UTC"),
        name="nightly",
        description="",
        execution_mode=ExecutionMode.ALL_JOBS,
        group=None,
        jobs=(),
        environments=None,
        enabled=False,
        overlap=Overlap.SKIP,
        misfire=Misfire.RUN_ONCE,
        misfire_grace=timedelta(minutes=5),
        catchup_window=timedelta(days=1),
        max_catchup=100,
        start_deadline=None,
        timeout=None,
        priority=0,
        jitter=None,
        params={},
        include_dependencies=False,
    )


def test_everything_given_is_mirrored() -> None:
    """Each field reaches the declaration; datetimes become UTC, numbers of seconds lengths."""
    oslo = ZoneInfo("Europe/Oslo")
    schedule = Schedule(
        "hourly",
        name="Every hour",
        description="Match",
        every=3600,
        timezone="Europe/Oslo",
        start=datetime(2026, 1, 1, tzinfo=oslo),
        end=datetime(2027, 1, 1, tzinfo=oslo),
        jobs=["a", "b", "a"],
        environments=["staging", "production"],
        enabled=True,
        overlap="queue",
        misfire="RUN_ALL",
        misfire_grace=0,
        catchup_window=timedelta(hours=2),
        max_catchup=5,
        start_deadline=120.5,
        timeout=60,
        priority=-3,
        jitter=30,
        params={"day": {"of": [1, 2.5, None, True]}, "pair": (1, 2)},
        include_dependencies=True,
    )
    assert schedule.declaration == ScheduleDeclaration(
        id="hourly",
        timing=Timing(
            every=timedelta(hours=1),
            timezone="Europe/Oslo",
            start=datetime(2025, 12, 31, 23, tzinfo=UTC),
            end=datetime(2026, 12, 31, 23, tzinfo=UTC),
        ),
        name="Every hour",
        description="Match",
        execution_mode=ExecutionMode.JOBS,
        group=None,
        jobs=("a", "b"),
        environments=("staging", "production"),
        enabled=True,
        overlap=Overlap.QUEUE,
        misfire=Misfire.RUN_ALL,
        misfire_grace=timedelta(0),
        catchup_window=timedelta(hours=2),
        max_catchup=5,
        start_deadline=timedelta(seconds=120.5),
        timeout=timedelta(minutes=1),
        priority=-3,
        jitter=timedelta(seconds=30),
        params={"day": {"of": [1, 2.5, None, True]}, "pair": [1, 2]},
        include_dependencies=True,
    )


@pytest.mark.parametrize(
    ("selection", "mode"),
    [
        ({}, ExecutionMode.ALL_JOBS),
        ({"group": None, "jobs": None}, ExecutionMode.ALL_JOBS),
        ({"group": "feed"}, ExecutionMode.GROUP),
        ({"jobs": ["load"]}, ExecutionMode.JOBS),
    ],
)
def test_the_execution_mode_is_derived(selection: dict[str, Any], mode: ExecutionMode) -> None:
    """What is selected says how: nobody declares it twice."""
    assert Schedule(id="x", every=60, **selection).execution_mode is mode


def test_jobs_are_names_or_decorated_functions() -> None:
    """A decorated function stands for its job's name, whatever that is."""
    registry = Registry()

    @registry.job("load-orders")
    def load() -> None: ...

    assert Schedule(id="x", every=60, jobs=[load, "report"]).jobs == ("load-orders", "report")


def test_which_fields_were_given_is_kept_once_for_all_that_are_given_the_same() -> None:
    """A hundred thousand such sets would be most of their memory; a copy gets one of its own."""
    one, other = Schedule(id="a", every=60), Schedule(id="b", every=30)
    assert one.model_fields_set is other.model_fields_set
    assert one.model_fields_set == {"id", "every"}
    assert one.model_copy(update={"enabled": True}).model_fields_set == {"id", "every", "enabled"}
    assert other.model_fields_set == {"id", "every"}
    assert Schedule(id="c", every=60, enabled=True).model_fields_set == {"id", "every", "enabled"}


def test_it_cannot_be_changed_and_shares_nothing() -> None:
    """A declaration is what it was when it was made, whatever happens to what it was made of."""
    params = {"days": [1]}
    schedule = Schedule(id="x", every=60, params=params)
    params["days"].append(2)
    assert schedule.params == {"days": [1]}
    with pytest.raises(ValidationError, match="frozen"):
        schedule.enabled = True


def test_it_can_be_copied_compared_and_pickled() -> None:
    """It behaves as a value."""
    schedule = Schedule(id="x", cron="*/5 * * * *", params={"a": 1})
    assert copy.deepcopy(schedule) == schedule
    assert pickle.loads(pickle.dumps(schedule)) == schedule  # our own bytes
    assert schedule != Schedule(id="x", cron="*/5 * * * *")


def test_next_runs_lists_coming_occurrences() -> None:
    """Strictly after the given instant, aware, in order, as many as asked for."""
    schedule = Schedule(id="x", cron="0 2 * * *", timezone="Europe/Oslo")
    first = datetime(2026, 1, 1, 1, tzinfo=UTC)
    assert schedule.next_runs(2, after=NEW_YEAR) == [first, first + timedelta(days=1)]
    assert schedule.next_runs(1, after=first) == [first + timedelta(days=1)]
    assert schedule.next_runs(0, after=NEW_YEAR) == []


def test_next_runs_begins_now_and_ends_with_the_schedule() -> None:
    """Without `after` it counts from the present; an exhausted schedule gives fewer."""
    assert len(Schedule(id="x", every=60).next_runs()) == 5
    assert Schedule(id="x", at=NEW_YEAR).next_runs(after=NEW_YEAR) == []
    bounded = Schedule(id="x", every=60, start=NEW_YEAR, end=NEW_YEAR + timedelta(minutes=1))
    assert bounded.next_runs(after=NEW_YEAR - timedelta(days=1)) == [
        NEW_YEAR,
        NEW_YEAR + timedelta(minutes=1),
    ]


def test_next_runs_refuses_a_naive_instant() -> None:
    """A naive `after` names no instant."""
    with pytest.raises(DeclarationError, match="naive"):
        Schedule(id="x", every=60).next_runs(after=datetime(2026, 1, 1))  # noqa: DTZ001  # the point


@pytest.mark.parametrize("good", ["x", "feed-refresh", "A1", "a_b.c:d", "x" * 50, "7"])
def test_ids_are_letters_digits_and_a_few_signs(good: str) -> None:
    """What is easy to type in a shell and in a URL is an id."""
    assert Schedule(good, every=60).id == good


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("", ["empty"]),
        ("x" * 51, ["51 characters", "at most 50"]),
        ("with blank", ["letters a-z, digits and - _ . :", "name="]),
        ("-x", ["begin with a letter or digit"]),
        ("blåbær", ["letters a-z"]),
        (" x", ["blank", "write 'x'"]),
        ("a/b", ["letters a-z"]),
        ("x\n", ["blank"]),
        (5, ["text, not int"]),
        (None, ["text, not NoneType"]),
    ],
)
def test_other_ids_are_refused(bad: Any, words: list[str]) -> None:
    """The message shows the id and says what one may hold."""
    assert missing(refused(bad, every=60), [f"schedule {bad!r}", f"id={bad!r}", *words]) == []


NAIVE = datetime(2026, 5, 1, 9)  # noqa: DTZ001  # to be refused
EVERY_MINUTE = {"cron": "* * * * *"}


def job_without_decorator() -> None: ...


def containing_itself() -> dict[str, Any]:
    params: dict[str, Any] = {}
    params["x"] = params
    return params


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        # when
        ({}, ["no time is given", "cron=", "every=", "at="]),
        ({"cron": "* * * * *", "every": 60}, ["cron='* * * * *'", "every=0:01:00", "exactly one"]),
        ({"every": 60, "at": NEW_YEAR}, ["every=0:01:00", "at=2026-01-01", "exactly one"]),
        ({"cron": "61 * * * *"}, ["'61 * * * *'", "minute '61'", "0-59"]),
        ({"cron": "0 0 30 2 *"}, ["'0 0 30 2 *'", "no date"]),
        ({"cron": "@reboot"}, ["'@reboot'", "trigger"]),
        ({"cron": "@every 5m"}, ["'@every 5m'", "every="]),
        ({"cron": "CRON_TZ=Europe/Oslo 0 2 * * *"}, ["CRON_TZ", "timezone="]),
        ({"cron": 5}, ["cron 5"]),
        ({"cron": "0," * 100 + "0 * * * *"}, ["cron=", "at most 200"]),
        ({"every": 0}, ["every=0", "more than zero"]),
        ({"every": timedelta(seconds=-5)}, ["every=", "more than zero"]),
        ({"every": 0.5}, ["every=0.5", "whole seconds"]),
        ({"every": True}, ["every=True", "timedelta(minutes=5)"]),
        ({"every": "5m"}, ["every='5m'", "timedelta(minutes=5)"]),
        ({"every": 1e10}, ["every=", "50 years"]),
        ({"every": float("nan")}, ["every=nan"]),
        ({"at": NAIVE}, ["at=", "naive", "write datetime(2026, 5, 1, 9, 0, tzinfo=UTC)"]),
        (
            {"at": NAIVE, "timezone": "Europe/Oslo"},
            ["naive", "datetime(2026, 5, 1, 9, 0, tzinfo=ZoneInfo('Europe/Oslo'))"],
        ),
        ({"at": date(2026, 5, 1)}, ["at=", "must be a datetime"]),
        ({"at": "2026-05-01"}, ["at='2026-05-01'", "must be a datetime"]),
        ({"every": 60, "start": NAIVE}, ["start=", "naive"]),
        ({"every": 60, "end": NAIVE}, ["end=", "naive"]),
        (
            {"at": datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))},
            ["at=", "years 1 to 9999"],
        ),
        (
            {"every": 60, "start": NEW_YEAR, "end": NEW_YEAR - timedelta(days=1)},
            ["end=2025-12-31", "before start=2026-01-01"],
        ),
        (
            {"cron": "0 0 2 1 *", "start": NEW_YEAR, "end": NEW_YEAR + timedelta(hours=1)},
            ["cron='0 0 2 1 *'", "start=2026", "end=2026", "never run"],
        ),
        ({"at": NEW_YEAR, "start": NEW_YEAR + timedelta(1)}, ["at=2026", "start=", "never run"]),
        ({"at": NEW_YEAR, "end": NEW_YEAR - timedelta(1)}, ["at=2026", "end=", "never run"]),
        ({**EVERY_MINUTE, "timezone": "Mars/Olympus"}, ["'Mars/Olympus'", "IANA"]),
        (
            {**EVERY_MINUTE, "timezone": "W. Europe Standard Time"},
            ["'W. Europe Standard Time'", "'Europe/Berlin'"],
        ),
        ({**EVERY_MINUTE, "timezone": None}, ["timezone None", "text"]),
        # which jobs
        (
            {**EVERY_MINUTE, "group": "feed", "jobs": ["load"]},
            ["group='feed'", "jobs=('load',)", "one of them"],
        ),
        ({**EVERY_MINUTE, "group": ""}, ["group=''", "empty"]),
        ({**EVERY_MINUTE, "group": "x" * 101}, ["group=", "at most 100"]),
        ({**EVERY_MINUTE, "jobs": []}, ["jobs=[]", "run nothing", "leave it out"]),
        ({**EVERY_MINUTE, "jobs": "load"}, ["jobs='load'", "write ['load']"]),
        (
            {**EVERY_MINUTE, "jobs": [job_without_decorator]},
            ["jobs=", "job_without_decorator", "@job"],
        ),
        ({**EVERY_MINUTE, "jobs": ["a", ""]}, ["jobs=['a', '']", "empty"]),
        # where and whether
        ({**EVERY_MINUTE, "environments": "production"}, ["write ['production']"]),
        ({**EVERY_MINUTE, "environments": []}, ["environments=[]", "leave it out"]),
        ({**EVERY_MINUTE, "environments": [5]}, ["environments=[5]", "text"]),
        ({**EVERY_MINUTE, "enabled": "no"}, ["enabled='no'", "True or False"]),
        ({**EVERY_MINUTE, "enabled": 1}, ["enabled=1", "True or False"]),
        ({**EVERY_MINUTE, "include_dependencies": None}, ["include_dependencies=None"]),
        # policies
        ({**EVERY_MINUTE, "overlap": "que"}, ["overlap='que'", "'queue'", "'cancel_previous'"]),
        ({**EVERY_MINUTE, "overlap": None}, ["overlap=None", "'skip'"]),
        ({**EVERY_MINUTE, "misfire": "runonce"}, ["misfire='runonce'", "did you mean 'run_once'"]),
        ({**EVERY_MINUTE, "misfire_grace": -1}, ["misfire_grace=-1", "zero or more"]),
        ({**EVERY_MINUTE, "catchup_window": 0}, ["catchup_window=0", "more than zero"]),
        ({**EVERY_MINUTE, "max_catchup": 0}, ["max_catchup=0", "1 or more"]),
        ({**EVERY_MINUTE, "max_catchup": 2.5}, ["max_catchup=2.5", "whole number"]),
        ({**EVERY_MINUTE, "start_deadline": 0}, ["start_deadline=0", "more than zero"]),
        ({**EVERY_MINUTE, "timeout": "1h"}, ["timeout='1h'", "seconds"]),
        ({**EVERY_MINUTE, "priority": "high"}, ["priority='high'", "whole number"]),
        ({**EVERY_MINUTE, "priority": 2**31}, ["priority=2147483648", "at most"]),
        ({**EVERY_MINUTE, "jitter": -5}, ["jitter=-5", "more than zero"]),
        (
            {**EVERY_MINUTE, "jitter": 60, "start_deadline": 60},
            ["start_deadline=0:01:00", "jitter=0:01:00", "could never start"],
        ),
        # the rest
        ({**EVERY_MINUTE, "name": "x" * 201}, ["name=", "at most 200"]),
        ({**EVERY_MINUTE, "description": None}, ["description=None", "text"]),
        ({**EVERY_MINUTE, "params": ["day"]}, ["params=['day']", "mapping"]),
        ({**EVERY_MINUTE, "params": {1: 2}}, ["the key 1 of params", "text"]),
        (
            {**EVERY_MINUTE, "params": {"day": {"of": [date(2026, 1, 1)]}}},
            ["params['day']['of'][0] is a date", "isoformat()"],
        ),
        ({**EVERY_MINUTE, "params": {"x": float("nan")}}, ["params['x'] is nan"]),
        ({**EVERY_MINUTE, "params": {"x": {1}}}, ["params['x'] is a set"]),
        ({**EVERY_MINUTE, "params": {"x": 2**63}}, ["params['x']", "64 bits", "as a text"]),
        ({**EVERY_MINUTE, "params": containing_itself()}, ["params['x']['x']", "contains itself"]),
        ({**EVERY_MINUTE, "params": {"x": "a\x00b"}}, ["params['x']", "NUL"]),
        ({**EVERY_MINUTE, "params": {"\ud800": 1}}, ["the key", "surrogate"]),
        # names
        ({"crom": "* * * * *", "every": 60}, ["unknown argument crom=", "did you mean 'cron'?"]),
        ({**EVERY_MINUTE, "tz": "UTC"}, ["unknown argument tz=; write timezone="]),
        ({**EVERY_MINUTE, "coalesce": True}, ["unknown argument coalesce=; write misfire='run_o"]),
        ({"minutes": 5}, ["unknown argument minutes=; write every=timedelta(…)"]),
        (
            {**EVERY_MINUTE, "enabled": 1, "priority": "x"},
            ["enabled=1: must", "; priority='x': must"],
        ),
    ],
)
def test_what_is_wrong_is_refused(fields: dict[str, Any], words: list[str]) -> None:
    """When it is declared, by a short message that names the schedule, the field, the value and
    what would be right; several mistakes are told at once."""
    error = refused("nightly", **fields)
    assert missing(error, ["schedule 'nightly': ", *words]) == []
    assert "pydantic" not in str(error).lower()
    assert len(str(error)) < 1000


def test_a_cron_whose_years_have_passed_is_allowed() -> None:
    """It was right once: it has no next run, and a deploy does not fail for it."""
    schedule = Schedule(id="x", cron="0 0 0 1 1 * 2020")
    assert schedule.next_runs(after=NEW_YEAR) == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("aZ09 \n\t\"'\\{}\x01\x7fæ漢🙂"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc"), JSON))
def test_params_of_json_values_stay_as_they_are(params: dict[str, Any]) -> None:
    """Whatever JSON can say, a schedule can pass to its jobs."""
    assert Schedule(id="x", every=60, params=params).params == params


@given(
    st.integers(1, 10**9),
    st.datetimes(datetime(1900, 1, 1), timezones=st.timezones()),  # noqa: DTZ001  # a bound
)
def test_durations_in_seconds_and_instants_in_any_zone(seconds: int, start: datetime) -> None:
    """Seconds and timedeltas mean the same; an aware start in any zone is the same instant."""
    by_number = Schedule(id="x", every=seconds, start=start)
    assert by_number == Schedule(id="x", every=timedelta(seconds=seconds), start=start)
    assert by_number.start is not None
    assert by_number.start.tzinfo is UTC
    assert by_number.start.timestamp() == start.timestamp()


def refused(identity: Any, **fields: Any) -> DeclarationError:
    with pytest.raises(DeclarationError) as caught:
        Schedule(identity, **fields)
    return caught.value


def missing(error: BaseException, words: list[str]) -> list[str]:
    """The words that the message ought to hold and does not."""
    return [word for word in words if word not in str(error)]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"lock": "redis"}, ["lock='redis'", "RedisLock"]),
        ({"executor": "thread"}, ["executor='thread'", "ThreadExecutor"]),
        ({"executor": {"slow": 3}}, ["executor=3", "ThreadExecutor"]),
        ({"around": "app"}, ["around='app'", "app.app_context"]),
        ({"schedules": Schedule("lonely", every=60)}, ["schedules=", "[Schedule(…), …]"]),
        ({"schedules": ["nightly"]}, ["schedules=", "[Schedule(…), …]"]),
    ],
)
def test_what_a_scheduler_cannot_use_is_refused_at_once(
    wrong: dict[str, Any], words: list[str]
) -> None:
    """A lock, executor, around or schedule that is none is refused where it is given."""
    with pytest.raises(ConfigurationError) as refused:
        Scheduler("sqlite://", **wrong)
    assert all(word in str(refused.value) for word in words)
