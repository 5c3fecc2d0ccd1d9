"""Rewrites of networks.  Each changes what is computed in floating point, and so is asked for by name: no importer does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.networks.graph import Node
from fpsynth.networks.layers import AddConstant, BatchNormalisation, Convolution, Dense, Layer, MultiplyConstant
from fpsynth.networks.layers.structure import Normalisation
from fpsynth.networks.network import Network
from fpsynth.rounding import round_fraction


def fold_batch_normalisation(network: Network, fmt: Format) -> Network:
    """The network without batch normalisations, each put into the dense layer or convolution before it.

    With s = scale / sqrt(variance + epsilon) of a channel, weights become w s and biases (b - mean) s + shift, exact numbers
    each rounded once to nearest in ``fmt``.  A normalisation that follows anything else, or a result that others read as well,
    becomes a multiplication by s and an addition of shift - mean s.  The node keeps its name.  Raises InputError where a
    number is beyond the format's range.
    """
    readers: dict[str, int] = {}
    for node in network.nodes:
        for name in node.inputs:
            readers[name] = readers.get(name, 0) + 1
    nodes: dict[str, Node] = {}
    for node in network.nodes:
        if not isinstance(node.layer, BatchNormalisation):
            nodes[node.name] = node
            continue
        (source,) = node.inputs
        before, round_into = nodes.get(source), _rounding(node.name, fmt)
        if before is not None and readers[source] == 1 and _per_channel(before.layer, network.shapes[source]):
            nodes[node.name] = Node(node.name, _folded(before.layer, node.layer, round_into), before.inputs)
            del nodes[source]
        else:
            for part in _apart(node, network.shapes[source], round_into):
                nodes[part.name] = part
    return replace(network, nodes=tuple(nodes.values()))


def _per_channel(layer: Layer, shape: Sequence[int]) -> bool:
    """Whether the layer's rows of weights are the channels of its output."""
    return isinstance(layer, Convolution) or (isinstance(layer, Dense) and len(shape) == 1)


def _rounding(name: str, fmt: Format) -> Callable[[tuple[Fraction, Fraction]], float]:
    def rounded(ends: tuple[Fraction, Fraction]) -> float:
        """The number of the format that is nearest to what lies between the ends."""
        low, high = (round_fraction(end, fmt) for end in ends)
        if not low.is_finite or not high.is_finite:
            raise InputError(f"{name}: a folded number is beyond the range of {fmt}")
        assert float(low) == float(high)  # they are 2**-256 apart, and what is irrational is no midpoint
        return float(low)

    return rounded


def _folded(layer: Layer, by: BatchNormalisation, rounded: Callable[[tuple[Fraction, Fraction]], float]) -> Layer:
    assert isinstance(layer, (Dense, Convolution))
    rows = layer.weight.reshape(len(layer.weight), -1).tolist()
    given = [0.0] * len(rows) if layer.bias is None else layer.bias.tolist()
    norm = _normalisation(by)
    weight = [[rounded(_scaled(Fraction(w), norm.factor(k))) for w in row] for k, row in enumerate(rows)]
    bias = [rounded(_shift(norm, k, Fraction(b))) for k, b in enumerate(given)]
    return replace(layer, weight=np.array(weight).reshape(layer.weight.shape), bias=np.array(bias))


def _apart(node: Node, shape: Sequence[int], rounded: Callable[[tuple[Fraction, Fraction]], float]) -> tuple[Node, Node]:
    """A multiplication and an addition in the place of a normalisation."""
    assert isinstance(node.layer, BatchNormalisation)
    norm, spread = _normalisation(node.layer), (shape[0], *[1] * (len(shape) - 1))
    factors = [rounded(norm.factor(k)) for k in range(shape[0])]
    shifts = [rounded(_shift(norm, k, Fraction(0))) for k in range(shape[0])]
    scaled = Node(f"{node.name}.scaled", MultiplyConstant(_spread(factors, spread)), node.inputs)
    return scaled, Node(node.name, AddConstant(_spread(shifts, spread)), (scaled.name,))


def _spread(numbers: Sequence[float], shape: Sequence[int]) -> NDArray[Any]:
    return np.array(numbers).reshape(shape)


def _normalisation(by: BatchNormalisation) -> Normalisation:
    normalisation = by.structure((len(by.mean), 1)).normalisation
    assert normalisation is not None
    return normalisation


def _scaled(number: Fraction, ends: tuple[Fraction, Fraction]) -> tuple[Fraction, Fraction]:
    low, high = sorted((number * ends[0], number * ends[1]))
    return low, high


def _shift(by: Normalisation, channel: int, bias: Fraction) -> tuple[Fraction, Fraction]:
    """(bias - mean) s + shift."""
    mean, shift = Fraction(float(by.mean[channel])), Fraction(float(by.shift[channel]))
    low, high = _scaled(bias - mean, by.factor(channel))
    return low + shift, high + shift
