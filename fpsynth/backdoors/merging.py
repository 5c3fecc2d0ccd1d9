"""Neurons of equal weights as one: over the reals nothing changes, but bounds see that what is fed by copies cancels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.evaluators.float_arrays import two_sum
from fpsynth.networks.layers import Convolution, Dense, Flatten, Layer, ReLU
from fpsynth.networks.network import INPUT, Network, Node


def merged(network: Network) -> Network:
    """The network in which, of the channels of a layer that are equal, only the first is read, with the sum of their weights.

    Where that sum is not exact in float64, they are left as they are; the same object where nothing is merged.  What follows
    a layer must be one dense layer or convolution, with nothing but ReLU and flattening between.
    """
    layers: dict[str, Layer] = {node.name: node.layer for node in network.nodes}
    for reader in network.nodes:
        source = _source(network, reader)
        if source is not None:
            layers[reader.name] = _reading_once(layers[reader.name], _first_equal(network[source].layer))
    if all(layers[node.name] is node.layer for node in network.nodes):
        return network
    return replace(network, nodes=tuple(replace(node, layer=layers[node.name]) for node in network.nodes))


def _source(network: Network, reader: Node) -> str | None:
    """The layer whose channels a layer reads; None where something else lies between, or one has groups."""
    if not isinstance(reader.layer, Dense | Convolution) or getattr(reader.layer, "groups", 1) > 1:
        return None
    (name,) = reader.inputs
    while name != INPUT and isinstance(network[name].layer, ReLU | Flatten):
        (name,) = network[name].inputs
    if name == INPUT or not isinstance(network[name].layer, Dense | Convolution):
        return None
    return name if getattr(network[name].layer, "groups", 1) == 1 and len(network.shapes[name]) in (1, 3) else None


def _first_equal(layer: Layer) -> NDArray[np.intp]:
    """Of each channel the first one that is equal to it."""
    assert isinstance(layer, Dense | Convolution)
    bias = np.zeros(len(layer.weight)) if layer.bias is None else layer.bias
    rows = np.column_stack([layer.weight.reshape(len(layer.weight), -1), bias])
    _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first[group.reshape(-1)], np.intp)


def _reading_once(layer: Layer, first: NDArray[np.intp]) -> Layer:
    """The layer that reads channel ``first[c]`` for each channel c; itself where that is c, or not exact."""
    assert isinstance(layer, Dense | Convolution)
    own = np.asarray(layer.weight, np.float64)
    weight = own.reshape(len(own), len(first), -1).copy()
    changed = False
    for channel in np.unique(first[first != np.arange(len(first))]):
        equal = np.flatnonzero(first == channel)
        total = _exact_sum(weight[:, equal])
        if total is not None:
            weight[:, equal], changed = 0.0, True
            weight[:, channel] = total
    return replace(layer, weight=weight.reshape(own.shape)) if changed else layer


def _exact_sum(parts: Floats) -> Floats | None:
    """The sum over the second axis; None where float64 rounds it."""
    total = parts[:, 0]
    for number in range(1, parts.shape[1]):
        total, error = two_sum(total, parts[:, number])
        if error.any():
            return None
    return total
