"""The layer type negate: every number with the other sign."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fpsynth.networks.layers.base import Layer, Names
from fpsynth.networks.layers.structure import Shape, Sums, taps


@dataclass(frozen=True, eq=False)
class Negate(Layer):
    """-x."""

    kind = "negate"
    names = Names(("Neg",), ("neg",), arrays="negative", tensorflow="negative")
    called = True

    def shape(self, *inputs: Shape) -> Shape:
        """That of the input."""
        return inputs[0]

    def structure(self, *inputs: Shape) -> Sums:
        """A group for each number, and the weight -1."""
        count = math.prod(inputs[0])
        return Sums(taps([[0]]), groups=count, group_stride=1, weight=np.full((count, 1, 1), -1.0))
