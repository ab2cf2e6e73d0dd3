"""The outcomes of the last weeks, a square per day: the worst of the day decides."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from markupsafe import Markup

from jobsched.admin.pictures import dates
from jobsched.admin.pictures.marks import MARKS, style
from jobsched.admin.pictures.svg import box, label, line, link, picture
from jobsched.fixed import fixed
from jobsched.model import FiringStatus

WEEKS = 13
CELL = 14
PITCH = 18
LEFT, TOP = 34, 20


@fixed
class Day:
    """How the firings of one day ended; `other` were skipped or cancelled."""

    date: date
    succeeded: int = 0
    failed: int = 0
    other: int = 0
    href: str | None = None

    @property
    def worst(self) -> FiringStatus | None:
        """FAILED before SKIPPED before SUCCESS; None without a firing."""
        if self.failed:
            return FiringStatus.FAILED
        if self.other:
            return FiringStatus.SKIPPED
        return FiringStatus.SUCCESS if self.succeeded else None

    @property
    def says(self) -> str:
        """`96 succeeded, 1 failed`."""
        counts = (
            (self.succeeded, "succeeded"),
            (self.failed, "failed"),
            (self.other, "skipped or cancelled"),
        )
        return ", ".join(f"{count} {word}" for count, word in counts if count) or "no firing"


def calendar(days: Sequence[Day], today: date) -> Markup:
    """13 weeks from Monday to Sunday, of which today's is the last; other days are left out."""
    shown = _weeks(days, today)
    cells = [
        _cell(day, LEFT + PITCH * (index // 7), TOP + PITCH * (index % 7), day.date == today)
        for index, day in enumerate(shown)
    ]
    body = [
        *(
            label(0, TOP + PITCH * row + 11, dates.WEEKDAYS[row], "pic-small")
            for row in (0, 2, 4, 6)
        ),
        *_months(shown[0].date),
        *cells,
    ]
    size = (LEFT + PITCH * WEEKS, TOP + PITCH * 7)
    links = any(day.href for day in shown)
    return picture("calendar", size, title(shown), body, links=links)


def calendar_rows(days: Sequence[Day], today: date) -> list[Day]:
    """The table that says what `calendar` shows: the days with a firing, newest first."""
    return [day for day in reversed(_weeks(days, today)) if day.worst]


def title(shown: Sequence[Day]) -> str:
    """`outcomes of 13 weeks, Mon 5 Jan to Sun 5 Apr: 90 succeeded, 1 failed`."""
    total = Day(
        shown[0].date,
        sum(day.succeeded for day in shown),
        sum(day.failed for day in shown),
        sum(day.other for day in shown),
    )
    first, last = dates.day(shown[0].date), dates.day(shown[-1].date)
    return f"outcomes of {WEEKS} weeks, {first} to {last}: {total.says}"


def _weeks(days: Sequence[Day], today: date) -> list[Day]:
    """Every day from the first Monday to today, empty ones too."""
    known = {day.date: day for day in days}
    monday = today - timedelta(days=today.weekday() + 7 * (WEEKS - 1))
    shown = (monday + timedelta(days=number) for number in range((today - monday).days + 1))
    return [known.get(each, Day(each)) for each in shown]


def _months(monday: date) -> Iterator[str]:
    """A label over the week in which a month begins."""
    for week in range(WEEKS):
        days = [monday + timedelta(days=7 * week + weekday) for weekday in range(7)]
        first = next((each for each in days if each.day == 1), None)
        if first:
            yield label(LEFT + PITCH * week, TOP - 7, dates.MONTHS[first.month - 1], "pic-small")


def _cell(day: Day, x: float, y: float, is_today: bool) -> str:
    inner = _square(day, x, y)
    if is_today:
        inner += line("pic-today", f"M{x - 2} {y - 2}h{CELL + 4}v{CELL + 4}h-{CELL + 4}z")
    says = f"{dates.day(day.date)}{' (today)' if is_today else ''}: {day.says}"
    return link(day.href, says, inner)


def _square(day: Day, x: float, y: float) -> str:
    """Full: all succeeded; a cross: some failed; half: some were skipped; a dot: no firing."""
    worst = day.worst
    if worst is None:
        return box("pic-empty", x + 5, y + 5, 4, 4)
    if worst is FiringStatus.SUCCESS:
        return box(style(worst), x, y, CELL, CELL, radius=2)
    if worst is FiringStatus.FAILED:
        frame = f"M{x + 1} {y + 1}h{CELL - 2}v{CELL - 2}h-{CELL - 2}z"
        return line(style(worst), frame + MARKS[worst].at(x + 2, y + 2))
    return box(style(worst), x, y + 4, CELL, CELL - 8, radius=2)
