"""The lint for exact cancellation, of the products that neurons really add: weights times the values that they read.

It sees what weights alone hide: constants of several sizes with weights that make up for them, and weights that only look as if
they counted since what they read is always 0.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.networks.cancellation import Cancellation, cancellations, cancelling, rows_of
from fpsynth.networks.cutting import until
from fpsynth.networks.layers import Dense
from fpsynth.networks.network import INPUT, Network, Node

_POINTS = 8
_MOST_ROWS = 4096
"""Of a layer: wider ones are left out, for the time that it takes."""


def cancelling_products(network: Network, points: Floats) -> tuple[Cancellation, ...]:
    """Neurons of dense layers whose products cancel at each of the first 8 ``points`` (points, *input shape).

    Values are those of float64; the group that is told is that of the first point, its weights the products.  A neuron whose
    products are exactly added in any order is none, nor is one that reads zeros alone.
    """
    return tuple(_found(network, points[:_POINTS]))


def cancelling_at(network: Network, points: Floats) -> tuple[Cancellation, ...]:
    """Neurons whose weights cancel, and others whose products do at the points."""
    by_weights = cancellations(network)
    named = {(one.layer, one.neuron) for one in by_weights}
    return (*by_weights, *(one for one in cancelling_products(network, points) if (one.layer, one.neuron) not in named))


def _found(network: Network, points: Floats) -> Iterator[Cancellation]:
    for node in network.nodes:
        if isinstance(node.layer, Dense) and len(network.shapes[node.inputs[0]]) == 1 and node.layer.outputs <= _MOST_ROWS:
            yield from _of_layer(network, node, node.layer, points)


def _of_layer(network: Network, node: Node, layer: Dense, points: Floats) -> Iterator[Cancellation]:
    (source,) = node.inputs
    given = points if source == INPUT else numpy_outputs(until(network, source), points)
    ones = np.ones((len(points), 0 if layer.bias is None else 1))
    values = np.concatenate([np.asarray(given, np.float64).reshape(len(points), -1), ones], axis=1)
    for neuron, row in enumerate(rows_of(layer)):
        groups = []
        for value in values:
            groups.append(cancelling(row * value))
            if groups[-1] is None:
                break
        first = groups[0]
        if first is not None and groups[-1] is not None:
            products = tuple((row * values[0])[list(first.places)].tolist())
            yield Cancellation(node.name, neuron, first, products, first.places)
