"""Template: a network whose parameters are unknown or no floats: what is searched for, or exact rationals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from fpsynth.networks.graph import Graph, stack_nodes
from fpsynth.networks.layers import Dense, DivideConstant

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, eq=False)
class Template(Graph, Generic[T]):
    """A graph of layers whose parameters are arrays of objects of type T: Expression while a network is searched for.

    Each entry costs an object: templates are small.
    """

    def entries(self) -> Iterator[T]:
        """All parameters but divisors, which are numbers, node by node, row-major, in the order of each layer's fields."""
        for node in self.nodes:
            if not isinstance(node.layer, DivideConstant):
                for array in node.layer.arrays():
                    yield from array.reshape(-1).tolist()

    def map(self, function: Callable[[T], U]) -> Template[U]:
        """The same template with every entry replaced by ``function`` of it."""
        return Template(
            tuple(replace(node, layer=node.layer.map(function)) for node in self.nodes), self.input_shape, self.output
        )


def template(layers: Sequence[Dense | tuple[Any, Any]]) -> Template[Any]:
    """A stack of dense layers with a ReLU between them, from (weight, bias) pairs of nested sequences of objects."""
    return Template(*stack_nodes(layers)).map(lambda entry: entry)
