"""The axis of time under a timeline: from instants to places, with hours, midnights and DST."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from jobsched.admin.pictures import dates
from jobsched.fixed import fixed

WIDTH = 1200
"""Of timelines and densities; the page scrolls them within their box."""

NAMES = 150
"""The column of names, left of the axis."""

RIGHT = 10
"""What stays free at the right, for the last label."""

NEAREST_HOURS = 38
"""Labels of hours are at least so far from each other."""

_STEP = timedelta(minutes=15)
"""Every zone's full hours and changes are on this grid, in our time."""


@fixed
class Change:
    """A change of the zone's clock."""

    at: datetime
    before: datetime
    """What the clock would have shown."""
    after: datetime

    def __str__(self) -> str:
        return f"clock {self.before:%H:%M} → {self.after:%H:%M}"


@fixed
class Axis:
    """The time from `start` to `end`, labelled in `zone`."""

    start: datetime
    end: datetime
    zone: ZoneInfo

    scale: float = field(init=False)
    """Units per second."""

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError(f"a time axis from {self.start} to {self.end}: it must go forward")
        seconds = (self.end - self.start).total_seconds()
        object.__setattr__(self, "scale", (WIDTH - NAMES - RIGHT) / seconds)

    def x(self, at: datetime) -> float:
        """The place of an instant; those outside are at the end that is nearer."""
        place = NAMES + (at - self.start).total_seconds() * self.scale
        return NAMES if place < NAMES else min(place, WIDTH - RIGHT)

    def within(self, times: Sequence[datetime]) -> Sequence[datetime]:
        """Those of `times`, which are in order, that are on the axis."""
        return times[bisect_left(times, self.start) : bisect_right(times, self.end)]

    def shown(self, at: datetime) -> datetime:
        """What the zone's clock shows."""
        return at.astimezone(self.zone)

    def hours(self) -> Iterator[datetime]:
        """The full hours that have a label."""
        apart = next(
            (hours for hours in (1, 2, 3, 4, 6, 12) if self.scale * 3600 * hours >= NEAREST_HOURS),
            24,
        )
        for at in self._grid():
            shown = self.shown(at)
            if shown.minute == 0 and shown.hour % apart == 0:
                yield at

    def midnights(self) -> Iterator[datetime]:
        """The first instant of each day but the one on which the axis starts."""
        today = self.shown(self.start).date()
        for at in self._grid():
            if self.shown(at).date() > today:
                today = self.shown(at).date()
                yield at

    def changes(self) -> Iterator[Change]:
        """The changes of the zone's clock."""
        offset = self.shown(self.start).utcoffset()
        for at in self._grid():
            shown = self.shown(at)
            if shown.utcoffset() != offset:
                would_show = at.astimezone(UTC).replace(tzinfo=None) + (offset or timedelta(0))
                yield Change(at, would_show, shown)
                offset = shown.utcoffset()

    def span(self) -> str:
        """`Mon 2 Mar 08:07 to Tue 3 Mar 10:07 CET`."""
        start, end = self.shown(self.start), self.shown(self.end)
        first, last = (f"{dates.day(at)} {dates.clock(at)}" for at in (start, end))
        return f"{first} to {last} {end:%Z}"

    def _grid(self) -> Iterator[datetime]:
        # In UTC: a sum of a time in a zone with changes is a sum of what its clock shows.
        start = self.start.astimezone(UTC)
        at = start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0)
        while at < self.end:
            if at >= start:
                yield at
            at += _STEP
