"""Layers as sums over gathered inputs, and the groups of their outputs that are evaluated alike."""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32, Format, holds
from fpsynth.sums.program import Program
from fpsynth.sums.restriction import restrict_program
from fpsynth.wording import counted

Integers = NDArray[np.int32]
Indices = NDArray[np.intp]
FloatArray = NDArray[np.floating]


class Padding(enum.Enum):
    """What is done with taps beyond the edge of the input; the sums agree for finite weights, up to the sign of a zero."""

    SKIPPED = "skipped"
    """They are left out: the program is restricted to the others.  Where none is left they are multiplied."""
    MULTIPLIED = "multiplied"
    """They are inputs that are +0."""


@dataclass(frozen=True, eq=False)
class LayerSums:
    """``outputs[n, p, k]``: the sum over t of ``weights[k, t] * inputs[n, gather[p, t]]``, of a bias and of addends.

    Raises InputError where shapes, programs and classes do not fit together.
    """

    gather: Integers
    """(positions, terms): which input each tap of each position reads; -1: none, it is beyond the edge."""
    weights: FloatArray
    """(channels, terms)."""
    bias: FloatArray | None
    """(channels,)."""
    programs: tuple[Program, ...]
    """How the sums are evaluated; all in one format, that of weights, inputs, bias, addends and outputs."""
    classes: Integers | None = None
    """Which program: broadcasts to (positions, channels); None: the first."""
    padding: Padding = Padding.SKIPPED

    def __post_init__(self) -> None:
        if self.gather.ndim != 2 or self.weights.ndim != 2 or self.gather.shape[1] != self.weights.shape[1]:
            raise InputError("a layer needs taps of shape (positions, terms) and weights of shape (channels, terms)")
        if self.bias is not None and self.bias.shape != (self.channels,):
            raise InputError(f"a layer of {counted(self.channels, 'channel')} needs one bias for each, or none")
        if not self.programs or len({program.format for program in self.programs}) > 1 or self.programs[0].format is None:
            raise InputError("the sum programs of a layer must all be in one format")
        for program in self.programs:
            if program.terms != self.terms or (program.bias is None) != (self.bias is None):
                raise InputError("every sum program of a layer must have its number of terms, and a bias where it has one")
        if len({len(program.leaves) for program in self.programs}) > 1:
            raise InputError("the sum programs of a layer must have equally many addends")
        if self.classes is not None and not 0 <= int(self.classes.min()) <= int(self.classes.max()) < len(self.programs):
            raise InputError("a class of outputs is no number of a sum program")

    @property
    def terms(self) -> int:
        """How many taps each sum has."""
        return int(self.weights.shape[1])

    @property
    def channels(self) -> int:
        """How many sums there are at each position."""
        return int(self.weights.shape[0])

    @property
    def positions(self) -> int:
        """At how many positions sums are taken."""
        return int(self.gather.shape[0])

    @property
    def addends(self) -> int:
        """How many addends each sum has."""
        return len(self.programs[0].leaves) - self.terms - (self.bias is not None)

    @property
    def format(self) -> Format:
        """Of all numbers that go in and come out."""
        fmt = self.programs[0].format
        assert fmt is not None
        return fmt

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """In which the outputs are held."""
        return np.dtype(np.float32 if holds(FLOAT32, self.format) else np.float64)


@dataclass(frozen=True, eq=False)
class Group:
    """Outputs at some positions and channels that one program gives, of the taps that are there."""

    number: int
    """Which of the layer's programs it is."""
    program: Program
    """It, or what is left of it."""
    taps: tuple[int, ...] | None
    """The taps of its products; None: all."""
    positions: Indices
    channels: Indices


def groups(layer: LayerSums) -> tuple[Group, ...]:
    """All outputs of a layer, each in one group."""
    classes = np.broadcast_to(0 if layer.classes is None else layer.classes, (layer.positions, layer.channels))
    there = layer.gather >= 0
    if layer.padding is Padding.MULTIPLIED:
        there = np.ones_like(there)
    there = there | ~there.any(axis=1, keepdims=True)
    alike: dict[bytes, list[int]] = {}  # np.unique over rows takes milliseconds where sums are long
    for position in range(layer.positions):
        alike.setdefault(there[position].tobytes() + classes[position].tobytes(), []).append(position)
    return tuple(
        group
        for positions in alike.values()
        for group in _of_positions(layer, np.array(positions), there[positions[0]], classes[positions[0]])
    )


def _of_positions(
    layer: LayerSums, positions: Indices, there: NDArray[np.bool_], classes: NDArray[np.int32]
) -> Iterator[Group]:
    """The groups at positions that have the same taps and classes."""
    taps = None if there.all() else tuple(int(tap) for tap in np.flatnonzero(there))
    for number in np.unique(classes):
        program = layer.programs[number]
        left = program if taps is None else _restricted(program, taps)
        yield Group(int(number), left, taps, positions, np.flatnonzero(classes == number))


@functools.lru_cache(maxsize=256)
def _restricted(program: Program, taps: tuple[int, ...]) -> Program:
    return restrict_program(program, taps, numbers=True)
