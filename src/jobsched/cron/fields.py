"""The grammar of one cron field: its text becomes explicit numbers, written as croniter reads them.

croniter never sees what a person wrote: left to itself it reads `5-5` as the whole field, and
shifts the values of stepped ranges that wrap around.
"""

import re
from collections.abc import Sequence

from jobsched.fixed import fixed

EVERY = "*"
"""How croniter is told that a field does not limit anything."""

ENOUGH = 10**9
"""Stands for every larger number; no field and no step tells them apart."""

_DIGITS = re.compile(r"[0-9]+")
_NEAREST = re.compile(r"([0-9]+)w")
_NTH = re.compile(r"([^#]*)#([^#]*)")


class FieldError(ValueError):
    """A field cannot be read: `item` is the part of its text that is wrong, `reason` says why."""

    def __init__(self, field: "Field", item: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.item = item
        self.reason = reason


@fixed
class Field:
    """One of the seven fields: its name, its range and the names of its values."""

    name: str
    low: int
    high: int
    value_names: tuple[str, ...] = ()
    also: str = ""
    """Forms that it allows beside numbers, names, steps and ranges, for messages."""

    @property
    def allowed(self) -> str:
        """The values as messages say them, such as `1-12 or jan-dec`."""
        names = self.value_names
        text = f"{self.low}-{self.high}" + (f" or {names[0]}-{names[-1]}" if names else "")
        return f"{text} (also {self.also})" if self.also else text


SECOND = Field("second", 0, 59)
MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY = Field("day-of-month", 1, 31, also="?, L, LW and 15W")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = Field("month", 1, 12, MONTHS)
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
WEEKDAY = Field("day-of-week", 0, 6, WEEKDAYS, also="7 for Sunday, ?, fri#2 and friL")
YEAR = Field("year", 1970, 2099)

ALL_FIELDS = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, YEAR)


@fixed
class DaysOfMonth:
    """A day-of-month field, or a part of it that croniter has to be asked for on its own."""

    numbers: str
    shortest_month: int = 0
    """Months with fewer days have no run; croniter would clamp `31W` to the last day."""


def numbers(field: Field, text: str) -> str:
    """The values of a plain field, as croniter's list: `0,15,30,45`, or `*` for all of them."""
    found = sorted({value for item in text.split(",") for value in _item(field, item)})
    return _as_list(field, found)


def span_of_years(text: str) -> tuple[int, int]:
    """The first and the last value of a year field."""
    found = [value for item in text.split(",") for value in _item(YEAR, item)]
    return min(found), max(found)


def days_of_month(text: str) -> tuple[DaysOfMonth, ...]:
    """The parts of a day-of-month field; a day has to match one of them."""
    if text == "?":
        return (DaysOfMonth(EVERY),)
    if text == "lw":
        return (DaysOfMonth("31w"),)  # clamped to the last day, which is just what LW means
    if nearest := _NEAREST.fullmatch(text):
        day = _value(DAY, nearest[1], text)
        return (DaysOfMonth(f"{day}w", shortest_month=day),)
    items = text.split(",")
    plain = [item for item in items if item != "l"]
    parts = [DaysOfMonth(numbers(DAY, ",".join(plain)))] if plain else []
    return (*parts, DaysOfMonth("l")) if len(plain) < len(items) else tuple(parts)


def days_of_week(text: str) -> str:
    """The days of a day-of-week field, as croniter's list: `1,2`, `5#2`, `l5` or `*`."""
    if text == "?":
        return EVERY
    items = text.split(",")
    special = {item: _in_month(item) for item in items if _is_in_month(item)}
    plain = [item for item in items if item not in special]
    if special and plain:
        raise FieldError(
            WEEKDAY, text, "days within the month (#, L) do not mix with plain weekdays"
        )
    return ",".join(sorted(set(special.values()))) if special else numbers(WEEKDAY, text)


def _as_list(field: Field, values: Sequence[int]) -> str:
    whole = len(values) == field.high - field.low + 1
    return EVERY if whole else ",".join(map(str, values))


def _item(field: Field, item: str) -> list[int]:
    """The values of one item of a comma list, in the order in which a step walks over them."""
    if not item:
        raise FieldError(field, item, "an item of the list is empty")
    body, slash, step = item.partition("/")
    first, dash, last = body.partition("-")
    if body == EVERY:
        walk = list(range(field.low, field.high + 1))
    elif dash:
        walk = _range(field, _value(field, first, item), _value(field, last, item), item)
    else:
        start = _value(field, first, item)
        start = 0 if field is WEEKDAY and start == 7 else start
        walk = list(range(start, field.high + 1)) if slash else [start]
    return walk[:: _step(field, step, item)] if slash else walk


def _range(field: Field, first: int, last: int, item: str) -> list[int]:
    """Walk from `first` to `last`, around the end of the field where `first` is the larger."""
    if field is WEEKDAY and first == 7:
        first, last = 0, last % 7
    if first <= last:
        walk = range(first, last + 1)
        return [day % 7 for day in walk] if field is WEEKDAY else list(walk)
    if field is YEAR:
        raise FieldError(field, item, "years do not wrap around: the first must not be the larger")
    return [*range(first, field.high + 1), *range(field.low, last + 1)]


def _step(field: Field, text: str, item: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise FieldError(field, item, "a step is a number after one slash, such as */5")
    if not (step := _number(text)):
        raise FieldError(field, item, "a step is at least 1")
    return step


def _value(field: Field, text: str, item: str) -> int:
    """The number that `text` stands for, a number or a name; `item` is where it was found."""
    if text in field.value_names:
        return field.low + field.value_names.index(text)
    if not _DIGITS.fullmatch(text):
        raise FieldError(field, item, "")
    value = _number(text)
    highest = 7 if field is WEEKDAY else field.high
    if not field.low <= value <= highest:
        raise FieldError(field, item, f"{text[:20]} is out of range")
    return value


def _number(digits: str) -> int:
    significant = digits.lstrip("0")
    # int() refuses thousands of digits with an error of its own.
    return int(significant or "0") if len(significant) < 10 else ENOUGH


def _is_in_month(item: str) -> bool:
    without_last = item.removesuffix("l") if item.endswith("l") else item.removeprefix("l")
    return "#" in item or (without_last != item and _is_weekday(without_last))


def _is_weekday(text: str) -> bool:
    return text in WEEKDAYS or bool(_DIGITS.fullmatch(text))


def _in_month(item: str) -> str:
    """`fri#2` as croniter's `5#2`, `friL` and `Lfri` as its `l5`."""
    if nth := _NTH.fullmatch(item):
        day = _value(WEEKDAY, nth[1], item) % 7
        if not (_DIGITS.fullmatch(nth[2]) and 1 <= _number(nth[2]) <= 5):
            raise FieldError(WEEKDAY, item, "the number after # is 1 to 5")
        return f"{day}#{_number(nth[2])}"
    return f"l{_value(WEEKDAY, item.strip('l'), item) % 7}"
