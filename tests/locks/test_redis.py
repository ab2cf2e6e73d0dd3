"""RedisLock with a server that dies, forgets, freezes, or is shared with others."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
import redis.asyncio

from jobsched.errors import ConfigurationError
from jobsched.locks import LockUnavailableError, RedisLock

LONG = timedelta(minutes=1)
KEY, OURS, THEIRS = "schedule:nightly", "worker-1:7", "worker-2:8"


@pytest.fixture
def client(redis_server: Any) -> Iterator[redis.Redis]:
    """Another system's view of the server."""
    with redis.Redis(port=redis_server.port) as client:
        yield client


@pytest.fixture
def make_lock(redis_server: Any) -> Iterator[Callable[..., RedisLock]]:
    """Make a lock, as one process has it, on this test's own server."""
    made: list[RedisLock] = []

    def make(**options: Any) -> RedisLock:
        made.append(RedisLock(f"redis://127.0.0.1:{redis_server.port}/0", **options))
        return made[-1]

    yield make
    for lock in made:
        lock.close()


# a server with troubles


def test_a_dead_server_holds_no_lock(redis_server: Any, make_lock: Any) -> None:
    """When the server dies every call raises, naming it: nobody believes to hold the lock."""
    lock = make_lock()
    assert lock.acquire(KEY, OURS, LONG)
    redis_server.kill()
    for call in (lock.acquire, lock.renew):
        with pytest.raises(LockUnavailableError, match=rf"127.0.0.1:{redis_server.port}.*{KEY}"):
            call(KEY, OURS, LONG)
    with pytest.raises(LockUnavailableError):
        lock.release(KEY, OURS)


def test_a_restarted_server_is_used_again(redis_server: Any, make_lock: Any) -> None:
    """After a restart the same object works at its first call, and what was held is lost."""
    lock = make_lock()
    assert lock.acquire(KEY, OURS, LONG)
    redis_server.kill()
    redis_server.start(redis_server.port)
    assert not lock.renew(KEY, OURS, LONG)
    assert lock.acquire(KEY, THEIRS, LONG)


def test_a_frozen_server_is_given_up_soon(redis_server: Any, make_lock: Any) -> None:
    """A server that hears and says nothing counts as down after the timeout."""
    lock = make_lock(timeout=timedelta(milliseconds=100))
    assert lock.acquire(KEY, OURS, LONG)
    redis_server.freeze()
    with pytest.raises(LockUnavailableError):
        lock.renew(KEY, OURS, LONG)


def test_a_flushed_server_has_lost_its_locks(client: redis.Redis, make_lock: Any) -> None:
    """After FLUSHALL the old owner is told that its lock is lost, and another may take it."""
    here, elsewhere = make_lock(), make_lock()
    assert here.acquire(KEY, OURS, LONG)
    client.flushall()
    assert not here.renew(KEY, OURS, LONG)
    assert elsewhere.acquire(KEY, THEIRS, LONG)
    here.release(KEY, OURS)
    assert elsewhere.renew(KEY, THEIRS, LONG)


def test_scripts_are_loaded_again_when_the_server_has_lost_them(
    client: redis.Redis, make_lock: Any
) -> None:
    """A server that was emptied of scripts gets them again, within the same call."""
    lock = make_lock()
    assert lock.acquire(KEY, OURS, LONG)
    client.script_flush()
    assert lock.renew(KEY, OURS, LONG)
    lock.release(KEY, OURS)
    assert not client.exists("jobsched:lock:" + KEY)


def test_a_server_that_refuses_holds_no_lock(client: redis.Redis, make_lock: Any) -> None:
    """An error reply, here for a key of another type, is not taken for a lock."""
    client.hset("jobsched:lock:" + KEY, "a", "b")
    with pytest.raises(LockUnavailableError, match=KEY):
        make_lock().acquire(KEY, OURS, LONG)


# what others see


