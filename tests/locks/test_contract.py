"""The contract of lock backends: every backend of ours keeps it, and a backend that lies is caught.

DatabaseLock is not among them: it says yes to everyone, since the row lock of the claiming
transaction is the lock; what that keeps apart is tested with the transactions of the store.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from jobsched.locks import (
    DatabaseLock,
    LockBackend,
    MemoryLock,
    PostgresAdvisoryLock,
    RedisLock,
)
from jobsched.testing.lock_contract import LONG, LockContract


class TurnedByHand:
    """A clock that a test turns."""

    replaces_database_time = True

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        self.seconds += timeout or 0.0
        return event.is_set()


class OnAClock(LockContract):
    """The contract for a backend in memory, without waiting."""

    make: Callable[[TurnedByHand], LockBackend]

    def setup_method(self) -> None:
        self.clock = TurnedByHand()
        self.backend = self.make(self.clock)

    def make_backend(self) -> LockBackend:
        return self.backend

    def let_pass(self, duration: timedelta) -> None:
        self.clock.seconds += duration.total_seconds()


class TestMemoryLock(OnAClock):
    """MemoryLock keeps the contract among those who use the same object."""

    make = staticmethod(MemoryLock)


class TestRedisLock(LockContract):
    """RedisLock keeps the contract; each backend made has connections of its own."""

    @pytest.fixture(autouse=True)
    def server(self, redis_url: str) -> Iterator[None]:
        self.url = redis_url
        self.made: list[RedisLock] = []
        yield
        for lock in self.made:
            lock.close()

    def make_backend(self) -> LockBackend:
        self.made.append(RedisLock(self.url))
        return self.made[-1]


@pytest.mark.backends("postgresql")
class TestPostgresAdvisoryLock(LockContract):
    """PostgresAdvisoryLock keeps the contract; each backend made is a session of its own."""

    @pytest.fixture(autouse=True)
    def server(self, database_url: str) -> Iterator[None]:
        self.url = database_url
        self.made: list[PostgresAdvisoryLock] = []
        yield
        for lock in self.made:
            lock.close()

    def make_backend(self) -> LockBackend:
        self.made.append(PostgresAdvisoryLock(self.url))
        return self.made[-1]


def test_the_database_lock_excludes_nobody() -> None:
    """DatabaseLock leaves everything to the claiming transaction, and can be used as a backend."""
    lock = DatabaseLock()
    assert isinstance(lock, LockBackend)
    assert lock.acquire("schedule:a", "first", LONG)
    assert lock.acquire("schedule:a", "second", LONG)
    lock.release("schedule:a", "first")
    assert lock.renew("schedule:a", "first", LONG)


# backends that lie: each breaks one promise of MemoryLock, and the contract's tests catch it


class YesToEveryone(MemoryLock):
    def acquire(self, key: str, owner: str, ttl: timedelta) -> bool:
        super().acquire(key, owner, ttl)
        return True


class RefusesTheHolder(MemoryLock):
    def acquire(self, key: str, owner: str, ttl: timedelta) -> bool:
        return self._holder(key) is None and super().acquire(key, owner, ttl)


class KeepsTheFirstTtl(MemoryLock):
    def acquire(self, key: str, owner: str, ttl: timedelta) -> bool:
        return self._holder(key) == owner or super().acquire(key, owner, ttl)


class RenewsWithoutEffect(MemoryLock):
    def renew(self, key: str, owner: str, ttl: timedelta) -> bool:
        return self._holder(key) == owner


class RenewsForAnybody(MemoryLock):
    def renew(self, key: str, owner: str, ttl: timedelta) -> bool:
        return super().renew(key, owner, ttl) or True


class TakesByRenewing(MemoryLock):
    def renew(self, key: str, owner: str, ttl: timedelta) -> bool:
        return self.acquire(key, owner, ttl)


class ReleasesForAnybody(MemoryLock):
    def release(self, key: str, owner: str) -> None:
        super().release(key, self._holder(key) or owner)


class NeverExpires(MemoryLock):
    def acquire(self, key: str, owner: str, ttl: timedelta) -> bool:
        return super().acquire(key, owner, timedelta(days=999))


class CutsLongKeys(MemoryLock):
    def acquire(self, key: str, owner: str, ttl: timedelta) -> bool:
        return super().acquire(key[:10], owner, ttl)

    def renew(self, key: str, owner: str, ttl: timedelta) -> bool:
        return super().renew(key[:10], owner, ttl)

    def release(self, key: str, owner: str) -> None:
        super().release(key[:10], owner)


LIARS = {
    YesToEveryone: "test_one_owner_holds_a_lock",
    RefusesTheHolder: "test_the_holder_acquires_again",
    KeepsTheFirstTtl: "test_acquiring_again_starts_the_ttl_anew",
    RenewsWithoutEffect: "test_renewing_starts_the_ttl_anew",
    RenewsForAnybody: "test_a_released_lock_is_free",
    TakesByRenewing: "test_only_the_holder_renews",
    ReleasesForAnybody: "test_releasing_what_one_does_not_hold_does_nothing",
    NeverExpires: "test_a_lock_ends_with_its_ttl",
    CutsLongKeys: "test_keys_are_independent",
}


@pytest.mark.parametrize(("liar", "test"), LIARS.items())
def test_the_contract_catches_a_backend_that_lies(liar: type[MemoryLock], test: str) -> None:
    """Whichever promise a backend breaks, the test of that promise fails."""

    class TestLiar(OnAClock):
        make = staticmethod(liar)

    suite = TestLiar()
    suite.setup_method()
    with pytest.raises(AssertionError, match=r"^not so"):
        getattr(suite, test)()


def test_the_contract_asks_for_no_test_runner() -> None:
    """The contract runs as plain methods, so that unittest can run it as well as pytest."""
    suite = TestMemoryLock()
    tests = [name for name in dir(suite) if name.startswith("test_")]
    assert tests
    for name in tests:
        suite.setup_method()
        getattr(suite, name)()
