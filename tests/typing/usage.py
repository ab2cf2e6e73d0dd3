"""jobsched as its users write it. Type checkers read this file; nothing runs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, assert_type

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from jobsched import Backoff, Job, JobContext, Registry, Schedule, Scheduler, Settings, job
from jobsched.locks import LockBackend
from jobsched.model import Firing, FiringStatus


@job(group="feed")
def import_feeds(ctx: JobContext) -> dict[str, int]:
    ctx.log.info("importing what is due at %s", ctx.scheduled_for.isoformat())
    ctx.progress(0.5, "half of it")
    return {"files": 3}


@job
def build_user_traits() -> None: ...


@job(
    "profile-search-index",
    group="matching",
    depends_on=[build_user_traits, "import_feeds"],
    retries=3,
    retry_on=(ConnectionError, TimeoutError),
    no_retry_on=(ValueError,),
    backoff=Backoff(initial=timedelta(seconds=30), factor=3, maximum=3600),
    timeout=600,
    on_lost="rerun",
)
async def profile_search_index(ctx: JobContext, day: date, copies: int = 1) -> bool:
    found: Any = ctx.result_of(import_feeds)
    return bool(found) and not ctx.cancelled.is_set()


def a_job_is_called_like_its_function(ctx: JobContext) -> None:
    assert_type(import_feeds(ctx), dict[str, int])
    build_user_traits()
    import_feeds("no context")  # type: ignore[arg-type]  # the function's own signature counts
    build_user_traits(1)  # type: ignore[call-arg]  # the function's own signature counts


async def an_async_job_is_awaited_like_its_function(ctx: JobContext) -> None:
    assert_type(await profile_search_index(ctx, date(2026, 1, 15), copies=2), bool)


def a_job_knows_its_declaration() -> None:
    assert_type(import_feeds.name, str)
    assert_type(import_feeds.group, str | None)
    assert_type(profile_search_index.depends_on, tuple[str, ...])
    assert_type(profile_search_index.timeout, timedelta | None)


registry = Registry()


@registry.job(group="reports", timeout=timedelta(minutes=5))
def report(day: date) -> str:
    return day.isoformat()


def a_registry_holds_its_jobs() -> None:
    assert_type(report(date(2026, 1, 15)), str)
    for each in registry:
        declared: Job[..., Any] = each
        assert_type(declared.name, str)


def schedules() -> list[Schedule]:
    return [
        Schedule(id="feed-refresh", cron="*/15 * * * *", group="feed", enabled=True),
        Schedule(
            id="hourly-matching",
            cron="0 * * * *",
            group="matching",
            timezone="Europe/Oslo",
            overlap="queue",
            misfire="skip",
            misfire_grace=timedelta(minutes=1),
            params={"day": "2026-01-15"},
        ),
        Schedule(id="daily-full-sync", cron="0 2 * * *"),
        Schedule(id="dev-quick-test", every=timedelta(minutes=5), environments=["development"]),
        Schedule(
            id="once", at=datetime(2026, 1, 15, 12, tzinfo=UTC), jobs=[import_feeds, "report"]
        ),
    ]


def coming_occurrences_are_datetimes(schedule: Schedule) -> None:
    assert_type(schedule.next_runs(3), list[datetime])


@contextmanager
def database_session() -> Iterator[None]:
    yield


def an_application(lock: LockBackend) -> Scheduler:
    return Scheduler(
        create_engine("sqlite:///jobs.db"),
        schedules=schedules(),
        registry=registry,
        settings=Settings(poll_interval=timedelta(seconds=1), max_workers=4),
        lock=lock,
        around=database_session,
        app="shop",
    )


def operators_verbs(scheduler: Scheduler, session: Session) -> None:
    scheduler.enable("feed-refresh", by="ada")
    scheduler.disable("feed-refresh", reason="supplier is down", by="ada")
    firing = scheduler.trigger("hourly-matching", params={"day": "2026-01-15"}, key="d15")
    assert_type(firing, Firing)
    assert_type(firing.status, FiringStatus)
    assert_type(scheduler.enqueue(report, params={"day": "2026-01-15"}, session=session), Firing)
    assert_type(scheduler.enqueue("report", run_at=datetime(2026, 1, 15, tzinfo=UTC)), Firing)
    scheduler.cancel(firing.id, reason="wrong day")
    scheduler.retry(firing.id)
    assert_type(scheduler.next_runs("hourly-matching", 3), list[datetime])
    assert_type([each.status for each in scheduler.history("hourly-matching")], list[FiringStatus])


def in_a_thread_of_the_host(scheduler: Scheduler) -> bool:
    with scheduler:
        scheduler.start()
    return scheduler.stop(timedelta(seconds=10))


def values_stay(firing: Firing) -> None:
    firing.reason = "late"  # type: ignore[misc]  # refused, though only here and not at run time
