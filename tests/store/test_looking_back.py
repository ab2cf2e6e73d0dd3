"""Lists of firings, job runs and audit rows: newest first, and never a look through everything."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from jobsched import Schedule
from jobsched.model import FiringStatus, JobRunStatus, TriggerType
from jobsched.store import audit, firing_list, listing, looking_back, run_list
from jobsched.store.listing import AuditFilter, FiringFilter, RunFilter

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
F, R = FiringStatus, JobRunStatus


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a few rows reach."""
    monkeypatch.setattr(looking_back, "WINDOW", 10)
    monkeypatch.setattr(looking_back, "_CLOSE", 2)
    monkeypatch.setattr(firing_list, "RARE", 3)
    monkeypatch.setattr(firing_list, "OF_SCHEDULE", 4)
    monkeypatch.setattr(run_list, "OF_SCHEDULE", 4)


def put(store: Any, *statuses: FiringStatus, every: int = 3, app: str = "default") -> list[int]:
    """Firings of these states a minute apart, of `s0`, `s1`, … in turn, each with a job run."""
    tables = store.database.tables
    ids = []
    for number, status in enumerate(statuses):
        at = NOON + number * MINUTE
        firing = {
            "app": app,
            "schedule_id": f"s{number % every}",
            "scheduled_for": at,
            "trigger_type": "CRON" if number % 2 else "MANUAL",
            "status": status.value,
            "priority": 0,
            "available_at": at,
            "version": 0,
            "created_at": at,
            "started_at": None if status is F.SKIPPED else at,
        }
        run = {key: firing[key] for key in ("schedule_id", "scheduled_for", "trigger_type")} | {
            "job_name": f"job{number % 2}",
            "attempt": 1,
            "status": status.value,
            "available_at": at,
            "queued_at": at,
            "worker_id": f"w{number % 2}",
        }

        def write(tx: Any, firing: Any = firing, run: Any = run) -> int:
            made = tx.connection.execute(sa.insert(tables.job_firing).values(firing))
            firing_id = int(made.inserted_primary_key[0])
            if run["status"] != F.SKIPPED:
                new = run | {"firing_id": firing_id}
                tx.connection.execute(sa.insert(tables.job_run).values(new))
            return firing_id

        ids.append(store.transact(write))
    return ids


def pages(store: Any, kind: str, wanted: Any, limit: int = 3, **options: Any) -> Iterator[Any]:
    """Page after page until the end."""
    before = None
    while True:
        page = store.query(
            lambda tx, before=before: getattr(listing, kind)(
                tx, "default", wanted, before=before, limit=limit, **options
            )
        )
        yield page
        if page.next is None:
            return
        (before,) = page.next


def ids_of(found: Iterator[Any]) -> list[int]:
    return [one.id for page in found for one in page.items]


def firings(store: Any, limit: int = 3, **wanted: Any) -> list[int]:
    return ids_of(pages(store, "firings", FiringFilter(**wanted), limit))


def runs(store: Any, limit: int = 3, **wanted: Any) -> list[int]:
    return [
        one.firing_id
        for page in pages(store, "runs", RunFilter(**wanted), limit)
        for one in page.items
    ]


@pytest.mark.parametrize("limit", [1, 3, 10, 50])
def test_every_firing_and_run_comes_once(store: Any, limit: int) -> None:
    """Newest first, of the app alone, whatever the size of the pages."""
    put(store, F.SUCCESS, app="other")
    ids = put(store, *[F.SUCCESS] * 25)[::-1]
    put(store, F.SUCCESS, app="other")
    assert firings(store, limit) == ids
    assert runs(store, limit) == ids
    assert firings(store, limit, schedule_id="s1") == ids[2::3]
    assert runs(store, limit, schedule_id="s1") == ids[2::3]


def test_a_page_ends_early_and_says_how_far_it_looked(store: Any) -> None:
    """What no index finds is looked for in so many ids; then the caller decides to go on."""
    ids = put(store, *[F.SUCCESS, *[F.SKIPPED] * 4, F.SUCCESS] * 5)  # SUCCESS is not rare
    wanted = FiringFilter(statuses=(F.SUCCESS,), trigger=TriggerType.MANUAL)
    found = list(pages(store, "firings", wanted, 100))
    assert ids_of(iter(found)) == [one for one in ids[::-1] if (one - ids[0]) % 6 == 0]
    assert [page.searched_to for page in found] == [NOON + 19 * MINUTE, NOON + 9 * MINUTE, None]
    assert len(found[0].items) < 100
    assert found[0].next is not None


