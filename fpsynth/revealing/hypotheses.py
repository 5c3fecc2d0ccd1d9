"""What an arithmetic may be beside its tree: few hypotheses, measured where that can be done, tried on hostile vectors."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.orders import Tree
from fpsynth.revealing.alignments import measured_alignment, measured_operands
from fpsynth.revealing.bench import KernelBench, Position
from fpsynth.revealing.checking import Answers, explained
from fpsynth.revealing.flushing import measured_flush
from fpsynth.revealing.programs import WORDS, further_programs
from fpsynth.revealing.properties import families, products_exact, products_that_meet, rounded_leaves
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums.arithmetic import Arithmetic

_ORDINARY = (
    "fused and rounded products, flushing of subnormals (tiny after rounding, or with unbounded exponent), wider accumulators,"
    " the other rounding modes, products fused leaf by leaf, and either product of a pair fused onto the other"
)

_NEAR = 12
"""Hypotheses near which programs are tried where none explains everything."""
_GUESSED, _LEAST_GUESSED = 1 << 17, 24
"""Products of the vectors that orders are guessed from, and how many vectors these are at least."""


@dataclass(frozen=True)
class Best:
    """The hypothesis that explains most."""

    arithmetic: Arithmetic
    tried: int
    """How many were tried."""
    words: str
    """What they were."""


def guessed(fmt: Format, terms: int, few: Answers) -> Arithmetic:
    """The best of the named orders, for sums that the probes do not see: with directed rounding nothing swallows all."""
    modes = (Rounding.RNE, Rounding.RTZ, Rounding.RTN, Rounding.RTP)
    few = few.take(np.arange(min(len(few), max(_LEAST_GUESSED, _GUESSED // terms))))
    tried = [Arithmetic(fmt, order=order, rounding=mode) for mode in modes for order in families()]
    best = max(tried, key=lambda how: explained(how, few))
    return replace(best, rounding=Rounding.RNE)


def hypotheses(plain: Arithmetic, weighted: bool, flushes: Sequence[Flush] = tuple(Flush)) -> Iterator[Arithmetic]:
    """What the arithmetic may be beside its tree where no step aligns, the commonest first."""
    fmt = plain.format
    assert fmt is not None
    accumulators = _wider(fmt)
    for flush in flushes:
        for accumulator in accumulators:
            for fused in (False, True) if weighted else (False,):
                yield replace(plain, accumulator=accumulator, fused=fused, flush=flush)
            if accumulator is not None and weighted:
                yield replace(plain, accumulator=accumulator, products=fmt, flush=flush)
    for mode in (Rounding.RTZ, Rounding.RTN, Rounding.RTP, Rounding.RNA):
        for accumulator in accumulators:
            yield replace(plain, accumulator=accumulator, rounding=mode)


def _wider(fmt: Format) -> tuple[Format | None, ...]:
    """Accumulators of ordinary sums, the commonest first."""
    return (FLOAT32, None) if fmt.bits < 32 else (None, FLOAT64) if fmt == FLOAT32 else (None,)


def _flushes(bench: KernelBench, positions: Sequence[Position], pairs: Sequence[tuple[int, int]]) -> tuple[Flush, ...]:
    """How tiny results may be flushed: what was measured, then the others, the commonest first."""
    measured = measured_flush(bench, positions, pairs)
    return tuple(sorted((Flush.NEVER, Flush.UNBOUNDED, Flush.ROUNDED), key=lambda kind: kind != measured))


def completed(bench: KernelBench, plain: Arithmetic, few: Answers, positions: Sequence[Position]) -> Best:
    """The hypothesis that explains a few vectors; where none explains all of them, the best.

    Operands that are rounded, bits that aligned steps keep and leaves whose products are rounded are measured at ``positions``.
    Where no rule explains all, programs near those that explain most are tried.
    """
    search = _Search(bench, plain, positions)
    counts: dict[Arithmetic, int] = {}
    for how in itertools.chain(search.candidates(), search.further(counts)):
        counts[how] = explained(how, few)
        if counts[how] == len(few):
            break
    best = max(counts, key=counts.__getitem__)
    return Best(best, len(counts), "; ".join(search.words))


class _Search:
    """The hypotheses of one kernel, and what was tried in words."""

    def __init__(self, bench: KernelBench, plain: Arithmetic, positions: Sequence[Position]) -> None:
        self.bench, self.plain, self.positions = bench, plain, positions
        self.words: list[str] = []

    def candidates(self) -> Iterator[Arithmetic]:
        """Steps that add more than two nodes and lose what aligning loses are aligned; anything else, the commonest first."""
        bench, plain = self.bench, self.plain
        operands = measured_operands(bench, self.positions)
        if operands is not None:
            plain = replace(plain, operands=operands.format, operand_rounding=operands.rounding)
            self.words.append(f"operands rounded to {operands.format} ({operands.rounding.value}), as was measured")
        tree = plain.order.tree(bench.shape.terms + (plain.bias_leaf and bench.shape.bias))
        wide = any(len(step) > 2 for step in tree.steps)
        early = bench.shape.weighted and (wide or (bench.shape.terms == 2 and bench.kernel.dtype.bits < 32))
        if early:
            aligned = list(self._aligned(plain, tree))
            yield from aligned
            if aligned and wide:
                return
        self.words.append(_ORDINARY)
        flushes = _flushes(bench, self.positions, products_that_meet(tree, bench.shape.terms))
        exact = bench.shape.weighted and products_exact(plain)
        if exact:  # vectors show too seldom which products are fused: it is measured first
            yield from self._leaf_by_leaf(plain, flushes)
        yield from hypotheses(plain, bench.shape.weighted, flushes)
        if bench.shape.weighted:
            if not exact:
                yield from self._leaf_by_leaf(plain, flushes)
            yield from self._earlier_fused(plain, tree, flushes)
            if not early:
                yield from self._aligned(plain, tree)

    def further(self, counts: Mapping[Arithmetic, int]) -> Iterator[Arithmetic]:
        """Programs near the hypotheses that explained most, in the order in which these did."""
        self.words.append(WORDS)
        ranked = sorted(counts, key=counts.__getitem__, reverse=True)
        for how in ranked[:_NEAR]:
            yield from further_programs(how, self.bench.shape.terms, self.bench.shape.bias)

    def _leaf_by_leaf(self, plain: Arithmetic, flushes: Sequence[Flush]) -> Iterator[Arithmetic]:
        """Some products are fused and others are not, as measured."""
        fmt, terms = plain.format, self.bench.shape.terms
        assert fmt is not None
        for accumulator in _wider(fmt):
            fused = replace(plain, accumulator=accumulator, fused=True)
            rounded = rounded_leaves(self.bench, fused, self.positions)
            for flush in flushes if len(rounded) < terms else ():
                yield replace(fused, rounded=rounded, flush=flush)

    def _earlier_fused(self, plain: Arithmetic, tree: Tree, flushes: Sequence[Flush]) -> Iterator[Arithmetic]:
        """Of each pair of products that meet the earlier one is fused onto the later: a guess, for what cannot be measured."""
        fmt, pairs = plain.format, products_that_meet(tree, self.bench.shape.terms)
        assert fmt is not None
        rounded = tuple(sorted(later for _, later in pairs))
        for accumulator in _wider(fmt) if pairs else ():
            for flush in flushes:
                yield replace(plain, accumulator=accumulator, fused=True, rounded=rounded, flush=flush)

    def _aligned(self, plain: Arithmetic, tree: Tree) -> Iterator[Arithmetic]:
        """Aligned sums that keep as many bits as were measured; steps of two may be ordinary all the same."""
        alignment = measured_alignment(self.bench, self.positions, tree)
        if alignment is None:
            return
        self.words.append(
            f"sums aligned to {alignment.fraction_bits} bits, as was measured, rounded toward zero or to nearest even into each"
            " accumulator, with the products of steps of two fused or rounded"
        )
        terms = self.bench.shape.terms
        tails = tuple(sorted(node for step in tree.steps if len(step) == 2 for node in step if node < terms))
        for rounded in ((), tails) if tails and len(tails) < terms else ((),):
            for accumulator, mode in _accumulators(plain.format):
                how = replace(alignment, rounding=mode)
                yield replace(plain, accumulator=accumulator, fused=True, rounded=rounded, alignment=how)


def _accumulators(fmt: Format | None) -> Iterator[tuple[Format | None, Rounding]]:
    """Accumulators of aligned sums and how they are rounded; tensor cores' first."""
    wide = FLOAT32 if fmt is not None and fmt.bits < 32 else None
    yield wide, Rounding.RTZ
    if fmt == FLOAT16:
        yield None, Rounding.RNE
    yield wide, Rounding.RNE
    if fmt == FLOAT16:
        yield None, Rounding.RTZ
