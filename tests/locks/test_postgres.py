"""PostgresAdvisoryLock: sessions that end, frozen processes, poolers, and what others see."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from jobsched.errors import ConfigurationError
from jobsched.locks import LockUnavailableError, PostgresAdvisoryLock
from jobsched.locks.postgres import advisory_key
from jobsched.locks.postgres_session import PostgresSession

pytestmark = pytest.mark.backends("postgresql")

LONG = timedelta(minutes=1)
KEY, OURS, THEIRS = "schedule:nightly", "worker-1:7", "worker-2:8"


@pytest.fixture
def admin(database_url: str) -> Iterator[sa.Connection]:
    """Somebody at an SQL prompt."""
    engine = sa.create_engine(database_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def make_lock(database_url: str) -> Iterator[Callable[..., PostgresAdvisoryLock]]:
    """Make a lock as one process has it."""
    made: list[PostgresAdvisoryLock] = []

    def make(database: sa.Engine | str = database_url) -> PostgresAdvisoryLock:
        made.append(PostgresAdvisoryLock(database))
        return made[-1]

    yield make
    for lock in made:
        lock.close()


def ask(admin: sa.Connection, statement: str, **values: Any) -> Any:
    return admin.execute(sa.text(statement), values).scalar()


def sessions_with_locks(admin: sa.Connection) -> list[int]:
    statement = (
        "SELECT DISTINCT pid FROM pg_locks JOIN pg_database ON oid = database"
        " WHERE locktype = 'advisory' AND datname = current_database()"
    )
    return list(admin.execute(sa.text(statement)).scalars())


def end_sessions_with_locks(admin: sa.Connection) -> None:
    """As an operator does, or a server that restarts; waits until they have ended."""
    for session in sessions_with_locks(admin):
        assert ask(admin, "SELECT pg_terminate_backend(:pid, 10000)", pid=session)


# sessions that end


def test_a_lost_session_loses_its_locks(admin: sa.Connection, make_lock: Any) -> None:
    """When the connection is killed renew says that the lock is lost, and another gets it."""
    here, elsewhere = make_lock(), make_lock()
    assert here.acquire(KEY, OURS, LONG)
    assert not elsewhere.acquire(KEY, THEIRS, LONG)
    end_sessions_with_locks(admin)
    assert not here.renew(KEY, OURS, LONG)
    assert elsewhere.acquire(KEY, THEIRS, LONG)
    here.release(KEY, OURS)
    assert elsewhere.renew(KEY, THEIRS, LONG)


def test_every_lock_of_a_lost_session_is_lost(admin: sa.Connection, make_lock: Any) -> None:
    """A new connection, made for one lock, does not make the old one's other locks look held."""
    lock = make_lock()
    assert lock.acquire("schedule:a", OURS, LONG)
    assert lock.acquire("schedule:b", OURS, LONG)
    end_sessions_with_locks(admin)
    assert lock.acquire("schedule:a", OURS, LONG)
    assert not lock.renew("schedule:b", OURS, LONG)
    assert lock.renew("schedule:a", OURS, LONG)


def test_acquiring_again_after_a_lost_session_takes_the_lock_anew(
    admin: sa.Connection, make_lock: Any
) -> None:
    """A holder that acquires again is not told yes from memory: the server has its lock again."""
    here, elsewhere = make_lock(), make_lock()
    assert here.acquire(KEY, OURS, LONG)
    end_sessions_with_locks(admin)
    assert elsewhere.acquire(KEY, THEIRS, LONG)
    assert not here.acquire(KEY, OURS, LONG)


def test_releasing_in_a_lost_session_is_no_error(admin: sa.Connection, make_lock: Any) -> None:
    """A lock that was lost with its session needs no release."""
    lock = make_lock()
    assert lock.acquire(KEY, OURS, LONG)
    end_sessions_with_locks(admin)
    lock.release(KEY, OURS)
    assert lock.acquire(KEY, THEIRS, LONG)


def test_a_server_that_is_down_holds_no_lock(make_lock: Any) -> None:
    """Without a server acquire raises and says where it looked, without the password."""
    lock = make_lock("postgresql://somebody:secret@127.0.0.1:1/jobs")
    with pytest.raises(
        LockUnavailableError, match=r"127\.0\.0\.1:1/jobs cannot be reached"
    ) as raised:
        lock.acquire(KEY, OURS, LONG)
    assert "secret" not in str(raised.value)
    assert not lock.renew(KEY, OURS, LONG)
    lock.release(KEY, OURS)


