"""A made-up shop with three weeks of history, the same each time: what the screenshots show.

The real daemon runs it, under a clock of our own: only the jobs are a play.
"""

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import sqlalchemy as sa

from jobsched import Backoff, JobContext, Registry, Schedule, Scheduler, Settings
from jobsched.store.tables import build_tables
from jobsched.testing import FakeClock
from jobsched.testing.nodes import Work
from jobsched.testing.simulation import World

NOW = datetime(2026, 3, 28, 9, 7, 20, tzinfo=UTC)
"""A Saturday morning; in the night the clocks of Oslo are put forward."""
PAST = timedelta(days=21)
MAIL_FAILS_SINCE = NOW - timedelta(hours=2)
ZONE = "Europe/Oslo"
HOSTS = ("shop-web-1", "shop-web-2")

registry = Registry()
job = registry.job


class MailServerError(Exception):
    """What the play's mail server answers."""


@job(group="feed", retries=2, timeout=600, backoff=Backoff(initial=timedelta(seconds=30)))
def import_feeds(ctx: JobContext) -> dict[str, int]:
    """Import the price lists that suppliers have sent."""
    dice = dice_of(ctx)
    if ctx.attempt == 1 and dice.random() < 0.04:
        raise ConnectionError("ftp.roastery.example closed the connection")
    files = dice.randrange(1, 6)
    for number in range(1, files + 1):
        ctx.log.info("roastery-%03d.csv imported: %d products", number, dice.randrange(20, 400))
    return {"files": files}


@job(group="stock", timeout=120)
def read_stock(ctx: JobContext) -> None:
    """Ask the warehouse what it has."""
    if dice_of(ctx).random() < 0.012:
        raise TimeoutError("warehouse.example did not answer within 60 s")
    ctx.log.info("4 211 articles, %d below their minimum", dice_of(ctx).randrange(3, 40))


@job(group="matching", depends_on=[import_feeds])
def build_user_traits(ctx: JobContext) -> None:
    """Say what each customer likes and pays."""
    ctx.log.info("traits of 60 000 customers")


@job(group="matching", depends_on=[build_user_traits], retries=3, timeout=1800)
async def profile_search_index(ctx: JobContext) -> None:
    """Rebuild the full-text index of the profiles."""
    ctx.log.info("index profiles_v2: 60 000 profiles in batches of 4 000")
    for batch in range(1, 11):
        ctx.log.info("batch %d of 15: 4 000 profiles, %d terms", batch, 52_000 + batch * 713)
        if batch == 4:
            ctx.log.warning("profile 18 377 has no city: indexed without it")
        ctx.progress(batch / 15, f"batch {batch} of 15")


@job(group="matching", depends_on=[build_user_traits], timeout=1800)
def compute_matches(ctx: JobContext) -> None:
    """Choose the products to show to each customer."""
    ctx.log.info("300 000 matches")


@job(group="maintenance", depends_on=[profile_search_index, compute_matches])
def clean_old_rows(ctx: JobContext) -> None:
    """Delete what the shop no longer needs."""
    ctx.log.info("deleted 1 204 views, 3 products")


@job(group="mail", retries=1, backoff=Backoff(initial=timedelta(seconds=20)))
def remind_of_carts(ctx: JobContext) -> None:
    """Write to customers who left something in their cart."""
    if ctx.scheduled_for >= MAIL_FAILS_SINCE:
        refuse()
    ctx.log.info("%d reminders", dice_of(ctx).randrange(4, 30))


@job(group="mail", timeout=3600)
def send_newsletter(ctx: JobContext, audience: str = "everybody") -> None:
    """Send the weekly letter."""
    ctx.log.info("sent to %s", audience)


@job(group="money", retries=3)
def fetch_exchange_rates(ctx: JobContext) -> None:
    """The rates of the day."""
    ctx.log.info("31 rates of %s", ctx.scheduled_for.date())


@job(group="money", on_lost="fail")
def pay_sellers(ctx: JobContext) -> None:
    """Pay out what is owed to sellers."""
    ctx.log.info("212 payments")


TAKES_S = {
    "import_feeds": 40,
    "read_stock": 6,
    "build_user_traits": 95,
    "profile_search_index": 460,
    "compute_matches": 250,
    "clean_old_rows": 20,
    "remind_of_carts": 12,
    "send_newsletter": 900,
    "fetch_exchange_rates": 3,
    "pay_sellers": 75,
}

