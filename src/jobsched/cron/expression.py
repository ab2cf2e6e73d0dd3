"""A parsed cron expression and its next run in a zone.

Two rules of time, after Debian's cron. A **wildcard** schedule (its minute, hour or second starts
with `*`) runs at every instant at which the zone's clock shows a matching time: it keeps its pace
when the clock is changed. A **fixed-time** schedule runs once for each matching time: at the first
instant that shows it or, where the clock skips it, at the first instant after the gap. So a daily
job is neither lost nor run twice.
"""

from dataclasses import field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from jobsched.cron.fields import (
    EVERY,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    YEAR,
    FieldError,
    days_of_month,
    days_of_week,
    numbers,
    span_of_years,
)
from jobsched.cron.refusals import (
    ALIASES,
    foreign_form,
    refuse,
    refuse_count,
    refuse_field,
    refuse_impossible,
)
from jobsched.cron.stepping import FIRST_WALL_TIME, Steps, first_after
from jobsched.cron.wallclock import ONE_SECOND, first_change, first_showing, wall
from jobsched.errors import DeclarationError
from jobsched.fixed import fixed

LONGEST_OVERLAP = timedelta(days=2)
"""More than any zone's clock was ever set back."""


@fixed
class CronExpression:
    """A valid expression; made by `parse`, equal to another of the same text, safe in threads."""

    text: str
    """As it was declared, without outer blanks."""
    is_wildcard: bool = field(compare=False)
    """Whether it keeps its pace when a clock is changed; otherwise it has fixed times."""
    _alternatives: tuple[Steps, ...] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.text

    def next(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        """The first run strictly after the aware datetime `after`, in UTC; None: no further run.

        It depends on nothing else: asking from the middle of a sequence gives the same sequence.
        Runs are whole seconds. Raises DeclarationError when `after` is naive.
        """
        if after.utcoffset() is None:
            raise DeclarationError(f"after={after!r}: a naive datetime; give it a tzinfo, as UTC")
        try:
            return self._next(after.astimezone(UTC).replace(microsecond=0), zone)
        except OverflowError:
            return None  # the year 9999 ends what a datetime can say

    def _next(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        fixed_offset = zone.utcoffset(None)
        if fixed_offset is not None:
            found = self._match((after + fixed_offset).replace(tzinfo=None))
            return found and (found - fixed_offset).replace(tzinfo=UTC)
        if self.is_wildcard:
            return self._next_showing(after, zone)
        return self._next_fixed_time(after, zone)

    def _next_fixed_time(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        shown = self._match(wall(after, zone))
        while shown and (instant := first_showing(shown, zone)) <= after:
            shown = self._match(shown)
        return instant if shown else None

    def _next_showing(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        shown = wall(after, zone)
        found = self._match(shown)
        while True:
            # Even after the last match of the last year a clock set back may show it once more.
            instant = after + (found - shown if found else LONGEST_OVERLAP)
            change = first_change(zone, after, instant)
            if change is None:
                return instant if found else None
            shown_then = wall(change, zone)
            if not found or not shown < shown_then < found:
                found = self._match(shown_then - ONE_SECOND)
                if found == shown_then:
                    return change
            after, shown = change, shown_then

    def _match(self, shown: datetime) -> datetime | None:
        return first_after(self._alternatives, shown)


def parse(expression: str) -> CronExpression:
    """The expression, checked: 5 fields, 6 (second first), 7 (year last) or an alias.

    Raises DeclarationError, a ValueError, that quotes the expression and the field that is wrong,
    and says what is allowed; also when no date from 1970 to 2099 matches. Results are cached.
    """
    return _parse(_text(expression))


def _text(expression: object) -> str:
    if not isinstance(expression, str):
        raise refuse(expression, "a text is needed, such as '*/15 * * * *'")
    return expression


@lru_cache(maxsize=4096)
def _parse(expression: str) -> CronExpression:
    text = expression.strip(" \t")
    if reason := foreign_form(text):
        raise refuse(expression, reason)
    texts = ALIASES.get(text.lower(), text).split()
    if not 5 <= len(texts) <= 7:
        raise refuse_count(expression, len(texts))
    try:
        alternatives = _alternatives([item.lower() for item in texts])
    except FieldError as error:
        raise refuse_field(expression, texts, error) from None
    if not alternatives:
        raise refuse_impossible(expression, texts)
    clock = texts[:2] if len(texts) == 5 else texts[:3]
    return CronExpression(text, any(item.startswith(EVERY) for item in clock), alternatives)


def _alternatives(texts: list[str]) -> tuple[Steps, ...]:
    """What has to match, each on its own: as many as the day rule and croniter's limits need."""
    second, minute, hour, day, month, weekday, *year = texts if len(texts) > 5 else ["0", *texts]
    clock = f"{numbers(SECOND, second)} {numbers(MINUTE, minute)} {numbers(HOUR, hour)}"
    days, months, weekdays = days_of_month(day), numbers(MONTH, month), days_of_week(weekday)
    years, span = (numbers(YEAR, year[0]), span_of_years(year[0])) if year else (EVERY, None)
    if both_days(day, weekday):
        dates = [(part.numbers, weekdays, part.shortest_month) for part in days]
    else:
        dates = [(part.numbers, EVERY, part.shortest_month) for part in days]
        dates.append((EVERY, weekdays, 0))
    return tuple(
        Steps(f"{clock} {day} {months} {weekday} {years}", shortest, span)
        for day, weekday, shortest in dates
        if _comes(f"{day} {months} {weekday} {years}", shortest, span)
    )


def both_days(day: str, weekday: str) -> bool:
    """Debian's day rule: a date has to match both fields where one starts with `*`, else either."""
    return any(text == "?" or text.startswith(EVERY) for text in (day, weekday))


def _comes(date: str, shortest_month: int, span: tuple[int, int] | None) -> bool:
    """Whether a date matches from 1970 to 2099; one that never does would be searched for long."""
    last_seconds = Steps(f"59 59 23 {date}", shortest_month, span or (YEAR.low, YEAR.high))
    return last_seconds.after(FIRST_WALL_TIME) is not None
