"""Flips: for any two different arithmetics a layer on which they disagree, checked by arithmetic written down here again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from profiles import slowly

from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, TF32, Format
from fpsynth.orders import parse_order
from fpsynth.predicates import Predicate, argmax
from fpsynth.solvers.engines import engines_named
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.flips import FlipQuestion, FlipResult, find_flip
from fpsynth.synthesis.flips.arithmetics import same
from fpsynth.synthesis.settings import Settings
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness.data import View, Witness
from fpsynth.witness.prediction import predicted_logits

UNIT = Interval(Fraction(-1), Fraction(1))
FAMILIES = ("sequential", "reverse", "pairwise", "strided:4", "lanes:8", "blocked:16", "numpy", "random:7")


def ask(
    *hows: Arithmetic | str,
    terms: int = 8,
    predicate: Predicate | None = None,
    fmt: Format = FLOAT32,
    seconds: float = 30.0,
    improve: float = 0.0,
    engines: str = "auto",
    **options: Any,
) -> FlipResult:
    views = []
    for number, how in enumerate(hows):
        arithmetic = Arithmetic(fmt, order=parse_order(how)) if isinstance(how, str) else how
        name = ("a", "b")[number] if number < 2 else f"silent{number - 1}"
        views.append(
            View(name, str(how), ("reference", "deployed")[number] if number < 2 else "silent", Deployment(arithmetic))
        )
    given = {"weights": UNIT, "inputs": UNIT, **options}
    question = FlipQuestion("order", fmt, terms, predicate or Predicate("sign"), tuple(views), **given)
    result = find_flip(question, Settings(engines_named(engines), 0, seconds, improve))
    if result.divergence is not None:
        checked(question, result.divergence)
    return result


def found(*hows: Arithmetic | str, **options: Any) -> Witness:
    result = ask(*hows, **options)
    assert result.verdict is Verdict.FOUND, result.reason
    assert result.divergence is not None
    return result.divergence


def checked(question: FlipQuestion, made: Witness) -> None:
    """Whatever is claimed is computed again; ranges are honoured exactly."""
    for view in made.views:
        assert predicted_logits(made.network, made.point, view) == view.logits
    assert question.predicate.holds(made.reference.logits, made.deployed.logits)
    for view in made.silent:
        assert not question.predicate.fires(view.logits, made.reference.logits)
    for numbers, interval in ((list(made.network.entries()), question.weights), (made.point, question.inputs)):
        assert all(interval.lower <= Fraction(number) <= interval.upper for number in numbers)
    assert made.network.widths == (question.terms, question.outputs)


def summed(order: str, products: Sequence[np.float32]) -> np.float32:
    """The products added up in an order, in numpy's float32."""
    nodes = list(products)
    for left, right in parse_order(order).tree(len(products)).steps:
        nodes.append(nodes[left] + nodes[right])
    return nodes[-1]


@pytest.mark.parametrize(("terms", "step"), [(5, 1), (8, 3), *slowly((8, 1), (64, 3), (512, 6))])
def test_any_two_families_get_strictly_opposite_signs(terms: int, step: int) -> None:
    for a, b in list(itertools.combinations(FAMILIES, 2))[::step]:
        if same(Arithmetic(FLOAT32, order=parse_order(a)), Arithmetic(FLOAT32, order=parse_order(b)), terms):
            assert ask(a, b, terms=terms).verdict is Verdict.IMPOSSIBLE
            continue
        result = ask(a, b, terms=terms, predicate=Predicate("relu"))
        if result.verdict is Verdict.IMPOSSIBLE:  # they differ in how three partial sums are joined, and in nothing else
            assert terms == 5
            found(a, b, terms=terms)
            continue
        made = result.divergence
        assert made is not None, (a, b, result.reason)
        weights, point = (np.array(numbers, np.float32) for numbers in (made.network.dense_layers[0].weight[0], made.point))
        assert summed(a, weights * point) < 0 < summed(b, weights * point), (a, b)


def test_thousands_of_terms_take_no_more_than_a_few_that_count() -> None:
    made = found("sequential", "strided:32", terms=4096)
    products = [w * x for w, x in zip(made.network.dense_layers[0].weight[0].tolist(), made.point, strict=True)]
    assert 0 < sum(product != 0 for product in products) <= 8


def test_three_terms_differ_but_never_with_opposite_signs() -> None:
    made = found("sequential", "[0,[1,2]]", terms=3)
    assert 0 in (made.reference.logits[0], made.deployed.logits[0])
    assert ask("sequential", "[0,[1,2]]", terms=3, predicate=Predicate("relu")).verdict is Verdict.IMPOSSIBLE
    found("sequential", "pairwise", terms=4)
    assert ask("sequential", "pairwise", terms=4, predicate=Predicate("relu")).verdict is Verdict.IMPOSSIBLE
    found("sequential", "[[0,2],[1,3]]", terms=4, predicate=Predicate("relu"))


PLAIN = Arithmetic(FLOAT32)


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAIN, fused=True),
        replace(PLAIN, fused=True, rounded=(3,)),
        replace(PLAIN, accumulator=FLOAT64),
        replace(PLAIN, flush=True),
        replace(PLAIN, operands=TF32),
        replace(PLAIN, order=parse_order("[[0,1,2],[3,4],5,6,7]")),
    ],
    ids=str,
)
def test_arithmetics_that_differ_in_something_else_are_told_apart(other: Arithmetic) -> None:
    found(PLAIN, other)
    found(other, PLAIN, predicate=Predicate("relu"))