def test_a_rare_state_is_found_at_once(store: Any) -> None:
    """Up to a number, firings of a state come in one page however long ago they were."""
    ids = put(store, F.FAILED, F.CANCELLED, F.FAILED, *[F.SUCCESS] * 40)
    found = list(pages(store, "firings", FiringFilter(statuses=(F.FAILED, F.CANCELLED)), 10))
    assert [one.id for one in found[0].items] == [ids[2], ids[1], ids[0]]
    assert (len(found), found[0].searched_to) == (1, None)
    assert firings(store, statuses=(F.FAILED,), schedule_id="s0") == [ids[0]]
    assert firings(store, statuses=(F.RUNNING,)) == []


def test_many_of_a_state_are_found_page_by_page(store: Any) -> None:
    """Above that number they are looked for, of all schedules and of one, and none is missed."""
    ids = put(store, *[F.FAILED, F.SUCCESS, F.FAILED] * 10)[::-1]
    failed = [one for one in ids if (one - ids[-1]) % 3 != 1]
    assert firings(store, statuses=(F.FAILED,)) == failed
    assert runs(store, statuses=(R.FAILED,)) == failed
    of_s2 = ids[0::3]
    assert firings(store, statuses=(F.FAILED,), schedule_id="s2") == of_s2
    assert firings(store, 1, statuses=(F.FAILED,), schedule_id="s2") == of_s2
    assert firings(store, trigger=TriggerType.MANUAL, schedule_id="s2") == [
        one for one in of_s2 if (one - ids[-1]) % 2 == 0
    ]
    assert runs(store, statuses=(R.FAILED,), schedule_id="s2") == of_s2
    assert runs(store, 1, statuses=(R.SUCCESS,), schedule_id="s2") == []


def test_times_bound_a_list_exactly(store: Any) -> None:
    """From `since` on and before `until`, wherever in the history that is."""
    ids = put(store, *[F.SUCCESS] * 40)
    since, until = NOON + 11 * MINUTE, NOON + 14 * MINUTE
    assert firings(store, since=since, until=until) == ids[11:14][::-1]
    assert runs(store, since=since, until=until) == ids[11:14][::-1]
    assert firings(store, since=NOON + 38 * MINUTE) == ids[38:][::-1]
    assert firings(store, until=NOON + 2 * MINUTE) == ids[:2][::-1]
    assert firings(store, schedule_id="s0", since=since, until=until) == [ids[12]]
    assert runs(store, schedule_id="s0", since=since, until=until) == [ids[12]]
    assert firings(store, since=NOON + HOUR) == []
    assert firings(store, until=NOON) == []
    far = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert firings(store, since=far[0], until=far[1]) == ids[::-1]


def test_a_time_is_found_in_few_statements(store: Any) -> None:
    """By halving: a handful of rows are looked at, not all that came after."""
    put(store, *[F.SUCCESS] * 64)
    wanted = FiringFilter(since=NOON + 5 * MINUTE, until=NOON + 8 * MINUTE)
    with store.statements() as made:
        store.query(lambda tx: listing.firings(tx, "default", wanted, limit=10))
    assert len(made) <= 16


def test_gaps_among_the_ids_are_jumped(store: Any) -> None:
    """Ids that were never used, or pruned, cost no page."""
    first, *_, last = put(store, *[F.SUCCESS] * 3)
    store.edit("job_firing", last, id=last + 1_000_000)
    wanted = FiringFilter(trigger=TriggerType.MANUAL)
    found = list(pages(store, "firings", wanted, 10))
    assert [[one.id for one in page.items] for page in found] == [[last + 1_000_000], [first]]
    assert firings(store, since=NOON, until=NOON + MINUTE) == [first]
    assert firings(store, since=NOON + 2 * MINUTE) == [last + 1_000_000]


def test_runs_of_a_job_a_firing_and_a_worker(store: Any) -> None:
    """Each narrows the list; a worker that is long gone is found where it was."""
    store.declare(Schedule("s0", every=HOUR, jobs=["a"]))
    ids = put(store, *[F.SUCCESS] * 30)
    assert runs(store, job_name="job1") == ids[1::2][::-1]
    assert runs(store, firing_id=ids[4]) == [ids[4]]
    assert runs(store, firing_id=ids[4], job_name="job1") == []
    assert runs(store, worker_id="w0") == ids[0::2][::-1]
    gone = store.worker()
    store.edit("worker_instance", gone, id="w1", last_heartbeat_at=NOON + 5 * MINUTE)
    store.clock.move_to(NOON + 5 * HOUR)
    found = list(pages(store, "runs", RunFilter(worker_id="w1"), 10))
    assert [one.firing_id for one in found[0].items] == [ids[5], ids[3], ids[1]]


