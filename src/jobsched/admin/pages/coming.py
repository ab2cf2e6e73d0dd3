"""The coming occurrences of many schedules for one picture: bounded work, kept for the hour."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from jobsched.errors import DeclarationError
from jobsched.fixed import fixed
from jobsched.model import Timing
from jobsched.occurrences import upcoming

SLOT = timedelta(minutes=15)
LENGTH = timedelta(hours=26)
"""From the full hour on: 24 hours from any time within it, and a slot more."""

SLOTS = LENGTH // SLOT

MOST = 150
"""How many occurrences of a schedule are worked out; of one that is due more often, its rate
stands for the rest."""

NEXT = timedelta(hours=1)
"""For how long from now a lane ought to show what comes."""

ENOUGH = 6000
"""How many occurrences are worked out for one picture, beside those that are known already."""


@fixed
class Coming:
    """What comes of one schedule from a full hour on."""

    times: tuple[datetime, ...]
    goes_on: bool
    """Whether there are more of them within the time."""
    slots: tuple[int, ...]
    """How many fall into each slot; those beyond `times` by the rate of these."""


_NOTHING = Coming((), False, (0,) * SLOTS)


class Calculator:
    """Works out occurrences for one picture, and stops when that was enough."""

    def __init__(self, now: datetime, enough: int = ENOUGH) -> None:
        self.minute = now.replace(second=0, microsecond=0)
        self.hour = self.minute.replace(minute=0)
        self._left = enough
        self.cut = 0
        """How many schedules were left out."""

    def of(self, timing: Timing) -> Coming:
        """What comes of this timing; nothing after enough of them, or if it cannot be read."""
        if self._left <= 0:
            self.cut += 1
            return _NOTHING
        return self._worked_out(timing, self.hour)

    def shown(self, timing: Timing) -> Coming:
        """The same for a lane; of what is due often, those that come now are in it, too."""
        found = self.of(timing)
        if not found.goes_on or found.times[-1] >= self.minute + NEXT or self._left <= 0:
            return found
        return self._worked_out(timing, self.minute)

    def _worked_out(self, timing: Timing, since: datetime) -> Coming:
        missed = _worked_out.cache_info().misses
        found = _worked_out(timing, since)
        if _worked_out.cache_info().misses > missed:
            self._left -= len(found.times) + 1
        return found


def total(found: Iterable[Coming]) -> list[int]:
    """How many occurrences fall into each slot, of all of them."""
    columns = zip(*(one.slots for one in found), strict=True)
    return [sum(column) for column in columns] or [0] * SLOTS


@lru_cache(maxsize=20_000)
def _worked_out(timing: Timing, hour: datetime) -> Coming:
    """Kept, for an hour's pictures are drawn again and again."""
    times: list[datetime] = []
    end, goes_on = hour + LENGTH, False
    try:
        for at in upcoming(timing, hour - timedelta.resolution):
            if at >= end:
                break
            if len(times) == MOST:
                goes_on = True
                break
            times.append(at)
    except DeclarationError:
        return _NOTHING
    return Coming(tuple(times), goes_on, _slots(times, hour, goes_on))


def _slots(times: Sequence[datetime], hour: datetime, goes_on: bool) -> tuple[int, ...]:
    counts = [0] * SLOTS
    for at in times:
        counts[(at - hour) // SLOT] += 1
    if goes_on:
        between = (times[-1] - times[0]) / (len(times) - 1)
        first = (times[-1] - hour) // SLOT  # this slot may be cut in its midst
        counts[first:] = [max(1, round(SLOT / between))] * (SLOTS - first)
    return tuple(counts)
