"""What a timeline shows of each schedule, and which marks it takes to show it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from jobsched.admin.pictures import dates
from jobsched.admin.pictures.axis import Axis
from jobsched.admin.pictures.marks import ICON, MARKS, firings
from jobsched.fixed import fixed
from jobsched.model import FiringStatus
from jobsched.phrases import span

NARROWEST = 3
"""Of a bar."""

THINNEST = 1.5
"""Of the part of a mark that a firing is; bars are clicked on, parts are only seen."""

TOO_NEAR = 2
"""Bars of the same status with no more between them are one mark."""

DENSE = 4
"""Ticks nearer to each other than this are a band."""


@fixed
class Bar:
    """A firing of the past."""

    firing_id: int
    href: str
    status: str
    start: datetime
    """When it started; of one that did not run, when it was due."""
    end: datetime | None = None
    """When it ended; None: not yet, or it did not run."""


@fixed
class Lane:
    """A schedule: its firings of the past and its coming occurrences, both in order of time."""

    id: str
    name: str
    href: str
    past: tuple[Bar, ...] = ()
    coming: tuple[datetime, ...] = ()
    goes_on: bool = False
    """Whether `coming` was cut short: more occurrences follow."""


@dataclass(slots=True)
class Marked:
    """A bar, or several of the same status that are too near to each other to be told apart."""

    status: str
    left: float
    right: float
    bars: list[Bar]
    parts: list[tuple[float, float]]
    """Where its bars really are: an icon needs more room than a short firing."""

    def add(self, bar: Bar, right: float, part: tuple[float, float]) -> None:
        """Make `bar`, the next in time, a part of this mark."""
        self.bars.append(bar)
        self.right = max(self.right, right)
        left, end = self.parts[-1]
        if part[0] - end <= TOO_NEAR:
            self.parts[-1] = left, max(end, part[1])
        else:
            self.parts.append(part)

    def says(self, axis: Axis, now: datetime) -> str:
        """`succeeded, 10:00, 4.2 s`, or `23 firings succeeded, 10:00 to 10:59`."""
        word = MARKS[self.status].word
        first, last = (dates.clock(axis.shown(bar.start)) for bar in (self.bars[0], self.bars[-1]))
        if len(self.bars) > 1:
            return f"{firings(len(self.bars))} {word}, {first} to {last}"
        return f"{word}, {first}{_length(self.bars[0], now)}"


def _length(bar: Bar, now: datetime) -> str:
    if bar.status == FiringStatus.RUNNING:
        return f", for {span(max(now, bar.start) - bar.start)} so far"
    return f", {span(bar.end - bar.start)}" if bar.end and bar.end >= bar.start else ""


def overlapping(marks: Sequence[Marked]) -> Iterator[tuple[Marked, bool]]:
    """Each mark, and whether it lies on one that was drawn before it."""
    for number, mark in enumerate(marks):
        yield (
            mark,
            any(mark.left <= under.right and under.left <= mark.right for under in marks[:number]),
        )


def bars_within(lane: Lane, axis: Axis, now: datetime) -> list[Bar]:
    """Those of a lane's past that reach into the time of the axis."""
    return [bar for bar in lane.past if bar.start <= axis.end and (bar.end or now) >= axis.start]


def marks_of(lane: Lane, axis: Axis, now: datetime) -> list[Marked]:
    """The marks of a lane's past; those of failures last, so that they are drawn on top."""
    found: list[Marked] = []
    open_marks: dict[str, Marked] = {}
    for bar in bars_within(lane, axis, now):
        left, end = part = _extent(bar, axis, now)
        right = max(end, left + (NARROWEST if bar.status == FiringStatus.SUCCESS else ICON))
        mark = open_marks.get(bar.status)
        if mark and left - mark.right <= TOO_NEAR:
            mark.add(bar, right, part)
        else:
            mark = open_marks[bar.status] = Marked(bar.status, left, right, [bar], [part])
            found.append(mark)
    ranks = list(MARKS)
    return sorted(found, key=lambda mark: (-ranks.index(mark.status), mark.left))


def _extent(bar: Bar, axis: Axis, now: datetime) -> tuple[float, float]:
    left = axis.x(bar.start)
    end = bar.end or (now if bar.status == FiringStatus.RUNNING else bar.start)
    return left, max(axis.x(end), left + THINNEST)


def ticks_and_bands(
    coming: Sequence[datetime], axis: Axis
) -> tuple[list[float], list[tuple[float, float]]]:
    """The places of single occurrences, and the bands of those that are too near to each other."""
    ticks: list[float] = []
    bands: list[tuple[float, float]] = []
    for group in _near(coming, axis):
        if len(group) > 2:
            bands.append((group[0], group[-1]))
        else:
            ticks += group
    return ticks, bands


def _near(coming: Sequence[datetime], axis: Axis) -> Iterator[list[float]]:
    group: list[float] = []
    for x in map(axis.x, axis.within(coming)):
        if group and x - group[-1] >= DENSE:
            yield group
            group = []
        group.append(x)
    if group:
        yield group
