"""Absorption: summands that order b loses one by one against a large one, while order a adds them up among themselves.

A large leaf omega near the root of a is added to the sum of all others: the interval of a is narrow, and ELINA's widening is
paid for a few additions only.  So it is where omega at i and -omega at j meet early in a and cancel.  Where the way of omega
to the root (or to -omega) is long in b, each subtree that joins it on the way may bring a summand of half an ulp of omega that
is rounded away.  So for any order a some order b, in which the large summands come first, is outside, and sorting does not help
(Szasz, Banhelyi, Jelasity, "No Soundness in the Real World", ICML 2025).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, zip_longest

from fpsynth.formats import floor_log2, power_of_two
from fpsynth.orders.comparing import differences
from fpsynth.orders.tree import Tree
from fpsynth.rounding import Rounding, from_fraction, representable
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Program
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.intervals.question import IntervalQuestion

MAX_PAIRS = 600
"""Pairs of leaves that meet early in a, of which the way in b is looked at."""
BEST = 6
"""Of each kind so many are tried, those with the longest way in b."""
MAX_SINGLE = 64
"""Leaves near the root of a, of which the way in b is looked at."""
_COST = 2
"""What a product with omega, or an addition of it, costs with ELINA's widening, in half ulps of omega."""
NOWHERE = -1
"""In place of j: there is no -omega."""

Layer = tuple[list[float], list[float]]
"""Weights and point."""


def candidates(question: IntervalQuestion, seed: int) -> Iterator[Layer]:
    """Yield weights and points that may be an answer, the more promising first; none where no term may be zero."""
    zero = question.zero_term
    deployed = program_of(question.deployed, question.terms)
    if zero is None or deployed.format is None or question.terms < 3:
        return
    a, b = program_of(question.reference, question.terms).tree, deployed.tree
    shapes = _shapes(deployed)
    directed = any(one.mode in (Rounding.RTP, Rounding.RTN) for one in deployed.roundings)
    factors = _Factors(question)
    for i, j, near_i, near_j in _ways(a, b, question.widening, seed):
        for small in dict.fromkeys((near_i + near_j, near_i, near_j)):
            for omega, little in shapes if small else ():
                for sign in (1, -1):
                    products = {i: sign * omega} | dict.fromkeys(small, sign * little)
                    if j != NOWHERE:
                        products[j] = -sign * omega
                    found = factors.of(frozenset(products.values()))
                    if found is None:
                        continue
                    weights, point = [zero[0]] * question.terms, [zero[1]] * question.terms
                    for leaf, value in products.items():
                        weights[leaf], point[leaf] = found[value]
                    yield weights, point
                    if not directed:
                        break  # the mirror image is rounded alike


def _shapes(program: Program) -> list[tuple[Fraction, Fraction]]:
    """What omega and the summands that it absorbs may be, for every precision in which the program rounds a sum."""
    least = max((align.fraction_bits + 1 for align in program.alignments), default=0)
    exponents = sorted({max(fmt.precision, least) for fmt in program.sum_formats}, reverse=True)
    powers = [power_of_two(exponent) for exponent in exponents]
    return [
        shape
        for large in powers
        for shape in [(large + 4, Fraction(1)), (large, Fraction(1)), (large + 4, Fraction(3, 4)), (large, Fraction(3, 2))]
    ]


def _ways(a: Tree, b: Tree, widening: str, seed: int) -> Iterator[tuple[int, int, tuple[int, ...], tuple[int, ...]]]:
    """Leaves i and j, and leaves that join the way from each of them to where they meet in b."""
    if not widening:
        for triple in differences(a, b, BEST, seed):  # a adds i and j up first, b j and k: k is lost on the way of j
            if not triple.a_fused and not triple.b_fused:
                yield triple.i, triple.j, (), (triple.k,)
    above_a, above_b = a.parents(), b.parents()

    def ranked(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int, tuple[int, ...], tuple[int, ...]]]:
        """The pairs with the most to lose on the way in b, less what a pays on its own way."""
        entries = []
        for i, j in pairs:
            near_i, near_j = _joining(b, above_b, i, j)
            steps = len(_way(above_a, i, j)) + (2 + len(_way(above_a, j, i)) if j != NOWHERE else 1)
            entries.append((len(near_i) + len(near_j) - (_COST * steps if widening else 0), i, j, near_i, near_j))
        entries.sort(key=lambda entry: -entry[0])
        return [entry[1:] for entry in entries[:BEST]]

    singles = ranked([(leaf, NOWHERE) for leaf in _shallow(a, above_a)])
    pairs = ranked(_meeting_early(a, seed))
    for group in zip_longest(singles, pairs):
        yield from filter(None, group)


