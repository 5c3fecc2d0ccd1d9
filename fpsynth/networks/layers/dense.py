"""Dense: y = W x + b along the last axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.networks.layers.base import Layer, Names, frozen, require_shape, sized
from fpsynth.networks.layers.structure import Outline, Shape, Sums, taps


@dataclass(frozen=True, eq=False, init=False)
class Dense(Layer):
    """y = W x + b for each row x along the last axis of an input (..., inputs); the output is (..., outputs)."""

    kind = "dense"
    names = Names(("Gemm", "MatMul"), ("Linear",), ("Dense",))
    parameters = ("weight", "bias")

    weight: NDArray[Any]
    """(outputs, inputs)."""
    bias: NDArray[Any] | None
    """(outputs,), or None."""

    def __init__(self, weight: Any, bias: Any = None) -> None:
        """From anything that numpy makes arrays of, or nested sequences of a template's objects."""
        rows = frozen(weight, "a layer's weight", 2)
        numbers = None if bias is None else frozen(bias, "a layer's bias", 1)
        if numbers is not None and len(numbers) != len(rows):
            raise InputError(f"a layer with {len(rows)} outputs has a bias of {len(numbers)} numbers")
        self._set(weight=rows, bias=numbers)

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return int(self.weight.shape[1])

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return int(self.weight.shape[0])

    def shape(self, *inputs: Shape) -> Shape:
        """(..., inputs) becomes (..., outputs)."""
        (shape,) = inputs
        require_shape(shape, None, "a dense layer")
        if shape[-1] != self.inputs:
            raise InputError(f"it has {self.inputs} inputs, but {shape[-1]} come in")
        return sized((*shape[:-1], self.outputs))

    def outline(self, *inputs: Shape) -> Outline:
        """A position for each row, a term for each input."""
        return Outline(math.prod(inputs[0][:-1]), self.inputs, True, self.bias is not None)

    def structure(self, *inputs: Shape) -> Sums:
        """One position for each row, one class for each output."""
        (shape,) = inputs
        rows = np.arange(math.prod(shape[:-1])) * self.inputs
        read = taps(rows[:, None], np.arange(self.inputs)[None, :])
        bias = None if self.bias is None else self.bias[None]
        return Sums(read, classes=self.outputs, weight=self.weight[None], bias=bias, classes_last=True)
