"""Selections: ReLU and its relatives, and what stands at the end of a classifier."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fpsynth.errors import InputError
from fpsynth.networks.layers.base import Layer, Names, finite, require_shape
from fpsynth.networks.layers.structure import Outline, Selection, Shape, Taps, taps


@dataclass(frozen=True, eq=False)
class _NumberByNumber(Layer):
    """A selection of each number for itself."""

    def shape(self, *inputs: Shape) -> Shape:
        """That of the input."""
        return inputs[0]

    def outline(self, *inputs: Shape) -> Outline:
        """A position for each number."""
        return Outline(math.prod(inputs[0]))


def _each(shape: Shape) -> Taps:
    return taps(np.arange(math.prod(shape))[:, None])


@dataclass(frozen=True, eq=False)
class ReLU(_NumberByNumber):
    """max(x, 0)."""

    kind = "relu"
    names = Names(("Relu",), ("ReLU", "relu"), ("ReLU", "Activation"), tensorflow="nn.relu")
    called = True

    def structure(self, *inputs: Shape) -> Selection:
        """The larger of each number and 0."""
        return Selection(_each(inputs[0]), floor=0.0)


@dataclass(frozen=True, eq=False)
class LeakyReLU(_NumberByNumber):
    """x, and slope * x (rounded once) where x is negative."""

    kind = "leaky relu"
    names = Names(("LeakyRelu",), ("LeakyReLU", "leaky_relu"), ("LeakyReLU",))

    slope: float = 0.01

    def __post_init__(self) -> None:
        self._set(slope=finite(self.slope, "the slope of a leaky ReLU"))
        if not 0 <= self.slope <= 1:
            raise InputError(f"the slope of a leaky ReLU must be between 0 and 1, not {self.slope}")

    def structure(self, *inputs: Shape) -> Selection:
        """Each number, the negative ones multiplied."""
        return Selection(_each(inputs[0]), slope=self.slope)


@dataclass(frozen=True, eq=False)
class Clip(_NumberByNumber):
    """min(max(x, lower), upper); None leaves a side open."""

    kind = "clip"
    names = Names(("Clip",), ("Hardtanh", "ReLU6", "clamp"), ("ReLU",))

    lower: float | None = None
    upper: float | None = None

    def __post_init__(self) -> None:
        for name in ("lower", "upper"):
            if (end := getattr(self, name)) is not None:
                self._set(**{name: finite(end, f"the {name} end of a clip")})
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise InputError(f"a clip from {self.lower} to {self.upper} holds nothing")

    def structure(self, *inputs: Shape) -> Selection:
        """Each number between the ends."""
        return Selection(_each(inputs[0]), floor=self.lower, ceiling=self.upper)


@dataclass(frozen=True, eq=False)
class Argmax(Layer):
    """The class: the lowest index of the largest number along the last axis; only at the end of a network."""

    kind = "argmax"
    ending = True
    names = Names(("ArgMax",), ("argmax",), ())

    def shape(self, *inputs: Shape) -> Shape:
        """(..., classes) becomes (...,)."""
        require_shape(inputs[0], None, "argmax")
        return inputs[0][:-1]

    def outline(self, *inputs: Shape) -> Outline:
        """A position for each row."""
        return _of_rows(inputs[0])

    def structure(self, *inputs: Shape) -> Selection:
        """A position for each row."""
        return Selection(_rows(inputs[0]), rule="argmax")


@dataclass(frozen=True, eq=False)
class Softmax(Layer):
    """exp of each number over the sum of all exp, along the last axis; only at the end: exactly computed, no class changes."""

    kind = "softmax"
    ending = True
    names = Names(("Softmax",), ("Softmax", "softmax"), ("Softmax", "Activation"))

    def shape(self, *inputs: Shape) -> Shape:
        """That of the input."""
        require_shape(inputs[0], None, "softmax")
        return inputs[0]

    def outline(self, *inputs: Shape) -> Outline:
        """A position for each row."""
        return _of_rows(inputs[0])

    def structure(self, *inputs: Shape) -> Selection:
        """A position for each row."""
        return Selection(_rows(inputs[0]), rule="softmax")


def _of_rows(shape: Shape) -> Outline:
    return Outline(math.prod(shape[:-1]), shape[-1])


def _rows(shape: Shape) -> Taps:
    return taps(np.arange(math.prod(shape[:-1]))[:, None] * shape[-1], np.arange(shape[-1])[None, :])
