"""What the verbs of a Scheduler are given: each value is returned as it is, or refused by name."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from jobsched.errors import DeclarationError
from jobsched.json_values import parse_params
from jobsched.model import FiringStatus
from jobsched.values import parse_choice, parse_count, parse_instant, parse_text, shown

T = TypeVar("T")
LONGEST_KEY = 90
LONGEST_WHO = 200


def checked_number(name: str, value: object, *, at_least: int = 1, at_most: int = 2**63 - 1) -> int:
    """A whole number, by default one that a column can have; raises DeclarationError."""
    return _checked(name, value, parse_count(at_least, at_most))


def checked_status(value: object) -> FiringStatus:
    """A firing's status, by its name or as the enum has it; raises DeclarationError."""
    return _checked("status", value, parse_choice(FiringStatus))


def checked_time(name: str, value: object) -> datetime:
    """An aware time, in UTC; raises DeclarationError."""
    return _checked(name, value, parse_instant)


def checked_params(params: object) -> dict[str, Any]:
    """A firing's parameters; none for None. Raises ParameterError."""
    return parse_params({} if params is None else params)


def checked_key(key: object) -> str | None:
    """The caller's key of a firing, or None; raises DeclarationError."""
    return None if key is None else _checked("key", key, _parse_key)


def checked_who(by: object) -> str | None:
    """Who asks, for the audit log, or None; raises DeclarationError."""
    return None if by is None else _checked("by", by, partial(parse_text, longest=LONGEST_WHO))


def checked_reason(reason: object) -> str | None:
    """Why, for the audit log, or None; raises DeclarationError."""
    return None if reason is None else _checked("reason", reason, parse_text)


def _parse_key(value: object) -> str:
    text = parse_text(value, longest=LONGEST_KEY)
    if text != text.strip():  # to some databases it is the same key without them
        raise ValueError("must not begin or end with a blank")
    return text


def _checked(name: str, value: object, parse: Callable[[Any], T]) -> T:
    try:
        return parse(value)
    except ValueError as error:
        raise DeclarationError(f"{name}={shown(value)}: {error}") from None
