"""Number by number: several inputs added, and constants added, subtracted, multiplied."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.networks.layers.base import Layer, Names, frozen, shown
from fpsynth.networks.layers.structure import Outline, Shape, Sums, odd_bits, taps


@dataclass(frozen=True, eq=False)
class Add(Layer):
    """The sum of two or more inputs of one shape, as a residual network adds them; the leaves of its order are the inputs."""

    kind = "add"
    names = Names(("Add", "Sum"), ("add",), ("Add",))
    inputs_taken = (2, None)

    def shape(self, *inputs: Shape) -> Shape:
        """That of the inputs."""
        if len(set(inputs)) != 1:
            raise InputError(f"it adds inputs of one shape, not {' and '.join(map(shown, inputs))}")
        return inputs[0]

    def outline(self, *inputs: Shape) -> Outline:
        """A position for each number, a term for each input."""
        return Outline(math.prod(inputs[0]), len(inputs), adds=True)

    def structure(self, *inputs: Shape) -> Sums:
        """A position for each number, a term for each input."""
        size = math.prod(inputs[0])
        return Sums(taps(np.arange(size)[:, None], np.arange(len(inputs))[None, :] * size))


@dataclass(frozen=True, eq=False)
class _WithConstant(Layer):
    """A number for each input, or fewer that numpy broadcasts to the input's shape."""

    parameters = ("value",)

    value: NDArray[Any]

    def __post_init__(self) -> None:
        self._set(value=frozen(self.value, "a constant"))

    def shape(self, *inputs: Shape) -> Shape:
        """That of the input, to which the constant is broadcast."""
        (shape,) = inputs
        try:
            fits = np.broadcast_shapes(shape, self.value.shape) == shape
        except ValueError:
            fits = False
        if not fits:
            raise InputError(f"a constant of {shown(self.value.shape)} does not spread over {shown(shape)}")
        return shape

    def _spread(self, shape: Shape) -> NDArray[Any]:
        """The constants, of shape (numbers, 1)."""
        return np.broadcast_to(self.value, shape).reshape(-1, 1)


@dataclass(frozen=True, eq=False)
class AddConstant(_WithConstant):
    """x + constant: sums of one term, the constant as their bias."""

    kind = "add constant"
    names = Names(("Add",), ("add",), ())

    def outline(self, *inputs: Shape) -> Outline:
        """One term and a bias."""
        return Outline(1, adds=True, biased=True)

    def structure(self, *inputs: Shape) -> Sums:
        """A group for each number."""
        (shape,) = inputs
        return Sums(taps([[0]]), groups=math.prod(shape), group_stride=1, bias=self._spread(shape))


@dataclass(frozen=True, eq=False)
class SubtractConstant(_WithConstant):
    """x - constant, which IEEE 754 defines as x + (-constant); ``turned``: constant - x."""

    kind = "subtract constant"
    names = Names(("Sub",), ("sub",), ("Normalization",))

    turned: bool = False

    def outline(self, *inputs: Shape) -> Outline:
        """One term and a bias."""
        return Outline(1, adds=True, biased=True)

    def structure(self, *inputs: Shape) -> Sums:
        """A group for each number; the weight -1 where it is turned."""
        (shape,) = inputs
        constants, count = self._spread(shape), math.prod(shape)
        if self.turned:
            return Sums(taps([[0]]), groups=count, group_stride=1, weight=np.full((count, 1, 1), -1.0), bias=constants)
        return Sums(taps([[0]]), groups=count, group_stride=1, bias=-constants)


@dataclass(frozen=True, eq=False)
class MultiplyConstant(_WithConstant):
    """x * constant: sums of one product."""

    kind = "multiply constant"
    names = Names(("Mul",), ("mul",), ("Rescaling",))

    def outline(self, *inputs: Shape) -> Outline:
        """One product."""
        return Outline(1, adds=True)

    def structure(self, *inputs: Shape) -> Sums:
        """A group for each number."""
        (shape,) = inputs
        return Sums(taps([[0]]), groups=math.prod(shape), group_stride=1, weight=self._spread(shape)[:, :, None])


@dataclass(frozen=True, eq=False)
class DivideConstant(_WithConstant):
    """x / constant: sums of one term, divided.  A divisor is a number in templates, too: nobody searches for one."""

    kind = "divide constant"
    names = Names(("Div",), ("div",), ("Normalization",))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.value.dtype == object or not self.value.all() or not np.isfinite(self.value).all():
            raise InputError("a divisor must be a known, finite number that is not zero")

    def map(self, function: Callable[[Any], Any]) -> Self:
        """The same layer: its divisors stay numbers."""
        return self

    def filled(self, function: Callable[[Any], float]) -> Self:
        """The same layer, whose divisors are numbers already."""
        return self

    def outline(self, *inputs: Shape) -> Outline:
        """A position for each number, one term, divided."""
        return Outline(math.prod(inputs[0]), adds=True, divisor_bits=odd_bits(self.value))

    def structure(self, *inputs: Shape) -> Sums:
        """A position for each number."""
        (shape,) = inputs
        divisor = self._spread(shape)[:, 0].astype(np.float64)
        return Sums(taps(np.arange(math.prod(shape))[:, None]), divisor=divisor)
