"""Sums that are aligned: what is called the same or impossible withstands all assignments of small formats."""

from __future__ import annotations

import functools
import itertools
import random
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from aligned_arithmetics import groups, tensor_core

from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.evaluators.bit_patterns import from_index, grid
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, TF32, Format
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import Tree, fixed_order, parse_order
from fpsynth.predicates import Predicate
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.sums.building import program_of, restricted
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.flips import FlipQuestion
from fpsynth.synthesis.flips.arithmetics import same
from fpsynth.synthesis.flips.structure import impossible
from fpsynth.witness.data import View
from fpsynth.witness.prediction import predicted_logits

SMALL, WIDER = Format("small", 4, 3), Format("wider", 5, 8)
TREES = (((0, 1, 2),), ((0, 1), (3, 2)), ((1, 2), (0, 3)))
"""Three terms in one step, and the last or the first of them on its own."""
RANGES = (("1/2", "1"), ("-1/64", "1/64"), ("-2", "-1"), ("-1/128", "1/32"), ("1", "4"), ("1/4", "1/2"))
INPUTS = ("3/4", "7/8")
"""Two numbers."""
MODES = tuple(Rounding)


def question(
    *hows: Arithmetic, terms: int, predicate: Predicate, weights: tuple[str, str], inputs: tuple[str, str], fmt: Format
):
    names, roles = ("a", "b", "silent1"), ("reference", "deployed", "silent")
    views = tuple(View(n, n, r, Deployment(how)) for n, r, how in zip(names, roles, hows, strict=False))
    domains = [Interval(*map(Fraction, ends)) for ends in (weights, inputs)]
    return FlipQuestion("order", fmt, terms, predicate, views, *domains)


def numbers(fmt: Format, ends: tuple[str, str]) -> np.ndarray:
    low, high = grid(fmt, *map(Fraction, ends))
    return from_index(np.arange(low, high + 1), fmt)


@functools.cache
def every_product(low: str, high: str, terms: int) -> tuple[np.ndarray, np.ndarray]:
    """All assignments of weights in a range and of inputs: (assignments, terms) each."""
    pairs = np.array(list(itertools.product(numbers(SMALL, (low, high)), numbers(SMALL, INPUTS))))
    chosen = np.stack([axis.ravel() for axis in np.meshgrid(*[np.arange(len(pairs))] * terms)], axis=1)
    return pairs[chosen, 0], pairs[chosen, 1]


def drawn(rng: random.Random, fmt: Format) -> Arithmetic:
    """Some arithmetic of three terms, often an aligned one."""
    how = Arithmetic(
        rng.choice((fmt, WIDER)),
        accumulator=rng.choice((None, WIDER)),
        rounding=rng.choice(MODES),
        fused=rng.random() < 0.8,
        flush=(Flush.ROUNDED, Flush.UNBOUNDED, *[Flush.NEVER] * 18)[int(20 * rng.random())],
        order=fixed_order(Tree(3, rng.choice(TREES))),
        rounded=rng.choice(((), (), (0,), (1, 2))),
        operands=rng.choice((None, None, None, Format("coarse", 4, 2))),
        operand_rounding=rng.choice(MODES),
    )
    if not how.fused or rng.random() < 0.3:
        return how
    least = rng.choice((None, None, None, -4, 4))
    return replace(how, alignment=Alignment(rng.choice((1, 2, 4, 8)), rng.choice(MODES), rng.choice(MODES), least))


def changed(rng: random.Random, how: Arithmetic) -> Arithmetic:
    """Another arithmetic, or one that differs in a single thing."""
    kind = rng.randrange(6)
    if kind < 3:
        return drawn(rng, SMALL)
    if kind == 3:
        return replace(how, order=fixed_order(Tree(3, rng.choice(TREES))))
    if kind == 4 and how.alignment is not None:
        return replace(how, alignment=replace(how.alignment, cut=rng.choice(MODES), rounding=rng.choice(MODES)))
    return replace(how, operand_rounding=rng.choice(MODES))


def refuted(asked: FlipQuestion) -> bool:
    """Whether some assignment is a solution all the same."""
    w, x = every_product(str(asked.weights.lower), str(asked.weights.upper), asked.terms)
    a, b = (sum_of_products(view.deployment.default, w, x) for view in asked.views[:2])
    fine = np.isfinite(a) & np.isfinite(b)
    a, b = a[fine], b[fine]
    match asked.predicate.kind:
        case "relu":
            return bool(((a < 0) & (b > 0)).any())
        case "sign":
            return bool(((a > 0) != (b > 0)).any())
    return bool((np.abs(a - b) >= float(asked.predicate.bound)).any())


def test_no_claim_of_impossible_is_refuted_by_all_assignments_of_a_small_format() -> None:
    rng, claims, open_, solved = random.Random(0), Counter(), 0, 0
    for _ in range(800):
        a = drawn(rng, SMALL)
        b = changed(rng, a)
        bound = Fraction(rng.choice((1, 2, 4, 8, 16, 32, 64)), 16)
        ranges = rng.choice(RANGES)
        predicate = rng.choice((Predicate("sign"), Predicate("relu"), *[Predicate("gap", bound=bound)] * 2))
        asked = question(a, b, terms=3, predicate=predicate, weights=ranges, inputs=INPUTS, fmt=SMALL)
        proof = impossible(asked)
        if proof is None:
            open_ += 1
            solved += open_ <= 40 and refuted(asked)
            continue
        claims[proof.statement.split(" ")[0], a.alignment is not None or b.alignment is not None] += 1
        assert not refuted(asked), f"{proof.statement}: {a} against {b}, {predicate}, weights {asked.weights}"
    assert claims["both", True] >= 10, claims  # the same expression
    assert claims["every", True] >= 10, claims  # products of one sign
    assert claims["no", True] >= 10, claims  # a gap beyond all errors
    assert claims["both", False] >= 10, claims
    assert solved >= 10, "what is left open has solutions often, or the ranges would be too narrow to refute anything"


