"""Lengths of time as people give them: a timedelta, or a number of seconds."""

import re
from datetime import timedelta
from typing import TypeAlias

Duration: TypeAlias = timedelta | float
"""What a declaration takes for a length of time; numbers are seconds."""

LONGEST = timedelta(days=50 * 365)
"""No length of time in jobsched is longer: its seconds fit every column."""

_UNITS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_TEXT = re.compile(r"\s*(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>ms|s|m|h|d|)\s*", re.ASCII)


def parse_duration(value: object, *, zero: bool = False) -> timedelta:
    """The length of time that `value` stands for; `zero` says whether none at all is allowed.

    Raises ValueError with the reason: not a timedelta or a number of seconds, negative, too long.
    """
    if isinstance(value, timedelta):
        length = value
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a length of time: write seconds, as 300, or timedelta(minutes=5)")
    elif not abs(value) <= LONGEST.total_seconds():  # nor NaN
        raise ValueError("longer than any that jobsched can use (50 years)")
    else:
        length = timedelta(seconds=value)
    if length < timedelta(0) or (not length and not zero):
        raise ValueError(f"must be {'zero or more' if zero else 'more than zero'}")
    if length > LONGEST:
        raise ValueError("longer than any that jobsched can use (50 years)")
    return length


def parse_duration_text(text: str, *, zero: bool = False) -> timedelta:
    """The length of time in a variable: seconds, or a number with ms, s, m, h or d (`5m`).

    Raises ValueError with the reason.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError("not a length of time: write seconds, as 30, or 500ms, 30s, 5m, 1h, 2d")
    return parse_duration(float(found["number"]) * _UNITS[found["unit"]], zero=zero)
