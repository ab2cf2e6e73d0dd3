"""When schedules pile up: how many occurrences are due in each slot of a timeline."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup

from jobsched.admin.pictures import dates
from jobsched.admin.pictures.axis import NAMES, WIDTH, Axis
from jobsched.admin.pictures.lanes import Lane
from jobsched.admin.pictures.svg import label, line, nothing, number, picture
from jobsched.fixed import fixed
from jobsched.phrases import counted, span

HEIGHT = 48
FLOOR = 44
TALLEST = 28

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@fixed
class DensityRow:
    """How many occurrences are due from `start` on, until the next slot."""

    start: datetime
    count: int


def count_slots(
    lanes: Sequence[Lane], slot: timedelta, start: datetime, end: datetime
) -> list[int]:
    """How many firings and occurrences of all lanes fall into each slot from `start` to `end`.

    Slots are on the grid of the epoch, so the first may begin before `start`.

    A lane that `goes_on` counts as far as its occurrences are known.
    """
    first = _first(start, slot)
    counts = [0] * -((first - end) // slot)
    for lane in lanes:
        for at in (*(bar.start for bar in lane.past), *lane.coming):
            if start <= at < end:
                counts[(at - first) // slot] += 1
    return counts


def density(
    counts: Sequence[int], slot: timedelta, start: datetime, end: datetime, zone: ZoneInfo
) -> Markup:
    """A strip as wide as the timeline with a bar for each slot; the busiest one is labelled.

    `counts` and `slot` are those of `count_slots`.
    """
    axis = Axis(start, end, zone)
    most = max(counts, default=0)
    if not most:
        return nothing("nothing is due")
    first = _first(start, slot)
    at = first + counts.index(most) * slot
    x = axis.x(at)
    side, anchor = (0, "start") if x < WIDTH - 200 else (axis.x(at + slot) - x, "end")
    body = [
        label(4, 28, "all schedules"),
        label(4, 41, f"due per {span(slot)}", "pic-small"),
        line(
            "pic-load",
            "".join(
                _bar(axis, first + n * slot, slot, count / most)
                for n, count in enumerate(counts)
                if count
            ),
        ),
        line("pic-axis", f"M{NAMES} {FLOOR}H{WIDTH}"),
        label(x + side, FLOOR - TALLEST - 5, f"{most} at {_time(axis, at)}", "pic-small", anchor),
    ]
    said = f"{counted(sum(counts), 'occurrence')} per {span(slot)}, {axis.span()}"
    return picture(
        "density", (WIDTH, HEIGHT), f"{said}: {most} at {_time(axis, at)}, the most", body
    )


def density_rows(counts: Sequence[int], slot: timedelta, start: datetime) -> list[DensityRow]:
    """The table that says what `density` shows: the slots in which anything is due."""
    first = _first(start, slot)
    return [DensityRow(first + n * slot, count) for n, count in enumerate(counts) if count]


def _first(start: datetime, slot: timedelta) -> datetime:
    return start - (start - EPOCH) % slot


def _time(axis: Axis, at: datetime) -> str:
    shown = axis.shown(at)
    return f"{dates.day(shown)} {dates.clock(shown)}"


def _bar(axis: Axis, at: datetime, slot: timedelta, share: float) -> str:
    left, right = axis.x(at), axis.x(at + slot)
    height, width = max(2, TALLEST * share), max(1, right - left - 1)
    return f"M{number(left)} {FLOOR}v-{number(height)}h{number(width)}v{number(height)}z"
