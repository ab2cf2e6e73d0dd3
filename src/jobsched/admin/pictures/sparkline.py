"""The last firings of a schedule in one cell of a table: small enough for a hundred on a page."""

import math
from collections.abc import Sequence
from functools import cache

from markupsafe import Markup

from jobsched.admin.pictures.marks import firings, outcomes, style
from jobsched.admin.pictures.svg import line, nothing, text_of
from jobsched.model import FiringStatus, FiringSummary
from jobsched.phrases import duration

MOST = 30
PITCH = 2
"""From bar to bar."""
FLOOR = 9
"""The baseline; with one digit a bar is a byte shorter."""
TALLEST = 9
SHORTEST = 2
CEILING = -2
"""Above the tallest bar that stands, so that hanging ones are always told from it."""
HIGHEST_FLOATING = 5

_SHAPES = {
    FiringStatus.SUCCESS: "M{x} 9v-{height}",
    FiringStatus.FAILED: f"M{{x}}{CEILING}v{{height}}",
    FiringStatus.CANCELLED: "M{x} {low}V{high}",
}
"""What succeeded stands on the floor, what failed hangs from the ceiling, what was cancelled
floats between them; what did not run is a dash on the floor."""

_DASH = "M{left} 8h2"


def sparkline(recent: Sequence[FiringSummary]) -> Markup:
    """The last 30 of `recent`, which is oldest first: height is duration, shape is outcome.

    The longest is the tallest; heights grow with the logarithm, so that short ones stay visible.
    """
    shown = recent[-MOST:]
    if not shown:
        return nothing("no firing yet")
    longest = max(max(each.duration_ms or 0 for each in shown), 1)
    scale = math.log1p(longest)
    paths: dict[str, str] = {}
    for index, each in enumerate(shown, start=MOST - len(shown)):
        share = math.log1p(max(each.duration_ms or 0, 0)) / scale
        height = SHORTEST + round((TALLEST - SHORTEST) * share**3)
        paths[each.status] = paths.get(each.status, "") + _bar(each.status, index, height)
    size = f"0 {CEILING} {MOST * PITCH} {FLOOR - CEILING}"
    drawn = "".join(line(style(status), path) for status, path in sorted(paths.items()))
    # Neither size nor aria-label, unlike larger pictures: a hundred of these are on the home page.
    return Markup(
        f'<svg class="pic pic-sparkline" role="img" viewBox="{size}">'
        f"<title>{text_of(title(shown))}</title>{drawn}</svg>"
    )


def title(shown: Sequence[FiringSummary]) -> str:
    """`last 30 firings: 28 succeeded, 2 failed; longest 4.2 s`."""
    lengths = [max(0, each.duration_ms) for each in shown if each.duration_ms is not None]
    longest = f"; longest {duration(max(lengths))}" if lengths else ""
    return f"last {firings(len(shown))}: {outcomes(each.status for each in shown)}{longest}"


@cache
def _bar(status: FiringStatus, index: int, height: int) -> str:
    """There are only so many of them, and a page has thousands."""
    shape, left = _SHAPES.get(status, _DASH), PITCH * index
    floating = min(height, HIGHEST_FLOATING)
    high = (FLOOR + CEILING - floating) // 2
    return shape.format(left=left, x=left + 1, height=height, high=high, low=high + floating)
