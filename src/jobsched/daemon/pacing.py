"""When the firing pass looks anew, waits for slots, or keeps out of another daemon's way.

Decisions only: it is told the time (monotonic seconds) and what there is.
"""

from collections.abc import Callable
from datetime import timedelta

from jobsched.store.peek import Peek

FRESH = timedelta(milliseconds=250)
"""How long what was seen is good enough while more is due than there are slots."""
GATHER = timedelta(milliseconds=5)
"""How long free slots wait for others, when more wants to start than there are slots."""
PATIENCE = timedelta(milliseconds=50)
"""How long due schedules wait for a slot before they are written down as firings that wait."""
CONTENDED = timedelta(milliseconds=20)
"""How soon to look again at rows that another daemon held; longer each time it still does."""
LONGEST_CONTENDED = timedelta(seconds=1)


class Sight:
    """What was seen last, for as long as nothing is known to have changed."""

    def __init__(self) -> None:
        self._seen: Peek | None = None
        self._seen_at = 0.0
        self._spoiled = False

    def look(self, look: Callable[[], Peek], instant: float) -> Peek:
        """See anew, with `look`."""
        self._seen, self._seen_at = None, instant
        self._spoiled = False  # before it looks: what changes meanwhile may not be seen
        self._seen = look()
        return self._seen

    def correct(self, seen: Peek) -> Peek:
        """What was done tells what is there now; it is as old as before."""
        self._seen = seen
        return seen

    def spoil(self) -> None:
        """Something has changed; from any thread."""
        self._spoiled = True

    def good(self, instant: float, good_for: timedelta) -> Peek | None:
        """What was seen, unless it is older than that or something has changed."""
        if self._spoiled or instant - self._seen_at >= good_for.total_seconds():
            return None
        return self._seen


class Shortage:
    """More wants to start than there are slots."""

    def __init__(self, capacity: int) -> None:
        self.is_felt = False
        """Whether something was left because every slot was taken."""
        self._capacity = capacity
        self._full_since: float | None = None
        self._free_since: float | None = None
        self._last = 0

    def gathers(self, free: int, instant: float) -> bool:
        """Whether slots that have become free are worth a moment's wait for more of them.

        No longer than GATHER, and not when half of them are free.
        """
        if not self.is_felt or 2 * free >= self._capacity:
            self._free_since = None
        elif free and self._free_since is None:
            self._free_since = instant
        return self._free_since is not None and instant - self._free_since < GATHER.total_seconds()

    def is_new(self, free: int, instant: float) -> bool:
        """Whether every slot is taken, and that for less than PATIENCE: one may be free soon."""
        if free:
            self._full_since = None
            return False
        if self._full_since is None:
            self._full_since = instant
        return instant - self._full_since < PATIENCE.total_seconds()

    def note(self, started: int) -> None:
        """So many firings of the last portion have got slots; the others wait."""
        self._last = started
        if started:
            self._full_since = None

    @property
    def is_passing(self) -> bool:
        """Whether the last portion took half of the slots: that many come back soon, together."""
        return 2 * self._last >= self._capacity


class Gathering:
    """A wait for slots: for all that are wanted, or for some and a moment more."""

    def __init__(self, wanted: int, instant: float) -> None:
        self._wanted = wanted
        self._until = instant + PATIENCE.total_seconds()
        self._has_some = False

    def left(self, free: int, instant: float) -> float:
        """Seconds still to wait, unless more become free before."""
        if free >= self._wanted:
            return 0.0
        if free and not self._has_some:
            self._has_some = True
            self._until = min(self._until, instant + GATHER.total_seconds())
        return max(0.0, self._until - instant)


class Contention:
    """Another daemon holds rows that this one wants, in a transaction that may be frozen."""

    def __init__(self) -> None:
        self._times = 0

    @property
    def is_there(self) -> bool:
        """Whether the last look met it."""
        return self._times > 0

    def note(self, met: bool) -> None:
        """Whether a look met it."""
        self._times = self._times + 1 if met else 0

    @property
    def delay(self) -> timedelta:
        """How long to keep away: each time in succession twice as long."""
        return min(LONGEST_CONTENDED, CONTENDED * (1 << min(max(0, self._times - 1), 10)))
