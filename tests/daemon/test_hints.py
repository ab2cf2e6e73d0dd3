"""What somebody else asks for is seen before the next poll, where the database can tell."""

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from jobsched import JobContext, Registry, Schedule, Scheduler, Settings
from jobsched.clock import SystemClock
from jobsched.daemon.listening import Listener

LATE_S = 15
"""Half of the poll interval: whoever waits for a poll is later."""


@pytest.fixture
def ran() -> threading.Event:
    """Set when the job runs."""
    return threading.Event()


@pytest.fixture
def asked() -> threading.Event:
    """Set when the job sees that it is to end."""
    return threading.Event()


@pytest.fixture
def daemon(database_url: str, ran: threading.Event, asked: threading.Event) -> Iterator[Scheduler]:
    """A daemon that looks twice a minute by itself."""
    registry = Registry()
    registry.job("note")(ran.set)

    @registry.job
    def patient(ctx: JobContext) -> None:
        ran.set()
        if ctx.cancelled.wait(60):
            asked.set()

    scheduler = Scheduler(
        database_url,
        registry=registry,
        schedules=[Schedule("yearly", cron="0 0 1 1 *", overlap="allow", jobs=["note"])],
        settings=Settings(poll_interval=30, heartbeat_interval=25),
    )
    scheduler.start()
    yield scheduler
    scheduler.close()


@pytest.fixture
def elsewhere(database_url: str) -> Iterator[Scheduler]:
    """A scheduler that shares nothing with the daemon but the database."""
    scheduler = Scheduler(database_url, registry=Registry())
    yield scheduler
    scheduler.close()


@pytest.mark.backends("sqlite", "postgresql")
def test_run_now_is_seen_at_once(
    daemon: Scheduler, elsewhere: Scheduler, ran: threading.Event
) -> None:
    """NOTIFY and `PRAGMA data_version` wake a daemon that would sleep for another half minute."""
    for _ in range(3):
        ran.clear()
        elsewhere.trigger("yearly")
        assert ran.wait(LATE_S)


@pytest.mark.backends("postgresql")
def test_an_event_in_the_hosts_transaction_is_seen_with_its_commit(
    daemon: Scheduler, elsewhere: Scheduler, ran: threading.Event
) -> None:
    """`enqueue(session=...)` is announced by the host's own commit."""
    host = sa.create_engine(daemon.database.engine.url)
    with host.begin() as connection:
        elsewhere.enqueue("note", session=connection)
        assert not ran.is_set()
    assert ran.wait(LATE_S)
    host.dispose()


@pytest.mark.backends("sqlite", "postgresql")
def test_a_wish_to_cancel_is_seen_within_moments(
    daemon: Scheduler, elsewhere: Scheduler, ran: threading.Event, asked: threading.Event
) -> None:
    """However seldom a daemon polls while nothing runs, it looks each second for who cancels."""
    firing = elsewhere.enqueue("patient")
    assert ran.wait(LATE_S)
    elsewhere.cancel(firing.id)
    assert asked.wait(LATE_S)


@pytest.mark.backends("sqlite", "postgresql")
def test_listening_ends_when_it_is_told_to(daemon: Scheduler) -> None:
    """A daemon that stops does not wait for a hint, nor for the end of a silent minute."""
    stop, listens = threading.Event(), threading.Event()
    listener = Listener(daemon.database, SystemClock(), listens.set)
    thread = threading.Thread(target=listener.run, args=(stop,), daemon=True)
    thread.start()
    assert listens.wait(LATE_S)
    stop.set()
    listener.wake()
    thread.join(LATE_S)
    assert not thread.is_alive()
    listener.wake()  # late: there is nothing to wake


@pytest.mark.backends("postgresql")
def test_losing_the_hints_loses_nothing(
    daemon: Scheduler, elsewhere: Scheduler, ran: threading.Event
) -> None:
    """With every session of the daemon ended by the server, a firing still runs."""
    with elsewhere.database.write() as tx:
        tx.connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    elsewhere.trigger("yearly")
    assert ran.wait(60)
