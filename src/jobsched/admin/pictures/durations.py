"""How long the last firings took, with the lengths that half and 95 % of them stay below."""

import math
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from jobsched.admin.pictures.marks import MARKS, firings, outcomes, style
from jobsched.admin.pictures.svg import label, line, nothing, number, picture
from jobsched.fixed import fixed
from jobsched.model import FiringStatus, FiringSummary
from jobsched.phrases import duration

MOST = 100
WIDTH, HEIGHT = 340, 150
LEFT, RIGHT, TOP, FLOOR = 46, 246, 18, 128
LABEL = 13
"""Labels are at least so far from each other."""

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
DECADES = (
    *(1, 10, 100, SECOND, 10 * SECOND, MINUTE, 10 * MINUTE, HOUR, 10 * HOUR),
    *(10**power * DAY for power in range(1, 9)),
)
"""The marks of a logarithmic axis, in ms, in the units that people read."""

STEPS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND),
    *(20 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE),
    *(HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY),
    *(10**power * DAY for power in range(1, 9)),
)
"""The distances of the marks of a linear axis, in ms."""

MOST_MARKS = 4

OUTLIER = 20
"""Where the longest is more than so many times the median, the axis is logarithmic."""


@fixed
class DurationRow:
    """What the chart says of one firing."""

    firing_id: int
    status: str
    duration: str


@fixed
class _Scale:
    """From a duration in ms to its height."""

    marks: tuple[int, ...]
    """Those that have a line; the last may be above the picture."""
    least: int
    most: int
    logarithmic: bool

    @classmethod
    def of(cls, lengths: Sequence[int]) -> "_Scale":
        longest, shortest = max(1, *lengths), max(1, min(lengths))
        if longest > OUTLIER * max(1, percentile(lengths, 0.5)):
            least = max(mark for mark in DECADES if mark <= shortest)
            marks = tuple(mark for mark in DECADES if least <= mark <= longest)
            return cls(marks, least, longest, logarithmic=True)
        step = next((each for each in STEPS if longest <= each * MOST_MARKS), STEPS[-1])
        top = -(-longest // step)
        return cls(tuple(step * number for number in range(top + 1)), 0, step * top, False)

    def y(self, length: float) -> float:
        if self.logarithmic:
            share = math.log(max(length, self.least) / self.least) / math.log(
                max(self.most / self.least, 1.01)
            )
        else:
            share = length / self.most
        return FLOOR - (FLOOR - TOP) * min(share, 1)


def durations(recent: Sequence[FiringSummary]) -> Markup:
    """The durations of the last 100 of `recent`, which is oldest first, with their p50 and p95.

    Firings that did not run have none, and are left out.
    """
    shown = _timed(recent)
    if not shown:
        return nothing("no durations yet")
    lengths = [length for _, length in shown]
    scale = _Scale.of(lengths)
    levels = [(percentile(lengths, share / 100), f"p{share}") for share in (50, 95)]
    body = [
        line(
            "pic-grid", "".join(f"M{LEFT} {number(scale.y(mark))}H{RIGHT}" for mark in scale.marks)
        ),
        *_marks(scale),
        *_bars(shown, scale),
        *_levels(levels, scale),
        line("pic-axis", f"M{LEFT} {FLOOR}H{RIGHT}"),
        label(LEFT, FLOOR + 15, _order_of_time(len(shown)), "pic-small"),
    ]
    return picture("durations", (WIDTH, HEIGHT), title(shown, scale.logarithmic), body)


def duration_rows(recent: Sequence[FiringSummary]) -> list[DurationRow]:
    """The table that says what `durations` shows, newest first."""
    timed = reversed(_timed(recent))
    return [DurationRow(each.firing_id, each.status, duration(length)) for each, length in timed]


def percentile(lengths: Sequence[int], share: float) -> int:
    """The least of `lengths` that at least `share` of them do not exceed (nearest rank)."""
    return sorted(lengths)[max(0, math.ceil(share * len(lengths)) - 1)]


def title(shown: Sequence[tuple[FiringSummary, int]], logarithmic: bool) -> str:
    """`durations of the last 40 firings: p50 4.2 s, p95 9 s, longest 12 s`."""
    lengths = [length for _, length in shown]
    half, most = duration(percentile(lengths, 0.5)), duration(percentile(lengths, 0.95))
    said = (
        f"durations of the last {firings(len(shown))} that ran: p50 {half}, p95 {most}, "
        f"longest {duration(max(lengths))} ({outcomes(each.status for each, _ in shown)})"
    )
    return f"{said}, on a logarithmic scale" if logarithmic else said


def _timed(recent: Sequence[FiringSummary]) -> list[tuple[FiringSummary, int]]:
    found = [(each, max(0, each.duration_ms)) for each in recent if each.duration_ms is not None]
    return found[-MOST:]


def _order_of_time(count: int) -> str:
    return "one firing" if count == 1 else f"{count} firings, the latest at the right"


def _marks(scale: _Scale) -> Iterator[str]:
    above = float(HEIGHT)
    for mark in scale.marks:
        y = scale.y(mark)
        if above - y >= LABEL:
            yield label(LEFT - 5, y + 4, duration(mark) if mark else "0", "pic-small", "end")
            above = y


def _bars(shown: Sequence[tuple[FiringSummary, int]], scale: _Scale) -> Iterator[str]:
    """A bar each; those of failed firings end in a cross, those of cancelled ones in a dash."""
    pitch = min(10.0, (RIGHT - LEFT) / len(shown))
    paths: dict[str, str] = {}
    for place, (each, length) in enumerate(reversed(shown)):
        x, y = number(RIGHT - pitch * (place + 0.5)), scale.y(length)
        top = min(y, FLOOR - 1.5)
        path = f"M{x} {FLOOR}V{number(top)}"
        if each.status == FiringStatus.FAILED:
            path += "m-2.5-2.5l5 5m0-5l-5 5"
        elif each.status != FiringStatus.SUCCESS:
            path += "m-2.5 0h5"
        paths[each.status] = paths.get(each.status, "") + path
    for status in MARKS:
        if status in paths:
            width = number(max(1, min(pitch * 0.6, 4)) if status == FiringStatus.SUCCESS else 1.5)
            yield f'<path class="{style(status)}" stroke-width="{width}" d="{paths[status]}"/>'


def _levels(levels: Sequence[tuple[int, str]], scale: _Scale) -> Iterator[str]:
    below = HEIGHT + LABEL * 1.0
    for length, name in levels:
        y = scale.y(length)
        d, dashes = f"M{LEFT} {number(y)}H{RIGHT + 4}", "5 3" if name == "p50" else "2 3"
        yield f'<path class="pic-{name}" stroke-dasharray="{dashes}" d="{d}"/>'
        below = min(y + 4, below - LABEL)
        yield label(RIGHT + 8, below, f"{name} {duration(length)}", f"pic-{name}")
