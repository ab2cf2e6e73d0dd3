"""The default: the schedule's own row is the lock."""

from datetime import timedelta


class DatabaseLock:
    """No lock besides `job_schedule.locked_by` and `locked_at`, which every claim takes anyway.

    A claim writes those two columns, and looks for other live firings, in one transaction that
    holds the schedule's row. That row lock serialises the claims of all daemons, so there is
    nothing left for this class to do, and the daemon does nothing extra when it is in use.

    It says yes to everyone: it excludes nobody by itself, and does not run the contract's tests.
    """

    def acquire(self, key: str, owner: str, ttl: timedelta) -> bool:
        """True: the claiming transaction decides."""
        return True

    def renew(self, key: str, owner: str, ttl: timedelta) -> bool:
        """True: the claim lasts as long as its worker's heartbeat is fresh."""
        return True

    def release(self, key: str, owner: str) -> None:
        """Nothing: the transaction that ends the firing clears the columns."""
