"""Exact least values of small networks, found without programs: by vertices of an arrangement, and by breakpoints on a line."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction

from fpsynth.evaluators.enclosing import enclosed_logits
from fpsynth.networks.layers import Selection
from fpsynth.networks.network import INPUT, Network

Point = tuple[Fraction, ...]


def values_at(network: Network, point: Point, name: str | None = None) -> tuple[Fraction, ...]:
    """The results of a node (None: the logits) at a point of rationals."""
    graph = network.logits
    if name is not None:
        nodes = graph.nodes[: [node.name for node in graph.nodes].index(name) + 1]
        graph = Network(nodes, graph.input_shape, name)
    ends = enclosed_logits(graph, [(x, x) for x in point])
    assert all(low == high for low, high in ends)
    return tuple(low for low, _ in ends)


def solved(rows: Sequence[Sequence[Fraction]], right: Sequence[Fraction]) -> Point | None:
    """The solution of a square system, by elimination; None where there is not exactly one."""
    table = [[*row, b] for row, b in zip(rows, right, strict=True)]
    for k in range(len(table)):
        pivot = next((i for i in range(k, len(table)) if table[i][k]), None)
        if pivot is None:
            return None
        table[k], table[pivot] = table[pivot], table[k]
        for i in range(len(table)):
            if i != k and table[i][k]:
                factor = table[i][k] / table[k][k]
                table[i] = [a - factor * b for a, b in zip(table[i], table[k], strict=True)]
    return tuple(table[k][-1] / table[k][k] for k in range(len(table)))


def least_at_vertices(network: Network, box: Sequence[tuple[float, float]], value: Callable[[Sequence[Fraction]], Fraction]):
    """The least value of the logits over a box, of a network with one hidden layer and a value that is linear in them.

    It is linear between the planes where a neuron is 0, so that its least lies where as many of these and of the box's sides
    meet as there are inputs.
    """
    hidden = network.dense_layers[0]
    inputs = len(box)
    biases = [0.0] * len(hidden.weight) if hidden.bias is None else hidden.bias
    planes = [([Fraction(float(w)) for w in row], -Fraction(float(b))) for row, b in zip(hidden.weight, biases, strict=True)]
    for k, ends in enumerate(box):
        planes += [([Fraction(int(i == k)) for i in range(inputs)], Fraction(end)) for end in ends]
    values = []
    for chosen in itertools.combinations(planes, inputs):
        point = solved([row for row, _ in chosen], [right for _, right in chosen])
        if point and all(low <= x <= high for x, (low, high) in zip(point, box, strict=True)):
            values.append(value(values_at(network, point)))
    return min(values)


def breakpoints(network: Network, start: Point, end: Point) -> list[Fraction]:
    """The places between 0 and 1, both among them, between which all of a network is linear from one point to another."""
    places = [Fraction(0), Fraction(1)]
    graph = network.logits

    def inputs_at(name: str, place: Fraction) -> list[Fraction]:
        point = point_at(start, end, place)
        return [x for source in graph[name].inputs for x in (point if source == INPUT else values_at(network, point, source))]

    for node in graph.nodes:
        structure = graph.structure(node.name)
        if isinstance(structure, Selection):
            added = set(places)
            for left, right in itertools.pairwise(places):
                ends = inputs_at(node.name, left), inputs_at(node.name, right)
                added |= {left + (right - left) * part for part in crossings(structure, *ends)}
            places = sorted(added)
    return places


def crossings(selection: Selection, left: Sequence[Fraction], right: Sequence[Fraction]) -> set[Fraction]:
    """Where, between 0 and 1, numbers that go linearly from left to right cross each other or a knot."""
    knots = [selection.floor, selection.ceiling, None if selection.slope is None else 0.0]
    levels = [(Fraction(knot), Fraction(knot)) for knot in knots if knot is not None]
    ends = list(zip(left, right, strict=True))
    pairs = [(one, level) for one in ends for level in levels]
    at = selection.taps.at(slice(None))
    if at.shape[1] > 1:
        pairs += list(itertools.combinations(ends, 2))
    found = set()
    for (a, b), (c, d) in pairs:
        before, after = a - c, b - d
        if before * after < 0:
            found.add(before / (before - after))
    return found


def point_at(start: Point, end: Point, place: Fraction) -> Point:
    """A point of the line."""
    return tuple(a + (b - a) * place for a, b in zip(start, end, strict=True))
