"""Network and its layers: dense layers with ReLU between them and none after the last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from fpsynth.errors import InputError

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Dense(Generic[T]):
    """y = W x + b.  ``weight`` has one row per output; ``bias`` is None for a layer without one."""

    weight: tuple[tuple[T, ...], ...]
    bias: tuple[T, ...] | None = None

    def __post_init__(self) -> None:
        if not self.weight or not self.weight[0] or any(len(row) != len(self.weight[0]) for row in self.weight):
            raise InputError("a layer's weight must be a non-empty rectangle of numbers")
        if self.bias is not None and len(self.bias) != len(self.weight):
            raise InputError(f"a layer with {len(self.weight)} outputs has a bias of {len(self.bias)} numbers")

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return len(self.weight[0])

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return len(self.weight)


@dataclass(frozen=True)
class Network(Generic[T]):
    """A feed-forward ReLU network over entries of type T: float once it is known, Expression while it is searched for.

    Every format of fpsynth is a subset of float64, so a known network holds Python floats.
    """

    layers: tuple[Dense[T], ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise InputError("a network needs at least one layer")
        for before, after in zip(self.layers, self.layers[1:], strict=False):
            if before.outputs != after.inputs:
                raise InputError(f"a layer with {before.outputs} outputs is followed by one with {after.inputs} inputs")

    @property
    def shape(self) -> tuple[int, ...]:
        """(inputs, hidden widths..., outputs)."""
        return (self.layers[0].inputs, *(layer.outputs for layer in self.layers))

    def entries(self) -> Iterator[T]:
        """All weights and biases, layer by layer, row by row, each layer's bias after its weight."""
        for layer in self.layers:
            for row in layer.weight:
                yield from row
            yield from layer.bias or ()

    def map(self, function: Callable[[T], U]) -> Network[U]:
        """The same network with every weight and bias replaced by ``function`` of it."""
        return Network(
            tuple(
                Dense(
                    tuple(tuple(function(entry) for entry in row) for row in layer.weight),
                    None if layer.bias is None else tuple(function(entry) for entry in layer.bias),
                )
                for layer in self.layers
            )
        )
