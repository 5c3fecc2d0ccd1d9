"""Claims of recheck.py: a wrong solution is refused, with a reason for each way of being wrong."""

from __future__ import annotations

from fractions import Fraction

import pytest

from fpsynth import expressions as e
from fpsynth import rounding as r
from fpsynth.evaluators.recheck import failures
from fpsynth.formats import FLOAT16
from fpsynth.problems import Problem, Variable
from fpsynth.rounding import Value

X = e.variable("x", FLOAT16)
HALF, ONE = e.constant(Fraction(1, 2), FLOAT16), e.constant(1, FLOAT16)
PROBLEM = Problem("p", (Variable("x", FLOAT16, Fraction(-2), Fraction(2)),), (e.lt(HALF, X), e.eq(e.mul(X, X), ONE)))


def test_a_solution_passes() -> None:
    assert failures(PROBLEM, {"x": r.from_fraction(1)}) == []


@pytest.mark.parametrize(
    ("value", "reasons"),
    [
        (r.from_fraction(-1), ["assertion 0 is false"]),
        (r.from_fraction(Fraction(1, 4)), ["assertion 0 is false", "assertion 1 is false"]),
        (r.from_fraction(3), ["x is outside its bounds"]),
        (r.from_fraction(1 + Fraction(1, 2048)), ["x is not a finite float16"]),
        (r.NAN, ["x is not a finite float16"]),
        (r.PLUS_INFINITY, ["x is not a finite float16"]),
    ],
)
def test_every_way_of_being_wrong_is_named(value: Value, reasons: list[str]) -> None:
    assert failures(PROBLEM, {"x": value}) == reasons


def test_a_missing_value_is_named() -> None:
    assert failures(PROBLEM, {}) == ["x has no value"]


def test_rounding_decides_and_not_the_real_numbers() -> None:
    above = r.from_fraction(1 + Fraction(1, 1024))
    tie = Problem("tie", PROBLEM.variables, (e.eq(e.add(X, e.constant(FLOAT16.min_subnormal, FLOAT16)), X), e.lt(ONE, X)))
    assert failures(tie, {"x": above}) == []
