"""Schedules by view, search, group and job, a page at a time; and how many each view shows."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched import Schedule
from jobsched.errors import ParameterError
from jobsched.model import JobDefinition, JobRunStatus
from jobsched.store import counts, listing
from jobsched.store.listing import ScheduleFilter, ScheduleSort, ScheduleView

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
V = ScheduleView


def found(store: Any, view: ScheduleView = V.ALL, **wanted: Any) -> list[str]:
    page = store.query(
        lambda tx: listing.schedules(tx, "default", ScheduleFilter(view, **wanted), limit=100)
    )
    return [one.declaration.id for one in page.items]


def walked(store: Any, limit: int, sort: ScheduleSort) -> list[list[str]]:
    """Page after page until the end."""
    pages: list[list[str]] = []
    after = None
    while True:
        page = store.query(
            lambda tx, after=after: listing.schedules(
                tx, "default", ScheduleFilter(), sort=sort, after=after, limit=limit
            )
        )
        pages.append([one.declaration.id for one in page.items])
        after = page.next
        if after is None:
            return pages


def every(schedule_id: str, hours: int = 1, **fields: Any) -> Schedule:
    return Schedule(schedule_id, every=hours * HOUR, **({"jobs": ["a"], "enabled": True} | fields))


def a_schedule_of_each_kind(store: Any) -> None:
    store.declare(every("left"))
    store.declare(
        every("fails"),
        every("runs"),
        every("late", 2),
        every("poisoned"),
        every("off", enabled=False),
        every("mended"),
    )
    me = store.worker()
    store.clock.move_to(NOON + HOUR)
    claimed = {one.firing.schedule_id: one for one in store.fire(me).claimed}
    store.finish(claimed["fails"], JobRunStatus.FAILED)
    store.finish(claimed["mended"], JobRunStatus.FAILED)
    store.finish(claimed["poisoned"])
    store.edit("job_schedule", "poisoned", problem="bad cron", next_run_at=NOON)
    store.clock.move_to(NOON + 2 * HOUR)
    store.keep_alive(me)
    store.edit("job_schedule", "late", next_run_at=NOON + 2 * HOUR - timedelta(seconds=61))
    for name in ("fails", "runs"):
        store.edit("job_schedule", name, next_run_at=NOON + 2 * HOUR - timedelta(seconds=60))
    mended = store.trigger("mended")
    (one,) = [c for c in store.claim(me).claimed if c.firing.id == mended.id]
    store.finish(one)


def test_each_view_shows_what_it_says_and_counts_it(store: Any) -> None:
    """The chips' numbers are those of the lists behind them; a live firing is RUNNING, and the
    latest ended one says FAILING."""
    a_schedule_of_each_kind(store)
    views = {view: found(store, view) for view in V}
    assert views == {
        V.ALL: ["fails", "late", "mended", "off", "poisoned", "runs"],
        V.ENABLED: ["fails", "late", "mended", "poisoned", "runs"],
        V.DISABLED: ["off"],
        V.RUNNING: ["runs"],
        V.FAILING: ["fails"],
        V.OVERDUE: ["late"],
        V.PROBLEM: ["poisoned"],
        V.RETIRED: ["left"],
    }
    limit = timedelta(seconds=60)
    counted = store.query(lambda tx: counts.schedule_counts(tx, "default", tx.now - limit))
    assert asdict(counted) == {
        "total" if view is V.ALL else view.value: len(ids) for view, ids in views.items()
    }
    assert store.query(lambda tx: counts.schedule_counts(tx, "other", tx.now)).total == 0


@pytest.mark.parametrize("sort", list(ScheduleSort))
@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_pages_hold_every_schedule_once(store: Any, sort: ScheduleSort, limit: int) -> None:
    """Whatever the order and the size of the pages, also among equal and absent times."""
    store.declare(*(every(name, enabled=name in "bde") for name in "abcdef"))
    store.edit("job_schedule", "d", next_run_at=NOON + timedelta(minutes=1))
    store.edit("job_schedule", "c", last_run_at=NOON)
    store.edit("job_schedule", "e", last_run_at=NOON + HOUR)
    expected = {
        ScheduleSort.ID: list("abcdef"),
        ScheduleSort.NEXT_RUN: list("dbeacf"),
        ScheduleSort.LAST_RUN: list("ecabdf"),
    }
    pages = walked(store, limit, sort)
    assert [name for page in pages for name in page] == expected[sort]
    assert all(len(page) == limit for page in pages[:-1])


@pytest.mark.parametrize(
    ("sort", "after"),
    [
        (ScheduleSort.ID, ("a", "b")),
        (ScheduleSort.NEXT_RUN, ("a",)),
        (ScheduleSort.NEXT_RUN, ("yesterday", "a")),
        (ScheduleSort.LAST_RUN, ("0001-01-01T00:00:00+14:00", "a")),
    ],
)
def test_a_cursor_that_no_page_gave_is_refused(
    store: Any, sort: ScheduleSort, after: tuple[str, ...]
) -> None:
    """With an error of the caller's, never one of the database's."""
    with pytest.raises(ParameterError, match="cursor"):
        store.query(
            lambda tx: listing.schedules(tx, "default", ScheduleFilter(), sort=sort, after=after)
        )


def test_search_takes_every_character_as_it_is(store: Any) -> None:
    """Part of the id, the name or the description, in any letter case; `%` is a percent sign."""
    store.declare(
        every("feed-refresh"),
        every("other", name="Refreshes FEEDS"),
        every("third", description="50% of a_feed/x"),
    )
    assert found(store, search="FEED") == ["feed-refresh", "other", "third"]
    assert found(store, search="50%") == ["third"]
    assert found(store, search="a_f") == ["third"]
    assert found(store, search="/x") == ["third"]
    assert found(store, search="%") == ["third"]
    assert found(store, search="' OR 1=1 --") == []
    assert found(store, V.DISABLED, search="feed") == []


def test_schedules_of_a_group_and_of_a_job(store: Any) -> None:
    """By job: selected by name, by its group, with all, or as an included dependency."""
    jobs = (
        JobDefinition("a", group="g"),
        JobDefinition("b", depends_on=("a",)),
        JobDefinition('quo"te%'),
    )
    store.declare(
        every("by-name"),
        every("by-group", jobs=None, group="g"),
        every("all", jobs=None),
        every("included", jobs=["b"], include_dependencies=True),
        every("alone", jobs=["b"]),
        every("odd", jobs=['quo"te%']),
        jobs=jobs,
    )
    assert found(store, group="g") == ["by-group"]
    assert found(store, job="a") == ["all", "by-group", "by-name", "included"]
    assert found(store, job="b") == ["all", "alone", "included"]
    assert found(store, job='quo"te%') == ["all", "odd"]
    assert found(store, job="nobody") == []


def test_a_row_that_cannot_be_read_is_listed_with_its_problem(store: Any) -> None:
    """I14: one poisoned row costs no page, and is seen."""
    store.declare(every("bad"), every("good"))
    store.edit("job_schedule", "bad", overlap="sometimes")
    page = store.query(lambda tx: listing.schedules(tx, "default", ScheduleFilter()))
    assert [one.declaration.id for one in page.items] == ["bad", "good"]
    assert "cannot be read" in (page.items[0].problem or "")


@pytest.mark.parametrize("recent", [None, [], {}, "text", [1], [{"status": None}]])
def test_a_memory_edited_by_hand_is_not_failing(store: Any, recent: Any) -> None:
    """Whatever stands in `recent`, the list and its counts are given."""
    store.declare(every("s"))
    store.edit("job_schedule", "s", recent=recent)
    assert found(store, V.FAILING) == []
