"""Where the nodes of a dependency graph stand: layers, their order, and places within them. Pure.

After Sugiyama, Tagawa and Toda (1981): the longest path to a node is its layer; an edge over
several layers passes through bends; layers are ordered by the mean place of a node's neighbours.
"""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from jobsched.fixed import fixed

SWEEPS = 8
"""Down and up through the layers; more of them seldom change anything."""

MOST_BENDS = 2000
"""With more of them than this, edges go straight: a drawing of so many lines shows none of them."""

BEND_WIDTH = 0.25
"""The room of a bend, where a node has 1."""

Edge = tuple[str, str]
"""From a node to one that depends on it."""


@fixed
class Layout:
    """Places, in units of one node: `across` is within a layer, `layer` counts from 0."""

    places: Mapping[str, tuple[float, int]]
    """Of each node, (across, layer)."""
    routes: tuple[tuple[tuple[float, int], ...], ...]
    """Of each edge, the places from its first node over its bends to its last."""
    span: float
    """The largest `across`."""
    layers: int


def lay_out(depends_on: Mapping[str, Iterable[str]]) -> Layout:
    """A layout of nodes and what each depends on, without unknown names and edges of a cycle."""
    edges = _acyclic(depends_on)
    layers = _layers(depends_on, edges)
    chains = _chains(edges, layers)
    rows = _rows(layers, chains)
    links = [pair for chain in chains for pair in pairwise(chain)]
    before = _neighbours((end, start) for start, end in links)
    after = _neighbours(links)
    for sweep in range(SWEEPS):
        _order(rows, before) if sweep % 2 == 0 else _order(rows[::-1], after)
    across = _across(rows, before, after)
    layer_of = {item: number for number, row in enumerate(rows) for item in row}
    return Layout(
        places={name: (across[name], layers[name]) for name in depends_on},
        routes=tuple(tuple((across[item], layer_of[item]) for item in chain) for chain in chains),
        span=max(across.values(), default=0),
        layers=len(rows),
    )


def _acyclic(depends_on: Mapping[str, Iterable[str]]) -> list[Edge]:
    """The edges between known nodes, without those that close a cycle."""
    known: dict[str, list[str]] = {
        name: [other for other in dict.fromkeys(needs) if other in depends_on and other != name]
        for name, needs in depends_on.items()
    }
    while True:
        try:
            TopologicalSorter(known).prepare()
        except CycleError as error:
            # The cycle is told as predecessors: each name is one that the next depends on.
            first, second = error.args[1][:2]
            known[second].remove(first)
        else:
            return [(other, name) for name, needs in known.items() for other in needs]


def _layers(names: Iterable[str], edges: Iterable[Edge]) -> dict[str, int]:
    """The longest path to each node."""
    before = _neighbours((end, start) for start, end in edges)
    layers: dict[str, int] = {}
    for name in TopologicalSorter({name: before.get(name, []) for name in names}).static_order():
        layers[name] = max((layers[other] + 1 for other in before.get(name, [])), default=0)
    return layers


def _chains(edges: Sequence[Edge], layers: Mapping[str, int]) -> list[list[str]]:
    """Each edge as a chain of items, one in each layer that it passes."""
    bends = sum(layers[end] - layers[start] - 1 for start, end in edges)
    if bends > MOST_BENDS:
        return [[start, end] for start, end in edges]
    return [
        [
            start,
            # No job's name has a NUL in it.
            *(f"\0{number}\0{step}" for step in range(layers[start] + 1, layers[end])),
            end,
        ]
        for number, (start, end) in enumerate(edges)
    ]


def _rows(layers: Mapping[str, int], chains: Iterable[Sequence[str]]) -> list[list[str]]:
    rows: list[list[str]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for name, layer in layers.items():
        rows[layer].append(name)
    for chain in chains:
        for layer, bend in enumerate(chain[1:-1], start=layers[chain[0]] + 1):
            rows[layer].append(bend)
    return rows


def _neighbours(links: Iterable[Edge]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for start, end in links:
        found.setdefault(start, []).append(end)
    return found


def _order(rows: Iterable[list[str]], towards: Mapping[str, Sequence[str]]) -> None:
    """Sort each row by the mean place of its items' neighbours in the row before it."""
    placed: dict[str, float] = {}
    for row in rows:
        own = {item: number / max(1, len(row) - 1) for number, item in enumerate(row)}
        row.sort(key=lambda item: _mean(towards.get(item, ()), placed, own[item]))
        placed |= {item: number / max(1, len(row) - 1) for number, item in enumerate(row)}


def _mean(items: Iterable[str], places: Mapping[str, float], otherwise: float) -> float:
    found = [places[item] for item in items if item in places]
    return sum(found) / len(found) if found else otherwise


def _across(
    rows: Sequence[Sequence[str]],
    before: Mapping[str, Sequence[str]],
    after: Mapping[str, Sequence[str]],
) -> dict[str, float]:
    """Each item as near to its neighbours as the order of its row and their widths allow."""
    places: dict[str, float] = {}
    for row in rows:
        offsets = _offsets(row)
        places |= {
            item: offset - offsets[-1] / 2 for item, offset in zip(row, offsets, strict=True)
        }
    for sweep in range(SWEEPS):
        ordered, towards = (rows, before) if sweep % 2 == 0 else (rows[::-1], after)
        for row in ordered:
            wanted = [_mean(towards.get(item, ()), places, places[item]) for item in row]
            places |= dict(zip(row, _apart(wanted, _offsets(row)), strict=True))
    least = min(places.values(), default=0)
    return {item: place - least for item, place in places.items()}


def _offsets(row: Sequence[str]) -> list[float]:
    """The places of a row's items as close to each other as they can be."""
    offsets, place = [], 0.0
    for number, item in enumerate(row):
        if number:
            place += (_width(row[number - 1]) + _width(item)) / 2
        offsets.append(place)
    return offsets


def _width(item: str) -> float:
    return BEND_WIDTH if item.startswith("\0") else 1


def _apart(wanted: Sequence[float], offsets: Sequence[float]) -> list[float]:
    """The places nearest to `wanted` that keep the order and the distances of `offsets`.

    Isotonic regression by pooling adjacent violators.
    """
    pools: list[tuple[float, int]] = []
    for place, offset in zip(wanted, offsets, strict=True):
        mean, count = place - offset, 1
        while pools and pools[-1][0] > mean:
            other, size = pools.pop()
            mean, count = (mean * count + other * size) / (count + size), count + size
        pools.append((mean, count))
    means = [mean for mean, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
