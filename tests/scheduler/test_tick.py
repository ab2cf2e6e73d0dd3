"""Whole stories without threads: `Scheduler.tick()` on in-memory SQLite, by a clock that stands."""

import asyncio
import functools
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobsched import Backoff, JobContext, Registry, Schedule, Scheduler, Settings
from jobsched.daemon import launch
from jobsched.errors import ParameterError
from jobsched.locks import DatabaseLock
from jobsched.model import Firing, FiringStatus, HealthLevel, JobRunStatus
from jobsched.testing import FakeClock

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

Make = Callable[..., Scheduler]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def make(clock: FakeClock, registry: Registry) -> Iterator[Make]:
    """Makes a scheduler of these schedules and the test's registry."""
    made: list[Scheduler] = []

    def make_one(*schedules: Schedule, **options: Any) -> Scheduler:
        options = {"engine": "sqlite://", "registry": registry, "clock": clock} | options
        made.append(Scheduler(schedules=schedules, **options))
        return made[-1]

    yield make_one
    for scheduler in made:
        scheduler.close()


def hourly(schedule_id: str = "s", **fields: Any) -> Schedule:
    return Schedule(schedule_id, every=HOUR, **{"enabled": True} | fields)


def first_hour(scheduler: Scheduler, clock: FakeClock) -> None:
    """Sync, and let the first occurrence come due."""
    scheduler.tick()
    clock.advance(HOUR)
    scheduler.tick()


def ran(firing: Firing) -> list[tuple[str, int, str]]:
    """(job, attempt, status) of each job run."""
    return [(run.job_name, run.attempt, run.status.value) for run in firing.runs]


def messages(scheduler: Scheduler) -> list[str]:
    (firing,) = scheduler.history(limit=1)
    return [line.message for line in scheduler.logs(firing_id=firing.id)]


# Which jobs, in which order


def test_a_day_of_an_hourly_schedule(make: Make, registry: Registry, clock: FakeClock) -> None:
    """Tick by tick each occurrence runs once, at its time, and its counts are kept."""
    seen: list[datetime] = []

    @registry.job
    def work(ctx: JobContext) -> None:
        assert ctx.scheduled_for == clock.now()
        seen.append(ctx.scheduled_for)

    scheduler = make(hourly())
    for _ in range(24 * 4):
        scheduler.tick()
        clock.advance(15 * MINUTE)
    assert seen == [NOON + n * HOUR for n in range(1, 24)]
    (state,) = scheduler.list_schedules()
    assert (state.run_count, state.failure_count, state.last_run_at) == (23, 0, seen[-1])
    assert len(scheduler.history("s", limit=100)) == 23


def test_an_engine_that_names_its_values(
    make: Make, registry: Registry, clock: FakeClock, tmp_path: Path
) -> None:
    """How a host's engine hands values to SQLite is the host's choice."""
    registry.job(name="a")(lambda: None)
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'jobs.db'}", paramstyle="named")
    scheduler = make(hourly(), engine=engine)
    scheduler.migrate()
    first_hour(scheduler, clock)
    (firing,) = scheduler.history()
    assert ran(firing) == [("a", 1, "SUCCESS")]
    engine.dispose()


def test_every_mode_runs_its_jobs(make: Make, registry: Registry, clock: FakeClock) -> None:
    """ALL_JOBS every registered job, GROUP those of the group, JOBS those that are named."""

    def work() -> None:
        """Nothing to do."""

    for name, group in [("a", "feed"), ("b", "feed"), ("c", None)]:
        registry.job(name, group=group)(work)
    scheduler = make(hourly("all"), hourly("group", group="feed"), hourly("jobs", jobs=["c", "a"]))
    first_hour(scheduler, clock)
    jobs = {f.schedule_id: {run.job_name for run in f.runs} for f in scheduler.history()}
    assert jobs == {"all": {"a", "b", "c"}, "group": {"a", "b"}, "jobs": {"a", "c"}}
    assert {firing.status for firing in scheduler.history()} == {FiringStatus.SUCCESS}


def test_jobs_run_in_dependency_order(make: Make, registry: Registry, clock: FakeClock) -> None:
    """What a job depends on has succeeded before it starts, over several levels, in one tick."""
    order: list[str] = []

    def job(name: str, *needs: str) -> None:
        registry.job(name, depends_on=needs)(lambda: order.append(name))

    job("match", "traits", "index")
    job("index", "traits")
    job("traits")
    first_hour(make(hourly()), clock)
    assert order == ["traits", "index", "match"]