SCHEDULES = (
    Schedule(
        id="feed-refresh",
        description="Price lists of the suppliers",
        cron="*/15 * * * *",
        timezone=ZONE,
        group="feed",
    ),
    Schedule(
        id="stock-levels",
        description="What the warehouse has",
        every=600,
        group="stock",
        misfire="skip",
    ),
    Schedule(
        id="hourly-matching",
        description="Traits, then search index and matches",
        cron="0 * * * *",
        timezone=ZONE,
        group="matching",
        overlap="queue",
        timeout=3000,
    ),
    Schedule(
        id="nightly-full-sync",
        description="Everything from feeds to cleaning, in order",
        cron="15 4 * * *",
        timezone=ZONE,
        jobs=["clean_old_rows"],
        include_dependencies=True,
    ),
    Schedule(
        id="abandoned-carts",
        description="Reminders of what was left in a cart",
        cron="20,50 8-21 * * *",
        timezone=ZONE,
        jobs=["remind_of_carts"],
    ),
    Schedule(
        id="exchange-rates",
        description="The rates of the European Central Bank",
        cron="5 16 * * mon-fri",
        timezone="Europe/Berlin",
        jobs=["fetch_exchange_rates"],
        misfire="run_all",
    ),
    Schedule(
        id="seller-payouts",
        description="What is owed to sellers",
        cron="0 6 * * mon",
        timezone=ZONE,
        jobs=["pay_sellers"],
        start_deadline=timedelta(hours=6),
    ),
    Schedule(
        id="newsletter",
        description="The weekly letter",
        cron="0 9 * * thu",
        timezone=ZONE,
        jobs=["send_newsletter"],
    ),
)


def dice_of(ctx: JobContext) -> random.Random:
    """Dice that fall the same way each time for this job and occurrence."""
    return random.Random(f"{ctx.job_name} {ctx.scheduled_for}")


def refuse() -> NoReturn:
    """As the mail server does since this morning."""
    raise MailServerError("421 4.7.0 mail.example: too many connections, try again later")


def duration(ctx: JobContext) -> timedelta:
    """How long the play says that the job takes."""
    spread = random.Random(f"{ctx.job_name} {ctx.scheduled_for} takes").uniform(0.8, 1.3)
    slow = 2.4 if ctx.job_name == "import_feeds" and ctx.scheduled_for.hour == 7 else 1
    return timedelta(seconds=round(TAKES_S[ctx.job_name] * spread * slow, 1))


@contextmanager
def shop(folder: Path) -> Iterator[tuple[Scheduler, FakeClock]]:
    """The shop at `NOW`, in an SQLite file of this folder; two daemons are alive."""
    logging.getLogger().addHandler(logging.NullHandler())  # the play's lines are for its pages
    clock = FakeClock(NOW - PAST)
    scheduler = Scheduler(
        sa.create_engine(f"sqlite:///{folder / 'shop.db'}"),
        schedules=[one.model_copy(update={"enabled": True}) for one in SCHEDULES],
        registry=registry,
        # Of three weeks no beat is seen: with few of them the play is over within a minute.
        settings=Settings(
            retention_days=365,
            poll_interval=timedelta(hours=1),
            heartbeat_interval=timedelta(hours=2),
            lock_timeout=timedelta(hours=6),
        ),
        clock=clock,
        app="shop",
    )
    world = World(scheduler, clock, Work(duration, run_jobs=True), nodes=len(HOSTS))
    world.run_until(NOW - timedelta(days=4, hours=1))
    scheduler.disable("newsletter", by="grete", reason="Waits for the new template (SHOP-412)")
    world.run_until(NOW - timedelta(days=1, hours=3))
    scheduler.disable("seller-payouts", by="ada", reason="The bank changes its interface tonight")
    world.run_until(NOW - timedelta(hours=14))
    scheduler.enable("seller-payouts", by="ada", reason="The bank is back")
    scheduler.trigger("exchange-rates", by="grete")
    world.run_until(NOW - timedelta(minutes=53))
    by_hand = scheduler.trigger("abandoned-carts", by="ada")
    scheduler.cancel(by_hand.id, by="ada", reason="Mail is down since this morning")
    world.run_until(NOW)
    _make_believable(scheduler)
    try:
        yield scheduler, clock
    finally:
        scheduler.close()


def _make_believable(scheduler: Scheduler) -> None:
    """Hosts of a shop, with a fresh beat; and what the running job has said at once, over time."""
    tables = build_tables()
    workers, runs, lines = tables.worker_instance, tables.job_run, tables.job_log
    with scheduler.database.engine.begin() as connection:

        def change(table: sa.Table, row_id: object, **values: object) -> None:
            connection.execute(sa.update(table).where(table.c.id == row_id).values(values))

        ids = connection.scalars(sa.select(workers.c.id).order_by(workers.c.running.desc())).all()
        for number, worker in enumerate(ids):
            change(
                workers,
                worker,
                hostname=HOSTS[number % len(HOSTS)],
                pid=4711 + number,
                last_heartbeat_at=NOW - timedelta(seconds=3 + 4 * number),
                lock_timeout_s=60,
                poll_interval_s=5,
            )
        running = connection.execute(
            sa.select(runs.c.id, runs.c.started_at).where(runs.c.status == "RUNNING")
        ).all()
        for run, started_at in running:
            said = sa.select(lines.c.id).where(lines.c.job_run_id == run).order_by(lines.c.id)
            of_run = connection.scalars(said).all()
            for number, line in enumerate(of_run):
                change(
                    lines, line, created_at=started_at + (NOW - started_at) / len(of_run) * number
                )
