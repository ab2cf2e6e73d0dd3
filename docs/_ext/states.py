"""`{states} firing` and `{states} run`: the allowed transitions, drawn from the code's own tables.

The picture and the table below it are made from `jobsched.model`, so they cannot say anything that
the code does not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from math import hypot

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from jobsched import model

Transitions = Mapping[StrEnum, Iterable[StrEnum]]

MACHINES: dict[str, tuple[Transitions, frozenset[StrEnum]]] = {
    "firing": (model.FIRING_TRANSITIONS, model.LIVE_FIRINGS),
    "run": (model.RUN_TRANSITIONS, model.LIVE_RUNS),
}

BOX_WIDTH, BOX_HEIGHT = 116, 38
COLUMN, ROWS = 176, (40, 230)
HEIGHT = 270
APART = 7
"""How far the two arrows of a pair of states are moved from the line between them."""


@dataclass(frozen=True)
class Point:
    """A place in the picture, in pixels."""

    x: float
    y: float


class States(SphinxDirective):
    """The states of `firing` or `run`: an SVG, and a table that says the same."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The nodes that stand in its place."""
        kind = self.arguments[0]
        transitions, live = MACHINES[kind]
        picture = nodes.raw("", drawing(kind, transitions, live), format="html")
        return [picture, table(transitions, live)]


def drawing(kind: str, transitions: Transitions, live: frozenset[StrEnum]) -> str:
    """An inline SVG: live states in the upper row, ended ones in the lower."""
    at = positions(transitions, live)
    width = max(point.x for point in at.values()) + BOX_WIDTH / 2 + 8
    described = f"States of a {kind}; the table below says the same."
    arrows = [
        arrow(at[one], at[other], both_ways=one in transitions[other], again=one not in live)
        for one, others in transitions.items()
        for other in sorted(others, key=list(transitions).index)
    ]
    boxes = [box(state, point, ended=state not in live) for state, point in at.items()]
    return (
        f'<svg class="state-diagram" role="img" viewBox="0 0 {width:g} {HEIGHT}" '
        f'width="{width:g}" height="{HEIGHT}" aria-label="{escape(described)}">'
        f'<defs><marker id="{kind}-tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="currentColor"/></marker>'
        f"</defs>{''.join(arrows).replace('TIP', f'{kind}-tip')}{''.join(boxes)}</svg>"
    )


def positions(transitions: Transitions, live: frozenset[StrEnum]) -> dict[StrEnum, Point]:
    """Where each state's box has its middle; the shorter row is spread over the longer."""
    rows = [[s for s in transitions if s in live], [s for s in transitions if s not in live]]
    widest = max(map(len, rows))
    at = {}
    for row, y in zip(rows, ROWS, strict=True):
        step = COLUMN * (widest - 1) / max(1, len(row) - 1)
        for number, state in enumerate(row):
            at[state] = Point(BOX_WIDTH / 2 + 8 + number * step, y)
    return at


def box(state: StrEnum, middle: Point, *, ended: bool) -> str:
    """A state: rounded while it is live."""
    weight = 2 if ended else 1.2
    return (
        f'<rect x="{middle.x - BOX_WIDTH / 2:g}" y="{middle.y - BOX_HEIGHT / 2:g}" '
        f'width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="{4 if ended else 18}" fill="none" '
        f'stroke="currentColor" stroke-width="{weight}"/>'
        f'<text x="{middle.x:g}" y="{middle.y + 5:g}" text-anchor="middle" font-size="14" '
        f'font-family="monospace" fill="currentColor">{escape(str(state))}</text>'
    )


def arrow(one: Point, other: Point, *, both_ways: bool, again: bool) -> str:
    """A line from border to border; dashed for the way back of a firing that had ended."""
    length = hypot(other.x - one.x, other.y - one.y)
    along = Point((other.x - one.x) / length, (other.y - one.y) / length)
    apart = APART if both_ways else 0
    aside = Point(-along.y * apart, along.x * apart)
    start = border(one, aside, along)
    end = border(other, aside, Point(-along.x, -along.y))
    dashes = ' stroke-dasharray="5 4"' if again else ""
    return (
        f'<line x1="{start.x:.1f}" y1="{start.y:.1f}" x2="{end.x:.1f}" y2="{end.y:.1f}" '
        f'stroke="currentColor" stroke-width="1.2"{dashes} marker-end="url(#TIP)"/>'
    )


def border(middle: Point, aside: Point, towards: Point) -> Point:
    """Where a line that starts a little aside of a box's middle has just left the box."""
    ways = (
        (half - aside_by if going > 0 else half + aside_by) / abs(going)
        for half, aside_by, going in (
            (BOX_WIDTH / 2, aside.x, towards.x),
            (BOX_HEIGHT / 2, aside.y, towards.y),
        )
        if going
    )
    reach = min(ways) + 3
    return Point(
        middle.x + aside.x + towards.x * reach,
        middle.y + aside.y + towards.y * reach,
    )


def table(transitions: Transitions, live: frozenset[StrEnum]) -> nodes.table:
    """One row a state: what may follow it."""
    rows = [("state", "", "may become")]
    for state, others in transitions.items():
        following = ", ".join(sorted(map(str, others))) or "nothing: it is final"
        rows.append((str(state), "live" if state in live else "ended", following))
    return grid(rows)


def grid(rows: list[tuple[str, ...]]) -> nodes.table:
    """A table whose first row is its head."""
    columns = len(rows[0])
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in range(columns)), cols=columns)
    made = [
        nodes.row("", *(nodes.entry("", nodes.paragraph("", cell)) for cell in row)) for row in rows
    ]
    group += nodes.thead("", made[0])
    group += nodes.tbody("", *made[1:])
    return nodes.table("", group, classes=["colwidths-auto"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("states", States)
    return {"parallel_read_safe": True}
