"""What may name a job, a group, a schedule; and the guess at what was meant."""

import difflib
import re
from collections.abc import Iterable

LONGEST_NAME = 100
LONGEST_SCHEDULE_ID = 50
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


def did_you_mean(wanted: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing when no known name is close."""
    close = difflib.get_close_matches(wanted, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
