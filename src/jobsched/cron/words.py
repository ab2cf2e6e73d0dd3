"""A cron expression in plain English, where English says exactly what the expression means.

The words tell of the zone's clock; which zone it is, the caller says.
"""

from collections.abc import Sequence
from functools import lru_cache

from jobsched.cron.expression import both_days, parse
from jobsched.cron.fields import (
    EVERY,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    DaysOfMonth,
    Field,
    days_of_month,
    days_of_week,
    numbers,
)
from jobsched.cron.refusals import ALIASES
from jobsched.errors import DeclarationError

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400

MOST_LISTED = 6
"""Nobody reads a longer list as one thing."""

MOST_TIMES = 3
"""So many times of day are listed even where they are evenly spaced."""

_UNITS = ((HOUR_S, "hour"), (MINUTE_S, "minute"), (1, "second"))

# Not those of `calendar`, which speaks the host's language.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "last")

NEVER_AT_AN_END = range(2, 28)
"""Days whose nearest Monday-to-Friday is within the month anyway."""

_LAST_WORKING_DAY = (
    " on the last day of {months}, or the Friday before when that is a Saturday or Sunday"
)


@lru_cache(maxsize=4096)
def in_words(expression: str) -> str | None:
    """The expression in words, such as `at 09:30, Monday to Friday`; None rather than a guess.

    None is for what has no words that can be read in one way only: day-of-month and day-of-week
    both limited, long lists, days nearest the end of a month, years; and for what `parse` refuses.
    """
    try:
        texts = parse(expression).text.lower()
    except DeclarationError:
        return None
    fields = ALIASES.get(texts, texts).split()
    if len(fields) == 7:
        return None
    second, minute, hour, day, month, weekday = fields if len(fields) == 6 else ["0", *fields]
    days, months = _days(day, _values(MONTH, month), weekday)
    times = _Times(_values(SECOND, second), _values(MINUTE, minute), _values(HOUR, hour))
    clock = times.words(on_some_days=bool(days or months))
    if clock is None or days is None:
        return None
    return f"{clock}{days or times.every_day}{months}"


def _values(field: Field, text: str) -> list[int]:
    found = numbers(field, text)
    return (
        list(range(field.low, field.high + 1))
        if found == EVERY
        else [int(value) for value in found.split(",")]
    )


class _Times:
    """The times of day of an expression, in seconds since midnight."""

    def __init__(self, seconds: list[int], minutes: list[int], hours: list[int]) -> None:
        self.seconds, self.minutes, self.hours = seconds, minutes, hours
        self.every_day = ""
        """What follows the words where the days are not limited."""

    def words(self, *, on_some_days: bool) -> str | None:
        if len(self.minutes) == 60 and len(self.hours) == 24:
            return _paced("minute", "second", self.seconds)
        if self.seconds == [0] and len(self.hours) == 24:
            return _paced("hour", "minute", self.minutes)
        return self._of_day(on_some_days)

    def _of_day(self, on_some_days: bool) -> str | None:
        times = [
            hour * HOUR_S + minute * MINUTE_S + second
            for hour in self.hours
            for minute in self.minutes
            for second in self.seconds
        ]
        evenly = self._evenly(times, on_some_days) if len(times) > MOST_TIMES else None
        return evenly or self._listed(times)

    def _listed(self, times: list[int]) -> str | None:
        if len(times) > MOST_LISTED:
            return None
        self.every_day = " every day"
        return f"at {_and([self._time(time) for time in times])}"

    def _evenly(self, times: list[int], on_some_days: bool) -> str | None:
        """Words for times that are evenly spaced, but for one gap at most."""
        gaps = [
            (later - time) % DAY_S for time, later in zip(times, times[1:] + times[:1], strict=True)
        ]
        step, even = min(gaps), gaps.count(min(gaps))
        if even < len(gaps) - 1:
            return None
        every = f"{_every(step)} from"
        if even == len(gaps) and not on_some_days:
            return f"{every} {self._time(times[0])}"
        last = len(gaps) - 1 if even == len(gaps) else gaps.index(max(gaps))
        first = (last + 1) % len(times)
        if first > last and on_some_days:
            return None  # it runs over midnight, which leaves open whose day it is
        return f"{every} {self._time(times[first])} to {self._time(times[last])}"

    def _time(self, second: int) -> str:
        text = f"{second // HOUR_S:02}:{second // MINUTE_S % 60:02}"
        return text if self.seconds == [0] else f"{text}:{second % 60:02}"


