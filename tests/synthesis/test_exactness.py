"""Where no addition rounds no order matters: held against the enumeration of small formats, and sharp where it ends."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from profiles import one_in

from fpsynth.alignment import Alignment
from fpsynth.evaluators.bit_patterns import from_index
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import FLOAT8_E4M3FN, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.orders import fixed_order, parse_order
from fpsynth.predicates import Predicate
from fpsynth.rounding import Rounding, index_range
from fpsynth.solvers.engines import engines_named
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.flips import FlipQuestion, find_flip
from fpsynth.synthesis.flips.structure import impossible, nothing_rounds
from fpsynth.synthesis.intervals.answer import IntervalQuestion, find_outside
from fpsynth.synthesis.intervals.containment import containment
from fpsynth.synthesis.intervals.question import divergence
from fpsynth.synthesis.settings import Settings
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness.data import View

NARROW, WIDE = Format("narrow", 3, 3), Format("wide", 4, 6)
FORMATS = (NARROW, WIDE, Format("middle", 4, 4), Format("long", 5, 11), Format("short", 3, 2, has_infinity=False))
SAMPLING = Settings(engines_named("sampling"), seconds=20.0, jobs=1)


def interval(low: object, high: object) -> Interval:
    return Interval(Fraction(str(low)), Fraction(str(high)))


def question(
    *hows: Arithmetic,
    terms: int,
    predicate: Predicate = Predicate("sign"),  # noqa: B008  (frozen)
    weights: Interval,
    inputs: Interval,
    fmt: Format,
) -> FlipQuestion:
    names = [("a", "reference"), ("b", "deployed"), *[(f"silent{k}", "silent") for k in range(1, len(hows) - 1)]]
    views = tuple(View(n, n, role, Deployment(how)) for (n, role), how in zip(names, hows, strict=True))
    return FlipQuestion("order", fmt, terms, predicate, views, weights, inputs)


def some_range(draw: random.Random, fmt: Format, size: int) -> Interval:
    """A range of at most ``size`` numbers."""
    first = draw.randint(-fmt.max_finite_bits, fmt.max_finite_bits)
    last = min(first + draw.randint(0, size - 1), fmt.max_finite_bits)
    low, high = from_index(np.array([first, last]), fmt).tolist()
    return Interval(Fraction(low), Fraction(high))


def some_tree(draw: random.Random, terms: int, arity: int):
    from fpsynth.orders import Tree

    nodes, steps = list(range(terms)), list[tuple[int, ...]]()
    while len(nodes) > 1:
        count = draw.randint(2, min(arity, len(nodes)))
        steps.append(tuple(nodes.pop(draw.randrange(len(nodes))) for _ in range(count)))
        nodes.append(terms + len(steps) - 1)
    return fixed_order(Tree(terms, tuple(steps)))


def some_arithmetic(draw: random.Random, terms: int) -> Arithmetic:
    """Any arithmetic whose format holds the narrow one."""
    wide = draw.choice((None, *FORMATS))
    fused = draw.random() < 0.5
    aligned = fused and draw.random() < 0.4
    mode = lambda: draw.choice((Rounding.RNE, Rounding.RNE, *Rounding))  # noqa: E731
    return Arithmetic(
        draw.choice(tuple(f for f in FORMATS if f.precision >= 3 and f.name != "short")),
        accumulator=wide,
        rounding=mode(),
        fused=fused,
        flush=draw.random() < 0.3,
        order=some_tree(draw, terms, 3 if fused else 2),
        rounded=tuple(k for k in range(terms) if draw.random() < 0.2),
        operands=draw.choice((None, None, *FORMATS)),
        operand_rounding=mode(),
        products=draw.choice((None, None, *FORMATS)),
        alignment=Alignment(draw.randint(2, 12), mode(), draw.choice((Rounding.RTZ, Rounding.RTN))) if aligned else None,
    )


def some_arithmetics(draw: random.Random, terms: int, count: int) -> list[Arithmetic]:
    """Arithmetics of which most round operands, products and results alike."""
    first = some_arithmetic(draw, terms)
    kept = ("format", "operands", "operand_rounding", "products", "rounding")
    hows = [first]
    while len(hows) < count:
        other = some_arithmetic(draw, terms)
        alike = {name: getattr(first, name) for name in kept if draw.random() < 0.9}
        hows.append(replace(other, **alike))
    return hows


def every(terms: int, weights: Interval, inputs: Interval) -> tuple[np.ndarray, np.ndarray]:
    """All weights and inputs within their ranges: two arrays, a row for each choice."""
    ranges = [np.arange(low, high + 1) for low, high in (index_range(r.lower, r.upper, NARROW) for r in (weights, inputs))]
    grid = np.array(list(itertools.product(*[ranges[0]] * terms, *[ranges[1]] * terms)))
    return from_index(grid[:, :terms], NARROW), from_index(grid[:, terms:], NARROW)


def evaluated(how: Arithmetic, weights: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    if how.format is None:
        return (weights * inputs).sum(axis=1)  # exact: a few bits each
    return sum_of_products(how, weights, inputs)


@pytest.mark.parametrize("seed", one_in(2, range(4)))
def test_no_proof_is_refuted_by_enumeration(seed: int) -> None:
    draw, proofs = random.Random(seed), 0
    kinds = (Predicate("sign"), Predicate("relu"), Predicate("gap", bound=Fraction(1, 4)), Predicate("gap", bound=Fraction(2)))
    for _ in range(400):
        terms = draw.choice((1, 2, 2, 3))
        hows = some_arithmetics(draw, terms, draw.choice((2, 2, 3)))
        if draw.random() < 0.15:
            hows[0] = REAL
        size = 9 if terms < 3 else 3
        asked = question(
            *hows,
            terms=terms,
            predicate=draw.choice(kinds),
            weights=some_range(draw, NARROW, size),
            inputs=some_range(draw, NARROW, 5 if terms < 3 else 3),
            fmt=NARROW,
        )
        proof = nothing_rounds(asked)
        if proof is None:
            continue
        proofs += 1
        weights, inputs = every(terms, asked.weights, asked.inputs)
        reference, deployed, *silent = (evaluated(how, weights, inputs) for how in hows)
        finite = np.isfinite(np.stack([reference, deployed, *silent])).all(axis=0)
        fires = [departs(asked.predicate, reference, logits) for logits in (deployed, *silent)]
        assert not (fires[0] & ~np.any(fires[1:], axis=0) & finite).any(), (seed, proof, hows)
    assert proofs >= 20, proofs


def departs(predicate: Predicate, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    match predicate.kind:
        case "sign":
            return (a > 0) != (b > 0)
        case "relu":
            return (a < 0) & (b > 0)
    return np.abs(a - b) >= float(predicate.bound)


@pytest.mark.parametrize(("terms", "verdict"), [(3, Verdict.IMPOSSIBLE), (5, Verdict.FOUND)])
def test_the_proof_ends_where_a_sum_no_longer_fits(terms: int, verdict: Verdict) -> None:
    """The integers 4 and 5 in four bits: three of them add up to 15 at most, which fits, and five of them to up to 25."""
    orders = [Arithmetic(Format("four bits", 4, 4), order=parse_order(name)) for name in ("sequential", "reverse")]
    gap = Predicate("gap", bound=Fraction(1))
    ranges = {"weights": interval(4, 5), "inputs": interval(1, 1), "fmt": Format("three bits", 4, 3)}
    assert find_flip(question(*orders, terms=terms, predicate=gap, **ranges), SAMPLING).verdict is verdict


@pytest.mark.parametrize(
    "predicate", [Predicate("gap", bound=Fraction(2)), Predicate("sign"), Predicate("argmax"), Predicate("relu")]
)
def test_float16_sums_in_float32_have_no_order(predicate: Predicate) -> None:
    hows = [Arithmetic(FLOAT16, accumulator=FLOAT32, order=parse_order(name)) for name in ("pairwise", "strided:8")]
    asked = question(*hows, terms=72, predicate=predicate, weights=interval(1, 1), inputs=interval(16, 99), fmt=FLOAT16)
    result = find_flip(asked, SAMPLING)
    assert result.verdict is Verdict.IMPOSSIBLE
    proof = nothing_rounds(asked)
    assert proof is not None
    assert "every product is a multiple of 2^-6, and every sum of them at most 7128" in proof.statement


def test_accumulated_in_float16_it_is_found() -> None:
    hows = [Arithmetic(FLOAT16, order=parse_order(name)) for name in ("pairwise", "strided:8")]
    gap = Predicate("gap", bound=Fraction(2))
    asked = question(*hows, terms=72, predicate=gap, weights=interval(1, 1), inputs=interval(16, 99), fmt=FLOAT16)
    assert find_flip(asked, SAMPLING).verdict is Verdict.FOUND


def test_wider_accumulators_fused_products_and_other_roundings_all_add_up_exactly() -> None:
    sequential = Arithmetic(FLOAT8_E4M3FN, accumulator=FLOAT32)
    others = [
        Arithmetic(FLOAT8_E4M3FN, accumulator=FLOAT64, order=parse_order("pairwise")),
        Arithmetic(FLOAT8_E4M3FN, accumulator=FLOAT32, fused=True),
        Arithmetic(FLOAT8_E4M3FN, accumulator=FLOAT32, fused=True, alignment=Alignment(25)),
    ]
    for other in others:
        ranges = {"weights": interval(-1, 1), "inputs": interval(-1, 1)}
        asked = question(sequential, other, terms=8, predicate=Predicate("argmax"), fmt=FLOAT8_E4M3FN, **ranges)
        assert find_flip(asked, SAMPLING).verdict is Verdict.IMPOSSIBLE, other


def test_an_alignment_that_cuts_too_much_is_not_called_exact() -> None:
    hows = [Arithmetic(FLOAT8_E4M3FN, accumulator=FLOAT32, fused=True, alignment=Alignment(bits)) for bits in (25, 13)]
    asked = question(*hows, terms=8, fmt=FLOAT8_E4M3FN, weights=interval(-1, 1), inputs=interval(-1, 1))
    assert impossible(asked) is None


def test_the_last_rounding_keeps_signs_but_not_classes() -> None:
    """Both sums are exact; the reals keep all of it, and float16 rounds it once."""
    how = Arithmetic(FLOAT16, accumulator=FLOAT64)
    ranges = {"weights": interval(1, 2), "inputs": interval(1, 2), "fmt": FLOAT16}
    proof = nothing_rounds(question(REAL, how, terms=8, predicate=Predicate("relu"), **ranges))
    assert proof is not None
    assert "same sign" in proof.statement
    assert impossible(question(REAL, how, terms=8, predicate=Predicate("argmax"), **ranges)) is None


def test_a_sum_that_the_last_rounding_makes_zero_keeps_no_sign() -> None:
    tiny = interval("-0.00003", "0.00003")
    asked = question(REAL, Arithmetic(FLOAT16, accumulator=FLOAT64), terms=2, weights=tiny, inputs=tiny, fmt=FLOAT16)
    assert nothing_rounds(asked) is None
    assert find_flip(asked, SAMPLING).verdict is Verdict.FOUND


def test_subnormal_factors_have_the_exponent_of_normal_ones_and_are_cut_by_it() -> None:
    tiny = interval("0.00000005", "0.00000013")  # 2^-24 and 2^-23, which count as 2^-14
    for bits, exact in ((10, False), (19, False), (20, True)):
        hows = [Arithmetic(FLOAT16, accumulator=FLOAT32, fused=True, alignment=align) for align in (None, Alignment(bits))]
        proof = nothing_rounds(question(*hows, terms=2, weights=tiny, inputs=tiny, fmt=FLOAT16))
        assert (proof is not None) == exact, bits


def interval_question(
    a: Arithmetic, b: Arithmetic, terms: int, weights: Interval, inputs: Interval, fmt: Format
) -> IntervalQuestion:
    views = (View("a", "a", "reference", Deployment(a)), View("b", "b", "deployed", Deployment(b)))
    return IntervalQuestion(fmt, terms, *views, weights, inputs)


def test_no_value_of_an_exact_sum_is_outside_an_interval_by_enumeration() -> None:
    draw, proofs = random.Random(7), 0
    for _ in range(400):
        terms = draw.choice((1, 2))
        a, b = (some_arithmetic(draw, terms) for _ in range(2))
        if a.alignment is not None:
            continue
        ranges = some_range(draw, NARROW, 3), some_range(draw, NARROW, 3)
        asked = interval_question(a, b, terms, *ranges, NARROW)
        proof = containment(asked)
        if proof is None or "multiple of" not in proof.statement:
            continue
        proofs += 1
        for weights, inputs in zip(*every(terms, *ranges), strict=True):
            assert divergence(asked, weights.tolist(), inputs.tolist()) is None, (proof, a, b)
    assert proofs >= 10, proofs


def test_an_exact_sum_is_in_the_interval_of_every_order() -> None:
    hows = [Arithmetic(FLOAT16, accumulator=FLOAT32, order=parse_order(name)) for name in ("sequential", "pairwise")]
    asked = interval_question(*hows, 64, interval(1, 1), interval(16, 99), FLOAT16)
    result = find_outside(asked, SAMPLING)
    assert result.verdict is Verdict.IMPOSSIBLE
    assert "no addition rounds" in result.reason
