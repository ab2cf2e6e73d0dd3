"""The contract of `jobsched.locks.LockBackend` as tests that any backend can run.

With pytest, in a file of your own tests:

    from jobsched.testing.lock_contract import LockContract

    class TestEtcdLock(LockContract):
        def make_backend(self):
            return EtcdLock("http://localhost:2379")

Each test uses keys of its own, so that it can share a server. Nothing of pytest is needed: with
unittest write `class TestEtcdLock(LockContract, unittest.TestCase)`.
"""

import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

from jobsched.clock import SystemClock
from jobsched.locks.backend import LockBackend

LONG = timedelta(minutes=1)
"""A ttl that does not pass while a test runs."""


class LockContract(ABC):
    """What a lock backend promises; subclass it and say how to make one."""

    short = timedelta(milliseconds=400)
    """A ttl that a test waits for; longer than two calls of the backend take on a busy machine."""

    patience = timedelta(seconds=10)
    """How long after its ttl a lock may take to end before a test fails."""

    @abstractmethod
    def make_backend(self) -> LockBackend:
        """A backend as another process would make it, that shares its locks with the others made.

        Called twice in some tests. Backends whose locks live in one object return that object.
        Close what you made in a fixture or in `teardown_method`.
        """

    def let_pass(self, duration: timedelta) -> None:
        """Let time pass, as the backend measures it; override it when your backend has a clock."""
        SystemClock().wait(threading.Event(), duration.total_seconds())

    # who holds a lock

    def test_it_has_the_methods_of_a_lock_backend(self) -> None:
        """A backend is a LockBackend by its methods, without inheriting anything."""
        expect(isinstance(self.make_backend(), LockBackend), "acquire, renew and release exist")

    def test_one_owner_holds_a_lock(self) -> None:
        """While one owner holds a lock no other gets it, in the same process or in another."""
        here, elsewhere, key = self.make_backend(), self.make_backend(), new_key()
        expect(here.acquire(key, "first", LONG), "a free lock is acquired")
        expect(not here.acquire(key, "second", LONG), "another owner here is refused")
        expect(not elsewhere.acquire(key, "third", LONG), "another owner elsewhere is refused")
        expect(here.renew(key, "first", LONG), "the first owner still holds it")

    def test_owners_are_told_apart_by_their_whole_text(self) -> None:
        """An owner whose name begins with, or differs in case from, the holder's is another."""
        lock, key = self.make_backend(), new_key()
        expect(lock.acquire(key, "worker:1", LONG), "a free lock is acquired")
        for other in ("worker:10", "worker:", "WORKER:1", "worker:1 "):
            expect(not lock.acquire(key, other, LONG), f"{other!r} does not acquire it")
            expect(not lock.renew(key, other, LONG), f"{other!r} does not renew it")
            lock.release(key, other)
        expect(lock.renew(key, "worker:1", LONG), "the holder still holds it")

    def test_keys_are_independent(self) -> None:
        """Holding one lock says nothing about another, however alike their keys are."""
        lock, key = self.make_backend(), new_key()
        expect(lock.acquire(key, "first", LONG), "a free lock is acquired")
        for other in (f"{key}:", f" {key}", key.upper(), f"{key}*"):
            expect(lock.acquire(other, "second", LONG), f"{other!r} is another lock")
            lock.release(other, "second")
        expect(lock.renew(key, "first", LONG), "the first lock is still held")

    def test_keys_and_owners_are_any_text(self) -> None:
        """Keys of 200 characters, in any script, with spaces and signs, are locks like others."""
        here, elsewhere = self.make_backend(), self.make_backend()
        for text in ("nightly søk 夜間 🌙", "a b%s:{c}'\"\\;--", "x" * 180):
            key, owner = new_key() + text, f"owner {text}"
            expect(here.acquire(key, owner, LONG), f"{key!r} is acquired")
            expect(not elsewhere.acquire(key, "other", LONG), f"{key!r} is held")
            expect(here.renew(key, owner, LONG), f"{key!r} is renewed")
            here.release(key, owner)
            expect(elsewhere.acquire(key, "other", LONG), f"{key!r} is free again")

    def test_many_at_once_have_one_winner(self) -> None:
        """Of many owners that ask at the same moment, on several threads, exactly one gets it."""
        backends, key = (self.make_backend(), self.make_backend()), new_key()
        owners, start = 8, threading.Barrier(8)

        def ask(number: int) -> bool:
            start.wait(timeout=30)
            return backends[number % 2].acquire(key, f"owner {number}", LONG)

        with ThreadPoolExecutor(owners) as threads:
            answers = list(threads.map(ask, range(owners)))
        expect(answers.count(True) == 1, f"one of {owners} owners holds it, not {answers}")
        held = [backends[n % 2].renew(key, f"owner {n}", LONG) for n in range(owners)]
        expect(held == answers, "the one that was told so holds it")

    # acquiring again, and releasing

    def test_the_holder_acquires_again(self) -> None:
        """Acquiring what one holds is True and not counted: one release ends it."""
        here, elsewhere, key = self.make_backend(), self.make_backend(), new_key()
        expect(here.acquire(key, "first", LONG), "a free lock is acquired")
        expect(here.acquire(key, "first", LONG), "its holder acquires it again")
        here.release(key, "first")
        expect(elsewhere.acquire(key, "second", LONG), "one release made it free")

    def test_a_released_lock_is_free(self) -> None:
        """After its owner's release anybody gets the lock, and the old owner has lost it."""
        here, elsewhere, key = self.make_backend(), self.make_backend(), new_key()
        expect(here.acquire(key, "first", LONG), "a free lock is acquired")
        here.release(key, "first")
        expect(not here.renew(key, "first", LONG), "what was released is not renewed")
        expect(elsewhere.acquire(key, "second", LONG), "another owner acquires it")
        elsewhere.release(key, "second")
        expect(here.acquire(key, "third", LONG), "and after that a third one")

    def test_releasing_what_one_does_not_hold_does_nothing(self) -> None:
        """A release by somebody else, or of a free lock, is no error and frees nothing."""
        here, elsewhere, key = self.make_backend(), self.make_backend(), new_key()
        here.release(key, "nobody")
        expect(here.acquire(key, "first", LONG), "a free lock is acquired")
        here.release(key, "second")
        elsewhere.release(key, "second")
        expect(not elsewhere.acquire(key, "second", LONG), "it is still held")
        expect(here.renew(key, "first", LONG), "by its owner")

    def test_only_the_holder_renews(self) -> None:
        """Renewing a free lock does not take it, and renewing another's lock fails."""
        here, elsewhere, key = self.make_backend(), self.make_backend(), new_key()
        expect(not here.renew(key, "first", LONG), "a free lock is not renewed")
        expect(elsewhere.acquire(key, "second", LONG), "and is still free")
        expect(not here.renew(key, "first", LONG), "another's lock is not renewed")

    # the ttl

    def test_a_lock_ends_with_its_ttl(self) -> None:
        """What its owner does not renew in time is free for others, and the old owner is told.

        The old owner can then neither renew nor release it: it belongs to somebody else.
        """
        here, elsewhere, key = self.make_backend(), self.make_backend(), new_key()
        expect(here.acquire(key, "first", self.short), "a free lock is acquired")
        self.let_pass(self.short)
        self.eventually(lambda: elsewhere.acquire(key, "second", LONG), "it became free")
        expect(not here.renew(key, "first", LONG), "the old owner does not renew it")
        here.release(key, "first")
        expect(elsewhere.renew(key, "second", LONG), "nor release it from the new one")

    def test_an_expired_lock_is_not_renewed(self) -> None:
        """An owner that comes too late has lost the lock, even when nobody else wanted it."""
        lock, key = self.make_backend(), new_key()
        expect(lock.acquire(key, "first", self.short), "a free lock is acquired")
        self.let_pass(self.short * 1.5)
        expect(not lock.renew(key, "first", LONG), "it was lost")
        expect(lock.acquire(key, "first", LONG), "it can be acquired anew")

    def test_another_owner_here_gets_an_expired_lock(self) -> None:
        """A lock that was not renewed is free for other owners in the same process too."""
        lock, key = self.make_backend(), new_key()
        expect(lock.acquire(key, "first", self.short), "a free lock is acquired")
        self.let_pass(self.short)
        self.eventually(lambda: lock.acquire(key, "second", LONG), "it became free")
        expect(not lock.renew(key, "first", LONG), "the old owner does not renew it")

    def test_renewing_starts_the_ttl_anew(self) -> None:
        """A lock that was renewed lasts for the ttl it was renewed with."""
        here, elsewhere, key = self.make_backend(), self.make_backend(), new_key()
        expect(here.acquire(key, "first", self.short), "a free lock is acquired")
        expect(here.renew(key, "first", LONG), "its owner renews it in time")
        self.let_pass(self.short * 1.5)
        expect(not elsewhere.acquire(key, "second", LONG), "it outlives its first ttl")
        expect(here.renew(key, "first", LONG), "its owner still holds it")

    def test_acquiring_again_starts_the_ttl_anew(self) -> None:
        """A holder that acquires again holds the lock for the ttl it asked for last."""
        here, elsewhere, key = self.make_backend(), self.make_backend(), new_key()
        expect(here.acquire(key, "first", self.short), "a free lock is acquired")
        expect(here.acquire(key, "first", LONG), "its holder acquires it again")
        self.let_pass(self.short * 1.5)
        expect(not elsewhere.acquire(key, "second", LONG), "it outlives its first ttl")
        expect(here.renew(key, "first", LONG), "its owner still holds it")

    def test_a_ttl_that_is_not_positive_gives_no_lock(self) -> None:
        """There is no lock without an end: a ttl of nothing or less is refused, or useless."""
        lock, key = self.make_backend(), new_key()
        for ttl in (timedelta(), timedelta(seconds=-1)):
            acquired = False
            with suppress(Exception):  # an error means "not acquired"
                acquired = lock.acquire(key, "first", ttl)
            expect(not acquired, f"a ttl of {ttl} is refused")
        expect(lock.acquire(key, "second", LONG), "the lock is free")

    def eventually(self, condition: Callable[[], bool], promise: str) -> None:
        """Ask again and again until the condition holds, at most for `patience`."""
        step = timedelta(milliseconds=20)
        for _ in range(self.patience // step):
            if condition():
                return
            self.let_pass(step)
        raise AssertionError(f"not so within {self.patience} after its ttl: {promise}")


def new_key() -> str:
    """A key that no other test uses."""
    return f"contract:{secrets.token_hex(8)}"


def expect(kept: bool, promise: str) -> None:
    """Fail with the promise that is not kept; `python -O` does not silence it."""
    if not kept:
        raise AssertionError(f"not so: {promise}")
