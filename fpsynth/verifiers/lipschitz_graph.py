"""Bounds of the Lipschitz constants of differences of logits for any graph of layers: products of the layers' bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from fpsynth.networks.layers import Add
from fpsynth.networks.layers.structure import Rearrangement, Sums
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.verifiers.asked import is_stack
from fpsynth.verifiers.bounds import round_up, sqrt_upper
from fpsynth.verifiers.layer_norms import layer_norm_upper
from fpsynth.verifiers.lipschitz_ball import ball_certifier
from fpsynth.verifiers.margins import (
    Bounds,
    LipschitzCertifier,
    Progress,
    RowsOnDemand,
    check_network,
    no_progress,
    squared_differences,
)


def graph_bounds(network: Network, gram: int, progress: Progress = no_progress) -> Bounds:
    """Return the matrix [p][q] of bounds (L2) of logit q minus logit p, both row-major, in real arithmetic.

    What several inputs of a layer move together is the square root of the sum of their squares; of an addition, their sum.
    Where the logits are those of a dense layer, its rows are subtracted exactly; else their difference moves sqrt(2) times as
    much as all of them.  Raises MissingPackageError, where a dense layer needs python-flint, and OutOfTimeError.
    """
    graph = network.logits
    last = _last(graph)
    worth = {INPUT: Fraction(1)}
    rows = _rows(graph, last)
    for number, node in enumerate(graph.nodes):
        progress("spectral norms", number, len(graph.nodes))
        if rows is None or node is not last:
            worth[node.name] = _moved(graph, node, [worth[name] for name in node.inputs], gram)
        if node is last:
            break
    progress("spectral norms", len(graph.nodes), len(graph.nodes))
    outputs = math.prod(graph.output_shape)
    if rows is None:
        apart = round_up(worth[last.name] * sqrt_upper(Fraction(2)), 256)
        return RowsOnDemand(outputs, lambda p: tuple(apart * (p != q) for q in range(outputs)))
    before, squared = worth[last.inputs[0]], squared_differences(rows)
    return RowsOnDemand(outputs, lambda p: tuple(before * sqrt_upper(squared(p, q)) for q in range(outputs)))


def network_certifier(network: Network, gram: int = 11, progress: Progress = no_progress) -> LipschitzCertifier:
    """Return the certifier ``lipschitz`` of any network; of a stack of dense layers with ReLU, that of ``lipschitz_ball``.

    Raises InputError for a network with one output or entries that are not finite, and what ``graph_bounds`` raises.
    """
    if is_stack(network):
        return ball_certifier(network, gram, progress)
    check_network(network, gram)
    shape = math.prod(network.input_shape), math.prod(network.logits.output_shape)
    return LipschitzCertifier("lipschitz", shape, graph_bounds(network, gram, progress))


def _last(graph: Network) -> Node:
    """The node that computes the logits: what comes after it keeps all numbers in their order."""
    node = graph[graph.output]
    while _is_view(graph, node) and node.inputs != (INPUT,) and len(node.inputs) == 1:
        node = graph[node.inputs[0]]
    return node


def _is_view(graph: Network, node: Node) -> bool:
    structure = graph.structure(node.name)
    return isinstance(structure, Rearrangement) and structure.read is None


def _rows(graph: Network, last: Node) -> Sequence[Sequence[float]] | None:
    """The weight of a dense layer of one row of inputs, None for anything else."""
    structure = graph.structure(last.name)
    if not isinstance(structure, Sums) or not structure.classes_last or structure.positions != 1 or structure.weight is None:
        return None
    rows: list[list[float]] = structure.weight[0].tolist()
    return rows


def _moved(graph: Network, node: Node, inputs: Sequence[Fraction], gram: int) -> Fraction:
    """How far a node's output moves when the network's input moves by 1, from how far the node's inputs do."""
    if isinstance(node.layer, Add):
        return sum(inputs, Fraction(0))
    together = inputs[0] if len(inputs) == 1 else round_up(sqrt_upper(sum((k * k for k in inputs), Fraction(0))))
    numbers = sum(math.prod(graph.shapes[name]) for name in node.inputs)
    return round_up(together * layer_norm_upper(graph.structure(node.name), numbers, gram))
