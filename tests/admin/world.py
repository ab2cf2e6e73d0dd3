"""A database that has seen a morning: every state, every hostile text, and another app's rows."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jobsched import Backoff, JobContext, Registry, Schedule, Scheduler, Settings
from jobsched.model import FiringStatus, JobRunStatus
from jobsched.store.database import Transaction
from jobsched.testing import FakeClock
from jobsched.testing.nodes import Work
from jobsched.testing.simulation import World
from tests.admin import hostile

MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
DAY = timedelta(days=1)
SELDOM = Settings(poll_interval=DAY, heartbeat_interval=DAY, lock_timeout=3 * DAY)
"""A lonely daemon need not beat: time jumps from one occurrence to the next."""

TAKES = {
    "import_feeds": timedelta(seconds=20),
    "publish": timedelta(seconds=10),
    "export": 10 * HOUR,
    "slow": 25 * MINUTE,
}


@dataclass
class Site:
    """A database with its scheduler, as a web process has it: no daemon, no job code."""

    scheduler: Scheduler
    clock: FakeClock
    ids: dict[str, int] = field(default_factory=dict)
    """Firings and job runs of note, by what they are."""

    def sql(self, work: Callable[[Transaction], Any]) -> Any:
        """What somebody does with a SQL prompt."""
        return self.scheduler.database.transact(work)

    def rows(self, table: str, **wanted: Any) -> list[Any]:
        """The table's rows in order of their ids."""

        def read(tx: Transaction) -> list[Any]:
            found = getattr(tx.tables, table)
            selected = sa.select(found).order_by(found.c.id)
            for name, value in wanted.items():
                selected = selected.where(found.c[name] == value)
            return list(tx.connection.execute(selected))

        return list(self.scheduler.database.query(read))

    def audit(self) -> list[Any]:
        """The audit log of the scheduler's app."""
        return self.rows("audit_log", app=self.scheduler.app)


def web(url: str, now: datetime = NOON, app: str = "default") -> Site:
    """The database as a process sees it that runs no daemon and imports no job."""
    clock = FakeClock(now)
    return Site(Scheduler(url, registry=Registry(), clock=clock, app=app), clock)


