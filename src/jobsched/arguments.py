"""What the verbs of a Scheduler are given: each value is returned as it is, or refused by name."""

from datetime import datetime

from jobsched.errors import DeclarationError
from jobsched.model import FiringStatus
from jobsched.values import did_you_mean, parse_instant, parse_text, shown

LONGEST_KEY = 90
LONGEST_WHO = 200


def checked_number(name: str, value: object, *, at_least: int = 1) -> int:
    """A whole number that a database can have; raises DeclarationError."""
    if isinstance(value, int) and not isinstance(value, bool) and at_least <= value < 2**63:
        return value
    raise DeclarationError(f"{name}={shown(value)}: must be a whole number, {at_least} or more")


def checked_status(value: object) -> FiringStatus:
    """A firing's status, by its name or as the enum has it; raises DeclarationError."""
    names = [status.value for status in FiringStatus]
    text = str(value).upper()
    if text not in names:
        guess = did_you_mean(text, names)
        raise DeclarationError(f"status={shown(value)}: must be one of {', '.join(names)}{guess}")
    return FiringStatus(text)


def checked_time(name: str, value: object) -> datetime:
    """An aware time, in UTC; raises DeclarationError."""
    try:
        return parse_instant(value)
    except ValueError as error:
        raise DeclarationError(f"{name}={shown(value)}: {error}") from None


def checked_key(key: object) -> str | None:
    """The caller's key of a firing, or None; raises DeclarationError."""
    if key is None:
        return None
    text = _checked_text("key", key, LONGEST_KEY)
    if text != text.strip():  # to some databases it is the same key without them
        raise DeclarationError(f"key={text!r}: must not begin or end with a blank")
    return text


def checked_who(by: object) -> str | None:
    """Who asks, for the audit log, or None; raises DeclarationError."""
    return None if by is None else _checked_text("by", by, LONGEST_WHO)


def checked_reason(reason: object) -> str | None:
    """Why, for the audit log, or None; raises DeclarationError."""
    return None if reason is None else _checked_text("reason", reason, None)


def _checked_text(name: str, value: object, longest: int | None) -> str:
    try:
        return parse_text(value, longest=longest)
    except ValueError as error:
        raise DeclarationError(f"{name}={shown(value)}: {error}") from None
