"""Batch normalisation, with its parameters as they are: nothing is folded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.networks.layers.base import Layer, Names, finite, frozen, require_shape
from fpsynth.networks.layers.structure import ROOT_BITS, Normalisation, Outline, Shape, Sums, taps


@dataclass(frozen=True, eq=False)
class BatchNormalisation(Layer):
    """y = scale (x - mean) / sqrt(variance + epsilon) + shift for each channel of (channels, ...).

    In exact arithmetic (REAL) it is this real number, which is irrational unless variance + epsilon is the square of a
    rational: evaluators/enclosing.py encloses it.  How a library computes it, it does not say: fold it first, a rewrite.
    """

    kind = "batch normalisation"
    names = Names(("BatchNormalization",), ("BatchNorm1d", "BatchNorm2d"), ("BatchNormalization",))
    parameters = ("mean", "variance", "scale", "shift")

    mean: NDArray[Any]
    """Each of the four: (channels,)."""
    variance: NDArray[Any]
    scale: NDArray[Any]
    shift: NDArray[Any]
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        self._set(**{name: frozen(getattr(self, name), f"a batch normalisation's {name}", 1) for name in self.parameters})
        sizes = {len(array) for array in self.arrays()}
        if len(sizes) != 1:
            raise InputError("mean, variance, scale and shift of a batch normalisation must be of one length")
        self._set(epsilon=finite(self.epsilon, "epsilon"))
        if self.known and not all(np.isfinite(array).all() for array in self.arrays()):
            raise InputError("a batch normalisation holds numbers that are not finite")
        if self.variance.dtype != object and not (self.variance.astype(np.float64) + self.epsilon > 0).all():
            raise InputError("the variance of a batch normalisation plus epsilon must be above 0")

    def shape(self, *inputs: Shape) -> Shape:
        """That of the input."""
        (shape,) = inputs
        require_shape(shape, None, "a batch normalisation")
        if shape[0] != len(self.mean):
            raise InputError(f"it normalises {len(self.mean)} channels, but {shape[0]} come in")
        return shape

    def outline(self, *inputs: Shape) -> Outline:
        """A position for each number of a channel, a term, and what follows."""
        return Outline(math.prod(inputs[0][1:]), adds=True, divisor_bits=ROOT_BITS * inputs[0][0])

    def structure(self, *inputs: Shape) -> Sums:
        """A group for each channel; sums of one term each, then the normalisation."""
        ((channels, *sizes),) = inputs
        plane = math.prod(sizes)
        normalisation = Normalisation(self.mean, self.variance, self.scale, self.shift, self.epsilon)
        read = taps(np.arange(plane)[:, None])
        return Sums(read, groups=channels, group_stride=plane, normalisation=normalisation)


@dataclass(frozen=True, eq=False)
class Affine(Layer):
    """y = scale x + shift for each channel of (channels, ...): a product and a bias, which an arithmetic fuses or not.

    No format has it: it is what a batch normalisation is computed as (see ``networks.rewrites``).
    """

    kind = "affine"
    names = Names()
    parameters = ("scale", "shift")

    scale: NDArray[Any]
    """Both: (channels,)."""
    shift: NDArray[Any]

    def __post_init__(self) -> None:
        self._set(**{name: frozen(getattr(self, name), f"the {name} of an affine layer", 1) for name in self.parameters})
        if len(self.scale) != len(self.shift):
            raise InputError("scale and shift of an affine layer must be of one length")

    def shape(self, *inputs: Shape) -> Shape:
        """That of the input."""
        (shape,) = inputs
        require_shape(shape, None, "an affine layer")
        if shape[0] != len(self.scale):
            raise InputError(f"it scales {len(self.scale)} channels, but {shape[0]} come in")
        return shape

    def outline(self, *inputs: Shape) -> Outline:
        """A position for each number of a channel, a product and a bias."""
        return Outline(math.prod(inputs[0][1:]), adds=True, biased=True)

    def structure(self, *inputs: Shape) -> Sums:
        """A group for each channel; sums of one product and a bias."""
        ((channels, *sizes),) = inputs
        plane = math.prod(sizes)
        read = taps(np.arange(plane)[:, None])
        weight, bias = self.scale.reshape(channels, 1, 1), self.shift.reshape(channels, 1)
        return Sums(read, groups=channels, group_stride=plane, weight=weight, bias=bias)
