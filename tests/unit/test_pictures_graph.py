"""The dependency graph: its layers, its drawing, and the table that says the same."""

import itertools
import random
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from jobsched.admin.pictures.graph import HEIGHT, WIDTH, Node, graph, graph_rows
from jobsched.admin.pictures.layout import BEND_WIDTH, Layout, lay_out
from jobsched.admin.pictures.marks import MARKS


def tree(markup: Markup) -> ElementTree.Element:
    return ElementTree.fromstring(str(markup))


def boxes(markup: Markup) -> list[tuple[float, float]]:
    """The corners of the nodes."""
    return [
        (float(box.get("x", 0)), float(box.get("y", 0)))
        for box in tree(markup).findall(".//rect[@class='pic-node']")
    ]


def size(markup: Markup) -> tuple[float, float]:
    svg = tree(markup)
    return float(svg.get("width", 0)), float(svg.get("height", 0))


def chain(length: int) -> list[Node]:
    return [Node(f"step_{n}", (f"step_{n - 1}",) if n else ()) for n in range(length)]


def fan(width: int) -> list[Node]:
    parts = tuple(f"part_{n}" for n in range(width))
    return [Node("start"), *(Node(part, ("start",)) for part in parts), Node("end", parts)]


def crossings(layout: Layout) -> int:
    """How often edges cross between layers."""
    steps = [pair for route in layout.routes for pair in itertools.pairwise(route)]
    return sum(
        1
        for number, (a, b) in enumerate(steps)
        for c, d in steps[number + 1 :]
        if a[1] == c[1] and (a[0] - c[0]) * (b[0] - d[0]) < 0
    )


names = st.integers(0, 14).map(str)
plans = st.dictionaries(names, st.lists(names, max_size=4).map(tuple), min_size=1)


@settings(max_examples=150, deadline=None)
@given(plans)
def test_nodes_keep_apart(plan: Mapping[str, Sequence[str]]) -> None:
    """Whatever depends on what, also in circles: every node has a place, and no two overlap."""
    layout = lay_out(plan)
    assert set(layout.places) == set(plan)
    rows: dict[int, list[float]] = {}
    for across, layer in layout.places.values():
        assert 0 <= across <= layout.span
        assert 0 <= layer < layout.layers
        rows.setdefault(layer, []).append(across)
    for row in rows.values():
        row.sort()
        assert all(b - a > 1 - 1e-6 for a, b in itertools.pairwise(row))


@settings(max_examples=150, deadline=None)
@given(plans)
def test_edges_go_one_way(plan: Mapping[str, Sequence[str]]) -> None:
    """An edge goes from layer to layer, from what is needed to what needs it."""
    for route in lay_out(plan).routes:
        assert [layer for _, layer in route] == list(range(route[0][1], route[-1][1] + 1))


def test_crossings_are_few() -> None:
    """Two chains that were declared crosswise are drawn side by side."""
    plan = {"a": (), "b": (), "c": ("b",), "d": ("a",), "e": ("c",), "f": ("d",)}
    assert crossings(lay_out(plan)) == 0


def test_an_edge_over_a_layer_passes_beside_its_nodes() -> None:
    """It bends around what stands between its ends."""
    layout = lay_out({"a": (), "b": ("a",), "c": ("a", "b")})
    (long_way,) = [route for route in layout.routes if len(route) == 3]
    room = (1 + BEND_WIDTH) / 2
    assert abs(long_way[1][0] - layout.places["b"][0]) >= room - 1e-6


def test_a_graph_of_one() -> None:
    """A single job is a picture as large as its box."""
    assert size(graph([Node("a")])) == (WIDTH + 6, HEIGHT + 6)


def test_a_chain_goes_down() -> None:
    """On a narrow screen nothing has to be scrolled sideways."""
    assert size(graph(chain(30)))[0] <= 328


def test_two_nodes_side_by_side_fit_a_telephone() -> None:
    """360 px, less the page's margins."""
    assert size(graph(fan(2)))[0] <= 332


