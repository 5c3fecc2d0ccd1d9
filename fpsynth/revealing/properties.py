"""What a tree means: the place of the bias, the name of the order, and the leaves whose products are rounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from fpsynth.formats import FLOAT32, Format, power_of_two
from fpsynth.orders import SEQUENTIAL, Order, Tree, fixed_order, name_with_bias, names_of, parse_order, restrict
from fpsynth.revealing.bench import KernelBench, Position, Spread
from fpsynth.revealing.trees import canonical
from fpsynth.sums.arithmetic import Arithmetic

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
    """The same arithmetic with a name for its order where one has the same tree (see ``fpsynth.orders.naming``)."""
    if how.given is not None or how.order.fixed is None:
        return how
    wanted = how.order.fixed
    if how.bias_leaf:
        found = name_with_bias(wanted)
        return how if found is None else replace(how, order=found)
    if terms < 3:
        return replace(how, order=SEQUENTIAL) if not how.bias_first or terms == 1 else how
    for order in names_of(wanted):
        if not how.bias_first or order.tree(terms).steps[0][0] == wanted.steps[0][0]:
            return replace(how, order=order)
    return how


def families(most: int = 2) -> Iterator[Order]:
    """The named orders whose steps add at most so many nodes."""
    names = ["sequential", "pairwise", "reverse"]
    names += [f"{family}:{k}" for family in ("lanes", "strided", "blocked", "pairwise") for k in _LANES]
    grouped = [f"groups:{k}" for k in (most - 1, most)]  # a group and the sum so far; or the only group that there is
    for name in grouped if most > 2 else [*names, "numpy"]:
        yield parse_order(name)


def rounded_leaves(bench: KernelBench, how: Arithmetic, positions: Sequence[Position]) -> tuple[int, ...]:
    """The leaves whose products are rounded before they are added, one probe for each leaf.

    See ``_probe``.  Of two products that meet the later one is fused by convention: the other one then need not be named.
    """
    probe = _probe(how)
    if probe is None:
        return ()
    factor, near = probe
    terms = bench.shape.terms
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
        rounded.update(
            leaf for (leaf, _), result in zip(probes, results, strict=True) if result == 0 or not np.isfinite(result)
        )
    for number, step in enumerate(tree.steps):
        starts = number == 0 and how.bias_first and bench.shape.bias  # with the bias: its first product is fused onto that
        if len(step) == 2 and max(step) < terms and max(step) not in rounded and not starts:
            rounded.discard(min(step))
    return tuple(sorted(rounded))


def _probe(how: Arithmetic) -> tuple[float, float] | None:
    """A factor and a number such that its square less the number shows whether the square has been rounded before.

    With h half the precision of the sums, (1 + 2**-h)**2 - (1 + 2**(1-h)) is 2**(-2h) where the product is exact when it is
    added, and 0 where it has been rounded.  Where factors have too few bits for that, products are exact but for their
    exponents: the square is twice the largest power of two, which is infinite once it is rounded, and less half of it is finite
    where it is not.  None where neither can be: then no rounding of a product changes a number.
    """
    factors, wide = how.operands or how.format, how.sum_format
    assert factors is not None
    assert wide is not None
    half = wide.precision // 2 + 1
    if factors.precision > half:
        return 1 + float(power_of_two(-half)), 1 + float(power_of_two(1 - half))
    return _largest(wide) if wide.emax <= factors.emax else None


def products_exact(how: Arithmetic) -> bool:
    """Whether single-precision accumulators hold every product of the format but for its exponents, which may be too large."""
    return how.format is not None and _probe(replace(how, accumulator=FLOAT32)) == _largest(FLOAT32)


def _largest(wide: Format) -> tuple[float, float]:
    return float(power_of_two((wide.emax + 1) // 2)), float(power_of_two(wide.emax))


def products_that_meet(tree: Tree, terms: int) -> list[tuple[int, int]]:
    """The pairs of products, the earlier leaf first, that a step of two adds."""
    return [(min(step), max(step)) for step in tree.steps if len(step) == 2 and max(step) < terms]


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
