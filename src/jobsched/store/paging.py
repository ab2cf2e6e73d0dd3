"""Pages of a list, by keyset: what the last item sorts by is where the next page begins."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Generic, TypeVar

from jobsched.errors import ParameterError
from jobsched.fixed import fixed

T = TypeVar("T")

Cursor = tuple[str | int | None, ...]
"""Plain values that JSON can carry."""


@fixed
class Page(Generic[T]):
    """At most as many items as were asked for, and where the next page begins."""

    items: tuple[T, ...]
    next: Cursor | None
    """What to give for the next page; None at the end of the list."""
    searched_to: datetime | None = None
    """How far back this page has looked, when it ends early so as not to look for too long.

    It may then hold few items or none, and `next` goes on from there.
    """


def text_of(at: datetime | None) -> str | None:
    """A time as a cursor carries it."""
    return None if at is None else at.astimezone(UTC).isoformat()


def time_of(value: str | int | None) -> datetime | None:
    """The time again. Raises ParameterError for what `text_of` never gave."""
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(str(value)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ParameterError(_WRONG) from error
    return found


def whole(after: Sequence[str | int | None], length: int) -> Cursor:
    """The same. Raises ParameterError unless it has as many values as the list sorts by."""
    if len(after) != length:
        raise ParameterError(_WRONG)
    return tuple(after)


_WRONG = "cursor: give the `next` of the page before, as it was"
