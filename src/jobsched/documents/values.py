"""Times, durations and params as they stand in documents."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from jobsched.redaction import redacted


def time(at: datetime) -> str:
    """`2026-03-02T12:00:00.000000Z`: all of one length, so that they sort as text."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def optional_time(at: datetime | None) -> str | None:
    """The same, or null."""
    return None if at is None else time(at)


def optional_seconds(length: timedelta | None) -> float | None:
    """A duration, or null."""
    return None if length is None else length.total_seconds()


def params(given: Mapping[str, Any]) -> dict[str, Any]:
    """Params, without the secrets among them."""
    shown: dict[str, Any] = redacted(given)
    return shown
