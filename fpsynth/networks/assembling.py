"""Assembly: puts a network together from layers of foreign formats, which count the axis of the batch and turn axes at will.

Foreign formats are read at a batch of one example: every value has dimensions as its format sees them, the batch's 1 among
them.  Views that only move axes of size 1 are not put down before a layer needs the numbers in another shape.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsynth.errors import InputError
from fpsynth.networks.graph import INPUT, Node
from fpsynth.networks.layers import (
    AddConstant,
    Argmax,
    Concat,
    Dense,
    DivideConstant,
    Flatten,
    GlobalAveragePooling,
    Layer,
    MultiplyConstant,
    Pad,
    Reshape,
    Shape,
    Softmax,
    SubtractConstant,
    Transpose,
)
from fpsynth.networks.layers.base import shown, sized
from fpsynth.networks.network import Network

MAX_AXES = 8
"""The most axes that a value or an array may have, the batch's among them."""

Constant = type[AddConstant] | type[SubtractConstant] | type[MultiplyConstant] | type[DivideConstant]


@dataclass(frozen=True)
class Activation:
    """What a node of the network gives, or its input."""

    name: str
    """Of the node, or INPUT."""
    dims: tuple[int, ...]
    """As the foreign format sees them, for a batch of one example; their product is the size of the node's shape."""


def example(dims: tuple[int, ...]) -> Shape:
    """The shape of one example: without the axis of the batch."""
    return dims[1:] if len(dims) > 1 and dims[0] == 1 else dims


