"""Networks as libraries run them: a function for each layer type, numbers in a library's memory, what cannot be run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from fpsynth.libraries.layer_table import LayerTable
from fpsynth.libraries.operands import CannotRun
from fpsynth.networks.layers import Flatten, Layer
from fpsynth.networks.network import INPUT, Network, Node

Numbers = Mapping[str, Sequence[Any]]
"""The parameters of each node by its name, in the order of ``Layer.parameters``; None for those that are not there."""

LayerStep = Callable[[Any, Sequence[Any], Sequence[Any]], Any]
"""A layer, its parameters in the library's memory (as ``hold`` put them there), its inputs with the batch first: the output."""

Tensors = Sequence[Any]

Forward = Callable[[Any, Mapping[str, Sequence[Any]]], Any]
"""The points, (batch, *input shape), and the held parameters to the logits, (batch, logits)."""


def operands_of(network: Network, make: Callable[[Any], Any]) -> dict[str, list[Any]]:
    """The numbers of a network, each array turned into something else by ``make``."""
    return {
        node.name: [None if (array := getattr(node.layer, name)) is None else make(array) for name in node.layer.parameters]
        for node in network.nodes
    }


def forward(network: Network, table: LayerTable[LayerStep], given: Mapping[str, LayerStep] | None = None) -> Forward:
    """What computes a network.  ``given``: functions of single nodes, by name, instead of the table's.

    Parts that need no computing are left out, so that a stack of dense layers is its products, additions and maxima.  Raises
    CannotRun for what the table has no function for.
    """
    steps = {node.name: (given or {}).get(node.name) or table.call(network, node) for node in network.nodes}
    last = Node("logits", Flatten(), (network.output,))
    flatten = table.call(network, last) if len(network.output_shape) != 1 else None

    def run(values: Any, held: Mapping[str, Sequence[Any]]) -> Any:
        result = network.run(values, lambda node, inputs: steps[node.name](node.layer, held[node.name], inputs))
        return result if flatten is None else flatten(last.layer, (), [result])

    return run


def require_flat(network: Network, code: str) -> None:
    """Raise CannotRun where the points of a network cannot lie by the code of a layout."""
    if code != "N" and len(network.input_shape) != 1:
        raise CannotRun(f"points of {' x '.join(map(str, network.input_shape))} numbers have no layout {code}")


def readers_of_input(network: Network, only: type[Layer]) -> list[str]:
    """The nodes that read the input.  Raises CannotRun where one is of another type, which takes no transposed points."""
    readers = [node for node in network.nodes if INPUT in node.inputs]
    for node in readers:
        if not isinstance(node.layer, only):
            raise CannotRun(f"{node.name} ({node.layer.kind}) does not take transposed points")
    return [node.name for node in readers]


def shaped(rows: Any, network: Network) -> Any:
    """Flat points (batch, inputs), an array or a tensor, as (batch, *input shape)."""
    return rows if len(network.input_shape) == 1 else rows.reshape(len(rows), *network.input_shape)


@dataclass
class HeldModel:
    """A network whose parameters lie in the library's memory, where others can take their place."""

    network: Network
    hold: Callable[[Layer, Sequence[Any]], Sequence[Any]]
    """Copies a layer's parameters into the library's memory."""
    compute: Forward
    held: dict[str, Sequence[Any]] = field(default_factory=dict)

    def put(self, numbers: Numbers) -> HeldModel:
        """Take these numbers instead; returns the model itself."""
        self.held = {node.name: self.hold(node.layer, numbers[node.name]) for node in self.network.nodes}
        return self

    def __call__(self, rows: Any) -> Any:
        """The logits of flat points (batch, inputs), in the library's own memory."""
        return self.compute(rows, self.held)


def structure_key(network: Network) -> tuple[Any, ...]:
    """Equal for networks that differ in nothing but the values of their parameters: what compiled programs are kept by."""
    return network.input_shape, network.output, tuple((n.name, n.inputs, _layer_key(n.layer)) for n in network.nodes)


def _layer_key(layer: Layer) -> tuple[Any, ...]:
    attributes = [_attribute_key(getattr(layer, f.name)) for f in fields(layer) if f.name not in layer.parameters]
    shapes = [None if (array := getattr(layer, name)) is None else array.shape for name in layer.parameters]
    return layer.kind, *attributes, *shapes


def _attribute_key(value: Any) -> Any:
    """Zeros of either sign and numbers of either type apart."""
    return value.hex() if isinstance(value, float) else value
