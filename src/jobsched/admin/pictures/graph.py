"""Jobs and what they depend on, as a graph: of a firing's plan with its states, or of all jobs."""

from collections.abc import Iterator, Sequence
from math import ceil, sqrt

from markupsafe import Markup

from jobsched.admin.pictures.layout import Layout, lay_out
from jobsched.admin.pictures.marks import ICON, icon_at, outcomes
from jobsched.admin.pictures.svg import box, clipped, label, line, link, nothing, number, picture
from jobsched.fixed import fixed
from jobsched.phrases import counted

WIDTH, HEIGHT = 154, 42
"""Of a node: two of them are side by side on the narrowest telephone."""

GAP = 14
"""Between nodes of a layer."""

BELOW, BESIDE = 30, 46
"""Between layers, where the edges are: one below, or one beside the other."""

MARGIN = 3
WIDEST = 4
"""More nodes than this side by side are rather shown below each other."""

Point = tuple[float, float]


@fixed
class Node:
    """A job: its name, what it depends on, and where it stands if it has been planned."""

    name: str
    depends_on: tuple[str, ...] = ()
    status: str | None = None
    """A firing's or job run's status."""
    href: str | None = None
    detail: str = ""
    """What else is to be said, such as `attempt 2 of 4` or `4.2 s`."""

    @property
    def says(self) -> str:
        """The status and the detail in words."""
        return ", ".join(part for part in (self.status, self.detail) if part)


@fixed
class GraphRow:
    """What the graph says of one job; jobs come after those they depend on."""

    name: str
    href: str | None
    status: str | None
    detail: str
    depends_on: tuple[str, ...]


def graph(nodes: Sequence[Node]) -> Markup:
    """The graph, top-down where that is narrow enough, else from left to right.

    Jobs that neither depend nor are depended upon stand apart, in a block below.
    """
    if not nodes:
        return nothing("no job")
    joined, alone = _parted(nodes)
    layout = lay_out({node.name: node.depends_on for node in joined})
    # The width of the graph, counted in nodes, either way round.
    down, right = layout.span + 1, layout.layers
    frame = _TopDown(layout) if down <= max(WIDEST, right) else _LeftRight(layout)
    placed = [(node, frame.place(*layout.places[node.name])) for node in joined]
    width, height = frame.size() if joined else (0, 0)
    block = list(_block(alone, width, height))
    body = [
        line("pic-edge", "".join(frame.route(route) for route in layout.routes)),
        *(_drawn(node, *place) for node, place in (*placed, *block)),
    ]
    corners = [place for _, place in block]
    size = (
        max([width, *(x + WIDTH for x, _ in corners)]) + 2 * MARGIN,
        max([height, *(y + HEIGHT for _, y in corners)]) + 2 * MARGIN,
    )
    return picture("graph", size, title(nodes), body, links=any(node.href for node in nodes))


def graph_rows(nodes: Sequence[Node]) -> list[GraphRow]:
    """The table that says what `graph` shows."""
    layers = lay_out({node.name: node.depends_on for node in nodes}).places
    return [
        GraphRow(node.name, node.href, node.status, node.detail, node.depends_on)
        for node in sorted(nodes, key=lambda node: layers[node.name][1])
    ]


def title(nodes: Sequence[Node]) -> str:
    """`4 jobs and their dependencies: 2 succeeded, 2 queued`."""
    said = outcomes(node.status for node in nodes if node.status)
    return f"{counted(len(nodes), 'job')} and their dependencies" + (f": {said}" if said else "")


def _parted(nodes: Sequence[Node]) -> tuple[list[Node], list[Node]]:
    """Those that edges join, and those without any."""
    known = {node.name for node in nodes}
    ends = {
        name
        for node in nodes
        for other in node.depends_on
        if other in known and other != node.name
        for name in (node.name, other)
    }
    joined = [node for node in nodes if node.name in ends]
    return joined, [node for node in nodes if node.name not in ends]


def _block(alone: Sequence[Node], width: float, top: float) -> Iterator[tuple[Node, Point]]:
    """Nodes without edges, in rows below the graph and about as wide as it."""
    fit = int((width + GAP) // (WIDTH + GAP))
    columns = max(1, min(WIDEST, max(fit, ceil(sqrt(len(alone) / 2)))))
    top += BELOW if top else 0
    for index, node in enumerate(alone):
        row, column = divmod(index, columns)
        yield node, (column * (WIDTH + GAP), top + row * (HEIGHT + GAP))


class _TopDown:
    """Layers from top to bottom."""

    between = BELOW
    step = WIDTH + GAP
    layer = HEIGHT + BELOW

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def place(self, across: float, layer: int) -> Point:
        """The upper left corner of a node."""
        return across * self.step, layer * self.layer

    def size(self) -> Point:
        x, y = self.place(self.layout.span, self.layout.layers - 1)
        return x + WIDTH, y + HEIGHT

    def route(self, route: Sequence[tuple[float, int]]) -> str:
        """The path of an edge, with its arrow."""
        x, y = self.place(*route[0])
        x, y = x + WIDTH / 2, y + HEIGHT
        path = _at(x, y)
        for across, layer in route[1:]:
            to_x, to_y = self.place(across, layer)
            to_x += WIDTH / 2
            path += _curve((x, y + self.between / 2), (to_x, to_y - self.between / 2), (to_x, to_y))
            x, y = to_x, to_y + HEIGHT
            path += f"V{_number(y)}" if (across, layer) != route[-1] else "m-4-6l4 6l4-6"
        return path


class _LeftRight(_TopDown):
    """Layers from left to right."""

    between = BESIDE
    step = HEIGHT + GAP
    layer = WIDTH + BESIDE

    def place(self, across: float, layer: int) -> Point:
        return layer * self.layer, across * self.step

    def route(self, route: Sequence[tuple[float, int]]) -> str:
        x, y = self.place(*route[0])
        x, y = x + WIDTH, y + HEIGHT / 2
        path = _at(x, y)
        for across, layer in route[1:]:
            to_x, to_y = self.place(across, layer)
            to_y += HEIGHT / 2
            path += _curve((x + self.between / 2, y), (to_x - self.between / 2, to_y), (to_x, to_y))
            x, y = to_x + WIDTH, to_y
            path += f"H{_number(x)}" if (across, layer) != route[-1] else "m-6-4l6 4l-6 4"
        return path


def _at(x: float, y: float) -> str:
    return f"M{_number(x)} {_number(y)}"


def _curve(*points: Point) -> str:
    return "C" + " ".join(f"{_number(x)} {_number(y)}" for x, y in points)


def _number(length: float) -> str:
    return number(length + MARGIN)


def _drawn(node: Node, x: float, y: float) -> str:
    x, y = x + MARGIN, y + MARGIN
    left = x + (ICON + 16 if node.status else 10)
    room = x + WIDTH - left - 6
    inner = box("pic-node", x, y, WIDTH, HEIGHT, radius=6)
    if node.status:
        inner += icon_at(node.status, x + 9, y + (HEIGHT - ICON) / 2)
    inner += label(left, y + (18 if node.says else 26), clipped(node.name, room))
    if node.says:
        inner += label(left, y + 33, clipped(node.says, room, 11), "pic-small")
    says = f"{node.name}: {node.says}" if node.says else node.name
    return link(node.href, says, inner, has_text=True)
