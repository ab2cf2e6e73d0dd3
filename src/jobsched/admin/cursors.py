"""Where a page of a list ends, as a text to give back for the next one."""

import base64
import binascii
import json

from jobsched.admin.refusal import RefusalError
from jobsched.values import is_storable

Value = str | int | None
_LARGEST = 2**63 - 1
_LONGEST = 400


def cursor(values: tuple[Value, ...] | None) -> str | None:
    """The text for the values that the last item sorts by; None at the end of the list."""
    if values is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def values(text: str | None, kinds: tuple[type, ...]) -> tuple[Value, ...] | None:
    """The values again, of these kinds (or null); anything else is refused.

    Whoever makes one up can say where a list begins, and nothing else.
    """
    if text is None:
        return None
    found = _decoded(text)
    if (
        not isinstance(found, list)
        or len(found) != len(kinds)
        or not all(_is(kind, value) for kind, value in zip(kinds, found, strict=True))
    ):
        raise _refusal()
    return tuple(found)


def number(text: str | None) -> int | None:
    """The id that a list in order of ids goes on from."""
    found = values(text, (int,))
    if found is None or found[0] is None:
        return None
    return int(found[0])


def _decoded(text: str) -> object:
    if len(text) > _LONGEST:
        raise _refusal()
    try:
        padded = text + "=" * (-len(text) % 4)
        found: object = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _refusal() from error
    return found


def _is(kind: type, value: object) -> bool:
    if value is None:
        return True
    if kind is int:
        return type(value) is int and 0 <= value <= _LARGEST
    return isinstance(value, str) and is_storable(value)


def _refusal() -> RefusalError:
    return RefusalError(400, "malformed", "cursor: give the `next` of the page before, as it was")
