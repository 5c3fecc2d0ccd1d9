"""Claims of interval_containment.py: the theorem, on every number of small formats, by solvers, and where it must not apply."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from aligned_arithmetics import tensor_core
from profiles import every_second, one_in, slow, slowly
from strategies import MICRO, TINY, TINYFN

from fpsynth import expressions as e
from fpsynth import rounding as r
from fpsynth.errors import InputError
from fpsynth.evaluators.arrays import evaluate_arrays
from fpsynth.formats import BFLOAT16, FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.networks.lowering import lower
from fpsynth.networks.template import template
from fpsynth.orders import Tree, fixed_order, parse_order
from fpsynth.rounding import Rounding
from fpsynth.solvers.engines import engines_named
from fpsynth.solvers.race import Task, race
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.intervals.answer import find_outside
from fpsynth.synthesis.intervals.containment import containment
from fpsynth.synthesis.intervals.question import IntervalQuestion, build, divergence
from fpsynth.synthesis.settings import Settings
from fpsynth.verifiers.interval_expressions import lower_interval
from fpsynth.witness.data import View

ORDERS_OF_3 = [fixed_order(Tree(3, steps)) for steps in (((0, 1), (3, 2)), ((1, 2), (0, 3)), ((2, 0), (1, 3)))]
FUSED_STEP = fixed_order(Tree(3, ((0, 1, 2),)))


def asked(fmt: Format, a: Arithmetic, b: Arithmetic, terms: int = 3, widening: str = "") -> IntervalQuestion:
    sides = View("a", "a", "reference", Deployment(a)), View("b", "b", "deployed", Deployment(b))
    unit = Interval(Fraction(-1), Fraction(1))
    return IntervalQuestion(fmt, terms, *sides, unit, unit, widening)


def factors(fmt: Format) -> list[tuple[float, float]]:
    """A weight and an input for every product of two finite numbers of the format that differs from the others.

    What is computed of a sum depends on its exact products alone, so these pairs stand for all.
    """
    finite = [float(r.from_index(k, fmt)) for k in range(-fmt.max_finite_bits, fmt.max_finite_bits + 1)]
    return list({Fraction(w) * Fraction(x): (w, x) for w in finite for x in finite}.values())


def batches(pairs: Sequence[tuple[float, float]], terms: int) -> Iterator[dict[str, np.ndarray]]:
    """Every choice of ``terms`` pairs, the last ones in arrays."""
    table = np.array(pairs)
    w, x = table[:, 0], table[:, 1]
    inner = min(terms, 2)
    grids = np.meshgrid(*[np.arange(len(pairs))] * inner, indexing="ij")
    for outer in product(range(len(pairs)), repeat=terms - inner):
        leaves = [*outer, *(grid.ravel() for grid in grids)]
        yield {f"w{k}": w[leaf] for k, leaf in enumerate(leaves)} | {f"x{k}": x[leaf] for k, leaf in enumerate(leaves)}


def outside(fmt: Format, a: Arithmetic, others: Sequence[Arithmetic], terms: int) -> tuple[int, int]:
    """How many finite values of the other arithmetics lie outside the intervals of a, over all numbers; and how many values."""
    row = tuple(e.variable(f"w{k}", fmt) for k in range(terms))
    point = [e.variable(f"x{k}", fmt) for k in range(terms)]
    network = template([((row,), None)])
    ((low, high),) = lower_interval(network, [(x, x) for x in point], Deployment(a))
    computed = [lower(network, point, Deployment(b))[0] for b in others]
    count = total = 0
    for given in batches(factors(fmt), terms):
        lows, highs, *found = evaluate_arrays([low, high, *computed], given)
        for value in found:
            finite = np.isfinite(value)
            count += int(np.count_nonzero(finite & ((value < lows) | (value > highs))))
            total += int(np.count_nonzero(finite))
    return count, total


@pytest.mark.parametrize(("fmt", "fused"), every_second(itertools.product([FLOAT8_E5M2, TINY, TINYFN], [False, True])), ids=str)
def test_every_two_terms_of_a_small_format_stay_inside_in_every_rounding_mode(fmt: Format, fused: bool) -> None:
    a = Arithmetic(fmt, fused=fused)
    count, total = outside(fmt, a, [replace(a, rounding=mode) for mode in Rounding], 2)
    assert count == 0
    assert total > 20_000


THREE = [
    *(Arithmetic(MICRO, order=order) for order in ORDERS_OF_3),
    Arithmetic(MICRO, fused=True),
    Arithmetic(MICRO, order=FUSED_STEP),
    Arithmetic(MICRO, flush=True),
    pytest.param(Arithmetic(TINY), marks=slow),
]


@pytest.mark.parametrize("how", one_in(2, THREE), ids=str)
def test_every_three_terms_of_a_smaller_format_stay_inside(how: Arithmetic) -> None:
    other = replace(how, rounding=Rounding.RTZ)
    fmt = how.format
    assert fmt is not None
    assert containment(asked(fmt, how, other))
    count, total = outside(fmt, how, [how] if fmt == TINY else [how, other], 3)
    assert count == 0
    assert total > 100_000


def test_the_same_enumeration_finds_values_outside_where_the_orders_differ() -> None:
    a, *others = (Arithmetic(MICRO, order=order) for order in ORDERS_OF_3)
    for b in others:
        assert containment(asked(MICRO, a, b)) is None
        assert outside(MICRO, a, [b], 3)[0] > 0


def test_less_rounding_than_the_interval_is_covered_and_more_is_not() -> None:
    plain, fused = Arithmetic(MICRO), Arithmetic(MICRO, fused=True)
    assert containment(asked(MICRO, plain, fused))
    assert outside(MICRO, plain, [fused], 2)[0] == 0
    assert containment(asked(MICRO, fused, plain)) is None
    assert outside(MICRO, fused, [plain], 2)[0] > 0


def test_a_finer_format_is_covered_and_a_coarser_one_is_not() -> None:
    assert containment(asked(FLOAT16, Arithmetic(FLOAT16), Arithmetic(FLOAT32)))
    assert containment(asked(FLOAT16, Arithmetic(FLOAT16), Arithmetic(FLOAT16, accumulator=FLOAT32)))
    assert containment(asked(FLOAT16, Arithmetic(FLOAT32), Arithmetic(FLOAT16))) is None
    assert containment(asked(FLOAT16, Arithmetic(FLOAT16, accumulator=FLOAT32), Arithmetic(FLOAT16))) is None
    wide_but_coarse = Arithmetic(FLOAT16, accumulator=BFLOAT16)
    assert containment(asked(FLOAT16, Arithmetic(FLOAT16), wide_but_coarse)) is None
    assert containment(asked(FLOAT32, Arithmetic(FLOAT32), Arithmetic(FLOAT32, operands=BFLOAT16))) is None
    assert containment(asked(FLOAT32, Arithmetic(FLOAT32, operands=BFLOAT16), Arithmetic(FLOAT32)))


def test_real_arithmetic_is_inside_every_order_unless_subnormals_are_flushed() -> None:
    assert containment(asked(FLOAT64, Arithmetic(FLOAT64, order=parse_order("pairwise")), REAL))
    assert containment(asked(FLOAT64, Arithmetic(FLOAT64, flush=True), REAL)) is None
    assert containment(asked(FLOAT64, Arithmetic(FLOAT64, flush=True), Arithmetic(FLOAT64))) is None


def test_the_order_of_two_operands_does_not_matter_to_the_proof() -> None:
    turned = Arithmetic(FLOAT32, order=fixed_order(Tree(3, ((1, 0), (2, 3)))))
    proof = containment(asked(FLOAT32, Arithmetic(FLOAT32), turned, widening="elina"))
    assert proof is not None
    assert proof.method == "structural"
    assert "rounding is monotone" in proof.statement


@pytest.mark.parametrize(
    ("fmt", "encoding", "weights"),
    [*slowly((FLOAT16, "fp", "1/2")), (BFLOAT16, "significands", "1/2")],
    ids=["float16", "bfloat16"],
)
def test_two_solvers_agree_that_the_same_sums_of_three_terms_stay_inside(fmt: Format, encoding: str, weights: str) -> None:
    """Where solvers are quick: positive weights within a binade, inputs 1."""
    for package in ("z3", "bitwuzla"):
        pytest.importorskip(package)
    one, binade = Interval(Fraction(1), Fraction(1)), Interval(Fraction(weights), Fraction(1))
    problem = build(replace(asked(fmt, Arithmetic(fmt), Arithmetic(fmt)), inputs=one, weights=binade), (0, 1, 2))
    outcome = race([Task("z3", "fp", 0, problem), Task("bitwuzla", encoding, 0, problem)], jobs=2, seconds=60)
    assert outcome.status == "unsat", outcome.reason


def test_an_aligned_sum_is_not_contained_and_has_no_intervals_of_its_own() -> None:
    """(-1 + 1) + 2**-26 is 2**-26 in sequence; aligned in one step it is 0, which lies outside."""
    a, b = Arithmetic(FLOAT32, order=FUSED_STEP, fused=True), tensor_core(3, 3, 25, FLOAT32)
    assert containment(asked(FLOAT32, a, b)) is None
    assert containment(asked(FLOAT32, a, replace(a, rounding=Rounding.RTZ))) is not None
    with pytest.raises(InputError, match="a: interval arithmetic rounds sums outward, but sums that are aligned"):
        asked(FLOAT32, b, a)
    question = asked(FLOAT32, Arithmetic(FLOAT32), tensor_core(16, 16, 25, FLOAT32), 16)
    result = find_outside(question, Settings(engines_named("sampling"), seconds=20.0, jobs=1))
    assert result.divergence is not None, result.reason
    (low, high), (value,) = result.divergence.reference.interval[0], result.divergence.deployed.logits
    assert not low <= value <= high


def test_products_that_b_alone_rounds_more_coarsely_are_not_contained() -> None:
    a = Arithmetic(FLOAT16, accumulator=FLOAT32)
    b = replace(a, products=BFLOAT16)
    assert containment(asked(FLOAT16, a, b)) is None
    assert containment(asked(FLOAT16, b, a)) is not None
    assert containment(asked(FLOAT16, b, b)) is not None
    weights, point = (0.5 + 2.0**-10, 0.0, 0.0), (1.0, 1.0, 1.0)
    found = divergence(asked(FLOAT16, a, b), weights, point)
    assert found is not None, "and indeed a single product is outside"