def test_a_failure_skips_what_needs_it_and_nothing_else(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """Dependents are SKIPPED with the reason, unrelated jobs run, the error is kept."""

    @registry.job
    def broken() -> None:
        raise LookupError("no such feed")

    @registry.job(depends_on=[broken])
    def dependent() -> None:
        """Never runs."""

    @registry.job
    def unrelated() -> None:
        """Runs."""

    scheduler = make(hourly())
    first_hour(scheduler, clock)
    (firing,) = scheduler.history()
    runs = {run.job_name: run for run in firing.runs}
    assert firing.status is FiringStatus.FAILED
    assert runs["broken"].error == "LookupError: no such feed"
    assert 'raise LookupError("no such feed")' in (runs["broken"].traceback or "")
    assert "jobsched/daemon" not in (runs["broken"].traceback or "")
    assert runs["dependent"].status is JobRunStatus.SKIPPED
    assert runs["dependent"].reason == "dependency: broken"
    assert runs["unrelated"].status is JobRunStatus.SUCCESS
    assert scheduler.list_schedules()[0].failure_count == 1


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), MemoryError("full")])
def test_whatever_a_job_raises_ends_only_the_job(
    make: Make, registry: Registry, clock: FakeClock, error: BaseException
) -> None:
    """A job that wants to leave the process fails; the tick goes on to the next job."""

    @registry.job
    def leaves() -> None:
        raise error

    @registry.job
    def stays() -> None:
        """Runs."""

    scheduler = make(hourly())
    first_hour(scheduler, clock)
    assert sorted(ran(scheduler.history()[0])) == [("leaves", 1, "FAILED"), ("stays", 1, "SUCCESS")]


