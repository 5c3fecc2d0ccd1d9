"""The shape of a real layer: its type, its attributes and its sizes without its numbers; what a kernel of it is asked about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from fpsynth.aliases import Array, Json
from fpsynth.errors import InputError
from fpsynth.networks.layers import LAYERS, Layer, Shape, Sums
from fpsynth.networks.network import Network, Node

Attribute: TypeAlias = "bool | int | float | str | tuple[Attribute, ...] | None"
NODE = "layer"
"""The name of the one node."""


@dataclass(frozen=True)
class LayerShape:
    """A layer of sums over one input, with its numbers left open."""

    kind: str
    """Its key in ``LAYERS``."""
    input_shape: Shape
    """Per example."""
    parameters: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """The shapes of those that are there, by name, in the order of the fields."""
    attributes: tuple[tuple[str, Attribute], ...] = ()

    @cached_property
    def network(self) -> Network:
        """The layer alone, its parameters zero but for variances, which are one."""
        zeros = {name: np.full(shape, float(name == "variance"), np.float32) for name, shape in self.parameters}
        layer = LAYERS[self.kind](**zeros, **dict(self.attributes))
        return Network((Node(NODE, layer),), self.input_shape, NODE)

    @property
    def layer(self) -> Layer:
        """The layer with these placeholders."""
        return self.network[NODE].layer

    @cached_property
    def sums(self) -> Sums:
        """What it adds.  Raises InputError for a layer that adds nothing."""
        structure = self.network.structure(NODE)
        if not isinstance(structure, Sums):
            raise InputError(f"{self.kind} adds nothing: it has no order")
        return structure

    @cached_property
    def inner(self) -> int:
        """The first position none of whose taps lies in a padding; where there is none, the one with the fewest."""
        return int(np.argmin(self.outside))

    @cached_property
    def outside(self) -> Array:
        """How many taps of each position lie in a padding."""
        return np.array([(self.sums.taps.at(np.array([place])) < 0).sum() for place in range(self.sums.positions)])

    def to_json(self) -> Json:
        """As an object, which ``layer_shape_from_json`` reads."""
        return {
            "kind": self.kind,
            "input_shape": list(self.input_shape),
            "parameters": {name: list(shape) for name, shape in self.parameters},
            "attributes": {name: _listed(value) for name, value in self.attributes},
        }

    def __str__(self) -> str:
        sizes = "x".join(map(str, self.input_shape))
        taps = [f"{name} {'x'.join(map(str, shape))}" for name, shape in self.parameters if name == "weight"]
        told = [f"{name} {_told(value)}" for name, value in self.attributes if name in _TOLD and value not in _USUAL]
        return f"{self.kind} of {sizes}" + (f" ({', '.join([*taps, *told])})" if taps or told else "")


_TOLD = ("kernel", "stride", "padding", "dilation", "groups")
_USUAL: tuple[Any, ...] = ((), 1, (1,), (1, 1), ((0, 0),), ((0, 0), (0, 0)))


def layer_shape(layer: Layer, input_shape: Shape) -> LayerShape:
    """The shape of a layer with numbers."""
    parameters = tuple((name, getattr(layer, name).shape) for name in layer.parameters if getattr(layer, name) is not None)
    attributes = tuple((f.name, getattr(layer, f.name)) for f in fields(layer) if f.name not in layer.parameters)
    return LayerShape(layer.kind, tuple(input_shape), parameters, attributes)


def layer_shape_from_json(data: object, *, adding: bool = True) -> LayerShape:
    """Read what ``LayerShape.to_json`` wrote.  Raises InputError in one line for anything else.

    ``adding``: only of a layer that adds, over one input; otherwise what its sizes make is up to whoever builds the layer.
    """
    names = {"kind", "input_shape", "parameters", "attributes"}
    if not isinstance(data, dict) or set(data) != names or not isinstance(data["kind"], str) or data["kind"] not in LAYERS:
        raise InputError(f"the shape of a layer needs {', '.join(sorted(names))}, and a kind among {', '.join(LAYERS)}")
    if not isinstance(data["parameters"], dict) or not isinstance(data["attributes"], dict):
        raise InputError("parameters and attributes of a layer must be objects")
    known = LAYERS[data["kind"]]
    own = [f.name for f in fields(known)]
    if set(data["parameters"]) - set(known.parameters) or set(data["attributes"]) - set(own):
        raise InputError(f"{known.kind} has only {', '.join(own)}")
    shape = LayerShape(
        known.kind,
        _sizes(data["input_shape"], "input_shape"),
        tuple((name, _sizes(data["parameters"][name], name)) for name in known.parameters if name in data["parameters"]),
        tuple((name, _attribute(data["attributes"][name])) for name in own if name in data["attributes"]),
    )
    try:
        _ = shape.sums if adding else None
    except (TypeError, ValueError) as error:
        raise InputError(f"the shape of a layer: {error}") from None
    return shape


def _sizes(data: object, what: str) -> tuple[int, ...]:
    sizes = data if isinstance(data, list) and len(data) <= 6 else []
    if not sizes or not all(type(size) is int and 0 < size < 1 << 24 for size in sizes):
        raise InputError(f"{what} of a layer must be a list of sizes")
    if math.prod(sizes) > 1 << 28:
        raise InputError(f"{what} of a layer is too large")
    return tuple(sizes)


def _attribute(data: object, depth: int = 0) -> Attribute:
    if isinstance(data, list) and depth < 3 and len(data) <= 16:
        return tuple(_attribute(part, depth + 1) for part in data)
    if data is None or isinstance(data, (bool, int, float, str)):
        return data
    raise InputError("an attribute of a layer must be a number, a name or a list of them")


def _listed(value: Attribute) -> Any:
    return [_listed(part) for part in value] if isinstance(value, tuple) else value


def _told(value: Attribute) -> str:
    if isinstance(value, tuple):
        return "x".join(_told(part) for part in value) if not _nested(value) else ", ".join(_told(part) for part in value)
    return str(value)


def _nested(value: Sequence[Any]) -> bool:
    return any(isinstance(part, tuple) for part in value)
