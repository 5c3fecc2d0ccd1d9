"""The closed form: -omega, omega and 1 in three terms that two orders join differently, and small additions to it.

Where an order adds omega and -omega first, 1 survives; where it adds 1 to either of them first, 1 is rounded away.  Which of
the three is which, the scale and the signs are enumerated; so are single rounded products, for arithmetics that differ in
something other than the order.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from fpsynth.synthesis.flips.active import Triple, precisions, triples
from fpsynth.synthesis.flips.columns import Bench, Columns
from fpsynth.synthesis.flips.factors import Factors, Pair
from fpsynth.synthesis.flips.question import FlipQuestion

Products = dict[int, tuple[Fraction, int]]
"""For each active term its product, factor * 2**exponent."""
SMALL = (Fraction(1), Fraction(3, 4), Fraction(1, 2))
EXTRA_TERMS = 48
"""So many other terms are tried as a fourth one."""


def closed_forms(question: FlipQuestion, seed: int) -> Iterator[tuple[Bench, Columns]]:
    """Batches of candidates of three active terms, then of four: a flip with opposite signs needs four.

    Whether fl(fl(i+j)+k) < 0 < fl(i+fl(j+k)): rounding is monotonic, so the real sum would have to be below and above zero.
    """
    factors = Factors(question)
    top = factors.top()
    if factors.idle is None or top is None:
        return
    scales = list(dict.fromkeys(p for p in (*(min(p, top) for p in precisions(question)), top, min(top, 0))))
    chosen = triples(question, seed)
    if not chosen:
        return
    basic = [p for triple in chosen for p in _three(question, triple, scales)]
    yield from _batched(question, factors, basic)
    rng = random.Random(seed)
    for triple in chosen:
        extended = [p for p in _three(question, triple, scales[:2], SMALL[:1]) for p in _with_fourth(question, p, rng)]
        yield from _batched(question, factors, extended)


def _three(
    question: FlipQuestion, triple: Triple, scales: Sequence[int], small: Sequence[Fraction] = SMALL
) -> Iterator[Products]:
    for scale, precision, sign, factor in itertools.product(scales, precisions(question), (-1, 1), small):
        for i, j, k in itertools.permutations(triple):
            yield {
                i: (Fraction(-sign), scale),
                j: (Fraction(sign), scale),
                k: (sign * factor, scale - precision),
            }


def _with_fourth(question: FlipQuestion, products: Products, rng: random.Random) -> Iterator[Products]:
    """A half of the small one, of the other sign, in a further term: it decides where the small one is lost."""
    others = [leaf for leaf in range(question.terms) if leaf not in products]
    factor, exponent = min(products.values(), key=lambda product: product[1])
    for leaf in rng.sample(others, min(EXTRA_TERMS // 4, len(others))):
        yield {**products, leaf: (-factor / 2, exponent)}


def _batched(question: FlipQuestion, factors: Factors, candidates: Sequence[Products]) -> Iterator[tuple[Bench, Columns]]:
    made = [(products, made) for products in candidates if (made := _made(factors, products)) is not None]
    size = 4096
    for start in range(0, len(made), size):
        part = made[start : start + size]
        active = sorted({leaf for products, _ in part for leaf in products})
        yield Bench(question, active), _columns(question, factors, active, [pairs for _, pairs in part])


def _made(factors: Factors, products: Products) -> dict[int, Pair] | None:
    pairs: dict[int, Pair] = {}
    for leaf, (factor, exponent) in products.items():
        pair = factors.pair(factor, exponent)
        if pair is None:
            return None
        pairs[leaf] = pair
    return pairs


def _columns(question: FlipQuestion, factors: Factors, active: Sequence[int], chosen: Sequence[dict[int, Pair]]) -> Columns:
    """One column for each choice; of two classes the other one gets half of the least product, in the same term."""
    assert factors.idle is not None
    place = {leaf: position for position, leaf in enumerate(active)}
    weights = np.full((question.outputs, len(active), len(chosen)), factors.idle[0])
    inputs = np.full((len(active), len(chosen)), factors.idle[1])
    for column, pairs in enumerate(chosen):
        for leaf, (w, x) in pairs.items():
            weights[0, place[leaf], column], inputs[place[leaf], column] = w, x
        if question.outputs == 2:
            least = min(pairs, key=lambda leaf: abs(pairs[leaf][0] * pairs[leaf][1]))
            weights[1, :, column] = 0.0
            weights[1, place[least], column] = pairs[least][0] / 2
    return Columns(weights, inputs)