def test_closing_gives_every_lock_up(make_lock: Any) -> None:
    """close() ends the session and its locks; the object can be used again."""
    here, elsewhere = make_lock(), make_lock()
    assert here.acquire(KEY, OURS, LONG)
    here.close()
    assert not here.renew(KEY, OURS, LONG)
    assert elsewhere.acquire(KEY, THEIRS, LONG)
    assert here.acquire("schedule:other", OURS, LONG)


# other processes

HOLD = """
import sys
from datetime import timedelta
from jobsched.locks import PostgresAdvisoryLock
lock = PostgresAdvisoryLock(sys.argv[1])
for line in sys.stdin:
    method, seconds = line.split()
    ttl = timedelta(seconds=float(seconds))
    print(getattr(lock, method)(sys.argv[2], sys.argv[3], ttl), flush=True)
"""


class Process:
    """Another process with a lock object of its own."""

    def __init__(self, popen: "subprocess.Popen[str]") -> None:
        self.popen = popen

    def call(self, method: str, ttl: timedelta) -> bool:
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.popen.stdin.write(f"{method} {ttl.total_seconds()}\n")
        self.popen.stdin.flush()
        return {"True\n": True, "False\n": False}[self.popen.stdout.readline()]


@contextmanager
def process(url: str, key: str, owner: str) -> Iterator[Process]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, url, key, owner],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as popen:
        try:
            yield Process(popen)
        finally:
            popen.kill()


def test_two_processes_exclude_each_other(database_url: str) -> None:
    """Of two processes one holds the lock; when it is killed the other gets it at once."""
    with process(database_url, KEY, OURS) as first, process(database_url, KEY, THEIRS) as second:
        assert first.call("acquire", LONG)
        assert not second.call("acquire", LONG)
        assert not second.call("renew", LONG)
        assert first.call("renew", LONG)


def test_a_killed_process_frees_its_locks(
    database_url: str, make_lock: Any, wait_until: Any
) -> None:
    """The end of a process is the end of its session: nobody waits for its ttl."""
    lock = make_lock()
    with process(database_url, KEY, THEIRS) as other:
        assert other.call("acquire", LONG)
        assert not lock.acquire(KEY, OURS, LONG)
        other.popen.kill()
        wait_until(lambda: lock.acquire(KEY, OURS, LONG), "the lock is free")


def test_a_frozen_process_loses_its_locks_with_the_ttl(
    database_url: str, make_lock: Any, wait_until: Any
) -> None:
    """A process that stands still blocks nobody for longer than its ttl, and learns it on waking.

    The server ends its silent session: PostgreSQL 14 or newer.
    """
    lock = make_lock()
    with process(database_url, KEY, THEIRS) as other:
        assert other.call("acquire", timedelta(seconds=1))
        other.popen.send_signal(signal.SIGSTOP)
        assert not lock.acquire(KEY, OURS, LONG)
        wait_until(lambda: lock.acquire(KEY, OURS, LONG), "the lock is free")
        other.popen.send_signal(signal.SIGCONT)
        assert not other.call("renew", LONG)
        assert lock.renew(KEY, OURS, LONG)


