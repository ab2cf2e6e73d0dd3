"""The occurrences of a schedule: cron, every or at, within its start and end.

All instants that come out are aware and UTC.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from jobsched import cron
from jobsched.errors import DeclarationError
from jobsched.fixed import fixed
from jobsched.model import Timing
from jobsched.zones import zone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Where the grid of `every` begins unless the schedule has a start."""

Rule = Callable[[datetime], datetime | None]
"""From an instant (UTC) to the first occurrence strictly after it, bounds left aside."""


def next_occurrence(timing: Timing, after: datetime) -> datetime | None:
    """The first occurrence strictly after the aware datetime `after`, or None when none is left.

    `start` and `end` are inclusive. `every` runs on the grid of `start`, the first occurrence, or
    of 1970-01-01T00:00Z. Raises DeclarationError when the timing is wrong in itself: not just one
    of cron, every and at, an unknown zone, a bad expression, a naive datetime.
    """
    return _bounded(timing).after(_utc("after", after))


def upcoming(timing: Timing, after: datetime) -> Iterator[datetime]:
    """All occurrences strictly after `after`, in order; endless for most schedules.

    Raises as `next_occurrence` does, when it is called.
    """
    bounded, cursor = _bounded(timing), _utc("after", after)
    return _walk(bounded, cursor)


@fixed
class _Bounded:
    """A rule with the bounds of its schedule, everything checked and in UTC."""

    rule: Rule
    start: datetime | None
    end: datetime | None

    def after(self, after: datetime) -> datetime | None:
        if self.start and after < self.start:
            after = self.start - timedelta.resolution
        found = self.rule(after)
        return None if found and self.end and found > self.end else found


def _walk(bounded: _Bounded, cursor: datetime) -> Iterator[datetime]:
    while (found := bounded.after(cursor)) is not None:
        yield found
        cursor = found


@lru_cache(maxsize=4096)
def _bounded(timing: Timing) -> _Bounded:
    start = timing.start and _utc("start", timing.start)
    end = timing.end and _utc("end", timing.end)
    if start and end and end < start:
        raise DeclarationError(f"end={timing.end}: before start={timing.start}; it never runs")
    return _Bounded(_rule(timing, start), start, end)


def _rule(timing: Timing, start: datetime | None) -> Rule:
    choices = {"cron": timing.cron, "every": timing.every, "at": timing.at}
    chosen = {name: value for name, value in choices.items() if value is not None}
    if len(chosen) != 1:
        raise DeclarationError(
            f"{' and '.join(f'{name}={value!r}' for name, value in chosen.items()) or 'no time'}: "
            "a schedule has exactly one of cron, every and at"
        )
    clock = zone(timing.timezone)
    if timing.cron is not None:
        expression = cron.parse(timing.cron)
        return lambda after: expression.next(after, clock)
    if timing.every is not None:
        return _grid(timing.every, start or EPOCH)
    return _once(_utc("at", timing.at))


def _grid(every: object, origin: datetime) -> Rule:
    if not isinstance(every, timedelta) or every <= timedelta(0):
        raise DeclarationError(
            f"every={every!r}: a timedelta longer than nothing is needed, "
            "such as timedelta(minutes=5)"
        )

    def following(after: datetime) -> datetime | None:
        try:
            return origin + every * ((after - origin) // every + 1)
        except OverflowError:
            return None  # past the year 9999

    return following


def _once(at: datetime) -> Rule:
    return lambda after: at if at > after else None


def _utc(field: str, value: object) -> datetime:
    if not isinstance(value, datetime):
        raise DeclarationError(f"{field}={value!r}: a datetime is needed")
    if value.utcoffset() is None:
        raise DeclarationError(
            f"{field}={value!r}: a naive datetime names no instant; give it a zone, such as "
            "tzinfo=UTC or tzinfo=ZoneInfo('Europe/Oslo')"
        )
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise DeclarationError(f"{field}={value!r}: outside the years 1 to 9999 in UTC") from None
