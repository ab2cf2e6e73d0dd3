"""From one matching wall-clock time to the next, by croniter.

croniter gets naive times, explicit numbers and always seven fields, and is asked for one kind of
day at a time: its own way of joining day-of-month and day-of-week fails on `#`, `L` and `W`.
"""

import calendar
import copy
from dataclasses import field
from datetime import datetime, timedelta

from croniter import croniter  # type: ignore[import-untyped]  # croniter publishes no types

from jobsched.fixed import fixed

YEARS_WITHOUT_MATCH = 200
"""How far to look; no set of dates in the Gregorian calendar has a longer gap than 40 years."""

FIRST_WALL_TIME = datetime(1970, 1, 1)  # noqa: DTZ001  # wall-clock times are naive


@fixed
class Steps:
    """The wall-clock times that match one list of seven fields, in croniter's words."""

    fields: str
    shortest_month: int = 0
    """Months with fewer days than this have no match."""
    years: tuple[int, int] | None = None
    """The first and the last year that can match, or None for any."""
    _stepper: croniter = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        stepper = croniter(
            self.fields,
            FIRST_WALL_TIME,
            ret_type=datetime,
            second_at_beginning=True,
            day_or=False,
            max_years_between_matches=YEARS_WITHOUT_MATCH,
        )
        object.__setattr__(self, "_stepper", stepper)

    def after(self, wall: datetime) -> datetime | None:
        """The first match strictly after the naive time `wall`, or None when there is none."""
        # A croniter keeps its place, so each call steps a copy: threads share the original.
        stepper = copy.copy(self._stepper)
        if self.years and wall.year < self.years[0]:
            wall = FIRST_WALL_TIME.replace(year=self.years[0]) - timedelta(seconds=1)
        while (found := _step(stepper, wall)) and not self._is_past(found):
            if not self.shortest_month or self.shortest_month <= _days_in_month(found):
                return found
            wall = found
        return None

    def _is_past(self, wall: datetime) -> bool:
        return self.years is not None and wall.year > self.years[1]


def first_after(alternatives: tuple[Steps, ...], wall: datetime) -> datetime | None:
    """The first match of any of `alternatives` strictly after the naive time `wall`."""
    if len(alternatives) == 1:
        return alternatives[0].after(wall)
    found = [match for steps in alternatives if (match := steps.after(wall))]
    return min(found, default=None)


def _step(stepper: croniter, wall: datetime) -> datetime | None:
    try:
        found: datetime = stepper.get_next(start_time=wall)
    except (ValueError, OverflowError):
        # croniter's "no further match" is a ValueError, as is the end of datetime's year 9999.
        return None
    return found


def _days_in_month(wall: datetime) -> int:
    return calendar.monthrange(wall.year, wall.month)[1]