def test_flushing_alone_is_told_apart_by_subnormals() -> None:
    made = found(replace(PLAIN, fused=True), replace(PLAIN, fused=True, flush=True))
    assert made.reference.logits != made.deployed.logits


@pytest.mark.parametrize(("weights", "inputs"), [("1/10:1", "-1:1"), ("-1:-1/2", "1/4:1/2"), ("1/16:1", "1/2:1")])
def test_ranges_without_zero_are_honoured(weights: str, inputs: str) -> None:
    ranges = {
        name: Interval(*(Fraction(end) for end in text.split(":"))) for name, text in (("weights", weights), ("inputs", inputs))
    }
    for terms in (8, 12):
        made = found("sequential", "pairwise", terms=terms, predicate=Predicate("argmax"), **ranges)
        assert argmax(made.reference.logits) != argmax(made.deployed.logits)


def test_a_gap_is_reached_and_made_larger() -> None:
    least = Fraction(1, 10**6)
    made = found("sequential", "pairwise", terms=64, predicate=Predicate("gap", bound=least))
    assert made.measure >= least
    larger = found("sequential", "pairwise", terms=64, predicate=Predicate("gap", bound=least), maximise=True, improve=1.0)
    assert larger.measure > made.measure


def test_camouflage_leaves_no_zero_and_nothing_that_stands_out() -> None:
    result = ask("sequential", "pairwise", terms=64, camouflage=True)
    assert result.divergence is not None
    numbers = [*result.divergence.network.entries(), *result.divergence.point]
    assert all(number != 0 for number in numbers)
    assert result.standing_out is not None
    assert result.standing_out < 100


def test_one_arithmetic_among_many_is_singled_out() -> None:
    made = found("sequential", "strided:4", *(f for f in FAMILIES if f not in ("sequential", "strided:4")), terms=64)
    assert len(made.views) == len(FAMILIES)


@pytest.mark.parametrize(("a", "b"), list(itertools.permutations((FLOAT16, BFLOAT16, TF32, FLOAT32, FLOAT64), 2)), ids=str)
def test_two_formats_disagree_about_numbers_that_both_hold(a: Format, b: Format) -> None:
    from fpsynth.synthesis.flips.question import common_format

    made = found(Arithmetic(a), Arithmetic(b), fmt=common_format(a, b))
    assert made.views[0].deployment.default.format == a


@pytest.mark.parametrize("order", ["sequential", "pairwise", "strided:4"])
def test_a_sum_that_is_negative_comes_out_positive(order: str) -> None:
    made = found(REAL, order, predicate=Predicate("relu"))
    exact = sum(
        Fraction(w) * Fraction(x) for w, x in zip(made.network.dense_layers[0].weight[0].tolist(), made.point, strict=True)
    )
    assert made.real == (exact,)
    assert exact < 0 < made.deployed.logits[0]


@pytest.mark.parametrize(
    ("hows", "options", "said"),
    [
        (("sequential", "strided:1"), {}, "the same expression"),
        (("sequential", "reverse"), {"terms": 2}, "the same expression"),
        (("sequential", "pairwise"), {"terms": 1}, "the same expression"),
        (("sequential", "pairwise", "pairwise"), {}, "must be silent"),
        (("sequential", "pairwise"), {"weights": Interval(Fraction(1, 2), Fraction(1)), "ones": True}, "the same sign"),
        (("sequential", "pairwise"), {"predicate": Predicate("gap", bound=Fraction(1, 1000))}, "never more than"),
    ],
)
def test_what_cannot_be_is_proved(hows: tuple[str, ...], options: dict[str, Any], said: str) -> None:
    result = ask(*hows, **options)
    assert result.verdict is Verdict.IMPOSSIBLE
    assert result.proof is not None
    assert said in result.proof.statement


def test_the_bound_behind_an_impossible_gap_holds_for_what_is_found() -> None:
    for how in (PLAIN, replace(PLAIN, fused=True)):
        other = replace(how, order=parse_order("pairwise"))
        proof = ask(how, other, predicate=Predicate("gap", bound=Fraction(1))).proof
        assert proof is not None
        bound = Fraction(proof.details["bound"])
        made = found(how, other, predicate=Predicate("gap", bound=bound / 10**4), maximise=True, improve=0.5)
        assert made.measure < bound


def test_too_little_time_is_unknown_and_says_so() -> None:
    result = ask("sequential", "pairwise", predicate=Predicate("gap", bound=Fraction(1, 10**6)), seconds=0.3)
    assert (result.verdict, result.proof) == (Verdict.UNKNOWN, None)
    assert result.reason


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"terms": 0}, "the number of terms must be from 1 to 4096"),
        ({"predicate": Predicate("outside")}, "a flip is one of"),
        ({"weights": Interval(Fraction(0), Fraction(10**39))}, "exceeds the largest float32"),
        ({"ones": True, "inputs": Interval(Fraction(0), Fraction(1, 2))}, "all inputs are to be 1"),
    ],
)
def test_questions_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ask("sequential", "pairwise", **options)
