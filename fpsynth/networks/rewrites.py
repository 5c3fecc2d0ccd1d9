"""Rewrites of networks.  Each changes what is computed in floating point, and so is asked for by name: no importer does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.networks.graph import Node
from fpsynth.networks.layers import (
    AddConstant,
    Affine,
    BatchNormalisation,
    Convolution,
    Dense,
    DivideConstant,
    Layer,
    MultiplyConstant,
    SubtractConstant,
)
from fpsynth.networks.layers.structure import Normalisation
from fpsynth.networks.network import Network
from fpsynth.rounding import round_fraction

Channels = NDArray[Any]
"""A number for each channel, (channels,)."""


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


@dataclass(frozen=True)
class Rewrite:
    """What was done to which node."""

    name: str
    node: str
    """Of the original network; the new nodes' names begin with it, and the last of them has it."""

    def __str__(self) -> str:
        return f"{self.node}: {self.name}"


@dataclass(frozen=True)
class Rewritten:
    """A network as it is computed instead of the one that was given."""

    network: Network
    rewrites: tuple[Rewrite, ...] = ()
    notes: tuple[str, ...] = ()
    """What is computed otherwise and could not be written as a network."""


def replaced(network: Network, name: str, layers: Sequence[Layer]) -> Network:
    """The network with one node of one input replaced by a chain of layers, the last of which takes its name.

    Raises InputError where there is no such node, or it has several inputs.
    """
    node = next((node for node in network.nodes if node.name == name), None)
    if node is None or len(node.inputs) != 1 or not layers:
        raise InputError(f"{name} is no node of one input that could be replaced")
    names = [f"{name}.{number}" for number in range(1, len(layers))] + [name]
    before = [*node.inputs, *names]
    chain = [Node(new, layer, (source,)) for new, layer, source in zip(names, layers, before, strict=False)]
    nodes = [made for old in network.nodes for made in (chain if old is node else [old])]
    return replace(network, nodes=tuple(nodes))


def scaled(scale: Channels, shift: Channels) -> list[Layer]:
    """scale x + shift."""
    return [Affine(scale, shift)]


def centred(layer: BatchNormalisation, axes: int, scale: Channels) -> list[Layer]:
    """scale (x - mean) + shift, for inputs of so many axes."""
    return [SubtractConstant(_over_axes(layer.mean, axes)), Affine(scale, layer.shift)]


def centred_and_divided(layer: BatchNormalisation, axes: int, inverse: Channels) -> list[Layer]:
    """scale ((x - mean) inverse) + shift, the inverse being 1 / sqrt(variance + epsilon)."""
    return [
        SubtractConstant(_over_axes(layer.mean, axes)),
        MultiplyConstant(_over_axes(inverse, axes)),
        Affine(layer.scale, layer.shift),
    ]


def centred_and_over_root(layer: BatchNormalisation, axes: int, root: Channels) -> list[Layer]:
    """scale ((x - mean) / root) + shift, the root being that of variance + epsilon."""
    return [
        SubtractConstant(_over_axes(layer.mean, axes)),
        DivideConstant(_over_axes(root, axes)),
        Affine(layer.scale, layer.shift),
    ]


def _over_axes(channels: Channels, axes: int) -> Channels:
    """Numbers for each channel that broadcast over the axes behind it."""
    return np.asarray(channels).reshape(-1, *[1] * (axes - 1))
