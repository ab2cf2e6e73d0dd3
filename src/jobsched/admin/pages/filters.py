"""The filters of lists: as a form sends and shows them, and as a link holds them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from pydantic import field_validator, model_validator

from jobsched.admin.fields import Fields
from jobsched.admin.routes import Call

_TO_THE_MINUTE = 16
"""The length of `2026-03-02T12:00`."""


class Filters(Fields):
    """What a form of filters sends by GET: an empty field is none; times without zone are UTC."""

    @model_validator(mode="before")
    @classmethod
    def _empty_is_none(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {name: value for name, value in given.items() if value != ""}

    @field_validator("since", "until", mode="before", check_fields=False)
    @classmethod
    def _in_utc(cls, given: Any) -> Any:
        """What a `datetime-local` field sends names no zone; the page says that it is UTC."""
        try:
            at = datetime.fromisoformat(given)
        except (TypeError, ValueError):
            return given
        return at if at.tzinfo else at.replace(tzinfo=UTC)

    @property
    def chosen(self) -> dict[str, str]:
        """The filters that narrow the list, as a link holds them; without the place in it."""
        return {
            name: _written(value)
            for name, value in self.model_dump(exclude_defaults=True).items()
            if value is not None and name not in ("cursor", "limit")
        }


def link(call: Call, given: Mapping[str, str], **more: str | int | None) -> str:
    """The page's own address with these parameters."""
    return address(call, call.request.path, given, **more)


def address(call: Call, path: str, given: Mapping[str, str], **more: str | int | None) -> str:
    """A page's address with these parameters; `more` goes before `given`, and None takes away."""
    whole = {**given, **more}
    query = urlencode({name: value for name, value in whole.items() if value is not None})
    return call.url(path) + (f"?{query}" if query else "")


def in_input(at: datetime | None) -> str:
    """A time as `<input type="datetime-local">` takes it, in UTC."""
    return (
        "" if at is None else at.astimezone(UTC).replace(tzinfo=None).isoformat()[:_TO_THE_MINUTE]
    )


def _written(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