def _shallow(tree: Tree, above: Sequence[int]) -> list[int]:
    """The leaves nearest to the root."""
    depth = [0] * (tree.root + 1)
    for node in range(tree.root - 1, -1, -1):
        depth[node] = depth[above[node]] + 1
    return sorted(range(tree.leaves), key=depth.__getitem__)[:MAX_SINGLE]


def _meeting_early(tree: Tree, seed: int) -> list[tuple[int, int]]:
    """Pairs of leaves that are added up in one step or in two that follow each other."""
    found: list[tuple[int, int]] = []
    for step in tree.steps:
        leaves = [node for node in step if node < tree.leaves]
        below = [leaf for node in step if node >= tree.leaves for leaf in tree.steps[node - tree.leaves] if leaf < tree.leaves]
        found += combinations(leaves[:4], 2)
        found += [(i, j) for i in leaves[:4] for j in below[:4]]
    if len(found) <= MAX_PAIRS:
        return found
    return found[:8] + random.Random(seed).sample(found[8:], MAX_PAIRS - 8)


def _way(above: Sequence[int], leaf: int, other: int) -> list[int]:
    """The nodes above ``leaf`` and below where it meets ``other``, from the leaf on; up to the root where that is NOWHERE."""
    beyond = {NOWHERE}
    node = other
    while node >= 0:
        beyond.add(node)
        node = above[node]
    way = []
    node = above[leaf]
    while node not in beyond:
        way.append(node)
        node = above[node]
    return way


def _joining(tree: Tree, above: Sequence[int], i: int, j: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A leaf of each subtree that joins the way from i, or from j, to where the two meet."""

    def joining(leaf: int, other: int) -> tuple[int, ...]:
        found, come_from = [], leaf
        for node in _way(above, leaf, other):
            step = tree.steps[node - tree.leaves]
            found.append(_some_leaf(tree, next(operand for operand in step if operand != come_from)))
            come_from = node
        return tuple(found)

    return joining(i, j), () if j == NOWHERE else joining(j, i)


def _some_leaf(tree: Tree, node: int) -> int:
    while node >= tree.leaves:
        node = tree.steps[node - tree.leaves][0]
    return node


class _Factors:
    """Weights and inputs within the ranges that have given products, up to one power of two for all of them."""

    def __init__(self, question: IntervalQuestion) -> None:
        self.question = question
        self.known: dict[frozenset[Fraction], dict[Fraction, tuple[float, float]] | None] = {}

    def of(self, products: frozenset[Fraction]) -> dict[Fraction, tuple[float, float]] | None:
        """A weight and an input for each product; None where the ranges hold none."""
        if products not in self.known:
            self.known[products] = self._scaled(products)
        return self.known[products]

    def _scaled(self, products: frozenset[Fraction]) -> dict[Fraction, tuple[float, float]] | None:
        largest = max(map(abs, products))
        reach = self.question.weights.magnitude * self.question.inputs.magnitude
        if not reach:
            return None
        top = floor_log2(reach / largest)
        start = top if self.question.maximise else min(top, -floor_log2(largest))
        for exponent in range(start, start - 64, -1):
            found: dict[Fraction, tuple[float, float]] = {}
            for product in products:
                factors = self._split(product * power_of_two(exponent))
                if factors is None:
                    break
                found[product] = factors
            else:
                return found
        return None

    def _split(self, product: Fraction) -> tuple[float, float] | None:
        """A weight and an input with this product, the input 1 if that may be and else a power of two."""
        least = -floor_log2(self.question.weights.magnitude / abs(product))
        for x in (Fraction(1), *(sign * power_of_two(least + k) for k in range(64) for sign in (1, -1))):
            if self._fits(x, self.question.inputs) and self._fits(product / x, self.question.weights):
                return float(product / x), float(x)
        return None

    def _fits(self, number: Fraction, interval: Interval) -> bool:
        return interval.lower <= number <= interval.upper and representable(from_fraction(number), self.question.format)
