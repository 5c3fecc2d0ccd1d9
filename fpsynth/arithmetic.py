"""Arithmetics: how a network is evaluated: formats, rounding, fusing, flushing and the order of sums; REAL is one of them."""

from __future__ import annotations

from dataclasses import dataclass

from fpsynth.formats import Format
from fpsynth.orders import SEQUENTIAL, Order
from fpsynth.rounding import Rounding


@dataclass(frozen=True)
class Arithmetic:
    """One way to evaluate a layer.  ``format`` None is exact arithmetic, in which nothing else matters."""

    format: Format | None
    """Format of weights, inputs, activations and logits; None means real numbers."""
    accumulator: Format | None = None
    """Format of products and partial sums; None means the same as ``format``."""
    rounding: Rounding = Rounding.RNE
    fused: bool = False
    """A product is added to a partial sum without being rounded first.  Where two products meet, the later leaf is fused."""
    flush: bool = False
    """Subnormal operands and results become zeros of the same sign."""
    order: Order = SEQUENTIAL
    bias_first: bool = False
    """The bias starts the sum instead of ending it."""

    @property
    def sum_format(self) -> Format | None:
        """Format in which products and partial sums are rounded; None for real numbers."""
        return self.accumulator or self.format

    def __str__(self) -> str:
        if self.format is None:
            return "real"
        parts = [self.format.name]
        if self.accumulator not in (None, self.format):
            parts.append(f"accumulated in {self.accumulator}")
        parts.append(str(self.order))
        if self.fused:
            parts.append("fused")
        if self.rounding is not Rounding.RNE:
            parts.append(self.rounding.value)
        if self.flush:
            parts.append("flushed")
        if self.bias_first:
            parts.append("bias first")
        return " ".join(parts)


REAL = Arithmetic(None)
"""Exact arithmetic: what certifiers reason in."""


@dataclass(frozen=True)
class Deployment:
    """How a whole network is evaluated: a function from (layer, output position) to an arithmetic.

    A constant is the usual case; kernels of real libraries need the exceptions (tails, blocks of outputs).
    """

    default: Arithmetic
    exceptions: tuple[tuple[tuple[int, int], Arithmetic], ...] = ()
    """Pairs ((layer, output), arithmetic), layers and outputs counted from 0."""

    def at(self, layer: int, output: int) -> Arithmetic:
        """Return the arithmetic of one output position of one layer."""
        return dict(self.exceptions).get((layer, output), self.default)

    def __str__(self) -> str:
        return str(self.default) + (f" with {len(self.exceptions)} exceptions" if self.exceptions else "")
