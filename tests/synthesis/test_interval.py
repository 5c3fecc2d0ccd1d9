"""Claims of interval.py: for orders that differ a value outside is found, re-checked, and lifted to any number of terms."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from strategies import FLOAT32

from fpsynth.errors import InputError
from fpsynth.evaluators.networks import network_logits
from fpsynth.evaluators.recheck import failures
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT64, Format
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import Builder, Tree, fixed_order, parse_order
from fpsynth.rounding import Rounding, from_float
from fpsynth.solvers.engines import engines_named
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.domain import Interval, parse_interval
from fpsynth.synthesis.intervals.answer import IntervalQuestion, IntervalResult, find_outside
from fpsynth.synthesis.intervals.question import box_around, build, interval_of
from fpsynth.synthesis.settings import Settings
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.verifiers.interval_ball import order_agnostic_interval
from fpsynth.verifiers.intervals import finite_bounds, network_intervals
from fpsynth.witness.data import View
from fpsynth.witness.file import parse, text

SAMPLING = engines_named("sampling")


def interval(text: str) -> Interval:
    return parse_interval(text, "a range")


def question(
    fmt: Format, terms: int, a: Arithmetic, b: Arithmetic, *, weights: str = "-1:1", inputs: str = "0:1", **more: Any
) -> IntervalQuestion:
    sides = View("a", str(a), "reference", Deployment(a)), View("b", str(b), "deployed", Deployment(b))
    return IntervalQuestion(fmt, terms, *sides, interval(weights), interval(inputs), **more)


def how(fmt: Format, order: str, **more: Any) -> Arithmetic:
    return Arithmetic(fmt, order=parse_order(order), **more)


def find(asked: IntervalQuestion, seconds: float = 20.0, improvement: float = 1.0) -> IntervalResult:
    return find_outside(asked, Settings(SAMPLING, seconds=seconds, improvement=improvement, jobs=1))


def recheck(asked: IntervalQuestion, result: IntervalResult) -> None:
    """Everything that a divergence claims, computed again."""
    assert result.verdict is Verdict.FOUND, result.reason
    found = result.divergence
    assert found is not None
    assert found.network.widths == (asked.terms, 1)
    assert all(asked.weights.lower <= Fraction(w) <= asked.weights.upper for w in found.network.entries())
    assert all(asked.inputs.lower <= Fraction(x) <= asked.inputs.upper for x in found.point)
    box = [(x, x) for x in found.point] if not asked.radius else list(found.box)
    assert all(Fraction(low) <= Fraction(x) - asked.radius for (low, _), x in zip(box, found.point, strict=True))
    ends = network_intervals(found.network, box, asked.reference.format or asked.format, asked.a.deployment, asked.widening)
    assert finite_bounds(ends) == found.reference.interval
    assert found.reference.widening == asked.widening
    own = asked.deployed.format or asked.format
    (value,) = network_logits(found.network, found.point, own, asked.b.deployment)
    assert found.deployed.logits == (Fraction(value),)
    assert found.predicate.holds(found.reference.logits, found.deployed.logits, found.reference.interval)
    assert found.measure > 0
    low, high = found.reference.interval[0]
    assert low <= found.reference.logits[0] <= high  # the interval is sound for its own order


@pytest.mark.parametrize("widening", ["", "elina"])
@pytest.mark.parametrize(
    ("fmt", "terms", "a", "b"),
    [
        (FLOAT32, 64, "sequential", "reverse"),
        (FLOAT32, 256, "sequential", "pairwise"),
        (FLOAT64, 256, "pairwise", "sequential"),
        (FLOAT16, 128, "strided:4", "sequential"),
        (BFLOAT16, 64, "reverse", "sequential"),
    ],
)
def test_a_value_outside_is_found_for_orders_that_differ(fmt: Format, terms: int, a: str, b: str, widening: str) -> None:
    asked = question(fmt, terms, how(fmt, a), how(fmt, b), widening=widening)
    recheck(asked, find(asked))


def test_4096_terms_take_seconds() -> None:
    asked = question(FLOAT32, 4096, how(FLOAT32, "sequential"), how(FLOAT32, "pairwise"))
    result = find(asked)
    recheck(asked, result)
    assert result.seconds < 100


@pytest.mark.parametrize("widening", ["", "elina"])
@pytest.mark.parametrize("seed", range(4))
def test_for_any_fixed_order_some_other_order_is_outside(seed: int, widening: str) -> None:
    """Any tree over 24 leaves; the other order takes one of two leaves that meet there first and the other one last."""
    rng, terms = random.Random(seed), 24
    nodes, grown = list(range(terms)), Builder(terms)
    while len(nodes) > 1:
        rng.shuffle(nodes)
        nodes.append(grown.add(nodes.pop(), nodes.pop()))
    tree = grown.tree()
    first, last = next(step for step in tree.steps if max(step) < terms)
    other = Builder(terms)
    other.chain([first, *(leaf for leaf in range(terms) if leaf not in (first, last)), last])
    a, b = (Arithmetic(FLOAT32, order=fixed_order(t)) for t in (tree, other.tree()))
    asked = question(FLOAT32, terms, a, b, widening=widening)
    result = find(asked)
    recheck(asked, result)
    assert result.divergence is not None
    weights = list(result.divergence.network.entries())
    low, high = order_agnostic_interval(weights, result.divergence.point, a)
    assert low <= result.divergence.deployed.logits[0] <= high


@pytest.mark.parametrize("more", [{}, {"widening": "elina"}, {"radius": Fraction(1, 2**50)}], ids=["outward", "elina", "box"])
def test_a_divergence_survives_its_file_and_its_check(more: dict[str, Any]) -> None:
    asked = question(FLOAT32, 24, how(FLOAT32, "sequential"), how(FLOAT32, "reverse"), **more)
    found = find(asked).divergence
    assert found is not None
    assert parse(text(found)) == found
    assert check(found).confirmed


@pytest.mark.parametrize("mode", [Rounding.RTP, Rounding.RTN, Rounding.RTZ, Rounding.RNA])
def test_directed_rounding_leaves_the_interval_of_another_order_too(mode: Rounding) -> None:
    asked = question(FLOAT32, 16, how(FLOAT32, "sequential"), how(FLOAT32, "pairwise", rounding=mode))
    recheck(asked, find(asked))


@pytest.mark.parametrize(
    ("terms", "weights", "inputs"), [(3, "0.1:1", "0.1:1"), (8, "0.5:1", "1:2"), (16, "0.1:1", "0:1"), (16, "0:1", "0.5:0.75")]
)
def test_ranges_are_honoured_with_and_without_zero(terms: int, weights: str, inputs: str) -> None:
    a, b = how(FLOAT32, "sequential"), how(FLOAT32, "reverse")
    asked = question(FLOAT32, terms, a, b, weights=weights, inputs=inputs)
    recheck(asked, find(asked))


def test_one_order_in_a_coarser_format_or_with_less_fusing_leaves_the_interval() -> None:
    coarse = question(FLOAT16, 8, how(FLOAT32, "sequential"), how(FLOAT16, "sequential"))
    recheck(coarse, find(coarse))
    fused = question(FLOAT32, 8, how(FLOAT32, "sequential", fused=True), how(FLOAT32, "sequential"))
    recheck(fused, find(fused))


def test_the_interval_may_be_that_of_a_box() -> None:
    a, b = how(FLOAT32, "sequential"), how(FLOAT32, "pairwise")
    asked = question(FLOAT32, 16, a, b, weights="-1:1", inputs="0.5:1", radius=Fraction(1, 2**40))
    recheck(asked, find(asked))


def test_a_box_that_reaches_beyond_the_format_has_no_interval() -> None:
    a, b = how(FLOAT16, "sequential"), how(FLOAT16, "reverse")
    asked = question(FLOAT16, 2, a, b, inputs="0:65504", radius=Fraction(65504))
    network = dense_relu([Dense([[1.0, 1.0]])])
    assert box_around(asked, (65504.0, 1.0))[0][1] == float("inf")
    assert interval_of(asked, network, (65504.0, 1.0)) is None
    assert interval_of(replace(asked, radius=Fraction(1)), network, (1.0, 2.0)) == ((1, 5),)


def test_maximise_goes_farther_outside() -> None:
    a, b = how(FLOAT32, "sequential"), how(FLOAT32, "reverse")
    first = find(question(FLOAT32, 64, a, b))
    best = find(question(FLOAT32, 64, a, b, maximise=True), improvement=2.0)
    assert first.divergence is not None
    assert best.divergence is not None
    assert best.divergence.measure > first.divergence.measure  # by how much depends on the machine


def test_the_same_arithmetic_is_impossible_with_a_proof() -> None:
    a = how(FLOAT32, "pairwise")
    for b in (a, replace(a, rounding=Rounding.RTP), REAL):
        result = find(question(FLOAT32, 4096, a, b, widening="elina"))
        assert result.verdict is Verdict.IMPOSSIBLE
        assert result.proof is not None
        assert result.proof.method == "structural"


def flushed_or_not() -> tuple[Arithmetic, Arithmetic]:
    """Sums of numbers just above 1 are exact in float32, in any order, but no theorem here covers an interval that flushes."""
    wide = {"accumulator": FLOAT32}
    return how(FLOAT16, "sequential", flush=True, **wide), how(FLOAT16, "reverse", **wide)


def test_what_two_solvers_refute_is_impossible() -> None:
    for package in ("z3", "bitwuzla"):
        pytest.importorskip(package)
    asked = question(FLOAT16, 3, *flushed_or_not(), weights="1:1.004", inputs="1:1")
    engines = (*engines_named("z3"), *engines_named("bitwuzla"))
    result = find_outside(asked, Settings(engines, seconds=40, jobs=2))
    assert result.verdict is Verdict.IMPOSSIBLE, result.reason
    assert result.proof is not None
    assert result.proof.method == "refutation"
    assert {run.engine for run in result.proof.engines} == {"z3", "bitwuzla"}
    assert all(run.version and run.encoding and run.seconds > 0 for run in result.proof.engines)


def test_sampling_alone_never_says_impossible() -> None:
    result = find(question(FLOAT16, 3, *flushed_or_not(), weights="1:1.004", inputs="1:1"), seconds=1)
    assert result.verdict is Verdict.UNKNOWN
    assert result.reason


def test_the_problem_is_met_by_a_classical_triple_and_not_by_a_harmless_one() -> None:
    problem = build(question(FLOAT32, 3, how(FLOAT32, "sequential"), how(FLOAT32, "reverse")), (0, 1, 2))

    def wrong(*weights: float) -> list[str]:
        numbers = {f"w{k}": w for k, w in enumerate(weights)} | {f"x{k}": 1.0 for k in range(3)}
        return failures(problem, {name: from_float(number) for name, number in numbers.items()})

    assert wrong(-1.0, 1.0, 2.0**-25) == []
    assert wrong(0.5, 0.25, 0.125) == ["assertion 0 is false"]


def test_bad_questions_are_refused_in_one_line() -> None:
    a = how(FLOAT32, "sequential")
    with pytest.raises(InputError, match="number of terms"):
        question(FLOAT32, 4097, a, a)
    with pytest.raises(InputError, match="real arithmetic has none"):
        question(FLOAT32, 3, REAL, a)
    with pytest.raises(InputError, match="widening"):
        question(FLOAT32, 3, a, a, widening="wide")
    with pytest.raises(InputError, match="negative"):
        question(FLOAT32, 3, a, a, radius=Fraction(-1))
    with pytest.raises(InputError, match="not every float64 number"):
        question(FLOAT64, 3, a, a)
    with pytest.raises(InputError, match="3 leaves"):
        question(FLOAT32, 4, replace(a, order=fixed_order(Tree(3, ((0, 1), (3, 2))))), a)
    with pytest.raises(InputError, match="leaf for the bias"):
        question(FLOAT32, 4, replace(a, bias_leaf=True), a)
