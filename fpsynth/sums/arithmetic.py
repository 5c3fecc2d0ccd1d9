"""Arithmetics: how a network is evaluated: formats, rounding, fusing, flushing and the order of sums; REAL is one of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from fpsynth.alignment import Alignment
from fpsynth.formats import Format
from fpsynth.orders import SEQUENTIAL, Order
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums.program import Program, Round
from fpsynth.sums.words import but_for, program_in_words
from fpsynth.wording import counted


@dataclass(frozen=True)
class Arithmetic:
    """One way to evaluate a layer.  ``format`` None is exact arithmetic, in which nothing else matters."""

    format: Format | None
    """Format of weights, inputs, activations and logits; None means real numbers."""
    accumulator: Format | None = None
    """Format of products and partial sums; None means the same as ``format``.

    Where it does not hold every number of ``format``, weights and inputs are rounded into it before they are multiplied.
    """
    rounding: Rounding = Rounding.RNE
    fused: bool = False
    """A product is added to a partial sum without being rounded first.

    Where two products meet, the later leaf is fused onto the other, which is rounded; but where the later one is among
    ``rounded`` it is the other way round.
    """
    flush: Flush = Flush.NEVER
    """Whether subnormal operands and tiny results become zeros of the same sign; steps that align decide after rounding."""
    order: Order = SEQUENTIAL
    bias_first: bool = False
    """The bias starts the sum instead of ending it."""
    rounded: tuple[int, ...] = ()
    """Leaves whose products are rounded all the same where ``fused`` is set: many kernels treat the ends of a sum otherwise,
    and some take the second product of a pair first."""
    operands: Format | None = None
    """Format into which weights and inputs are rounded to nearest even before they are multiplied (TF32); None: as they are."""
    products: Format | None = None
    """Format that a product is rounded into before it enters a wider accumulator; None: it is rounded there only."""
    bias_leaf: bool = False
    """The order has one leaf more than there are products, the last: the bias, wherever in the sum that is."""
    operand_rounding: Rounding = Rounding.RNE
    """How weights and inputs are rounded into ``operands``."""
    alignment: Alignment | None = None
    """How a step that adds fused products does so, whatever their number: in one aligned sum.  None: exactly, or with an FMA.

    It needs ``fused``: a step that adds at least one product that is not among ``rounded`` aligns all its operands, and every
    such product is exact until then; steps without one are ordinary additions.
    """

    given: Program | None = None
    """The sum program of one number of terms, which says everything: of the other fields only ``format`` counts then."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "flush", Flush(self.flush))  # files and callers may say true or false

    @property
    def sum_format(self) -> Format | None:
        """Format in which products and partial sums are rounded; None for real numbers."""
        return self.accumulator or self.format

    @property
    def unit(self) -> Round | None:
        """How an operation beside the sums rounds and flushes: ReLU, a quotient, the product of a slope; None for REAL."""
        if self.format is None:
            return None
        if self.given is None:
            return Round(self.format, self.rounding, self.flush)
        last = self.given.result or (self.given.steps[-1].rounds if self.given.steps else self.given.leaves[0].rounds)
        return Round(self.format, last[-1].mode, self.given.flush)

    @property
    def flushes(self) -> bool:
        """Whether ReLU, which comes after the sum, reads subnormal numbers as zeros."""
        return self.unit is not None and bool(self.unit.flush)

    @property
    def needs_bias(self) -> bool:
        """Whether its order places a bias, so that no sum without one has it.  A given program does without."""
        return self.given is None and self.bias_leaf

    def __str__(self) -> str:
        if self.format is None:
            return "real"
        if self.given is not None:
            return program_in_words(self.given)
        parts = [self.format.name]
        if self.operands is not None:
            mode = "" if self.operand_rounding is Rounding.RNE else f" {self.operand_rounding.value}"
            parts.append(f"operands rounded to {self.operands}{mode}")
        if self.accumulator not in (None, self.format):
            parts.append(f"accumulated in {self.accumulator}")
        if self.products is not None:
            parts.append(f"products rounded to {self.products}")
        order = str(self.order)
        parts.append(order if len(order) <= 80 else f"a tree of {counted(len(order.split(',')), 'leaf', 'leaves')}")
        if self.order.bias:
            parts.append(f"({self.order.bias_in_words})")
        if self.fused:
            parts.append("fused" + but_for(self.rounded))
        if self.alignment is not None:
            parts.append(f"({self.alignment})")
        if self.rounding is not Rounding.RNE:
            parts.append(self.rounding.value)
        if self.flush:
            parts.append("flushed (unbounded exponent)" if self.flush is Flush.UNBOUNDED else "flushed")
        if self.bias_first:
            parts.append("bias first")
        return " ".join(parts)


REAL = Arithmetic(None)
"""Exact arithmetic: what certifiers reason in."""


@dataclass(frozen=True)
class Deployment:
    """How a whole network is evaluated: a function from (layer, output position) to an arithmetic.

    A constant is the usual case; kernels of real libraries need one for each layer, and exceptions (tails, blocks of outputs).
    """

    default: Arithmetic
    exceptions: tuple[tuple[tuple[int, int], Arithmetic], ...] = ()
    """Pairs ((layer, output), arithmetic): layers that add and their flat output positions, counted from 0."""
    layers: tuple[tuple[int, Arithmetic], ...] = ()
    """Pairs (layer, arithmetic) of layers whose outputs have another arithmetic than the default, exceptions apart."""

    @cached_property
    def _table(self) -> dict[tuple[int, int], Arithmetic]:
        return dict(self.exceptions)

    @cached_property
    def _layers(self) -> dict[int, Arithmetic]:
        return dict(self.layers)

    def of_layer(self, layer: int) -> Arithmetic:
        """The arithmetic of a layer's outputs, exceptions apart."""
        return self._layers.get(layer, self.default)

    def at(self, layer: int, output: int) -> Arithmetic:
        """Return the arithmetic of one output position of one layer."""
        return self._table.get((layer, output)) or self.of_layer(layer)

    def __str__(self) -> str:
        count = len(self.exceptions) + len(self.layers)
        return str(self.default) + (f" with {counted(count, 'exception')}" if count else "")