def test_live_runs_are_found_by_their_firings(store: Any) -> None:
    """However many ended since: what runs for long is not out of sight."""
    ids = put(store, F.RUNNING, *[F.SUCCESS] * 30, F.RUNNING)
    found = list(pages(store, "runs", RunFilter(statuses=(R.RUNNING, R.QUEUED)), 10))
    assert [one.firing_id for one in found[0].items] == [ids[-1], ids[0]]
    assert len(found) == 1


def test_runs_of_one_firing_stand_together_in_a_schedules_list(store: Any) -> None:
    """A late retry of an old firing stands with that firing, and no run is lost between pages."""
    ids = put(store, *[F.SUCCESS] * 12, every=1)
    store.transact(
        lambda tx: tx.connection.execute(
            sa.insert(tx.tables.job_run).from_select(
                [c.name for c in tx.tables.job_run.c if c.name != "id"],
                sa.select(
                    *(
                        sa.literal(2).label("attempt") if c.name == "attempt" else c
                        for c in tx.tables.job_run.c
                        if c.name != "id"
                    )
                ).where(tx.tables.job_run.c.firing_id == ids[1]),
            )
        )
    )
    assert runs(store, 1, schedule_id="s0") == [*ids[:1:-1], ids[1], ids[1], ids[0]]
    assert runs(store, 5, schedule_id="s0") == [*ids[:1:-1], ids[1], ids[1], ids[0]]


def test_occurrences_that_did_not_run_do_not_end_a_schedules_runs(store: Any) -> None:
    """Any number of SKIPPED firings lie between two runs, and the older one is found."""
    ids = put(store, F.SUCCESS, *[F.SKIPPED] * 20, F.SUCCESS, every=1)
    assert runs(store, 1, schedule_id="s0") == [ids[-1], ids[0]]
    assert runs(store, schedule_id="s0", job_name="job0") == [ids[0]]


def test_firings_come_with_their_runs_on_request(store: Any) -> None:
    """In plan order, and only then."""
    put(store, F.SUCCESS)
    (with_runs,) = pages(store, "firings", FiringFilter(), with_runs=True)
    (without,) = pages(store, "firings", FiringFilter())
    assert [run.job_name for run in with_runs.items[0].runs] == ["job0"]
    assert without.items[0].runs == ()


def test_a_row_that_cannot_be_read_does_not_end_the_list(store: Any) -> None:
    """I14: it is left out, and the pages go on behind it."""
    ids = put(store, *[F.SUCCESS] * 8)
    store.edit("job_firing", ids[4], trigger_type="SOMEHOW")
    rest = [one for one in ids[::-1] if one != ids[4]]
    assert firings(store, 3) == rest
    assert firings(store, 1) == rest


def test_an_empty_history_is_an_empty_page(store: Any) -> None:
    """Nothing at all, for every filter."""
    for wanted in (FiringFilter(), FiringFilter("s"), FiringFilter(since=NOON, until=NOON)):
        assert ids_of(pages(store, "firings", wanted)) == []
    for of in (RunFilter(), RunFilter("s"), RunFilter(since=NOON), RunFilter(worker_id="w")):
        assert ids_of(pages(store, "runs", of)) == []


def test_the_audit_log_is_read_newest_first(store: Any) -> None:
    """By who, what, target and time; what was kept of before and after comes back redacted."""

    def write(tx: Any, who: str, target: str) -> None:
        after = {"params": {"api_key": "x", "n": 1}}
        audit.write(tx, app="default", who=who, what="trigger", target=target, after=after)

    for number in range(5):
        store.clock.move_to(NOON + number * HOUR)
        who = "ann" if number % 2 else "bob"
        store.transact(lambda tx, who=who, n=number: write(tx, who, f"schedule s{n}"))
    found = [one for page in pages(store, "audit", AuditFilter(), 2) for one in page.items]
    assert [one.target for one in found] == [f"schedule s{n}" for n in (4, 3, 2, 1, 0)]
    assert found[0].after == {"params": {"api_key": "***", "n": 1}}
    assert found[0].before is None

    def targets(**wanted: Any) -> list[str]:
        whole = pages(store, "audit", AuditFilter(**wanted), 2)
        return [one.target[-2:] for page in whole for one in page.items]

    assert targets(who="ann") == ["s3", "s1"]
    assert targets(target="schedule s2") == ["s2"]
    assert targets(what="cancel") == []
    assert targets(since=NOON + HOUR, until=NOON + 3 * HOUR) == ["s2", "s1"]
