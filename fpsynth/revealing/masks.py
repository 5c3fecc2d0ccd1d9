"""Masks: what FPRev's probes are made of, and the tree that they give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fpsynth.formats import Format, power_of_two
from fpsynth.orders import Tree
from fpsynth.revealing.bench import Bench, Position, Spread
from fpsynth.revealing.trees import Inconsistent, Pair, find_tree

_CELLS = 1 << 22
"""Numbers of probes made at a time."""


@dataclass(frozen=True)
class Mask:
    """A huge number and a small one: whatever is added to the huge one is lost, small ones are added up exactly."""

    big: float
    unit: float
    factor: float
    """The other operand of each product."""

    @property
    def worth(self) -> float:
        """The product of a unit."""
        return self.unit * self.factor


def masks(fmt: Format) -> Iterator[Mask]:
    """Masks for a format, the most general first.

    Where the format is wide, 1 and its largest power of two; else the least subnormal number, which even a wide accumulator
    loses beside the largest power of two; and, lest subnormals are flushed, the least normal one, first with a larger factor
    (for a wide accumulator), then without (for a narrow one, in which the other would overflow).
    """
    top = float(power_of_two(fmt.emax))
    if fmt.emax > 3 * fmt.precision:
        yield Mask(top, 1.0, 1.0)
    else:
        yield Mask(top, float(fmt.min_subnormal), 1.0)
        factor = float(power_of_two(-fmt.emin))
        yield Mask(top, float(fmt.min_normal), factor)
        yield Mask(top, float(fmt.min_normal), 1.0)


def tree_of(bench: Bench, positions: Sequence[Position]) -> Tree:
    """The tree of the sums at ``positions``, which share one arithmetic; the bias, if any, is the last leaf.

    Raises Inconsistent where the probes are those of no tree.
    """
    failure = Inconsistent("no mask fits the format")
    for mask in masks(bench.kernel.dtype):
        try:
            return _tree(bench, positions, mask)
        except Inconsistent as error:
            failure = error
    raise failure


def _tree(bench: Bench, positions: Sequence[Position], mask: Mask) -> Tree:
    leaves = bench.shape.terms + bench.shape.bias
    spread = Spread(bench, positions, mask.factor)
    capacity = 1 << bench.kernel.dtype.precision  # larger counts are not exact in the result's format
    parts = [range(start, min(start + capacity, leaves)) for start in range(0, leaves, capacity)]

    if mask.unit < bench.kernel.dtype.min_normal:  # lost altogether where subnormals are flushed
        for part in parts:
            if _seen(spread, mask, leaves, part, [])[0] != len(part):
                raise Inconsistent("the units of the probes do not add up")

    def lost(pairs: Sequence[Pair]) -> list[int]:
        counts = np.full(len(pairs), leaves)
        for part in parts:
            size = max(1, _CELLS // leaves)
            for start in range(0, len(pairs), size):
                chunk = pairs[start : start + size]
                counts[start : start + len(chunk)] -= _seen(spread, mask, leaves, part, chunk)
        return [int(count) for count in counts]

    return find_tree(leaves, lost)[0]


def _seen(spread: Spread, mask: Mask, leaves: int, part: range, pairs: Sequence[Pair]) -> np.ndarray:
    """How many units of ``part`` reach the result of each probe; of one without huge numbers where there are no pairs."""
    summands = np.zeros((max(len(pairs), 1), leaves))
    summands[:, part.start : part.stop] = mask.unit
    if spread.bench.shape.bias:  # the bias is no product
        summands[:, -1] *= mask.factor
    each = np.arange(len(pairs))
    first, second = np.array(pairs, np.intp).reshape(-1, 2).T
    for place, sign in ((first, 1.0), (second, -1.0)):
        summands[each, place] = sign * mask.big
        if spread.bench.shape.bias and mask.factor != 1:
            is_bias = place == leaves - 1
            summands[each[is_bias], -1] = sign * mask.big
    counts = spread.sums(summands) / mask.worth
    if not np.all((counts >= 0) & (counts <= leaves) & (counts == np.rint(counts))):
        raise Inconsistent("a probe gives what no tree of exact small sums gives")
    return counts.astype(np.int64)
