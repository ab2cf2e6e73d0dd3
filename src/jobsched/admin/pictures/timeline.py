"""What ran and what comes: a lane per schedule on one axis of time."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup

from jobsched.admin.pictures import dates
from jobsched.admin.pictures.axis import NAMES, RIGHT, WIDTH, Axis
from jobsched.admin.pictures.lanes import (
    Bar,
    Lane,
    Marked,
    bars_within,
    marks_of,
    overlapping,
    ticks_and_bands,
)
from jobsched.admin.pictures.marks import ICON, firings, icon_at, outcomes, style
from jobsched.admin.pictures.svg import (
    box,
    clipped,
    label,
    line,
    link,
    nothing,
    number,
    picture,
    text_of,
)
from jobsched.fixed import fixed
from jobsched.model import FiringStatus
from jobsched.phrases import counted

LANE = 22
"""Height of a lane."""

HEAD = 46
"""Height of the axis' labels: days, now and changes of the clock, hours."""

DAYS_Y, NOW_Y, HOURS_Y = 11, 25, 40

MOST_TOOLTIPS = 400
"""With more marks than this a mark says what it is to a screen reader only: pages stay small."""

MIDDLE = NAMES + (WIDTH - NAMES) / 2


@fixed
class TimelineRow:
    """What the timeline says of one schedule."""

    name: str
    href: str
    past: str
    """`96 succeeded, 1 failed`, or empty."""
    bars: tuple[Bar, ...]
    """The firings within the time shown, newest first."""
    next_at: datetime | None
    """The first occurrence to come."""
    coming: str
    """`24 occurrences`, `more than 100 occurrences`, or empty."""


def timeline(
    lanes: Sequence[Lane], start: datetime, now: datetime, end: datetime, zone: ZoneInfo
) -> Markup:
    """The lanes from `start` to `end`, with a line at `now`, labelled as `zone`'s clock shows it.

    Raises ValueError when `end` is not after `start`.
    """
    axis = Axis(start, end, zone)
    if not lanes:
        return nothing("no schedule")
    height = HEAD + LANE * len(lanes) + 4
    marks = [marks_of(lane, axis, now) for lane in lanes]
    tooltips = sum(map(len, marks)) <= MOST_TOOLTIPS
    body = [
        line("pic-grid", _grid(axis, len(lanes), height)),
        *_head(axis, height),
        *(
            _lane(lane, marks[row], axis, now, HEAD + LANE * row, tooltips)
            for row, lane in enumerate(lanes)
        ),
        *_now(axis, now, height),
    ]
    return picture("timeline", (WIDTH, height), title(lanes, axis, marks), body, links=True)


def timeline_rows(
    lanes: Sequence[Lane], start: datetime, now: datetime, end: datetime, zone: ZoneInfo
) -> list[TimelineRow]:
    """The table that says what `timeline` shows."""
    axis = Axis(start, end, zone)
    return [_row(lane, axis, now) for lane in lanes]


def title(lanes: Sequence[Lane], axis: Axis, marks: Sequence[Sequence[Marked]]) -> str:
    """What the whole picture says."""
    bars = [bar for lane_marks in marks for mark in lane_marks for bar in mark.bars]
    said = f" ({outcomes(bar.status for bar in bars)})" if bars else ""
    coming = sum(len(axis.within(lane.coming)) for lane in lanes)
    more = "more than " if any(lane.goes_on for lane in lanes) else ""
    return (
        f"timeline of {counted(len(lanes), 'schedule')}, {axis.span()}: "
        f"{firings(len(bars))}{said}, {more}{counted(coming, 'occurrence')} to come"
    )


def _row(lane: Lane, axis: Axis, now: datetime) -> TimelineRow:
    bars = sorted(bars_within(lane, axis, now), key=lambda bar: bar.start)
    coming = axis.within(lane.coming)
    more = "more than " if lane.goes_on else ""
    return TimelineRow(
        name=lane.name,
        href=lane.href,
        past=outcomes(bar.status for bar in bars),
        bars=tuple(reversed(bars)),
        next_at=coming[0] if coming else None,
        coming=f"{more}{counted(len(coming), 'occurrence')}" if coming else "",
    )


def _grid(axis: Axis, lanes: int, height: float) -> str:
    between = "".join(f"M0 {HEAD + LANE * row}h{WIDTH}" for row in range(lanes + 1))
    return between + "".join(f"M{number(axis.x(at))} {HEAD}V{height}" for at in axis.hours())


