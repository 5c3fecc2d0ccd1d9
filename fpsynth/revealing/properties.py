"""Properties of an arithmetic beside its tree: hypotheses that are tried on a few hostile vectors, and probes of single leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from fpsynth.arithmetic import Arithmetic
from fpsynth.formats import BFLOAT16, FLOAT32, FLOAT64, TF32, Format, power_of_two
from fpsynth.orders import SEQUENTIAL, Order, Tree, fixed_order, parse_order, restrict
from fpsynth.revealing.bench import Bench, Position
from fpsynth.revealing.checking import Run, explained
from fpsynth.revealing.trees import canonical
from fpsynth.revealing.vectors import Call
from fpsynth.rounding import Rounding

_SMALL = 24
"""Calls that hypotheses are tried on."""
_LANES = (2, 4, 8, 16, 32, 64)


def placed_bias(tree: Tree, terms: int, fmt: Format) -> Arithmetic:
    """The arithmetic of a tree whose last leaf is the bias: last, first, or a leaf wherever it is."""
    bias = terms
    if tree.steps and bias in tree.steps[-1] and len(tree.steps[-1]) == 2:
        return Arithmetic(fmt, order=fixed_order(restrict(tree, range(terms))[0]) if terms > 1 else SEQUENTIAL)
    partners = next((step for step in tree.steps if bias in step), ())
    if len(partners) == 2:
        (start,) = (node for node in partners if node != bias)
        if start < terms:
            without = canonical(restrict(tree, range(terms))[0], first=start)
            if without.steps[0][0] == start:
                return Arithmetic(fmt, order=fixed_order(without), bias_first=True)
    return Arithmetic(fmt, order=fixed_order(tree), bias_leaf=True)


def named(how: Arithmetic, terms: int) -> Arithmetic:
    """The same arithmetic with a family's name for its order where one has the same tree."""
    if how.bias_leaf or how.order.fixed is None:
        return how
    wanted = how.order.fixed
    if terms < 3:
        return replace(how, order=SEQUENTIAL) if not how.bias_first or terms == 1 else how
    for order in _families():
        tree = order.tree(terms)
        if how.bias_first and tree.steps[0][0] != wanted.steps[0][0]:
            continue
        if canonical(tree) == canonical(wanted):
            return replace(how, order=order)
    return how


def _families() -> Iterator[Order]:
    names = ["sequential", "pairwise", "reverse", "numpy"]
    names += [f"{family}:{k}" for family in ("lanes", "strided", "blocked", "pairwise") for k in _LANES]
    for name in names:
        yield parse_order(name)


def hypotheses(plain: Arithmetic, weighted: bool) -> Iterator[Arithmetic]:
    """What the arithmetic may be beside its tree, the commonest first."""
    fmt = plain.format
    assert fmt is not None
    accumulators: list[Format | None] = [None]
    if fmt.bits < 32:
        accumulators = [FLOAT32, None]
    elif fmt == FLOAT32:
        accumulators = [None, FLOAT64]
    for flush in (False, True):
        for accumulator in accumulators:
            for fused in (False, True) if weighted else (False,):
                yield replace(plain, accumulator=accumulator, fused=fused, flush=flush)
            if accumulator is not None and weighted:
                yield replace(plain, accumulator=accumulator, products=fmt, flush=flush)
    if fmt == FLOAT32 and weighted:
        for operands in (TF32, BFLOAT16):
            for fused in (False, True):
                yield replace(plain, operands=operands, fused=fused)
    for mode in (Rounding.RTZ, Rounding.RTN, Rounding.RTP, Rounding.RNA):
        for accumulator in accumulators:
            yield replace(plain, accumulator=accumulator, rounding=mode)


def completed(bench: Bench, plain: Arithmetic, tried: Sequence[Run], positions: Sequence[Position]) -> Arithmetic:
    """The hypothesis that explains the vectors; where none does, the best one with leaves that were probed one by one."""
    few = tried[:_SMALL]
    total = len(few) * len(positions)
    weighted = bench.shape.weighted
    best, most = plain, -1
    for how in hypotheses(plain, weighted):
        count = explained(how, few, positions)
        if count > most:
            best, most = how, count
        if count == total:
            return how
    if weighted:
        for flush in (False, True):
            probed = replace(best, fused=True, flush=flush, rounded=())
            probed = replace(probed, rounded=rounded_leaves(bench, probed, positions[0]))
            if explained(probed, few, positions) > most:
                return probed
    return best


def rounded_leaves(bench: Bench, how: Arithmetic, position: Position) -> tuple[int, ...]:
    """The leaves whose products are rounded before they are added, one probe for each leaf.

    With h half the precision of the sums, (1 + 2**-h)**2 - (1 + 2**(1-h)) is 2**(-2h) where the product is exact when it is
    added, and 0 where it has been rounded.  Of two products that meet the later one is fused by convention: the other one then
    need not be named.
    """
    fmt = how.sum_format
    assert fmt is not None
    shape, (row, output) = bench.shape, position
    half = fmt.precision // 2 + 1
    factor = 1 + float(power_of_two(-half))
    near = 1 + float(power_of_two(1 - half))
    tree = how.order.tree(shape.terms + (how.bias_leaf and shape.bias))
    lowest = list(range(tree.leaves))
    for step in tree.steps:
        lowest.append(min(lowest[node] for node in step))
    partner: dict[int, list[int]] = {}
    for step in tree.steps:
        for node in step:
            if node < shape.terms:
                partner[node] = [lowest[other] for other in step if other != node]
    rounded = set()
    for leaf in range(shape.terms):
        others = [other for other in partner.get(leaf, []) if other < shape.terms]
        if not others:
            continue
        rows, weights = np.zeros((shape.batch, shape.terms)), np.ones((shape.outputs, shape.terms))
        rows[row, leaf], rows[row, others[0]] = factor, -near
        weights[output, leaf] = factor
        bias = np.zeros(shape.outputs) if shape.bias else None
        if bench.run(Call(rows, weights, bias))[row, output] == 0:
            rounded.add(leaf)
    for step in tree.steps:
        if len(step) == 2 and all(node < shape.terms for node in step) and max(step) not in rounded:
            rounded.discard(min(step))
    return tuple(sorted(rounded))