def _paced(whole: str, part: str, values: list[int]) -> str | None:
    """Every hour at these minutes, or every minute at these seconds."""
    step = 60 // len(values)
    if values == list(range(0, 60, step)):
        return f"every {whole}" if step == 60 else f"every {_counted(step, part)}"
    if len(values) > MOST_LISTED:
        return None
    return f"every {whole}, at {part} {_and([str(value) for value in values])}"


def _every(seconds: int) -> str:
    for size, unit in _UNITS:
        if seconds % size == 0:
            return f"every {_counted(seconds // size, unit)}"
    raise AssertionError("a second divides every whole number of seconds")


def _counted(number: int, unit: str) -> str:
    return unit if number == 1 else f"{number} {unit}s"


def _days(day: str, months: list[int], weekday: str) -> tuple[str | None, str]:
    """The days, with the blank or comma before them, and the months where they stand apart.

    Nothing for all of them; None for days that have no words.
    """
    if not both_days(day, weekday):
        return None, ""
    parts, weekdays = days_of_month(day), days_of_week(weekday)
    if any(part.numbers == EVERY for part in parts):
        if weekdays == EVERY:
            return "", _in_months(months)
        if weekdays.replace(",", "").isdigit():
            return _weekdays(weekdays), _in_months(months)
        return _nth_weekdays(weekdays, months), ""
    return _days_of_month(parts, months) if weekdays == EVERY else None, ""


def _in_months(months: list[int]) -> str:
    if len(months) == 12:
        return ""
    run = _run([month - 1 for month in months], _MONTHS)
    return f", {run}" if run else f" in {_and([_MONTHS[month - 1] for month in months])}"


def _of_months(months: list[int]) -> str:
    if len(months) == 12:
        return "the month"
    run = _run([month - 1 for month in months], _MONTHS)
    return f"each month, {run}" if run else _and([_MONTHS[month - 1] for month in months])


def _weekdays(text: str) -> str:
    days = sorted((int(day) - 1) % 7 for day in text.split(","))
    if run := _run(days, _WEEKDAYS):
        return f", {run}"
    return f" on {_and([f'{_WEEKDAYS[day]}s' for day in days])}"


def _nth_weekdays(text: str, months: list[int]) -> str | None:
    """`5#2,l5` is the second and last Friday; of one weekday only."""
    items = [item.split("#") if "#" in item else [item[1:], "6"] for item in text.split(",")]
    if len({day for day, _ in items}) > 1:
        return None
    which = _and([_ORDINALS[number - 1] for number in sorted(int(nth) for _, nth in items)])
    name = _WEEKDAYS[(int(items[0][0]) - 1) % 7]
    return f" on the {which} {name} of {_of_months(months)}"


def _days_of_month(parts: Sequence[DaysOfMonth], months: list[int]) -> str | None:
    """Days of the month by their numbers, the last one, or the one nearest to a number."""
    of_months = _of_months(months)
    texts = [part.numbers for part in parts]
    if texts == ["31w"] and not parts[0].shortest_month:
        return _LAST_WORKING_DAY.format(months=of_months) if len(months) == 12 else None
    if texts[0].endswith("w"):
        nearest = int(texts[0].removesuffix("w"))
        if nearest not in NEVER_AT_AN_END:
            return None
        return f" on the day from Monday to Friday that is nearest to day {nearest} of {of_months}"
    days = [int(day) for day in texts[0].split(",")] if texts[0] != "l" else []
    if len(days) >= 3 and days == list(range(days[0], days[-1] + 1)):
        said = [f"day {days[0]} to {days[-1]}"]
    elif len(days) > MOST_LISTED:
        return None
    else:
        said = [f"{'' if index else 'day '}{day}" for index, day in enumerate(days)]
    last = ["the last day"] if "l" in texts else []
    return f" on {_and(said + last)} of {of_months}"


def _run(indexes: list[int], names: Sequence[str]) -> str | None:
    """`Monday to Friday`, where three or more follow each other; also around the end."""
    count = len(indexes)
    for first in indexes:
        if sorted((first + number) % len(names) for number in range(count)) == indexes:
            last = (first + count - 1) % len(names)
            return f"{names[first]} to {names[last]}" if count >= 3 else None
    return None


def _and(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