@pytest.mark.parametrize("fmt", [FLOAT16, FLOAT32])
def test_a_gap_beyond_what_alignment_drops_is_refuted_and_one_it_gives_is_not(fmt: Format) -> None:
    """-1, 1 and 512 numbers just below 2**-25: the chain adds them up, and each of 32 steps drops its sixteen."""
    terms = 528
    a, b = Arithmetic(fmt, accumulator=FLOAT32), tensor_core(terms, 16, 25, fmt)
    huge = question(
        a, b, terms=terms, predicate=Predicate("gap", bound=Fraction(1)), weights=("-1", "1"), inputs=("-1", "1"), fmt=fmt
    )
    proof = impossible(huge)
    assert proof is not None
    assert "never more than" in proof.statement
    assert Fraction(proof.details["bound"]) < 1
    dropped = question(
        a,
        b,
        terms=terms,
        predicate=Predicate("gap", bound=Fraction(1, 2**18)),
        weights=("-1", "1"),
        inputs=("-1", "1"),
        fmt=fmt,
    )
    assert impossible(dropped) is None


def sums(how: Arithmetic, w: tuple[float, ...], x: tuple[float, ...]) -> Fraction:
    """By the exact interpreter."""
    return predicted_logits(dense_relu((Dense((w,)),)), x, View("a", "a", "reference", Deployment(how)))[0]


def test_the_same_means_the_same_alignment_and_the_same_rounding_of_operands() -> None:
    how = tensor_core(8, 4, operands=TF32, fmt=FLOAT32)
    assert same(how, replace(how, order=fixed_order(Tree(8, ((3, 2, 1, 0), (5, 8, 4, 7, 6))))), 8)
    for other in (
        replace(how, operand_rounding=Rounding.RTZ),
        replace(how, alignment=Alignment(24)),
        replace(how, alignment=Alignment(25, Rounding.RNE)),
        replace(how, alignment=Alignment(25, cut=Rounding.RTN)),
        replace(how, alignment=Alignment(25, least_exponent=-133)),
        replace(how, alignment=None),
        replace(how, order=groups(8, 8)),
        replace(how, rounded=(0,)),
    ):
        assert not same(how, other, 8), other


@pytest.mark.parametrize(("fmt", "alike"), [(FLOAT16, True), (BFLOAT16, False), (FLOAT32, False)])
def test_fused_or_not_is_the_same_where_the_accumulator_holds_every_product(fmt: Format, alike: bool) -> None:
    """float32 holds the significands of all bfloat16 products, but the least of them underflow."""
    plain = Arithmetic(fmt, accumulator=FLOAT32)
    assert same(plain, replace(plain, fused=True), 8) is alike


@pytest.mark.parametrize("size", [2, 4, 16])
def test_what_is_left_of_an_aligned_sum_gives_what_it_gives_among_zeros(size: int) -> None:
    rng, left = random.Random(size), 0
    for _ in range(60):
        terms = rng.randrange(3, 40)
        how = tensor_core(terms, size, rng.choice((23, 24, 25)))
        active = sorted(rng.sample(range(terms), rng.randrange(1, min(terms, 6))))
        try:
            small = restricted(how, terms, active)
        except InputError:
            continue
        left += 1
        values = [rng.choice((-1, 1)) * 2.0 ** rng.randrange(-11, 1) * rng.choice((1, 1.5, 1.999)) for _ in active]
        values = [float(np.float16(value)) for value in values]
        inputs = [2.0 ** rng.randrange(-11, 1) for _ in active]
        row, point = [0.0] * terms, [1.0] * terms
        for leaf, w, x in zip(active, values, inputs, strict=True):
            row[leaf], point[leaf] = w, x
        assert sums(how, tuple(row), tuple(point)) == sums(small, tuple(values), tuple(inputs))
    assert left >= 50


def test_an_aligned_sum_of_which_another_would_be_left_is_not_restricted() -> None:
    coarse = tensor_core(8, 4, 13)  # a product that is alone loses bits
    with pytest.raises(InputError, match="one operand, which it changes"):
        restricted(coarse, 8, (0, 4, 5))
    half = replace(tensor_core(8, 4, 24, accumulator=FLOAT16), rounding=Rounding.RTZ)  # two modes
    alone = program_of(restricted(half, 8, (0, 4, 5)), 3).leaves[0]
    assert [one.mode for one in alone.rounds] == [Rounding.RNE]  # which is the step's own
    joined = replace(tensor_core(5, 4), order=fixed_order(Tree(5, ((0, 1), (2, 3), (5, 6, 4)))))
    with pytest.raises(InputError, match="partial sums"):
        restricted(joined, 5, (0, 1, 2, 3))
    assert not any(leaf.rounds for leaf in program_of(restricted(joined, 5, (0, 1, 4)), 3).leaves)
    with pytest.raises(InputError, match="one operand"):
        restricted(tensor_core(8, 4, least=0), 8, (0, 4, 5))


def test_real_arithmetic_beside_an_aligned_one_is_no_claim() -> None:
    asked = question(
        REAL, tensor_core(8), terms=8, predicate=Predicate("sign"), weights=("-1", "1"), inputs=("-1", "1"), fmt=FLOAT16
    )
    assert impossible(asked) is None


def test_a_pairwise_tree_of_aligned_pairs_is_no_pairwise_tree_of_fused_ones() -> None:
    how = replace(tensor_core(8), order=parse_order("pairwise"))
    assert not same(how, replace(how, alignment=None), 8)
