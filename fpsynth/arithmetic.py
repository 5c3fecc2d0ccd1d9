"""Arithmetics: how a network is evaluated: formats, rounding, fusing, flushing and the order of sums; REAL is one of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.orders import SEQUENTIAL, Order, Tree, fixed_order, restrict
from fpsynth.rounding import Flush, Rounding
from fpsynth.wording import counted, noun

_NAMED_LEAVES = 4
"""Products that are named one by one."""


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "flush", Flush(self.flush))  # files and callers may say true or false

    @property
    def sum_format(self) -> Format | None:
        """Format in which products and partial sums are rounded; None for real numbers."""
        return self.accumulator or self.format

    def __str__(self) -> str:
        if self.format is None:
            return "real"
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
            parts.append("fused" + _but_for(self.rounded))
        if self.alignment is not None:
            parts.append(f"({self.alignment})")
        if self.rounding is not Rounding.RNE:
            parts.append(self.rounding.value)
        if self.flush:
            parts.append("flushed (unbounded exponent)" if self.flush is Flush.UNBOUNDED else "flushed")
        if self.bias_first:
            parts.append("bias first")
        return " ".join(parts)


def _but_for(leaves: tuple[int, ...]) -> str:
    """Which products are not fused, in words: by number where they are few."""
    if not leaves:
        return ""
    few = f"{noun(len(leaves), 'product')} {', '.join(map(str, leaves))}"
    return f" but for {few if len(leaves) <= _NAMED_LEAVES else counted(len(leaves), 'product')}"


REAL = Arithmetic(None)
"""Exact arithmetic: what certifiers reason in."""


def holds(wide: Format, narrow: Format) -> bool:
    """Whether every value of ``narrow``, infinities included, is a value of ``wide``."""
    finite = wide.precision >= narrow.precision and wide.lsb_min <= narrow.lsb_min and wide.max_finite >= narrow.max_finite
    return finite and (wide.has_infinity or not narrow.has_infinity)


def restricted(how: Arithmetic, terms: int, active: Iterable[int]) -> Arithmetic:
    """The arithmetic of what is left of a sum of ``terms`` products when only the ``active`` ones are not zero.

    Its leaf k stands for the k-th active leaf in ascending order.  Adding a zero is exact, so it gives the same numbers (the
    sign of a zero apart).  A fused product whose partner is zero is rounded by that very addition, and so counts as rounded.
    There must be no bias, or it must come last: one that comes first, even a zero, takes part in the rounding of the leaf it
    starts at, and which leaf of a fused pair is rounded then differs.  And nothing may overflow, of which steps of more than
    two nodes make NaN, but the step that is left of one an infinity; nor underflow where a step aligns.  Raises InputError
    where no product is active, for a bias leaf, where a fused step of more than two nodes would be left with two unrounded
    products, which an ordinary fused addition cannot take, where a step that aligns would be left with partial sums alone,
    or with one operand that it does not leave as it is, and where a product that an addition rounds is not one that is rounded
    by itself: products may have a format of their own, and what aligns and flushes reads numbers in another one.
    """
    if how.bias_leaf:
        raise InputError("an arithmetic whose order holds the bias cannot be restricted to some products")
    if how.format is None:
        return how
    tree = how.order.tree(terms)
    small, kept = restrict(tree, active)
    rounded = _rounded_in(how, tree, kept) if how.fused else []
    if how.products is not None and any(kept[leaf] not in how.rounded for leaf in rounded):
        raise InputError("fused products that have a format of their own cannot be restricted to some of them")
    plain = how.operands is None and holds(how.sum_format or how.format, how.format)
    if how.alignment is not None and how.flush and not plain:
        raise InputError("a sum that aligns and flushes numbers of another format cannot be restricted to some products")
    return replace(how, order=fixed_order(small), rounded=tuple(rounded))


def _rounded_in(how: Arithmetic, tree: Tree, kept: tuple[int, ...]) -> list[int]:
    """Positions among the ``kept`` leaves of those whose products are rounded when the other leaves are zero."""
    alive = bytearray(tree.leaves + len(tree.steps))
    for leaf in kept:
        alive[leaf] = 1
    exact: set[int] = set()
    rounded = frozenset(how.rounded)
    for node, step in enumerate(tree.steps, tree.leaves):
        present = [operand for operand in step if alive[operand]]
        alive[node] = bool(present)
        if not present:
            continue
        fusible = [operand for operand in present if operand < tree.leaves and operand not in rounded]
        if how.alignment is not None:
            if any(operand < tree.leaves and operand not in rounded for operand in step):
                _require_alike(how, present, fusible)
            exact.update(fusible if len(present) > 1 else ())
        elif len(present) > 1:
            if len(fusible) == len(present) == 2 < len(step):
                pair = f"the products {fusible[0]} and {fusible[1]}"
                raise InputError(f"a fused step of {len(step)} nodes cannot be restricted to {pair}")
            exact.update([max(fusible)] if len(step) == 2 and fusible else fusible)
    return [k for k, leaf in enumerate(kept) if leaf not in exact]


def _require_alike(how: Arithmetic, present: list[int], fusible: list[int]) -> None:
    """Raise InputError where what is left of a step that aligns is another operation, or one that changes a lone operand."""
    align, factors, wide = how.alignment, how.operands or how.format, how.sum_format
    assert align is not None
    assert factors is not None
    assert wide is not None
    if len(present) > 1:
        if not fusible:
            raise InputError("a step that aligns cannot be restricted to partial sums")
        return
    last = None if align.least_exponent is None else align.least_exponent - align.fraction_bits
    keeps = align.keeps(factors, wide) and (last is None or last <= min(wide.lsb_min, 2 * factors.lsb_min))
    exact = how.products is None and (2 * factors.precision <= wide.precision or align.rounding is how.rounding)
    if not keeps or (fusible and not exact):
        raise InputError("a step that aligns cannot be restricted to one operand, which it changes")


@dataclass(frozen=True)
class Deployment:
    """How a whole network is evaluated: a function from (layer, output position) to an arithmetic.

    A constant is the usual case; kernels of real libraries need the exceptions (tails, blocks of outputs).
    """

    default: Arithmetic
    exceptions: tuple[tuple[tuple[int, int], Arithmetic], ...] = ()
    """Pairs ((layer, output), arithmetic): layers are a network's nodes that add (``Graph.sums``), outputs flat positions."""

    @cached_property
    def _table(self) -> dict[tuple[int, int], Arithmetic]:
        return dict(self.exceptions)

    def at(self, layer: int, output: int) -> Arithmetic:
        """Return the arithmetic of one layer, counted from 0 among those that add, at one flat output position of it."""
        return self._table.get((layer, output), self.default)

    def __str__(self) -> str:
        return str(self.default) + (f" with {counted(len(self.exceptions), 'exception')}" if self.exceptions else "")
