"""The only place that reads or waits on time.

The database's clock decides when something is due (all nodes share it); the local monotonic
clock measures how long to wait. `DatabaseTime` carries the measured offset between the two, so
that a pass asks the database once and not for every comparison.
"""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A source of time: `SystemClock` in production, `FakeClock` in tests."""

    @property
    def replaces_database_time(self) -> bool:
        """True when the store must take its time from here, not from the database."""

    def now(self) -> datetime:
        """The host's time, aware, UTC."""

    def monotonic(self) -> float:
        """Seconds of a clock that never steps."""

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Block until `event` is set or `timeout` seconds have passed; True when it was set."""


class SystemClock:
    """The host's clocks."""

    replaces_database_time = False

    def now(self) -> datetime:
        """The host's time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds of a clock that never steps."""
        return time.monotonic()

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Block until `event` is set or `timeout` seconds have passed; True when it was set."""
        return event.wait(timeout)


class DatabaseTime:
    """The database's time, estimated from its last reading and the monotonic clock since then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reading: tuple[datetime, float] | None = None

    def measured(self, database_now: datetime, sent: float, received: float) -> None:
        """Take a reading that the database gave between two monotonic instants (seconds)."""
        self._reading = (database_now, (sent + received) / 2)

    def now(self) -> datetime:
        """The database's time, aware, UTC; the host's until the first reading."""
        if self._reading is None or self._clock.replaces_database_time:
            return self._clock.now()
        read_at, instant = self._reading
        return read_at + timedelta(seconds=self._clock.monotonic() - instant)

    @property
    def skew(self) -> timedelta:
        """How far the host's clock is ahead of the database's."""
        return self._clock.now() - self.now()
