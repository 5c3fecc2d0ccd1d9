"""Network: a directed acyclic graph of layers over arrays of floats."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from fpsynth.errors import InputError
from fpsynth.networks.graph import INPUT, Graph, Node, stack_nodes
from fpsynth.networks.layers import Dense
from fpsynth.networks.template import Template

__all__ = ["INPUT", "Dense", "Network", "Node", "dense_relu", "stacked", "with_numbers"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Network(Graph):
    """A graph of layers whose parameters are read-only float32 or float64 arrays, which hold every format of fpsynth exactly.

    Two networks are equal where names, layers and the bits of all parameters are.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        for node in self.nodes:
            if not node.layer.known:
                raise InputError(f"{node.name}: a network's parameters are numbers")

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the network: its canonical form is JSON of shape, output and nodes, with their layers' digests."""
        nodes = [[node.name, node.inputs, node.layer.digest.hex()] for node in self.nodes]
        return hashlib.sha256(json.dumps([self.input_shape, self.output, nodes]).encode()).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and (self is other or self.digest == other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)

    def entries(self) -> Iterator[float]:
        """All parameters as Python floats, node by node, row-major, in the order of each layer's fields."""
        for array in self.arrays():
            yield from array.reshape(-1).tolist()

    def map(self, function: Callable[[float], T]) -> Template[T]:
        """The template with ``function`` of every parameter, a Python float, in its place."""
        nodes = tuple(replace(node, layer=node.layer.map(function)) for node in self.nodes)
        return Template(nodes, self.input_shape, self.output)


def dense_relu(layers: Sequence[Dense | tuple[Any, Any]]) -> Network:
    """The classic stack: dense layers, or pairs (weight (outputs, inputs), bias (outputs,) or None), with ReLU between them.

    The nodes are called dense0, relu0, dense1, ....  Raises InputError where sizes do not fit.
    """
    return Network(*stack_nodes(layers))


def stacked(network: Network) -> bool:
    """Whether a network is a stack of dense layers with ReLU between them."""
    try:
        return bool(network.dense_layers)
    except InputError:
        return False


def with_numbers(unknown: Template[T], function: Callable[[T], float]) -> Network:
    """The network that a template becomes once ``function`` gives every entry its number."""
    nodes = tuple(replace(node, layer=node.layer.filled(function)) for node in unknown.nodes)
    return Network(nodes, unknown.input_shape, unknown.output)