def test_others_see_the_owner_and_the_end(client: redis.Redis, make_lock: Any) -> None:
    """The key holds the owner as text and expires with the ttl; a release deletes it."""
    lock = make_lock()
    lock.acquire(KEY, OURS, timedelta(seconds=30))
    assert client.get("jobsched:lock:" + KEY) == OURS.encode()
    assert 29_000 < client.pttl("jobsched:lock:" + KEY) <= 30_000
    lock.renew(KEY, OURS, timedelta(seconds=60))
    assert 59_000 < client.pttl("jobsched:lock:" + KEY) <= 60_000
    lock.release(KEY, OURS)
    assert client.keys() == []


def test_another_system_can_hold_the_lock(client: redis.Redis, make_lock: Any) -> None:
    """A lock that another system took by SET NX is respected, and never released by us."""
    lock = make_lock(prefix="host:")
    assert client.set("host:" + KEY, "deploy script", nx=True, px=60_000)
    assert not lock.acquire(KEY, OURS, LONG)
    assert not lock.renew(KEY, OURS, LONG)
    lock.release(KEY, OURS)
    assert client.get("host:" + KEY) == b"deploy script"


def test_the_server_ends_the_lock_of_a_killed_process(
    redis_server: Any, make_lock: Any, wait_until: Any
) -> None:
    """A process that dies with a lock blocks others no longer than its ttl."""
    program = (
        "import sys; from datetime import timedelta; from jobsched.locks import RedisLock;"
        "lock = RedisLock(sys.argv[1]);"
        f"print(lock.acquire({KEY!r}, {THEIRS!r}, timedelta(seconds=1)), flush=True);"
        "sys.stdin.read()"
    )
    url = f"redis://127.0.0.1:{redis_server.port}"
    with subprocess.Popen(
        [sys.executable, "-c", program, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        process.kill()
    lock = make_lock()
    wait_until(lambda: lock.acquire(KEY, OURS, LONG), "the dead process's lock has expired")


# how it is made


def test_a_client_of_the_host_is_used_and_left_open(client: redis.Redis) -> None:
    """A client can be given instead of a URL, whatever it decodes; close() does not close it."""
    with redis.Redis(
        port=client.connection_pool.connection_kwargs["port"], decode_responses=True
    ) as host:
        lock = RedisLock(host)
        assert lock.acquire(KEY, OURS, LONG)
        assert not lock.acquire(KEY, THEIRS, LONG)
        assert lock.renew(KEY, OURS, LONG)
        lock.close()
        assert host.get("jobsched:lock:" + KEY) == OURS


def test_making_a_lock_connects_to_nothing() -> None:
    """A lock can be declared at import, with the server down; the first use says so."""
    lock = RedisLock("redis://:secret@127.0.0.1:1/0")
    with pytest.raises(LockUnavailableError) as raised:
        lock.acquire(KEY, OURS, LONG)
    assert "127.0.0.1:1" in str(raised.value)
    assert "secret" not in str(raised.value)
    lock.close()


def test_an_asynchronous_client_is_refused() -> None:
    """An asyncio client, whose answers would all look like True, is refused by name."""
    with pytest.raises(ConfigurationError, match=r"redis\.asyncio\.client\.Redis is asynchronous"):
        RedisLock(redis.asyncio.Redis())  # type: ignore[arg-type]  # the mistake that is tested


def test_a_url_that_is_none_is_refused() -> None:
    """A URL of another kind is refused with the forms that are right."""
    with pytest.raises(ConfigurationError, match="redis://host:6379/0"):
        RedisLock("http://localhost")


def test_a_missing_package_is_named_with_its_extra() -> None:
    """Without the redis package, asking for RedisLock says what to install; the others work."""
    program = (
        "import sys; sys.modules['redis'] = None\n"
        "from jobsched.locks import DatabaseLock, MemoryLock, PostgresAdvisoryLock\n"
        "from jobsched.errors import ConfigurationError\n"
        "try:\n    from jobsched.locks import RedisLock\n"
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
    assert "pip install 'jobsched[redis]'" in result.stdout