def _head(axis: Axis, height: float) -> Iterator[str]:
    shown = axis.shown(axis.start)
    yield label(NAMES, DAYS_Y, dates.day(shown), "pic-small")
    yield label(0, HOURS_Y, f"{axis.zone.key}", "pic-small")
    for at in axis.hours():
        text = f"{axis.shown(at):%H:%M}"
        if axis.x(at) < WIDTH - RIGHT - 8:
            yield label(axis.x(at), HOURS_Y, text, "pic-small", "middle")
    for at in axis.midnights():
        x = axis.x(at)
        yield line("pic-day", f"M{number(x)} 0V{height}")
        if NAMES + 70 < x < WIDTH - 70:
            yield label(x + 4, DAYS_Y, dates.day(axis.shown(at)), "pic-small")
    for change in axis.changes():
        x = axis.x(change.at)
        yield (
            f'<path class="pic-dst" stroke-dasharray="4 3" d="M{number(x)} {DAYS_Y + 4}V{height}"/>'
        )
        side, anchor = (4, "start") if x < MIDDLE else (-4, "end")
        yield label(x + side, NOW_Y, str(change), "pic-dst", anchor)


def _now(axis: Axis, now: datetime, height: float) -> Iterator[str]:
    if not axis.start <= now <= axis.end:
        return
    x = axis.x(now)
    near = [change for change in axis.changes() if abs(axis.x(change.at) - x) < 140]
    to_the_left = bool(near and near[0].at >= now) or x > WIDTH - 80
    side, anchor = (-4, "end") if to_the_left else (4, "start")
    yield line("pic-now", f"M{number(x)} {DAYS_Y + 4}V{height}")
    yield label(x + side, NOW_Y, f"now {axis.shown(now):%H:%M}", "pic-now", anchor)


def _lane(
    lane: Lane, marks: Sequence[Marked], axis: Axis, now: datetime, top: float, tooltips: bool
) -> str:
    name = clipped(lane.name, NAMES - 12)
    named = label(4, top + 15, name)
    # The full name is only there where it adds to what is written.
    tooltip = f"<title>{text_of(lane.name)}</title>" if name != lane.name else ""
    drawn = "".join(
        link(
            mark.bars[0].href if len(mark.bars) == 1 else lane.href,
            mark.says(axis, now),
            _mark(mark, top, lies_on_others),
            tooltip=tooltips,
        )
        for mark, lies_on_others in overlapping(marks)
    )
    return (
        f'<g role="group" aria-label="{text_of(lane.name)}">'
        f'<a href="{text_of(lane.href)}">{tooltip}{named}</a>{_to_come(lane, axis, top)}{drawn}</g>'
    )


def _to_come(lane: Lane, axis: Axis, top: float) -> str:
    ticks, bands = ticks_and_bands(lane.coming, axis)
    drawn = line("pic-coming", "".join(f"M{x:.0f} {top + 6}v10" for x in ticks))
    drawn += "".join(box("pic-coming", left, top + 8, right - left + 1, 6) for left, right in bands)
    if lane.goes_on and lane.coming:
        x = axis.x(lane.coming[-1]) + 3
        d = f"M{number(x)} {top + 11}H{WIDTH - RIGHT}"
        drawn += f'<path class="pic-coming" stroke-dasharray="2 6" d="{d}"/>'
    return drawn


def _mark(mark: Marked, top: float, lies_on_others: bool) -> str:
    """A block for what succeeded; else an icon, and thin bars for what is right of it.

    What lies on others keeps off them by a ground of its own.
    """
    left, color = mark.left, style(mark.status)
    if mark.status == FiringStatus.SUCCESS:
        return box(color, left, top + 4, mark.right - left, 14)
    free = left + ICON + 1
    bars = "".join(
        f"M{number(max(start, free))} {top + 11}H{number(end)}"
        for start, end in mark.parts
        if end > free
    )
    drawn = f'<path class="{color}" stroke-width="4" d="{bars}"/>' if bars else ""
    if lies_on_others:
        ground = f'<path class="pic-ground" stroke-width="8" d="{bars}"/>' if bars else ""
        drawn = ground + box("pic-ground", left - 1, top + 4, ICON + 2, 14) + drawn
    return drawn + icon_at(mark.status, left, top + 6)
