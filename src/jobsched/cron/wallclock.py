"""Between instants and what a zone's clock shows: gaps, overlaps and changes of offset.

Instants are aware and UTC; wall-clock times are naive. Both are whole seconds.
"""

from datetime import MAXYEAR, UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

SAMPLING = timedelta(hours=12)
"""No zone has ever changed its offset and changed it back within this time."""

ONE_SECOND = timedelta(seconds=1)


def wall(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the zone's clock shows at `instant`."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def first_showing(shown: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which the clock shows `shown`, or else the first after its gap."""
    earlier, later = sorted(
        shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)
    )
    if earlier == later or wall(earlier, zone) == shown:
        return earlier
    if wall(later, zone) == shown:
        return later
    return first_change(zone, earlier, later) or later


def first_change(zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """The first instant in (`after`, `until`] with another offset than just before it."""
    for year in range(after.year, until.year + 1):
        for change in _changes(zone, year):
            if change > until:
                return None
            if change > after:
                return change
    return None


@lru_cache(maxsize=4096)
def _changes(zone: ZoneInfo, year: int) -> tuple[datetime, ...]:
    """The changes of offset after the year's first instant (UTC), up to the next year's."""
    start = datetime(year, 1, 1, tzinfo=UTC)
    end = datetime(year + 1, 1, 1, tzinfo=UTC) if year < MAXYEAR else start + 364 * 2 * SAMPLING
    changes = []
    while start < end:
        sample = min(start + SAMPLING, end)
        if _offset(sample, zone) == _offset(start, zone):
            start = sample
        else:
            start = _bisect(zone, start, sample)
            changes.append(start)
    return tuple(changes)


def _bisect(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first instant whose offset is not that of `before`, somewhere up to `after`."""
    offset = _offset(before, zone)
    while after - before > ONE_SECOND:
        middle = before + (after - before) // (2 * ONE_SECOND) * ONE_SECOND
        if _offset(middle, zone) == offset:
            before = middle
        else:
            after = middle
    return after


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta | None:
    return instant.astimezone(zone).utcoffset()
