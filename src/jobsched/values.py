"""Values as people give them: each parser returns the value, or raises ValueError with the reason.

The reason says what would be right. Whoever calls a parser adds where the value stands.
"""

import difflib
import re
import reprlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

LONGEST_NAME = 100
LONGEST_SCHEDULE_ID = 50
LONGEST_RETENTION_DAYS = 36_500
"""A hundred years: further back no history goes, and dates end somewhere."""
E = TypeVar("E", bound=StrEnum)

_SCHEDULE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")


def parse_name(value: object, *, longest: int = LONGEST_NAME) -> str:
    """`value` as the name of a job, a group or an environment; ValueError with the reason."""
    if not isinstance(value, str):
        raise ValueError(f"must be a text, not {type(value).__name__}")
    if not value:
        raise ValueError("must not be empty")
    if value != value.strip():
        raise ValueError(f"must not begin or end with a blank: write {value.strip()!r}")
    if not value.isprintable():
        raise ValueError("must hold printable characters only")
    if len(value) > longest:
        raise ValueError(f"has {len(value)} characters; at most {longest} are allowed")
    return value


def parse_schedule_id(value: object) -> str:
    """`value` as the id of a schedule; ValueError with the reason."""
    name = parse_name(value, longest=LONGEST_SCHEDULE_ID)
    if not _SCHEDULE_ID.fullmatch(name):
        raise ValueError(
            "must hold only letters a-z, digits and - _ . : and begin with a letter or digit; "
            "any other text can be its name="
        )
    return name


def parse_choice(kind: type[E]) -> Callable[[Any], E]:
    """A parser of one of the values of `kind`, in any letter case."""

    def parse(value: Any) -> E:
        text = value.casefold() if isinstance(value, str) else value
        for one in kind:
            if one.value.casefold() == text:
                return one
        guess = did_you_mean(str(value), [one.value for one in kind])
        raise ValueError(f"must be one of {', '.join(repr(one.value) for one in kind)}{guess}")

    return parse


def parse_count(at_least: int, at_most: int = 2**31 - 1) -> Callable[[object], int]:
    """A parser of whole numbers in a range."""

    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"must be a whole number, not {type(value).__name__}")
        if not at_least <= value <= at_most:
            allowed = f"{at_least} or more" if value < at_least else f"at most {at_most}"
            raise ValueError(f"must be {allowed}")
        return value

    return parse


def parse_text(value: object, *, longest: int | None = None) -> str:
    """A text that every database keeps, of any length or at most so long; else ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"must be a text, not {type(value).__name__}")
    if not is_storable(value):
        raise ValueError("holds a NUL or half a surrogate pair, which no database keeps")
    if longest is not None and not 0 < len(value) <= longest:
        raise ValueError(f"must be text of 1 to {longest} characters")
    return value


def is_storable(text: str) -> bool:
    """Whether a database can keep the text: no NUL, no half of a surrogate pair."""
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def parse_flag(value: object) -> bool:
    """True or False, and nothing that merely looks like it."""
    if not isinstance(value, bool):
        raise ValueError("must be True or False")
    return value


def parse_instant(value: object, zone: str = "UTC") -> datetime:
    """An aware datetime, in UTC; `zone` is the one that is proposed for a naive one."""
    if not isinstance(value, datetime):
        raise ValueError(f"must be a datetime, as datetime(2026, 1, 15, 9, 0, {_tzinfo(zone)})")
    if value.utcoffset() is None:
        aware = (
            f"{repr(value.replace(tzinfo=None)).removeprefix('datetime.')[:-1]}, {_tzinfo(zone)})"
        )
        raise ValueError(f"a naive datetime names no instant: write {aware}")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the years 1 to 9999 in UTC") from None


def shown(value: object) -> str:
    """A value for a message, cut when it is long."""
    return _SHORT.repr(value)


def did_you_mean(wanted: str, known: Iterable[str], *, prefix: str = "") -> str:
    """`; did you mean 'x'?`, or nothing when no known name is close; `prefix` is said before it."""
    spelled = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(wanted.casefold(), spelled, n=1)
    return f"; did you mean {prefix + spelled[close[0]]!r}?" if close else ""


def _tzinfo(zone: str) -> str:
    return "tzinfo=UTC" if zone == "UTC" else f"tzinfo=ZoneInfo({zone!r})"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 120
