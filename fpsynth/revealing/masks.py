"""Masks: what FPRev's probes are made of, and the tree that they give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fpsynth.aliases import Array
from fpsynth.formats import Format, power_of_two
from fpsynth.orders import Tree
from fpsynth.revealing.bench import KernelBench, Position, Spread
from fpsynth.revealing.trees import Inconsistent, Probe, find_tree

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


def tree_of(bench: KernelBench, positions: Sequence[Position], flat: bool = False) -> Tree:
    """The tree of the sums at ``positions``, which share one arithmetic; the bias, if any, is the last leaf.

    ``flat`` is explained at ``find_tree``.  Raises Inconsistent where the probes are those of no tree.
    """
    failure = Inconsistent("no mask fits the format")
    for mask in masks(bench.kernel.dtype):
        try:
            return _Masked(bench, positions, mask).tree(flat)
        except Inconsistent as error:
            failure = error
    raise failure


class _Masked:
    """The probes of one mask at positions that act alike."""

    def __init__(self, bench: KernelBench, positions: Sequence[Position], mask: Mask) -> None:
        self.bench, self.mask, self.spread = bench, mask, Spread(bench, positions, mask.factor)
        self.leaves = bench.shape.terms + bench.shape.bias
        capacity = 1 << bench.kernel.dtype.precision  # larger counts are not exact in the result's format
        self.parts = [slice(start, min(start + capacity, self.leaves)) for start in range(0, self.leaves, capacity)]

    def tree(self, flat: bool) -> Tree:
        """The tree.  Raises Inconsistent."""
        if self.mask.unit < self.bench.kernel.dtype.min_normal:  # lost altogether where subnormals are flushed
            for part in self.parts:
                if self._seen([], part)[0] != part.stop - part.start:
                    raise Inconsistent("the units of the probes do not add up")
        return find_tree(self.leaves, self._lost, flat)[0]

    def _lost(self, probes: Sequence[Probe]) -> list[int]:
        counts = np.empty(len(probes), np.int64)
        alone = np.array([probe.only is not None for probe in probes], bool)
        whole, single = np.flatnonzero(~alone), np.flatnonzero(alone)
        counts[whole], counts[single] = self.leaves, 3
        for chosen in self._pieces(whole):
            asked = [probes[k] for k in chosen]
            for part in self.parts:
                counts[chosen] -= self._seen(asked, part)
        for chosen in self._pieces(single):
            counts[chosen] -= self._seen([probes[k] for k in chosen], None)
        return [int(count) for count in counts]

    def _pieces(self, chosen: Array) -> Iterator[Array]:
        size = max(1, _CELLS // self.leaves)
        return (chosen[start : start + size] for start in range(0, len(chosen), size))

    def _seen(self, probes: Sequence[Probe], part: slice | None) -> Array:
        """How many units reach the result of each probe; of one without huge numbers where there are no probes.

        The units stand at the leaves of ``part``; with None, at the one that each probe names.
        """
        mask, leaves, bias = self.mask, self.leaves, self.bench.shape.bias
        summands = np.zeros((max(len(probes), 1), leaves))
        each = np.arange(len(probes))
        if part is None:
            summands[each, np.array([probe.only for probe in probes], np.intp)] = mask.unit
        else:
            summands[:, part] = mask.unit
        if bias:  # it is no product
            summands[:, -1] *= mask.factor
        for place, sign in ((0, 1.0), (1, -1.0)):
            places = np.array([probe[place] for probe in probes], np.intp)
            summands[each, places] = sign * mask.big
        counts = self.spread.sums(summands) / mask.worth
        if not np.all((counts >= 0) & (counts <= leaves) & (counts == np.rint(counts))):
            raise Inconsistent("a probe gives what no tree of exact small sums gives")
        return counts.astype(np.int64)
