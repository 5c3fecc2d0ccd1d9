"""Properties of an arithmetic beside its tree: hypotheses tried on a few hostile vectors, and probes of single leaves."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from fpsynth.arithmetic import Arithmetic
from fpsynth.formats import BFLOAT16, FLOAT32, FLOAT64, TF32, Format, power_of_two
from fpsynth.orders import SEQUENTIAL, Order, Tree, fixed_order, parse_order, restrict
from fpsynth.revealing.bench import Bench, Position, Spread
from fpsynth.revealing.checking import Answers, explained
from fpsynth.revealing.trees import canonical
from fpsynth.rounding import Rounding

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
    sought = canonical(wanted)
    for order in _families():
        if how.bias_first and order.tree(terms).steps[0][0] != wanted.steps[0][0]:
            continue
        if _canonical(order, terms) == sought:
            return replace(how, order=order)
    return how


@lru_cache(maxsize=64)
def _canonical(order: Order, terms: int) -> Tree:
    return canonical(order.tree(terms))


def _families() -> Iterator[Order]:
    names = ["sequential", "pairwise", "reverse"]
    names += [f"{family}:{k}" for family in ("lanes", "strided", "blocked", "pairwise") for k in _LANES]
    for name in [*names, "numpy"]:
        yield parse_order(name)


def guessed(fmt: Format, terms: int, few: Answers) -> Arithmetic:
    """The best of the named orders, for sums that the probes do not see: with directed rounding nothing swallows all."""
    modes = (Rounding.RNE, Rounding.RTZ, Rounding.RTN, Rounding.RTP)
    tried = [Arithmetic(fmt, order=order, rounding=mode) for mode in modes for order in _families()]
    best = max(tried, key=lambda how: explained(how, few))
    return replace(best, rounding=Rounding.RNE)


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


def completed(bench: Bench, plain: Arithmetic, few: Answers, positions: Sequence[Position]) -> tuple[Arithmetic, int]:
    """The hypothesis that explains a few vectors, and how many were tried; where none explains all of them, the best.

    The last hypotheses are those whose leaves were probed one by one.
    """
    best, most, tried = plain, -1, 0
    for how in itertools.chain(hypotheses(plain, bench.shape.weighted), _probed(bench, plain, positions)):
        tried += 1
        count = explained(how, few)
        if count > most:
            best, most = how, count
        if count == len(few):
            break
    return best, tried


def _probed(bench: Bench, plain: Arithmetic, positions: Sequence[Position]) -> Iterator[Arithmetic]:
    """Arithmetics in which some products are fused and others are not, with and without flushing."""
    if not bench.shape.weighted:
        return
    fused = replace(plain, fused=True)
    fused = replace(fused, rounded=rounded_leaves(bench, fused, positions))
    yield fused
    yield replace(fused, flush=True)


def rounded_leaves(bench: Bench, how: Arithmetic, positions: Sequence[Position]) -> tuple[int, ...]:
    """The leaves whose products are rounded before they are added, one probe for each leaf.

    With h half the precision of the sums, (1 + 2**-h)**2 - (1 + 2**(1-h)) is 2**(-2h) where the product is exact when it is
    added, and 0 where it has been rounded.  Of two products that meet the later one is fused by convention: the other one then
    need not be named.
    """
    fmt = how.sum_format
    assert fmt is not None
    terms = bench.shape.terms
    half = fmt.precision // 2 + 1
    factor, near = 1 + float(power_of_two(-half)), 1 + float(power_of_two(1 - half))
    spread = Spread(bench, positions, 1.0)
    tree = how.order.tree(terms + (how.bias_leaf and bench.shape.bias))
    rounded: set[int] = set()
    for probes in _together(_partners(tree, terms, how.bias_first and bench.shape.bias), terms, spread.width):
        own, shared, bias = np.zeros((len(probes), terms)), np.zeros(terms), np.zeros(len(probes))
        for number, (leaf, other) in enumerate(probes):
            own[number, leaf] = shared[leaf] = factor
            if other == terms:
                bias[number] = -near
            else:
                own[number, other], shared[other] = -near, 1.0
        results = spread.call(own, shared, bias)
        rounded.update(leaf for (leaf, _), result in zip(probes, results, strict=True) if result == 0)
    for number, step in enumerate(tree.steps):
        starts = number == 0 and how.bias_first and bench.shape.bias  # with the bias: its first product is fused onto that
        if len(step) == 2 and all(node < terms for node in step) and max(step) not in rounded and not starts:
            rounded.discard(min(step))
    return tuple(sorted(rounded))


def _partners(tree: Tree, terms: int, bias_first: bool) -> list[tuple[int, int]]:
    """For each product a leaf of what it is added to; the leaf ``terms`` is the bias."""
    lowest = list(range(tree.leaves))
    partner: dict[int, int] = {}
    for step in tree.steps:
        lowest.append(min(lowest[node] for node in step))
        for node in step:
            if node < terms:
                partner[node] = min(lowest[other] for other in step if other != node)
    if bias_first:
        partner[tree.steps[0][0] if tree.steps else 0] = terms
    return sorted(partner.items())


def _together(probes: list[tuple[int, int]], terms: int, width: int) -> Iterator[list[tuple[int, int]]]:
    """Probes that can share a call: no leaf is probed in the one and a partner in the other; a bias has a call to itself."""
    yield from ([probe] for probe in probes if width == 1 or probe[1] == terms)
    left = [] if width == 1 else [probe for probe in probes if probe[1] < terms]
    while left:
        chosen: list[tuple[int, int]] = []
        leaves: set[int] = set()
        others: set[int] = set()
        later = []
        for leaf, other in left:
            if len(chosen) < width and leaf not in others and other not in leaves:
                chosen.append((leaf, other))
                leaves.add(leaf)
                others.add(other)
            else:
                later.append((leaf, other))
        yield chosen
        left = later
