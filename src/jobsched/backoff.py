"""How long a failed job waits before its next attempt."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from jobsched.durations import Duration, parse_duration
from jobsched.errors import DeclarationError


@dataclass(frozen=True, slots=True, init=False)
class Backoff:
    """Waiting times that grow by `factor` from `initial` up to `maximum`.

    Lengths of time are timedeltas or seconds. `jitter` is the share of each waiting time, 0 to 1,
    that chance may take off, so that jobs that failed together do not come back together.
    Raises DeclarationError for values that make no sense.
    """

    initial: timedelta
    factor: float
    maximum: timedelta
    jitter: float

    def __init__(
        self,
        initial: Duration = 10,
        factor: float = 2,
        maximum: Duration = 3600,
        jitter: float = 0.1,
    ) -> None:
        shortest = _duration("initial", initial)
        longest = _duration("maximum", maximum)
        if longest < shortest:
            raise DeclarationError(
                f"Backoff: maximum={maximum!r} is less than initial={initial!r}; give a larger "
                "maximum, or the same for a constant waiting time"
            )
        object.__setattr__(self, "initial", shortest)
        object.__setattr__(self, "maximum", longest)
        object.__setattr__(self, "factor", _number("factor", factor, at_least=1))
        object.__setattr__(self, "jitter", _number("jitter", jitter, at_least=0, at_most=1))

    def delay(self, attempt: int, share: float) -> timedelta:
        """How long to wait after failed attempt number `attempt` (the first is 1).

        `share`, from 0 up to 1, is the caller's random number: 0 gives the full waiting time.
        Never longer than `maximum`.
        """
        try:
            seconds = self.initial.total_seconds() * self.factor ** (attempt - 1)
        except OverflowError:
            seconds = math.inf
        longest = min(seconds, self.maximum.total_seconds())
        return timedelta(seconds=longest * (1 - self.jitter * share))

    def as_document(self) -> dict[str, float]:
        """As the database keeps it: JSON with seconds."""
        return {
            "initial_s": self.initial.total_seconds(),
            "factor": self.factor,
            "maximum_s": self.maximum.total_seconds(),
            "jitter": self.jitter,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> Self:
        """What `as_document` gave; a missing value is the default."""
        given = document or {}
        names = {
            "initial": "initial_s",
            "factor": "factor",
            "maximum": "maximum_s",
            "jitter": "jitter",
        }
        return cls(**{name: given[key] for name, key in names.items() if key in given})


def _duration(field: str, value: object) -> timedelta:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise DeclarationError(f"Backoff: {field}={value!r}: {error}") from None


def _number(field: str, value: Any, *, at_least: float, at_most: float = math.inf) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and at_least <= value <= min(at_most, sys.float_info.max):
        return float(value)
    allowed = f"from {at_least} to {at_most}" if at_most < math.inf else f"{at_least} or more"
    raise DeclarationError(f"Backoff: {field}={value!r}: must be a number, {allowed}")