def test_a_fork_begins_without_locks(make_lock: Any) -> None:
    """A forked child holds nothing, uses a session of its own, and leaves its parent's alone."""
    lock = make_lock()
    assert lock.acquire(KEY, OURS, LONG)
    child = os.fork()
    if child == 0:
        kept = not lock.renew(KEY, OURS, LONG) and not lock.acquire(KEY, OURS, LONG)
        own = lock.acquire("schedule:child", THEIRS, LONG)
        os._exit(0 if kept and own else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert lock.renew(KEY, OURS, LONG)


# what others see


def test_others_can_share_the_lock_by_its_number(admin: sa.Connection, make_lock: Any) -> None:
    """Another system takes and respects the same lock through `advisory_key`."""
    lock = make_lock()
    number = advisory_key(KEY)
    assert ask(admin, "SELECT pg_try_advisory_lock(:n)", n=number)
    assert not lock.acquire(KEY, OURS, LONG)
    assert ask(admin, "SELECT pg_advisory_unlock(:n)", n=number)
    assert lock.acquire(KEY, OURS, LONG)
    assert not ask(admin, "SELECT pg_try_advisory_lock(:n)", n=number)


@pytest.mark.parametrize("key", [KEY, "schedule:søk 夜間", "a" * 200])
def test_the_number_of_a_lock_can_be_computed_in_sql(admin: sa.Connection, key: str) -> None:
    """The SQL in the docstring of `advisory_key` gives the same number as the function."""
    assert advisory_key.__doc__ is not None
    in_sql = advisory_key.__doc__.split("`")[1]
    assert ask(admin, f"SELECT {in_sql}", key=key) == advisory_key(key)


def test_the_number_of_a_lock_never_changes() -> None:
    """Daemons of different versions, on different machines, mean the same lock."""
    assert advisory_key("schedule:nightly") == -4664293933407873715


def test_released_and_expired_locks_leave_nothing_behind(
    admin: sa.Connection, make_lock: Any
) -> None:
    """Whatever was acquired twice, released or not renewed is not in pg_locks in the end."""
    lock = make_lock()
    assert lock.acquire("schedule:a", OURS, LONG)
    assert lock.acquire("schedule:a", OURS, LONG)
    assert lock.acquire("schedule:b", OURS, timedelta(milliseconds=100))
    ask(admin, "SELECT pg_sleep(0.2)")
    lock.release("schedule:a", OURS)
    assert sessions_with_locks(admin) == []
    assert lock.acquire("schedule:c", OURS, LONG)
    assert ask(admin, OTHER_SESSIONS) == 1


def test_an_idle_session_without_locks_is_left_alone(admin: sa.Connection, make_lock: Any) -> None:
    """The server ends a silent session for the sake of its locks only, never an idle daemon's."""
    here, elsewhere = make_lock(), make_lock()
    short = timedelta(milliseconds=200)
    assert here.acquire(KEY, OURS, LONG)
    assert not elsewhere.acquire(KEY, THEIRS, short)
    assert elsewhere.acquire("schedule:other", THEIRS, short)
    elsewhere.release("schedule:other", THEIRS)
    ask(admin, "SELECT pg_sleep(0.6)")
    assert ask(admin, OTHER_SESSIONS) == 2


OTHER_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


# how it is made


def test_nothing_of_the_hosts_engine_is_used(database_url: str, make_lock: Any) -> None:
    """An engine lends its address and connect arguments; its pool and sessions stay untouched."""
    engine = sa.create_engine(database_url, pool_size=1, max_overflow=0, pool_timeout=1)
    with engine.connect() as host:
        lock = make_lock(engine)
        assert lock.acquire(KEY, OURS, LONG)
        assert ask(host, "SHOW idle_session_timeout") == "0"
    assert engine.pool.status().startswith("Pool size: 1  Connections in pool: 1 ")
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite://", "mysql://root@127.0.0.1/test"])
def test_another_database_is_refused(url: str) -> None:
    """A database without advisory locks is refused when the lock is made."""
    with pytest.raises(ConfigurationError, match="give it a PostgreSQL engine or URL"):
        PostgresAdvisoryLock(url)


def test_a_missing_driver_is_named_with_its_extra() -> None:
    """Without psycopg a URL is refused with what to install."""
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from jobsched.errors import ConfigurationError\n"
        "from jobsched.locks import PostgresAdvisoryLock\n"
        "try:\n    PostgresAdvisoryLock('postgresql://localhost/jobs')\n"
        "except ConfigurationError as error:\n    print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert "pip install 'jobsched[postgres]'" in result.stdout


# behind pgbouncer


def test_a_pooler_that_shares_sessions_is_refused(
    database_url: str, admin: sa.Connection, pgbouncer: Any, make_lock: Any
) -> None:
    """pgbouncer in transaction mode is noticed and named, before a lock gets stuck behind it."""
    lock = make_lock(pgbouncer(database_url, "transaction"))
    with pytest.raises(ConfigurationError, match="pgbouncer"):
        lock.acquire(KEY, OURS, LONG)
    assert not lock.renew(KEY, OURS, LONG)
    assert sessions_with_locks(admin) == []


def test_a_pooler_that_was_not_noticed_at_first_changes_nothing(
    database_url: str, admin: sa.Connection, pgbouncer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that a pooler sends to somebody else's session takes no lock there."""
    monkeypatch.setattr(PostgresSession, "_is_shared", lambda *_: False)
    url = pgbouncer(database_url, "transaction")
    session, other = PostgresSession(url), sa.create_engine(url)
    session.open()
    with other.connect() as busy:
        busy.execute(sa.text("SELECT 1"))  # its transaction keeps the server process we had
        with pytest.raises(ConfigurationError, match="pgbouncer"):
            session.ask("pg_try_advisory_lock(1)")
    other.dispose()
    assert sessions_with_locks(admin) == []


def test_a_pooler_in_session_mode_is_used(
    database_url: str, pgbouncer: Any, make_lock: Any
) -> None:
    """pgbouncer in session mode keeps our session for us alone, and locks work through it."""
    through, direct = make_lock(pgbouncer(database_url, "session")), make_lock()
    assert through.acquire(KEY, OURS, LONG)
    assert not direct.acquire(KEY, THEIRS, LONG)
    assert through.renew(KEY, OURS, LONG)
    through.release(KEY, OURS)
    assert direct.acquire(KEY, THEIRS, LONG)