def copy(original: Path, to: Path) -> str:
    """The URL of a copy of an SQLite database."""
    with closing(sqlite3.connect(original)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
    return f"sqlite:///{to}"


def jobs() -> Registry:
    """Jobs that succeed, fail, are retried, and say what they should not."""
    registry = Registry()
    _add_jobs_of_the_feed(registry)
    _add_odd_jobs(registry)
    return registry


def _add_jobs_of_the_feed(registry: Registry) -> None:
    @registry.job(group="feed")
    def import_feeds(ctx: JobContext, limit: int = 3) -> dict[str, int]:
        """Import what suppliers sent."""
        for number in range(limit):
            ctx.log.info("feed %d of %d", number + 1, limit)
        ctx.progress(0.5, "half of the feeds")
        return {"imported": limit}

    @registry.job(group="feed", depends_on=[import_feeds])
    def publish(ctx: JobContext) -> None:
        """Show it to customers."""
        ctx.log.warning("publishing")
        if ctx.scheduled_for.hour == 10 and ctx.scheduled_for.minute == 0:
            raise LookupError("no such supplier")

    @registry.job(group="feed", depends_on=[publish])
    def notify() -> None:
        """Tell customers."""


def _add_odd_jobs(registry: Registry) -> None:
    @registry.job
    def broken(ctx: JobContext) -> None:
        """Fails for ever."""
        ctx.log.error("about to fail, password=%s", hostile.SECRET)
        raise ValueError(f"password={hostile.SECRET} {hostile.SCRIPT} {hostile.ANSI}")

    @registry.job(retries=5, backoff=Backoff(initial=2 * HOUR, maximum=3 * HOUR, jitter=0))
    def flaky() -> None:
        """Is tried again."""
        raise TimeoutError("the supplier does not answer")

    @registry.job(timeout=11 * HOUR)
    def export(ctx: JobContext) -> None:
        """Takes all day."""
        ctx.log.info("exporting")
        ctx.progress(0.25, "a quarter")

    @registry.job
    def slow() -> None:
        """Takes longer than its schedule's interval."""

    @registry.job
    def secretive(api_token: str = "", day: str = "") -> dict[str, str]:
        """Is given a secret."""
        return {"day": day}

    @registry.job(hostile.SCRIPT, group=hostile.SCRIPT, description=hostile.QUOTES + hostile.BIDI)
    def loud(ctx: JobContext, note: str = "") -> dict[str, str]:
        for text in (*hostile.ALL, hostile.LONG):
            ctx.log.info("%s", text)
        ctx.progress(0.5, hostile.SCRIPT + hostile.BIDI)
        return {"said": hostile.SCRIPT + hostile.ANSI}


def schedules() -> list[Schedule]:
    """One in every state that an operator can meet."""
    return [
        Schedule("feed-refresh", name="Feed refresh", cron="*/15 * * * *", group="feed",
                 enabled=True, description="What suppliers sent"),
        Schedule("hourly-broken", cron="5 * * * *", jobs=["broken"], enabled=True),
        Schedule("retried", cron="50 11 * * *", jobs=["flaky"], enabled=True),
        Schedule("long-export", cron="30 11 * * *", jobs=["export"], enabled=True),
        Schedule("nightly", cron="0 2 * * *", timezone="Europe/Oslo"),
        Schedule("paused", every=HOUR, jobs=["slow"], enabled=True),
        Schedule("dev-only", every=MINUTE, environments=["development"], enabled=True),
        Schedule("overlapping", every=10 * MINUTE, jobs=["slow"], enabled=True),
        Schedule("secretive", cron="20 9 * * *", jobs=["secretive"], enabled=True,
                 params={"api_token": hostile.SECRET, "day": "2026-03-02"}),
        Schedule("hostile", name=hostile.SCRIPT, description="\n".join(hostile.ALL[:4]),
                 cron="40 * * * *", jobs=[hostile.SCRIPT], enabled=True,
                 params={"note": hostile.QUOTES}),
    ]  # fmt: skip


def build(url: str) -> dict[str, int]:
    """Fill an empty database; the ids of note."""
    clock = FakeClock(MORNING)
    scheduler = Scheduler(url, schedules=schedules(), registry=jobs(), clock=clock, settings=SELDOM)
    with_gone = Scheduler(
        url,
        schedules=[*schedules(), Schedule("gone", every=HOUR, jobs=["slow"])],
        registry=jobs(),
        clock=clock,
    )
    other = Scheduler(
        url,
        schedules=[Schedule("other-apps", every=HOUR, jobs=["theirs"], enabled=True)],
        registry=_others(),
        clock=clock,
        app="other",
    )
    with_gone.sync()
    scheduler.sync()
    other.sync()
    other.disable("other-apps", by="somebody else")
    scheduler.disable("paused", by="kari", reason="the supplier is closed")
    work = Work(lambda ctx: TAKES.get(ctx.job_name, timedelta(seconds=1)), run_jobs=True)
    world = World(scheduler, clock, work, nodes=1)
    world.run_until(NOON - 12 * MINUTE)
    cancelled = scheduler.trigger("nightly", by="kari", params={})
    scheduler.cancel(cancelled.id, by="ola", reason="not today")
    scheduler.enqueue("import_feeds", params={"limit": 5}, by="the app", key="order-1")
    scheduler.trigger_job("import_feeds", params={"limit": 1}, by="kari")
    event_of_other = other.enqueue("theirs")
    world.run_until(NOON)
    scheduler.trigger("long-export", by="kari")
    scheduler.database.transact(_write_what_the_library_refuses)
    ids = {**_ids(scheduler), "other's firing": event_of_other.id}
    for one in (scheduler, with_gone, other):
        one.database.dispose()
    return ids


def _others() -> Registry:
    registry = Registry()

    @registry.job
    def theirs() -> None:
        """Of another app."""

    return registry


def _ids(scheduler: Scheduler) -> dict[str, int]:
    found: dict[str, int] = {}
    for firing in scheduler.history(limit=1000):
        found.setdefault(firing.status.value, firing.id)
        found.setdefault(f"of {firing.schedule_id or firing.job_name}", firing.id)
        for run in firing.runs:
            found.setdefault(f"run {run.status.value}", run.id)
            found.setdefault(f"run of {run.job_name}", run.id)
    missing = [one.value for one in FiringStatus if one.value not in found]
    missing += [
        one.value
        for one in JobRunStatus
        if f"run {one.value}" not in found
        and one not in (JobRunStatus.LOST, JobRunStatus.CANCELLED)
    ]
    assert not missing, f"the morning has seen no {missing}"
    return found


def _write_what_the_library_refuses(tx: Transaction) -> None:
    schedule, job, log = tx.tables.job_schedule, tx.tables.job_definition, tx.tables.job_log
    row = tx.connection.execute(sa.select(schedule).where(schedule.c.id == "nightly")).one()
    like = {**row._mapping, "enabled": False, "execution_mode": "ALL_JOBS"}
    tx.connection.execute(
        sa.update(schedule)
        .where(schedule.c.id == "hostile")
        .values(description="\n".join(hostile.ALL[:6]))
    )
    defined = tx.connection.execute(sa.select(job).where(job.c.name == "slow")).one()
    same = {name: value for name, value in defined._mapping.items() if name != "id"}
    for evil in hostile.IDS:
        texts = {"name": evil, "description": hostile.BIDI + hostile.ANSI, "group_name": evil}
        tx.connection.execute(
            sa.insert(schedule).values({**like, **texts, "id": evil, "problem": hostile.SCRIPT})
        )
        if evil != hostile.SCRIPT:  # a name that the library takes: it is there already
            tx.connection.execute(
                sa.insert(job).values({**same, "name": evil, "description": hostile.QUOTES})
            )
    run_id = tx.connection.execute(
        sa.select(sa.func.min(tx.tables.job_run.c.id)).where(
            tx.tables.job_run.c.job_name == hostile.SCRIPT
        )
    ).scalar_one()
    raw = hostile.ANSI + hostile.CONTROLS + hostile.BIDI
    for level in ("INFO", "<b>LOUD"):
        tx.connection.execute(
            sa.insert(log).values(
                job_run_id=run_id, level=level, message=raw + hostile.COMMENT, created_at=tx.now
            )
        )
    tx.connection.execute(
        sa.update(tx.tables.job_run)
        .where(tx.tables.job_run.c.id == run_id)
        .values(error=raw + hostile.SCRIPT, traceback=raw + "\n" + hostile.COMMENT)
    )
    tx.connection.execute(
        sa.insert(tx.tables.audit_log).values(
            app="default",
            who=hostile.SCRIPT,
            what="<i>edit</i>",
            target=hostile.QUOTES + hostile.BIDI,
            before_state={"password": hostile.SECRET, hostile.SCRIPT: hostile.ANSI},
            after_state={"note": hostile.COMMENT},
            reason="\n".join(hostile.ALL[:4]),
            created_at=tx.now,
        )
    )
    tx.connection.execute(
        sa.update(tx.tables.job_firing)
        .where(tx.tables.job_firing.c.schedule_id == "hostile")
        .values(requested_by=hostile.SCRIPT, reason=hostile.QUOTES[:100])
    )
    worker = tx.tables.worker_instance
    tx.connection.execute(
        sa.update(worker).values(
            hostname=hostile.SCRIPT + hostile.BIDI,
            version="<b>0.1</b>",
            last_heartbeat_at=tx.now,
            lock_timeout_s=60,
            poll_interval_s=5,
        )
    )
