"""Views: layers that move numbers and compute none."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fpsynth.errors import InputError
from fpsynth.networks.layers.base import Layer, Names, finite, integers, shown, sized
from fpsynth.networks.layers.structure import PADDING, Indices, Outline, Rearrangement, Shape
from fpsynth.networks.layers.windows import Padding, padding


def _numbered(shape: Shape) -> Indices:
    return np.arange(math.prod(shape), dtype=np.int32).reshape(shape)


@dataclass(frozen=True, eq=False)
class _View(Layer):
    """A layer that moves numbers."""

    def outline(self, *inputs: Shape) -> Outline:
        """A position for each output."""
        return Outline(math.prod(self.shape(*inputs)))


@dataclass(frozen=True, eq=False)
class Flatten(_View):
    """All numbers in one row, row-major."""

    kind = "flatten"
    names = Names(("Flatten",), ("Flatten", "flatten"), ("Flatten",))

    def shape(self, *inputs: Shape) -> Shape:
        """(size,)."""
        return (math.prod(inputs[0]),)

    def structure(self, *inputs: Shape) -> Rearrangement:
        """All numbers in their order."""
        return Rearrangement(None)


@dataclass(frozen=True, eq=False)
class Reshape(_View):
    """The numbers in their order, in another shape; one -1 stands for whatever is left."""

    kind = "reshape"
    names = Names(("Reshape", "Squeeze", "Unsqueeze"), ("Unflatten", "reshape"), ("Reshape",))

    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        self._set(sizes=integers(self.sizes, "a shape", -1))
        if 0 in self.sizes or self.sizes.count(-1) > 1:
            raise InputError(f"a reshape to {shown(self.sizes)} is no shape with at most one open axis (-1)")

    def shape(self, *inputs: Shape) -> Shape:
        """The sizes, the open one filled in."""
        size, known = math.prod(inputs[0]), math.prod(s for s in self.sizes if s > 0)
        result = tuple(size // known if s < 0 else s for s in self.sizes)
        if math.prod(result) != size:
            raise InputError(f"{shown(inputs[0])} cannot become {shown(self.sizes)}")
        return result

    def structure(self, *inputs: Shape) -> Rearrangement:
        """All numbers in their order."""
        return Rearrangement(None)


@dataclass(frozen=True, eq=False)
class Transpose(_View):
    """Axes in another order: axis k of the output is axis ``axes[k]`` of the input, counted from 0 without the batch."""

    kind = "transpose"
    names = Names(("Transpose",), ("permute",), ("Permute",))

    axes: tuple[int, ...]

    def __post_init__(self) -> None:
        self._set(axes=integers(self.axes, "axes", 0))
        if sorted(self.axes) != list(range(len(self.axes))):
            raise InputError(f"the axes {self.axes} are not 0 to {len(self.axes) - 1} in some order")

    def shape(self, *inputs: Shape) -> Shape:
        """The sizes in the new order."""
        if len(inputs[0]) != len(self.axes):
            raise InputError(f"it orders {len(self.axes)} axes, but {shown(inputs[0])} come in")
        return tuple(inputs[0][axis] for axis in self.axes)

    def structure(self, *inputs: Shape) -> Rearrangement:
        """Where each number comes from."""
        return Rearrangement(_numbered(inputs[0]).transpose(self.axes).reshape(-1))


@dataclass(frozen=True, eq=False)
class Pad(_View):
    """A constant before and after the numbers along each axis."""

    kind = "pad"
    names = Names(("Pad",), ("ConstantPad1d", "ConstantPad2d", "ZeroPad1d", "ZeroPad2d"), ("ZeroPadding1D", "ZeroPadding2D"))

    padding: Padding
    """(before, after) for each axis, the channels' among them."""
    value: float = 0.0

    def __post_init__(self) -> None:
        self._set(padding=padding(self.padding, len(self.padding)), value=finite(self.value, "what a pad writes"))

    def shape(self, *inputs: Shape) -> Shape:
        """The sizes with what is added."""
        if len(inputs[0]) != len(self.padding):
            raise InputError(f"it pads {len(self.padding)} axes, but {shown(inputs[0])} come in")
        return sized(tuple(before + size + after for size, (before, after) in zip(inputs[0], self.padding, strict=True)))

    def structure(self, *inputs: Shape) -> Rearrangement:
        """Where each number comes from."""
        return Rearrangement(np.pad(_numbered(inputs[0]), self.padding, constant_values=PADDING).reshape(-1), self.value)


@dataclass(frozen=True, eq=False)
class Concat(_View):
    """Inputs one after the other along an axis, counted from 0 without the batch."""

    kind = "concat"
    names = Names(("Concat",), ("cat",), ("Concatenate",))
    inputs_taken = (1, None)

    axis: int = 0

    def __post_init__(self) -> None:
        self._set(axis=integers(self.axis, "an axis", 0, 1)[0])

    def shape(self, *inputs: Shape) -> Shape:
        """The sizes of the axis added up; all others must be equal."""
        first = inputs[0]
        if any(len(shape) <= self.axis for shape in inputs):
            raise InputError(f"there is no axis {self.axis} in {' and '.join(map(shown, inputs))}")
        if len({(*shape[: self.axis], -1, *shape[self.axis + 1 :]) for shape in inputs}) != 1:
            raise InputError(f"{' and '.join(map(shown, inputs))} do not fit together along axis {self.axis}")
        return sized((*first[: self.axis], sum(shape[self.axis] for shape in inputs), *first[self.axis + 1 :]))

    def structure(self, *inputs: Shape) -> Rearrangement:
        """Where each number comes from among all inputs."""
        parts, start = [], 0
        for shape in inputs:
            parts.append(_numbered(shape) + np.int32(start))
            start += math.prod(shape)
        return Rearrangement(None if self.axis == 0 else np.concatenate(parts, self.axis).reshape(-1))
