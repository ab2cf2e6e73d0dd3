"""The contract between the daemon and a lock backend."""

from datetime import timedelta
from typing import Protocol, runtime_checkable

from jobsched.errors import ConfigurationError, JobschedError


class LockUnavailableError(JobschedError):
    """A lock backend cannot tell who holds a lock; the message says which backend and why."""


@runtime_checkable
class LockBackend(Protocol):
    """Mutual exclusion by key, between every process that uses the same backend.

    A *key* names what is locked (the daemon uses `schedule:<id>`), an *owner* who holds it
    (`<worker id>:<firing id>`). Both are text that is not empty, in any script. A lock is held by
    one owner at most, and keys are independent of each other.

    Owners are told apart by their text alone: two owners in one process, or on one connection,
    exclude each other, and the same owner is the same holder wherever the call comes from.

    A lock ends when its owner releases it or when its *ttl* has passed since its owner last
    acquired or renewed it, by a clock that does not step. A backend whose locks live in a session
    may end them sooner, with the session. An owner must therefore renew well within the ttl, and
    bear to lose the lock at any time.

    **An error means "not acquired".** A method that cannot reach its server, or gets no clear
    answer within a few seconds, raises (backends of this package: `LockUnavailableError`).
    The caller treats that as False. No backend may answer True when it does not know.

    All methods may be called from several threads at once, and none waits for a lock to become
    free. Backends that hold connections also have `close()`.
    """

    def acquire(self, key: str, owner: str, ttl: timedelta) -> bool:
        """Take the lock for `ttl`: True when `owner` holds it now, False when another does.

        For the owner that holds it already this is True again, and the ttl starts anew; so it is
        safe to repeat a call whose answer was lost. Holds are not counted: one release ends them.

        Raises when it cannot tell, and ConfigurationError when `ttl` is not positive.
        """
        ...

    def renew(self, key: str, owner: str, ttl: timedelta) -> bool:
        """Hold the lock for another `ttl` from now: True when `owner` still held it.

        False when it is lost: expired, gone with its session or server, or held by another. A
        lost lock is never taken back by renewing, even when nobody else has taken it.

        Raises when it cannot tell, and ConfigurationError when `ttl` is not positive.
        """
        ...

    def release(self, key: str, owner: str) -> None:
        """Give the lock up, when `owner` holds it; otherwise do nothing.

        Never ends another owner's lock. Raises when the server cannot be reached; the lock then
        ends with its ttl.
        """
        ...


def milliseconds(ttl: timedelta) -> int:
    """A ttl in whole milliseconds, rounded up; ConfigurationError when it is not positive."""
    whole, rest = divmod(ttl, timedelta(milliseconds=1))
    if ttl <= timedelta():
        raise ConfigurationError(f"the ttl of a lock must be positive, not {ttl!r}")
    return whole + bool(rest)