def test_there_are_never_more_claims_than_slots_and_all_get_their_turn(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """Thirty schedules due at once, with two slots: one tick runs them all."""

    @registry.job
    def work() -> None:
        """Nothing to do."""

    scheduler = make(*(hourly(f"s{n}") for n in range(30)), settings=Settings(max_workers=2))
    first_hour(scheduler, clock)
    found = scheduler.history(limit=100)
    assert len(found) == 30
    assert {firing.status for firing in found} == {FiringStatus.SUCCESS}


# What a job gets


def test_jobs_get_the_params_that_they_declare(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """Validated and of their types, defaults for the rest; `ctx.params` has all of the firing's."""
    seen: dict[str, Any] = {}

    @registry.job
    def one(day: datetime, n: int = 7) -> None:
        seen["one"] = (day, n)

    @registry.job
    async def other(ctx: JobContext, n: float) -> None:
        seen["other"] = (n, dict(ctx.params))

    params = {"day": "2026-03-01T00:00:00Z", "n": 3}
    first_hour(make(hourly(params=params)), clock)
    assert seen == {
        "one": (datetime(2026, 3, 1, tzinfo=UTC), 3),
        "other": (3.0, params),
    }


def test_run_now_takes_other_values(make: Make, registry: Registry, clock: FakeClock) -> None:
    """A trigger's params go over the schedule's; what does not fit is refused at once."""
    seen: list[int] = []

    @registry.job
    def work(n: int) -> None:
        seen.append(n)

    scheduler = make(hourly(params={"n": 1}, enabled=False))
    scheduler.sync()
    with pytest.raises(ParameterError, match="'n'"):
        scheduler.trigger("s", params={"n": "many"})
    with pytest.raises(ParameterError, match="'m'"):
        scheduler.trigger("s", params={"m": 1})
    scheduler.trigger("s", params={"n": 5})
    scheduler.tick()
    assert seen == [5]


def test_a_job_knows_its_run(make: Make, registry: Registry, clock: FakeClock) -> None:
    """Ids, occurrence, attempt and trigger are those of the rows that operators see."""
    seen: list[JobContext] = []

    @registry.job
    def work(ctx: JobContext) -> None:
        seen.append(ctx)

    scheduler = make(hourly())
    first_hour(scheduler, clock)
    scheduler.enqueue(work)
    scheduler.tick()
    event, cron = scheduler.history()
    ctx, other = seen
    assert (ctx.firing_id, ctx.run_id) == (cron.id, cron.runs[0].id)
    assert (ctx.schedule_id, ctx.job_name, ctx.attempt) == ("s", "work", 1)
    assert (ctx.scheduled_for, ctx.trigger) == (NOON + HOUR, "CRON")
    assert (other.firing_id, other.schedule_id, other.trigger) == (event.id, None, "EVENT")
    assert ctx.idempotency_key != other.idempotency_key


def test_async_jobs_run_on_a_loop(make: Make, registry: Registry, clock: FakeClock) -> None:
    """A coroutine is awaited to its end, its result and its error are kept like any other's."""

    @registry.job
    async def good() -> dict[str, int]:
        done = await asyncio.gather(answer(), answer())
        return {"sum": sum(done)}

    async def answer() -> int:
        return 21

    @registry.job
    async def bad() -> None:
        await answer()
        raise ValueError("no")

    scheduler = make(hourly())
    first_hour(scheduler, clock)
    runs = {run.job_name: run for run in scheduler.history()[0].runs}
    assert (runs["good"].status, runs["good"].result) == ("SUCCESS", {"sum": 42})
    assert (runs["bad"].status, runs["bad"].error) == ("FAILED", "ValueError: no")


def test_a_result_goes_to_the_jobs_after(make: Make, registry: Registry, clock: FakeClock) -> None:
    """`result_of` gives what a job of the same firing returned, by function or by name."""
    seen: list[Any] = []

    @registry.job
    def count() -> dict[str, int]:
        return {"rows": 3}

    @registry.job(depends_on=[count])
    def report(ctx: JobContext) -> None:
        seen.extend([ctx.result_of(count), ctx.result_of("count"), ctx.result_of("nobody")])

    scheduler = make(hourly())
    first_hour(scheduler, clock)
    assert seen == [{"rows": 3}, {"rows": 3}, None]


@pytest.mark.parametrize(
    ("value", "said"),
    [(object(), "the result is not kept"), (float("nan"), "not kept"), ("x" * 70_000, "70002")],
    ids=["object", "nan", "large"],
)
def test_a_result_that_cannot_be_kept_is_said(
    make: Make, registry: Registry, clock: FakeClock, value: object, said: str
) -> None:
    """The job has succeeded all the same; its log says why there is no result."""
    registry.job("work")(lambda: value)
    scheduler = make(hourly())
    first_hour(scheduler, clock)
    (run,) = scheduler.history()[0].runs
    assert (run.status, run.result, run.reason) == (JobRunStatus.SUCCESS, None, None)
    (message,) = messages(scheduler)
    assert said in message


def test_progress_is_there_for_operators(make: Make, registry: Registry, clock: FakeClock) -> None:
    """The last thing that a job said of its progress stays with the run."""

    @registry.job
    def work(ctx: JobContext) -> None:
        ctx.progress(0.5, "half")
        ctx.progress(1, "done")

    scheduler = make(hourly())
    first_hour(scheduler, clock)
    assert scheduler.history()[0].runs[0].progress == {"fraction": 1.0, "message": "done"}


def test_a_run_keeps_so_many_lines_and_says_so(
    make: Make, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that logs without end does not fill the database: the last line kept says why."""
    monkeypatch.setattr(launch, "MOST_LINES_OF_A_RUN", 2)

    @registry.job
    def endless(ctx: JobContext) -> None:
        for number in range(5):
            ctx.log.info("line %d", number)

    scheduler = make()
    scheduler.sync()
    scheduler.enqueue("endless")
    scheduler.tick()
    assert messages(scheduler) == [
        "line 0",
        "line 1",
        "this run has logged 2 lines: no more of it are kept",
    ]


def test_log_records_are_kept_with_the_run(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """I10: of `ctx.log` and of any stdlib logger, in order, and none from outside of the job."""
    library = logging.getLogger("some.library")

    @registry.job
    def work(ctx: JobContext) -> None:
        ctx.log.info("one %s", "ø")
        library.warning("two")
        try:
            raise LookupError("three")
        except LookupError:
            ctx.log.exception("it failed")

    scheduler = make(hourly())
    library.warning("before")
    first_hour(scheduler, clock)
    library.warning("after")
    (firing,) = scheduler.history()
    lines = scheduler.logs(firing_id=firing.id)
    assert [(line.level, line.message.splitlines()[0]) for line in lines] == [
        ("INFO", "one ø"),
        ("WARNING", "two"),
        ("ERROR", "it failed"),
    ]
    assert lines[2].message.endswith("LookupError: three")
    assert {line.job_run_id for line in lines} == {firing.runs[0].id}
    assert scheduler.logs(schedule_id="s", after=lines[0].id) == lines[1:]


def test_what_no_database_keeps_is_written_out(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """NUL and half a surrogate pair, in a log line or an error, end no job and no batch."""

    @registry.job
    def work(ctx: JobContext) -> None:
        ctx.log.info("NUL \x00 and \ud800")
        raise ValueError("\x00\ud800")

    scheduler = make(hourly())
    first_hour(scheduler, clock)
    assert messages(scheduler) == ["NUL \\x00 and \\ud800"]
    assert scheduler.history()[0].runs[0].error == "ValueError: \\x00\\ud800"


def test_surroundings_are_entered_around_each_run(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """The host's context manager is there while a job runs, sync or async, and may see which."""
    said: list[str] = []

    @contextmanager
    def around(ctx: JobContext) -> Iterator[None]:
        said.append(f"enter {ctx.job_name}")
        try:
            yield
        finally:
            said.append(f"leave {ctx.job_name}")

    @registry.job
    def one() -> None:
        said.append("one")

    @registry.job(depends_on=[one])
    async def two() -> None:
        said.append("two")
        raise ValueError

    first_hour(make(hourly(), around=around), clock)
    assert said == ["enter one", "one", "leave one", "enter two", "two", "leave two"]


def test_surroundings_that_fail_fail_the_run(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """When the host's context cannot be entered the job does not run, and its run says why."""

    @contextmanager
    def around() -> Iterator[None]:
        raise ConnectionError("no session")
        yield

    registry.job("work")(lambda: None)
    scheduler = make(hourly(), around=around)
    first_hour(scheduler, clock)
    (run,) = scheduler.history()[0].runs
    assert (run.status, run.error) == (JobRunStatus.FAILED, "ConnectionError: no session")


# Retries


def test_retries_come_over_ticks(make: Make, registry: Registry, clock: FakeClock) -> None:
    """The firing waits for each attempt, which comes after the backoff, with one identity."""
    keys: list[str] = []

    @registry.job(retries=3, backoff=Backoff(initial=10, factor=2, jitter=0))
    def flaky(ctx: JobContext) -> str:
        keys.append(ctx.idempotency_key)
        if ctx.attempt < 3:
            raise ConnectionError(f"attempt {ctx.attempt}")
        return "at last"

    @registry.job(depends_on=[flaky])
    def after() -> None:
        """Waits for the retry."""

    scheduler = make(hourly())
    first_hour(scheduler, clock)
    (firing,) = scheduler.history()
    assert (firing.status, firing.claimed_by) == (FiringStatus.WAITING, None)
    assert firing.available_at == clock.now() + 10 * SECOND
    clock.advance(9 * SECOND)
    scheduler.tick()
    assert len(keys) == 1
    clock.advance(SECOND)
    scheduler.tick()
    clock.advance(20 * SECOND)
    scheduler.tick()
    (firing,) = scheduler.history()
    assert firing.status is FiringStatus.SUCCESS
    assert ran(firing) == [
        ("flaky", 1, "FAILED"),
        ("flaky", 2, "FAILED"),
        ("flaky", 3, "SUCCESS"),
        ("after", 1, "SUCCESS"),
    ]
    assert len(set(keys)) == 1


def test_only_the_errors_that_are_named_are_retried_on(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """`no_retry_on` wins over `retry_on`; a job whose retries are used up has failed."""

    @registry.job(retries=1, retry_on=(OSError,), backoff=Backoff(initial=1, jitter=0))
    def always() -> None:
        raise ConnectionError

    @registry.job(retries=5, no_retry_on=(LookupError,))
    def never() -> None:
        raise KeyError("x")

    @registry.job(retries=5, retry_on=(OSError,))
    def other() -> None:
        raise ValueError

    scheduler = make(hourly())
    first_hour(scheduler, clock)
    clock.advance(SECOND)
    scheduler.tick()
    (firing,) = scheduler.history()
    assert firing.status is FiringStatus.FAILED
    assert ran(firing) == [
        ("always", 1, "FAILED"),
        ("always", 2, "FAILED"),
        ("never", 1, "FAILED"),
        ("other", 1, "FAILED"),
    ]


def test_an_operators_retry_runs_what_failed(
    make: Make, registry: Registry, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """In the same firing, with its schedule's whole timeout again, however late: it goes on."""
    caplog.set_level("INFO", "jobsched.daemon")
    works = False

    @registry.job
    def work() -> None:
        if not works:
            raise ValueError

    scheduler = make(hourly(timeout=MINUTE, start_deadline=MINUTE, misfire="skip"))
    first_hour(scheduler, clock)
    (firing,) = scheduler.history()
    works = True
    clock.advance(30 * MINUTE)
    scheduler.retry(firing.id, by="ann")
    scheduler.tick()
    assert scheduler.firing(firing.id).status is FiringStatus.SUCCESS
    (state,) = scheduler.list_schedules()
    assert (state.run_count, state.failure_count) == (1, 0)
    begun = [one.getMessage() for one in caplog.records if event_of(one) == "firing_started"]
    of = f"schedule s firing {firing.id}"
    assert begun == [
        f"{of} started (CRON, for 2026-03-02 13:00:00 UTC)",
        f"{of} goes on (CRON, for 2026-03-02 13:00:00 UTC)",
    ]


def test_a_start_says_what_is_declared_and_what_is_no_setting(
    make: Make,
    registry: Registry,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What the sync changed, if anything, and variables that look like settings and are none."""
    caplog.set_level("INFO", "jobsched.daemon")
    monkeypatch.setenv("JOBSCHED_POLL_INTERVALL", "2")
    registry.job("work")(lambda: None)
    for schedules in ([hourly("a"), hourly("b")], [hourly("a"), hourly("b")], [hourly("a")]):
        scheduler = make(*schedules, engine=f"sqlite:///{tmp_path / 'jobs.db'}")
        scheduler.tick()
        scheduler.close()
    said = [one.getMessage() for one in caplog.records if event_of(one) == "synced"]
    assert said == [
        "2 schedules and 1 job are declared: 2 new",
        "2 schedules and 1 job are declared",
        "1 schedule and 1 job are declared: 1 retired",
    ]
    told = {one.getMessage() for one in caplog.records if event_of(one) == "unknown_setting"}
    assert any("'JOBSCHED_POLL_INTERVAL'" in one and "POLL_INTERVALL is no" in one for one in told)


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """As a decorator does that knows nothing of async."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


async def of_async() -> None:
    """Work that somebody has to await."""


def of_generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize("function", [of_async, of_generator])
def test_a_job_whose_work_nobody_would_do_has_failed(
    make: Make, registry: Registry, clock: FakeClock, function: Callable[..., Any]
) -> None:
    """A wrapper around `async def`, or around a generator, returns work instead of doing it."""
    registry.job(name="work")(wrapped(function))
    scheduler = make(hourly())
    first_hour(scheduler, clock)
    (firing,) = scheduler.history()
    assert ran(firing) == [("work", 1, "FAILED")]
    assert "nothing of it has run" in str(firing.runs[0].error)


def test_what_a_job_does_to_its_params_is_its_own_affair(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """The other jobs of the firing get what the firing was given."""

    @registry.job
    def first(ctx: JobContext, n: int, items: object) -> None:
        ctx.params["n"] = n + 50  # type: ignore[index]  # that is the point
        items.append("x")  # type: ignore[attr-defined]  # so is this

    @registry.job(depends_on=[first])
    def second(ctx: JobContext, n: int, items: object) -> list[Any]:
        return [ctx.params["n"], n, items]

    scheduler = make(hourly(params={"n": 1, "items": [0]}))
    first_hour(scheduler, clock)
    (firing,) = scheduler.history()
    assert firing.runs[1].result == [1, 1, [0]]


def test_a_lock_that_is_empty_is_a_lock(make: Make) -> None:
    """What counts is whether one was given, not whether it is true."""

    class Empty(DatabaseLock):
        def __len__(self) -> int:
            return 0

    lock = Empty()
    assert make(lock=lock).lock is lock


def test_check_finds_an_unknown_executor(make: Make, registry: Registry) -> None:
    """As the start would: a job names one that the Scheduler was not given."""
    registry.job(name="work", executor="porcess")(lambda: None)
    scheduler = make()
    (said,) = scheduler.check()
    assert said.startswith("job 'work' (")
    assert "wants executor 'porcess'; give it as Scheduler(executor={'porcess': …})" in said


def test_nothing_is_left_of_a_job_that_was_run_here(
    make: Make, registry: Registry, tmp_path: Path
) -> None:
    """`close()` ends the threads of `exec()`, too."""
    registry.job(name="work")(lambda: None)
    before = set(threading.enumerate())
    scheduler = make(engine=f"sqlite:///{tmp_path / 'jobs.db'}", clock=None)
    scheduler.exec("work")
    scheduler.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
        assert not thread.is_alive()


def event_of(record: logging.LogRecord) -> object:
    return getattr(record, "event", None)


# Operators


def test_a_disabled_schedule_runs_by_hand_only(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """Until somebody enables it, from when on it goes by its own times."""
    times: list[datetime] = []
    registry.job("work")(lambda: times.append(clock.now()))
    scheduler = make(hourly(enabled=False))
    first_hour(scheduler, clock)
    assert times == []
    scheduler.trigger("s", by="ann")
    scheduler.tick()
    scheduler.enable("s", by="ann")
    clock.advance(90 * MINUTE)
    scheduler.tick()
    scheduler.disable("s", by="ann")
    clock.advance(HOUR)
    scheduler.tick()
    assert times == [NOON + HOUR, NOON + 2 * HOUR + 30 * MINUTE]


def test_what_was_cancelled_in_time_does_not_run(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """An event for later that somebody cancels is CANCELLED and never starts."""
    ran_at: list[datetime] = []
    registry.job("work")(lambda: ran_at.append(clock.now()))
    scheduler = make()
    scheduler.sync()
    fired = scheduler.enqueue("work", run_at=NOON + HOUR)
    scheduler.cancel(fired.id)
    clock.advance(2 * HOUR)
    scheduler.tick()
    assert ran_at == []
    assert scheduler.firing(fired.id).status is FiringStatus.CANCELLED


def test_a_firing_past_its_start_deadline_does_not_start(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """I6: what nobody could start in time is skipped, and says so."""
    ran_at: list[datetime] = []
    registry.job("work")(lambda: ran_at.append(clock.now()))
    scheduler = make(hourly(start_deadline=MINUTE))
    scheduler.tick()
    clock.advance(HOUR + 2 * MINUTE)
    scheduler.tick()
    assert ran_at == []
    (firing,) = scheduler.history()
    assert (firing.status, firing.reason) == (FiringStatus.SKIPPED, "deadline")


def test_an_outage_is_made_up_for_by_policy(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """I8: one late run, none, or all of them one after the other, in the tick that comes back."""
    seen: list[tuple[str | None, int]] = []

    @registry.job
    def work(ctx: JobContext) -> None:
        seen.append((ctx.schedule_id, ctx.scheduled_for.hour))

    policies = ("run_once", "skip", "run_all")
    scheduler = make(*(hourly(name.replace("_", "-"), misfire=name) for name in policies))
    scheduler.tick()
    clock.advance(4 * HOUR + 10 * MINUTE)
    scheduler.tick()
    assert sorted(seen) == [
        ("run-all", 13),
        ("run-all", 14),
        ("run-all", 15),
        ("run-all", 16),
        ("run-once", 16),
    ]
    assert [hour for name, hour in seen if name == "run-all"] == [13, 14, 15, 16]


def test_exec_runs_one_job_here_and_now(make: Make, registry: Registry, clock: FakeClock) -> None:
    """With history, logs and result, in a database that no daemon has seen."""

    @registry.job
    def work(ctx: JobContext, n: int) -> int:
        ctx.log.info("working")
        return n * 2

    scheduler = make()
    firing = scheduler.exec(work, params={"n": 21}, by="ann")
    assert (firing.status, firing.trigger, firing.requested_by) == ("SUCCESS", "MANUAL", "ann")
    assert firing.runs[0].result == 42
    assert messages(scheduler) == ["working"]


# How long to wait, and who is alive


def test_a_tick_says_when_the_next_one_has_something_to_do(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """The time to the next occurrence, at most the poll interval."""
    registry.job("work")(lambda: None)
    scheduler = make(hourly(), settings=Settings(poll_interval=30))
    assert scheduler.tick() <= 30 * SECOND
    clock.advance(HOUR - 2 * SECOND)
    assert scheduler.tick() <= 2 * SECOND
    clock.advance(2 * SECOND)
    scheduler.tick()
    assert len(scheduler.history()) == 1


def test_a_job_that_takes_longer_than_the_lock_timeout_is_no_dead_worker(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """However long a job takes by the test's clock, the tick ends, and so does the plan."""

    @registry.job
    def long() -> None:
        clock.advance(10 * MINUTE)

    @registry.job(depends_on=[long])
    def after() -> None:
        """Runs in the same tick."""

    scheduler = make(hourly())
    first_hour(scheduler, clock)
    (firing,) = scheduler.history()
    assert ran(firing) == [("long", 1, "SUCCESS"), ("after", 1, "SUCCESS")]
    assert firing.runs[0].duration_ms == 600_000


def test_what_a_dead_worker_held_is_recovered(
    make: Make, registry: Registry, clock: FakeClock
) -> None:
    """I4, I5: within a lock timeout and a recovery interval its run is LOST and the firing ends."""
    registry.job("work")(lambda: None)
    scheduler = make(hourly("s", enabled=False))
    scheduler.tick()
    fired = scheduler.trigger("s")
    with scheduler.database.write() as tx:
        for name, values in {
            "job_firing": "status = 'RUNNING', claimed_by = 'gone', started_at = created_at",
            "job_schedule": f"locked_by = 'gone:{fired.id}', locked_at = created_at",
        }.items():
            tx.connection.exec_driver_sql(f"UPDATE {name} SET {values}")
    for _ in range(8):
        clock.advance(10 * SECOND)
        scheduler.tick()
    assert scheduler.firing(fired.id).status is FiringStatus.SUCCESS
    assert scheduler.list_schedules()[0].locked_by is None


def test_health_follows(make: Make, registry: Registry, clock: FakeClock) -> None:
    """Ticking is a heartbeat; without one for a lock timeout the daemon counts as dead."""
    registry.job("work")(lambda: None)
    scheduler = make(hourly())
    scheduler.tick()
    assert scheduler.health().level is HealthLevel.HEALTHY
    clock.advance(HOUR)
    assert scheduler.health().level is HealthLevel.CRITICAL
    scheduler.tick()
    assert scheduler.health().level is HealthLevel.HEALTHY


# Poisoned rows


def edit(scheduler: Scheduler, sql: str) -> None:
    """What somebody does at a SQL prompt."""
    with scheduler.database.write() as tx:
        assert tx.connection.exec_driver_sql(sql).rowcount > 0


@pytest.fixture
def poisoned(make: Make, registry: Registry, clock: FakeClock) -> Scheduler:
    """Two schedules, `bad` and `good`, that have each run once."""
    registry.job("work")(lambda: None)
    registry.job("rest")(lambda: None)
    scheduler = make(hourly("bad", jobs=["work"]), hourly("good", jobs=["rest"]))
    first_hour(scheduler, clock)
    return scheduler


def runs_of(scheduler: Scheduler, clock: FakeClock, schedule_id: str) -> int:
    """How often it has succeeded when another hour has passed."""
    clock.advance(HOUR)
    scheduler.tick()
    states = {one.declaration.id: one for one in scheduler.list_schedules()}
    return states[schedule_id].run_count


SCHEDULE_POISONS = {
    "cron": "every_s = NULL, cron = 'whenever'",
    "never": "every_s = NULL, cron = '0 0 30 2 *'",
    "zone": "timezone = 'Mars/Olympus'",
    "no time": "every_s = NULL",
    "overlap": "overlap = 'sometimes'",
    "misfire": "misfire = 'maybe'",
    "mode": "execution_mode = 'HALF'",
    "job": """jobs = '["gone"]'""",
    "params": "params = '{broken'",
    "jobs": "jobs = 'not JSON'",
    "number": "misfire_grace_s = 'long'",
    "date": "start_at = 'yesterday'",
}


@pytest.mark.parametrize("poison", SCHEDULE_POISONS)
def test_a_poisoned_schedule_stops_alone(
    poisoned: Scheduler, clock: FakeClock, poison: str
) -> None:
    """I14: it has its problem, health tells of it, and the others go on as if nothing were."""
    edit(poisoned, f"UPDATE job_schedule SET {SCHEDULE_POISONS[poison]} WHERE id = 'bad'")
    assert runs_of(poisoned, clock, "good") == 2
    assert runs_of(poisoned, clock, "good") == 3
    bad = next(one for one in poisoned.list_schedules() if one.declaration.id == "bad")
    assert bad.run_count == 1
    assert bad.problem
    health = poisoned.health()
    assert health.level is HealthLevel.WARNING
    assert "schedule 'bad' does not fire" in health.message
    assert poisoned.status().schedules[0].problem == bad.problem


@pytest.mark.parametrize("poison", SCHEDULE_POISONS)
def test_a_sync_mends_a_poisoned_schedule(
    poisoned: Scheduler, clock: FakeClock, poison: str
) -> None:
    """I14, I2: the next sync of its declaration puts it right, and nothing due is lost silently."""
    edit(poisoned, f"UPDATE job_schedule SET {SCHEDULE_POISONS[poison]} WHERE id = 'bad'")
    assert runs_of(poisoned, clock, "good") == 2
    poisoned.sync()
    assert runs_of(poisoned, clock, "bad") == 2
    found = poisoned.history("bad")
    assert [one.scheduled_for.hour for one in found] == [15, 14, 13] or (
        found[1].missed_from and found[1].missed_from.hour == 14
    )
    assert poisoned.health().level is HealthLevel.HEALTHY


@pytest.mark.parametrize("recent", ["[[[", "[5]", "5", '{"a": 1}'])
def test_a_poisoned_memory_of_outcomes_stops_nothing(
    poisoned: Scheduler, clock: FakeClock, recent: str
) -> None:
    """I14: deciding and running need no memory of earlier outcomes; what cannot be read of it is
    begun anew with the next end."""
    edit(poisoned, f"UPDATE job_schedule SET recent = '{recent}' WHERE id = 'bad'")
    assert runs_of(poisoned, clock, "bad") == 2
    bad = next(one for one in poisoned.list_schedules() if one.declaration.id == "bad")
    assert [one.status for one in bad.recent] == [FiringStatus.SUCCESS]
    assert poisoned.health().level is HealthLevel.HEALTHY


JOB_POISONS = {
    "enum": "on_lost = 'maybe'",
    "json": "depends_on = '[broken'",
    "shape": "depends_on = '5'",
    "backoff": """backoff = '{"factor": "many"}'""",
}


@pytest.mark.parametrize("poison", JOB_POISONS)
def test_a_poisoned_job_stops_only_the_schedules_that_run_it(
    poisoned: Scheduler, clock: FakeClock, poison: str
) -> None:
    """I14: a schedule whose job cannot be read has its problem; the others go on."""
    edit(poisoned, f"UPDATE job_definition SET {JOB_POISONS[poison]} WHERE name = 'work'")
    assert runs_of(poisoned, clock, "good") == 2
    bad = next(one for one in poisoned.list_schedules() if one.declaration.id == "bad")
    assert bad.problem
    assert "'work'" in bad.problem


@pytest.mark.parametrize("poison", ["params = '{broken'", "trigger_type = 'MAGIC'"])
def test_a_poisoned_firing_blocks_no_other(
    poisoned: Scheduler, clock: FakeClock, poison: str
) -> None:
    """I14: a waiting firing whose row cannot be read waits; what else waits is claimed."""
    fired = poisoned.trigger("bad")
    edit(poisoned, f"UPDATE job_firing SET {poison} WHERE id = {fired.id}")
    other = poisoned.trigger("good")
    poisoned.tick()
    assert poisoned.firing(other.id).status is FiringStatus.SUCCESS
    assert runs_of(poisoned, clock, "good") == 3
    assert fired.id not in [one.id for one in poisoned.history()]
    health = poisoned.health()
    assert health.level is HealthLevel.CRITICAL
    assert f"firing {fired.id} of 'bad' has waited" in health.message


class Refusing(Executor):
    """A pool that takes every call and can make none, as one of processes does."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_exception(TypeError("cannot pickle it"))
        return future


def test_an_executor_that_cannot_make_the_call_fails_the_run(tmp_path: Path) -> None:
    """What an executor puts into the future it returns is the job run's error: no run waits for
    an end that never comes."""
    registry = Registry()
    registry.job("a")(lambda: None)
    scheduler = Scheduler(
        f"sqlite:///{tmp_path / 'jobs.db'}", registry=registry, executor=Refusing()
    )
    with scheduler:
        firing = scheduler.enqueue("a")
        ended = threading.Event()
        for _ in range(100):
            if scheduler.firing(firing.id).status is FiringStatus.FAILED:
                break
            ended.wait(0.1)
    (run,) = scheduler.firing(firing.id).runs
    assert (run.status, run.error) == (JobRunStatus.FAILED, "TypeError: cannot pickle it")
    scheduler.close()
