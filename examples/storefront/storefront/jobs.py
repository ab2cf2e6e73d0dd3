"""The shop's jobs, and when they run."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from sqlalchemy.orm import Session

from jobsched import JobContext, Schedule, Scheduler, job
from storefront import cleanup, feeds, matching, search, seed, traits
from storefront.db import HOME, create_tables, database_time, database_url, open_engine

T = TypeVar("T")

engine = open_engine(database_url())
folders = feeds.Folders.under(HOME)


@job(group="demo")
def simulate_visitors(ctx: JobContext, visits: int = 0) -> dict[str, int]:
    """Play visitors and a supplier; does nothing unless asked for visits."""
    if visits == 0:
        return {"visits": 0}
    # The same key for every attempt: a retry makes no second crowd and no second feed.
    key = ctx.idempotency_key
    opened = _in_shop(lambda session: seed.open_demo_shop(session, folders, _now(ctx, session)))
    if opened:
        ctx.log.info("opened the demo shop: %d users, three feeds in the inbox", seed.USERS)
    added = _in_shop(lambda session: seed.simulate_visits(session, key, visits, _now(ctx, session)))
    file_name = seed.drop_supplier_feed(folders, key)
    ctx.log.info("%d visits; a supplier dropped %s", added, file_name)
    return {"visits": added}


@job(group="feed", depends_on=[simulate_visitors], retries=2, timeout=600)
def import_feeds(ctx: JobContext) -> dict[str, int]:
    """Import the feed files of the inbox, each in one transaction."""
    create_tables(engine)
    now = _in_shop(lambda session: _now(ctx, session))
    waiting = feeds.waiting_feeds(folders)
    counts: Counter[str] = Counter(files=0, products=0, malformed_rows=0, rejected_files=0)
    for number, path in enumerate(waiting, 1):
        if ctx.cancelled.is_set():
            ctx.log.warning("cancelled: %d feeds stay in the inbox", len(waiting) - number + 1)
            break
        outcome = feeds.import_feed(engine, folders, path, now)
        if outcome is not None:
            ctx.log.info("%s %s", outcome.file_name, outcome.verdict)
            counts["files"] += 1
            counts["products"] += outcome.imported
            counts["malformed_rows"] += outcome.refused
            counts["rejected_files"] += outcome.verdict is feeds.Verdict.REJECTED
        ctx.progress(number / len(waiting), path.name)
    return dict(counts)


@job(group="matching", depends_on=[import_feeds])
def build_user_traits(ctx: JobContext) -> dict[str, int]:
    """Say what each user likes, pays, and when they were last here."""
    users = _in_shop(lambda session: traits.rebuild_traits(session, _now(ctx, session)))
    ctx.log.info("traits of %d users", users)
    return {"users": users}


@job(group="matching", depends_on=[build_user_traits], retries=3, timeout=600)
async def profile_search_index(ctx: JobContext) -> dict[str, int]:
    """Rebuild the full-text index of the users' profiles."""
    ctx.progress(0, "indexing")
    # SQLite blocks; in a thread it does not hold up the other async jobs of this daemon.
    profiles = await asyncio.to_thread(_in_shop, search.rebuild_index)
    ctx.progress(1, "indexed")
    ctx.log.info("indexed %d profiles", profiles)
    return {"profiles": profiles}


@job(group="matching", depends_on=[build_user_traits])
def compute_matches(ctx: JobContext) -> dict[str, int]:
    """Choose the products to show to each user."""
    matches = _in_shop(matching.rebuild_matches)
    ctx.log.info("%d matches", matches)
    return {"matches": matches}


@job(group="maintenance", depends_on=[profile_search_index, compute_matches])
def clean_old_rows(ctx: JobContext) -> dict[str, int]:
    """Delete the rows and files that the shop no longer needs."""
    now = _in_shop(lambda session: _now(ctx, session))
    deleted = _in_shop(lambda session: cleanup.delete_old_rows(session, now))
    deleted["files"] = cleanup.delete_old_files(folders, now)
    ctx.log.info("deleted %s", ", ".join(f"{count} {what}" for what, count in deleted.items()))
    return deleted


scheduler = Scheduler(
    engine,
    schedules=[
        Schedule(
            id="feed-refresh",
            description="Suppliers' feeds from the inbox",
            cron="*/15 * * * *",
            group="feed",
            enabled=True,
        ),
        Schedule(
            id="hourly-matching",
            description="Traits, then search index and matches",
            cron="0 * * * *",
            group="matching",
            timezone="Europe/Oslo",
        ),
        Schedule(
            id="daily-full-sync",
            description="Every job, in dependency order",
            cron="0 2 * * *",
        ),
        Schedule(
            id="dev-quick-test",
            description="Visitors, a new feed, then every job: something to see while developing",
            cron="*/20 * * * * *",  # six fields: the first is seconds
            environments=["development"],
            enabled=True,
            params={"visits": 40},
        ),
    ],
)


def _in_shop(work: Callable[[Session], T]) -> T:
    """Do the work in one transaction on the shop's tables."""
    create_tables(engine)
    with Session(engine) as session, session.begin():
        return work(session)


def _now(ctx: JobContext, session: Session) -> datetime:
    """The occurrence's own time: a retry an hour later computes what the first attempt would."""
    return ctx.scheduled_for or database_time(session)
