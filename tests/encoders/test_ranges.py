"""Ranges contain what the reference computes, and are no wider than they need to be."""

from __future__ import annotations

from fractions import Fraction as F

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from strategies import EVERY, expressions, values

from fpsynth.encoders.ranges import analyse, inner_bounds, variable_range
from fpsynth.errors import InputError
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import add, constant, lt, maximum, mul, neg, real, topological, variable
from fpsynth.formats import FLOAT8_E4M3FN, FLOAT32, power_of_two
from fpsynth.problems import Variable
from fpsynth.rounding import Value


@st.composite
def bounded(draw: st.DrawFn) -> tuple[object, tuple[Variable, ...], dict[str, Value]]:
    fmt = draw(st.sampled_from(EVERY))
    variables, assignment = [], {}
    for name in ("a", "b"):
        low, value, high = sorted((draw(values(fmt, finite=True)) for _ in range(3)), key=lambda v: v.fraction())
        variables.append(Variable(name, fmt, low.fraction(), high.fraction()))
        assignment[name] = value
    leaves = [variable(v.name, fmt) for v in variables]
    return draw(expressions(fmt, leaves, formats=[draw(st.sampled_from(EVERY))], size=5)), tuple(variables), assignment


@settings(max_examples=examples(300))
@given(bounded())
def test_every_node_is_in_its_range(case: tuple) -> None:
    root, variables, assignment = case
    roots = [root, mul(real(root), real(root)), maximum(real(root), neg(real(root)))]
    ranges = analyse(roots, {v.name: variable_range(v) for v in variables})
    nodes = list(topological(roots))
    for node, worth in zip(nodes, evaluate(nodes, assignment), strict=True):
        known = ranges[id(node)].value
        if isinstance(worth, Value) and not worth.is_finite:
            assert known.special
            continue
        number = worth.fraction() if isinstance(worth, Value) else worth
        assert known.lower <= number <= known.upper
        units = number * power_of_two(-known.lsb)
        assert units.denominator == 1
        significant = abs(units.numerator) // (units.numerator & -units.numerator) if units else 0
        assert significant.bit_length() <= known.bits


def test_bounds_that_are_no_numbers_of_the_format_move_inward() -> None:
    low, high = inner_bounds(Variable("a", FLOAT8_E4M3FN, F(1, 10), F(1, 3)))
    assert (low, high) == (F(13, 128), F(5, 16))
    assert inner_bounds(Variable("a", FLOAT8_E4M3FN, F(449), F(500))) is None
    assert inner_bounds(Variable("a", FLOAT8_E4M3FN, F(-500), F(500))) == (-448, 448)


def test_ranges_are_tight() -> None:
    w, x = variable("w", FLOAT32), variable("x", FLOAT32)
    difference = add(real(w), neg(real(x)))
    distance, square = maximum(difference, neg(difference)), mul(difference, difference)
    known = {name: variable_range(Variable(name, FLOAT32, F(1, 10), F(1))) for name in "wx"}
    ranges = analyse([mul(w, x), distance, square], known)
    assert known["w"].lsb == -4 - 23
    assert ranges[id(distance)].value.lower == 0
    assert ranges[id(square)].value.lower == 0
    product = [r.value for r in ranges.values() if r.value.lsb == -7 - 23]
    assert [(r.bits, r.special) for r in product] == [(24, False)]


def test_a_variable_without_bounds_is_refused() -> None:
    a = variable("a", FLOAT32)
    with pytest.raises(InputError, match="a, which is not among its variables"):
        analyse([lt(a, constant(1, FLOAT32))], {})