class Assembly:
    """A network that grows.  Every method raises InputError where shapes do not fit."""

    def __init__(self, dims: Sequence[int], *, literal: bool = False, rows: bool = False, flat: bool = False) -> None:
        """``dims``: of the input.  ``literal``: views that change nothing are layers too (for files that this package wrote).

        ``rows``: the first axis stands for several examples, and must stay where it is.  ``flat``: one example is a row,
        whatever axes of size 1 stand around its one axis.
        """
        self.input = Activation(INPUT, require_axes(dims))
        self.literal, self.rows = literal, rows
        self._nodes: dict[str, Node] = {}
        shape = (math.prod(self.input.dims),) if flat else example(self.input.dims)
        self._shapes: dict[str, Shape] = {INPUT: sized(shape)}
        self._views: dict[str, str] = {}
        """Views put in between: what they read."""

    def put(self, name: str, layer: Layer, *inputs: str, dims: Sequence[int] | None = None) -> Activation:
        """Add a layer that reads nodes; ``dims`` of the result: by default, its shape behind a batch of 1."""
        shape = layer.shape(*(self._shapes[i] for i in inputs))
        node = Node(self._free(name), layer, inputs)
        self._nodes[node.name], self._shapes[node.name] = node, shape
        return Activation(node.name, require_axes((1, *shape) if dims is None else dims))

    def _free(self, name: str) -> str:
        wanted = name if name != INPUT else f"{name}_"
        names = itertools.chain([wanted], (f"{wanted}_{number}" for number in itertools.count(2)))
        return next(one for one in names if one and one not in self._nodes)

    def viewed(self, value: Activation, shape: Shape | None = None) -> str:
        """The node that holds the value in this shape, that of the example by default: a reshape in between where needed."""
        wanted = example(value.dims) if shape is None else shape
        name = value.name
        if self._shapes[name] != wanted:
            name = self._views.get(name, name)
        if self._shapes[name] == wanted:
            return name
        layer = Flatten() if len(wanted) == 1 else Reshape(wanted)
        source, name = name, self.put(f"{name}/{layer.kind}", layer, name).name
        self._views[name] = source
        return name

    def batched(self, value: Activation, axes: Sequence[int]) -> str:
        """The node that holds the value as one example, of so many axes.  Raises InputError where its batch is not 1."""
        dims = value.dims
        if len(dims) - 1 not in axes:
            raise InputError(f"it reads a batch and {' or '.join(map(str, axes))} more axes, not {shown(dims)}")
        if dims[0] != 1:
            raise InputError(f"it reads {dims[0]} examples at once, of {shown(dims)}; export it for a batch of 1")
        return self.viewed(value, dims[1:])

    def each(self, name: str, layer: Layer, *values: Activation) -> Activation:
        """A layer that computes number by number, in whatever shape they lie."""
        if not values:
            raise InputError("it reads no values")
        shapes = {self._shapes[value.name] for value in values}
        if len({value.dims for value in values}) > 1:
            raise InputError(f"it joins values of one shape, not {' and '.join(shown(value.dims) for value in values)}")
        nodes = [v.name if len(shapes) == 1 else self.viewed(v) for v in values]
        return self.put(name, layer, *nodes, dims=values[0].dims)

    def with_constant(self, name: str, kind: Constant, value: Activation, constant: Any, **more: Any) -> Activation:
        """A constant added, subtracted, multiplied or divided by; it may spread over the value, not the value over it."""
        dims, size = _broadcast(value.dims, constant.shape), math.prod(value.dims)
        if dims is None or math.prod(dims) != size:
            raise InputError(f"the constant of {shown(constant.shape)} does not spread over {shown(value.dims)}")
        if not self.literal and constant.size in (1, size):
            shape = self._shapes[value.name] if constant.size == size else ()
            return self.put(name, kind(constant.reshape(shape), **more), value.name, dims=dims)
        shape = example(dims)
        lead = max(0, constant.ndim - len(shape))
        node = self.viewed(Activation(value.name, dims))
        return self.put(name, kind(constant.reshape(constant.shape[lead:]), **more), node, dims=dims)

    def dense(self, name: str, value: Activation, weight: Any, bias: Any = None) -> Activation:
        """Along the last axis; ``weight`` (outputs, inputs)."""
        return self.put(name, Dense(weight, bias), self.viewed(value), dims=(*value.dims[:-1], len(weight)))

    def dense_columns(self, name: str, value: Activation, weight: Any) -> Activation:
        """Along the last axis but one: W X, as formats write it that keep points as columns."""
        if len(value.dims) < 2:
            return self.dense(name, value, weight)
        *lead, inputs, columns = value.dims
        if columns == 1:
            dense = self.dense(name, Activation(value.name, (*lead, inputs)), weight)
            return Activation(dense.name, (*lead, len(weight), 1))
        turn = (*range(len(lead)), len(lead) + 1, len(lead))
        rows = self.transposed(f"{name}/rows", value, turn)
        return self.transposed(f"{name}/columns", self.dense(name, rows, weight), turn)

    def with_bias(self, value: Activation, constant: Any, axis: int) -> bool:
        """Give the dense layer that computed the value a bias that varies along ``axis`` only; False where it does not."""
        node = self._nodes[value.name]
        dims = _broadcast(value.dims, constant.shape)
        if dims != value.dims or not isinstance(node.layer, Dense):
            return False
        axis %= len(dims)
        spread = constant.reshape((1,) * (len(dims) - constant.ndim) + constant.shape)
        if any(size != 1 for place, size in enumerate(spread.shape) if place != axis):
            return False
        bias = np.broadcast_to(spread.reshape(-1), (dims[axis],))
        self._nodes[value.name] = replace(node, layer=Dense(node.layer.weight, bias))
        return True

    def reshaped(self, name: str, value: Activation, dims: Sequence[int], sizes: Sequence[int] | None = None) -> Activation:
        """The numbers in their order in other dimensions; ``sizes``: of one example, as the format gives them (-1 for one)."""
        dims = require_axes(dims)
        if math.prod(dims) != math.prod(value.dims):
            raise InputError(f"{shown(value.dims)} cannot become {shown(dims)}")
        self._require_rows(dims[:1] == (1,))
        if self.literal:
            return self.put(name, Reshape(tuple(sizes or example(dims))), self.viewed(value), dims=dims)
        source = value.name
        if (node := self._nodes.get(source)) and isinstance(node.layer, (Flatten, Reshape)):
            (source,) = node.inputs  # two views in a row are one
        if self._shapes[source] == example(dims):
            return Activation(source, dims)
        return self.put(name, Flatten() if len(example(dims)) == 1 else Reshape(example(dims)), source, dims=dims)

    def flattened(self, name: str, value: Activation, axis: int = 1) -> Activation:
        """Everything from an axis on in one row, everything before it in another."""
        axis = require_axis(axis, len(value.dims) + 1) if axis != len(value.dims) else axis
        dims = (math.prod(value.dims[:axis]), math.prod(value.dims[axis:]))
        if self.literal and axis == 1:
            return self.put(name, Flatten(), self.viewed(value), dims=dims)
        return self.reshaped(name, value, dims)

    def transposed(self, name: str, value: Activation, perm: Sequence[int]) -> Activation:
        """Axis k of the result is axis perm[k]; nothing but other dimensions where only axes of size 1 move."""
        dims, perm = value.dims, tuple(perm)
        if sorted(perm) != list(range(len(dims))):
            raise InputError(f"the axes {perm} are not 0 to {len(dims) - 1} in some order")
        self._require_rows(perm[0] == 0)
        turned = tuple(dims[axis] for axis in perm)
        moving = [axis for axis in perm if dims[axis] != 1]
        if not self.literal and moving == sorted(moving):
            return Activation(value.name, turned)
        drop = len(dims) > 1 and dims[0] == 1  # the batch's axis, wherever it goes
        axes = tuple(axis - drop for axis in perm if not (drop and axis == 0))
        before = self._nodes.get(value.name)
        undone = before is not None and isinstance(before.layer, Transpose) and self._shapes[value.name] == example(dims)
        if undone and not self.literal and before is not None and isinstance(before.layer, Transpose):
            back = tuple(before.layer.axes[axis] for axis in axes) if len(axes) == len(before.layer.axes) else ()
            if back and back == tuple(range(len(back))):
                return Activation(before.inputs[0], turned)
        return self.put(name, Transpose(axes), self.viewed(value), dims=turned)

    def concatenated(self, name: str, values: Sequence[Activation], axis: int) -> Activation:
        """Values one after the other along an axis of all."""
        if not values:
            raise InputError("it reads no values")
        axis = require_axis(axis, len(values[0].dims))
        self._require_rows(axis != 0)
        if len({len(value.dims) for value in values}) != 1:
            raise InputError("it joins values of different numbers of axes")
        if len(values) == 1 and not self.literal:
            return values[0]
        total = sum(value.dims[axis] for value in values)
        dims = (*values[0].dims[:axis], total, *values[0].dims[axis + 1 :])
        shapes = [example(value.dims) if axis else value.dims for value in values]
        nodes = [self.viewed(value, shape) for value, shape in zip(values, shapes, strict=True)]
        lead = len(dims) - len(shapes[0])
        return self.put(name, Concat(axis - lead), *nodes, dims=dims)

    def padded(self, name: str, value: Activation, pads: Sequence[tuple[int, int]], fill: float) -> Activation:
        """``pads``: (before, after) of each axis."""
        dims = tuple(before + size + after for size, (before, after) in zip(value.dims, pads, strict=True))
        if any(side < 0 for pair in pads for side in pair):
            raise InputError("it cuts away numbers (a padding below 0)")
        if not self.literal and dims == value.dims:
            return value
        shape = example(value.dims)
        lead = len(value.dims) - len(shape)
        if any(pair != (0, 0) for pair in pads[:lead]):
            raise InputError("it pads the batch")
        return self.put(name, Pad(tuple(pads[lead:]), fill), self.viewed(value), dims=require_axes(dims))

    def averaged(self, name: str, value: Activation, axes: Sequence[int], keep: bool) -> Activation:
        """The mean over axes: all but the batch's and one, which becomes the channels'."""
        chosen = {require_axis(axis, len(value.dims)) for axis in axes}
        rest = [axis for axis in range(1, len(value.dims)) if axis not in chosen]
        if 0 in chosen or len(rest) != 1 or not chosen:
            raise InputError(f"it takes the mean of {shown(value.dims)} over the axes {sorted(chosen)}, not over all but one")
        perm = (0, rest[0], *sorted(chosen))
        turned = value if sorted(perm) == list(perm) else self.transposed(f"{name}/channels first", value, perm)
        last = tuple(1 if axis in chosen else size for axis, size in enumerate(value.dims))
        dims = last if keep else tuple(size for axis, size in enumerate(value.dims) if axis not in chosen)
        node = self.batched(turned, range(2, MAX_AXES))
        return self.put(name, GlobalAveragePooling(keep), node, dims=dims)

    def ended(self, name: str, layer: Argmax | Softmax, value: Activation, axis: int, keep: bool = True) -> Activation:
        """Argmax or softmax along an axis, which must be the last that is more than 1."""
        axis = require_axis(axis, len(value.dims))
        if any(size != 1 for size in value.dims[axis + 1 :]):
            raise InputError(f"it runs along axis {axis} of {shown(value.dims)}, not along the last one")
        if axis == 0 and len(value.dims) > 1:
            raise InputError("it runs along the batch")
        shape = example(value.dims[: axis + 1])
        dims = value.dims
        if isinstance(layer, Argmax):
            dims = (*dims[:axis], *([1] if keep else []), *dims[axis + 1 :])
        return self.put(name, layer, self.viewed(value, shape), dims=dims)

    def _require_rows(self, kept: bool) -> None:
        if self.rows and not kept:
            raise InputError("it moves the axis of the batch, which is more than 1; export it for a batch of 1")

    @property
    def turned_input(self) -> bool:
        """Whether the input is read in another shape than its own."""
        return INPUT in self._views.values()

    def network(self, output: Activation) -> Network:
        """The network whose result the value is; nodes that it does not need are left out."""
        node = self._nodes.get(output.name)
        if node is None:
            raise InputError("the output is the input: a network needs at least one layer")
        plain = not self.literal and sum(size != 1 for size in output.dims) <= 1 and len(self._shapes[output.name]) == 1
        last = output.name if node.layer.ending or plain else self.viewed(output)
        needed, waiting = {INPUT}, [last]
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting += self._nodes[name].inputs
        nodes = tuple(node for name, node in self._nodes.items() if name in needed)
        return Network(nodes, self._shapes[INPUT], last)


def require_axes(dims: Sequence[int]) -> tuple[int, ...]:
    """Dimensions as they are.  Raises InputError for too many axes and empty ones."""
    if len(dims) > MAX_AXES:
        raise InputError(f"a value of {len(dims)} axes is not read (at most {MAX_AXES} are)")
    return sized(tuple(map(int, dims)))


def require_axis(axis: int, axes: int) -> int:
    """The axis counted from 0.  Raises InputError where there is none of that number."""
    if not -axes <= axis < axes:
        raise InputError(f"there is no axis {axis} among {axes}")
    return axis % axes


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None
