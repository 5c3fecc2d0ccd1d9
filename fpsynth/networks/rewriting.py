"""Rewrites: the same function over the reals, written with other layers.  Each changes bits, has a name and is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.networks.graph import Node
from fpsynth.networks.layers import Affine, BatchNormalisation, Layer, MultiplyConstant, SubtractConstant
from fpsynth.networks.network import Network

Channels = NDArray[Any]
"""A number for each channel, (channels,)."""


@dataclass(frozen=True)
class Rewrite:
    """What was done to which node."""

    name: str
    node: str
    """Of the original network; the new nodes' names begin with it, and the last of them has it."""

    def __str__(self) -> str:
        return f"{self.node}: {self.name}"


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
    return [SubtractConstant(_spread(layer.mean, axes)), Affine(scale, layer.shift)]


def centred_and_divided(layer: BatchNormalisation, axes: int, inverse: Channels) -> list[Layer]:
    """scale ((x - mean) inverse) + shift, the inverse being 1 / sqrt(variance + epsilon)."""
    return [
        SubtractConstant(_spread(layer.mean, axes)),
        MultiplyConstant(_spread(inverse, axes)),
        Affine(layer.scale, layer.shift),
    ]


def _spread(channels: Channels, axes: int) -> Channels:
    """Numbers for each channel that broadcast over the axes behind it."""
    return np.asarray(channels).reshape(-1, *[1] * (axes - 1))
