"""LayerTable: what a library has for each layer type, and the one place that says which layers it cannot run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fpsynth.libraries.operands import CannotRun
from fpsynth.networks.layers import Layer, Shape
from fpsynth.networks.network import Network, Node

T = TypeVar("T")

Objection = Callable[[Any, Shape], str]
"""A layer and the shape of its input to why it cannot be run, one line; empty where it can."""


@dataclass(frozen=True)
class Guarded(Generic[T]):
    """What a library has for some of the layers of a type."""

    call: T
    objection: Objection


@dataclass(frozen=True)
class LayerTable(Generic[T]):
    """What a library calls for each layer type."""

    library: str
    """As messages call it."""
    rows: Mapping[type[Layer], T | Guarded[T]]

    def call(self, network: Network, node: Node) -> T:
        """What computes a node.  Raises CannotRun where the library has nothing for its type, or not for this layer."""
        row = self.rows.get(type(node.layer))
        if row is None:
            raise self._refused(node, "it has no call for it")
        if not isinstance(row, Guarded):
            return row
        reason = row.objection(node.layer, network.shapes[node.inputs[0]])
        if reason:
            raise self._refused(node, reason)
        call: T = row.call
        return call

    def require(self, network: Network) -> None:
        """Raise CannotRun for the first node that cannot be run."""
        for node in network.nodes:
            self.call(network, node)

    def _refused(self, node: Node, reason: str) -> CannotRun:
        kind = f"{node.name} ({node.layer.kind})"
        return CannotRun(
            f"{self.library} cannot run {kind}: {reason}; choose another variant or library (fpsynth environments lists them)"
        )