def test_a_wide_graph_lies_on_its_side() -> None:
    """Forty jobs that depend on one are a column, not a row of four screens."""
    width, height = size(graph(fan(40)))
    assert width < 600
    assert height > 2000


def test_jobs_without_dependencies_are_a_block() -> None:
    """They are no layer: 200 of them are rows of four."""
    markup = graph([Node(f"job_{n}") for n in range(200)])
    assert len(boxes(markup)) == len(set(boxes(markup))) == 200
    assert size(markup)[0] < 700


def test_two_hundred_jobs() -> None:
    """A large plan is laid out and stays a page that loads."""
    chance = random.Random(1)
    nodes = [
        Node(f"job_{n}", tuple(f"job_{m}" for m in chance.sample(range(n), min(n, 2))), "SUCCESS")
        for n in range(200)
    ]
    markup = graph(nodes)
    assert len(boxes(markup)) == 200
    assert len(markup) < 120_000


def test_edges_without_number_go_straight() -> None:
    """Where bends would be thousands, edges are drawn without any."""
    layout = lay_out({str(n): [str(m) for m in range(n)] for n in range(40)})
    assert {len(route) for route in layout.routes} == {2}


def test_every_edge_has_an_arrow() -> None:
    """As many arrows as dependencies between the jobs shown."""
    nodes = [Node("a"), Node("b", ("a", "a", "gone")), Node("c", ("b", "a", "c"))]
    edges = tree(graph(nodes)).find("path[@class='pic-edge']")
    assert edges is not None
    assert edges.get("d", "").count("m-4-6l4 6l4-6") == 3


def test_edges_end_at_their_nodes() -> None:
    """From the lower edge of one box to the upper edge of the next."""
    markup = graph(chain(2))
    (x, y), (_, below) = boxes(markup)
    edges = tree(markup).find("path[@class='pic-edge']")
    assert edges is not None
    middle = f"{x + WIDTH / 2:g}"
    assert edges.get("d", "").startswith(f"M{middle} {y + HEIGHT:g}C")
    assert f" {middle} {below:g}m" in edges.get("d", "")


@pytest.mark.parametrize("status", MARKS)
def test_a_node_says_its_state(status: str) -> None:
    """Icon, word and detail; the whole of it as the link's name."""
    svg = tree(graph([Node("import", (), status, "runs/1", "attempt 2 of 4")]))
    icon = svg.find(f".//path[@class='pic-{status.lower()}']")
    link = svg.find("a")
    assert icon is not None
    assert icon.get("d", "").endswith(MARKS[status].path)
    assert link is not None
    assert link.findtext("title") == f"import: {status}, attempt 2 of 4"
    assert (svg.findtext(".//text[@class='pic-small']") or "").startswith(status)


def test_a_long_name_is_cut_and_whole_in_the_title() -> None:
    """The box keeps its size."""
    name = "rebuild_the_search_index_of_every_customer"
    svg = tree(graph([Node(name)]))
    assert (svg.findtext(".//text") or "").endswith("…")
    assert svg.findtext("g/title") == name


def test_the_table_says_the_same() -> None:
    """Every job with its state, after those it depends on; the picture's title counts them."""
    nodes = [
        Node("last", ("middle",), "QUEUED", "runs/3", "waits"),
        Node("middle", ("first",), "FAILED", None, "attempt 2"),
        Node("first", (), "SUCCESS"),
    ]
    rows = graph_rows(nodes)
    assert [row.name for row in rows] == ["first", "middle", "last"]
    assert {(row.name, row.status, row.detail, row.href, row.depends_on) for row in rows} == {
        (node.name, node.status, node.detail, node.href, node.depends_on) for node in nodes
    }
    assert tree(graph(nodes)).findtext("title") == (
        "3 jobs and their dependencies: 1 succeeded, 1 failed, 1 queued"
    )
