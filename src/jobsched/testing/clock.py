"""A clock that a test sets."""

import threading
from datetime import UTC, datetime, timedelta

from jobsched.errors import ConfigurationError


class FakeClock:
    """Time stands still until the test advances it; it replaces the host's and the database's.

    Give it to `Scheduler(clock=...)` and call `tick()`. It does not drive the threads of
    `start()`: those would wait for a time that never comes.
    """

    replaces_database_time = True

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """Begin at `start` (aware)."""
        if start.tzinfo is None:
            raise ConfigurationError(f"FakeClock({start!r}) is naive; give it tzinfo=UTC")
        self._now = start.astimezone(UTC)
        self._elapsed = 0.0

    def now(self) -> datetime:
        """The time that the test has set, aware, UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that the test has advanced; setting the clock back does not change them."""
        return self._elapsed

    def advance(self, length: timedelta | float) -> None:
        """Let time pass: a timedelta or seconds, never back."""
        step = length if isinstance(length, timedelta) else timedelta(seconds=length)
        if step < timedelta(0):
            raise ConfigurationError(f"time does not run back: advance({length!r})")
        self._now += step
        self._elapsed += step.total_seconds()

    def move_to(self, instant: datetime) -> None:
        """Let time pass up to `instant` (aware)."""
        self.advance(instant - self._now)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Do not wait: time passes only when the test says so. Whether `event` is set."""
        return event.is_set()
