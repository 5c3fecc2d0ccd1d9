"""Arithmetics: how a network is evaluated: formats, rounding, fusing, flushing and the order of sums; REAL is one of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.orders import SEQUENTIAL, Order, fixed_order, restrict
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
    rounded: tuple[int, ...] = ()
    """Leaves whose products are rounded all the same where ``fused`` is set: kernels often treat the ends of a sum otherwise."""
    operands: Format | None = None
    """Format into which weights and inputs are rounded, to nearest even, before they are multiplied (TF32); None: as they are."""
    bias_leaf: bool = False
    """The order has one leaf more than there are products, the last: the bias, wherever in the sum that is."""

    @property
    def sum_format(self) -> Format | None:
        """Format in which products and partial sums are rounded; None for real numbers."""
        return self.accumulator or self.format

    def __str__(self) -> str:
        if self.format is None:
            return "real"
        parts = [self.format.name]
        if self.operands is not None:
            parts.append(f"operands rounded to {self.operands}")
        if self.accumulator not in (None, self.format):
            parts.append(f"accumulated in {self.accumulator}")
        order = str(self.order)
        parts.append(order if len(order) <= 80 else f"a tree of {len(order.split(','))} leaves")
        if self.fused:
            parts.append(f"fused but for {len(self.rounded)} products" if self.rounded else "fused")
        if self.rounding is not Rounding.RNE:
            parts.append(self.rounding.value)
        if self.flush:
            parts.append("flushed")
        if self.bias_first:
            parts.append("bias first")
        return " ".join(parts)


REAL = Arithmetic(None)
"""Exact arithmetic: what certifiers reason in."""


def restricted(how: Arithmetic, terms: int, active: Iterable[int]) -> Arithmetic:
    """The arithmetic of what is left of a sum of ``terms`` products when only the ``active`` ones are not zero.

    Its leaf k stands for the k-th active leaf in ascending order.  Adding a zero is exact, so it gives the same numbers (the
    sign of a zero apart).  A fused product whose partner is zero is rounded by that very addition, and so counts as rounded.
    A bias must be zero, or come last.  Raises InputError where no product is active, and for a bias leaf.
    """
    if how.bias_leaf:
        raise InputError("an arithmetic whose order holds the bias cannot be restricted to some products")
    if how.format is None:
        return how
    tree = how.order.tree(terms)
    small, kept = restrict(tree, active)
    rounded: list[int] = []
    if how.fused:
        present = set(kept)
        parents = tree.parents()
        alive = bytearray(tree.leaves + len(tree.steps))
        for leaf in kept:
            alive[leaf] = 1
        for position, step in enumerate(tree.steps):
            alive[tree.leaves + position] = any(alive[node] for node in step)
        for k, leaf in enumerate(kept):
            above = parents[leaf]
            partners = [node for node in tree.steps[above - tree.leaves] if node != leaf] if above >= 0 else []
            meets = any(alive[node] for node in partners)
            if leaf in how.rounded or not meets or _first_of_two(how, leaf, partners, present):
                rounded.append(k)
    return replace(how, order=fixed_order(small), rounded=tuple(rounded))


def _first_of_two(how: Arithmetic, leaf: int, partners: list[int], present: set[int]) -> bool:
    """Whether the leaf meets one other active leaf that is fused in its stead: of two that may be, the later one is."""
    return len(partners) == 1 and partners[0] in present and partners[0] not in how.rounded and partners[0] > leaf


@dataclass(frozen=True)
class Deployment:
    """How a whole network is evaluated: a function from (layer, output position) to an arithmetic.

    A constant is the usual case; kernels of real libraries need the exceptions (tails, blocks of outputs).
    """

    default: Arithmetic
    exceptions: tuple[tuple[tuple[int, int], Arithmetic], ...] = ()
    """Pairs ((layer, output), arithmetic), layers and outputs counted from 0."""

    @cached_property
    def _table(self) -> dict[tuple[int, int], Arithmetic]:
        return dict(self.exceptions)

    def at(self, layer: int, output: int) -> Arithmetic:
        """Return the arithmetic of one output position of one layer."""
        return self._table.get((layer, output), self.default)

    def __str__(self) -> str:
        return str(self.default) + (f" with {len(self.exceptions)} exceptions" if self.exceptions else "")
