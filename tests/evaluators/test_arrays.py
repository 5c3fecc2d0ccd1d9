"""Claims of arrays.py: a graph over arrays has the bits of the exact interpreter; real nodes are close."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hostile import hostile_triples
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from strategies import EVERY, SMALL, WIDE, expressions, formats

from fpsynth import expressions as e
from fpsynth import rounding as r
from fpsynth.errors import InputError
from fpsynth.evaluators.arrays import evaluate_arrays
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import Op
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, Format

X, Y = e.variable("x", FLOAT32), e.variable("y", FLOAT32)


@settings(max_examples=examples(60))
@given(st.data(), formats)
def test_random_graphs_over_hostile_arrays_have_the_bits_of_the_exact_interpreter(data: st.DataObject, fmt: Format) -> None:
    unknowns = [e.variable(name, fmt) for name in "xyz"]
    root = data.draw(expressions(fmt, unknowns, formats=[FLOAT32, FLOAT64, *SMALL]))
    roots = [root, e.lt(unknowns[0], root), e.negation(e.le(root, unknowns[1])), e.eq(root, unknowns[2])]
    columns = dict(zip("xyz", hostile_triples(fmt, 12, data.draw(st.integers(0, 10**6))), strict=True))
    answers = evaluate_arrays(roots, columns)
    assert [answer.dtype for answer in answers] == [np.float64, bool, bool, bool]
    for row in range(12):
        point = {name: r.from_float(float(column[row])) for name, column in columns.items()}
        number, *truths = evaluate(roots, point)
        assert r.from_float(float(answers[0][row])) == number
        assert [bool(answer[row]) for answer in answers[1:]] == truths


@pytest.mark.parametrize("target", EVERY, ids=str)
@pytest.mark.parametrize("source", [FLOAT16, FLOAT32, FLOAT64, WIDE], ids=str)
def test_casts_round_once_and_flush_on_both_sides(source: Format, target: Format) -> None:
    (x, _, _) = hostile_triples(source, 60, 11)
    node = e.variable("x", source)
    roots = [e.Expression(Op.CAST, (node,), target, mode, flush) for mode in r.Rounding for flush in (False, True)]
    answers = evaluate_arrays(roots, {"x": x})
    for row, value in enumerate(x):
        wanted = evaluate(roots, {"x": r.from_float(value)})
        assert [r.from_float(float(answer[row])) for answer in answers] == wanted


def test_results_have_the_common_shape_of_the_variables() -> None:
    x, y = np.array([[1.0], [2.0]]), np.array([0.5, 0.25, 4.0])
    roots = [e.add(X, Y), X, e.constant(3, FLOAT32), e.lt(X, Y), e.conjunction([]), e.disjunction([]), e.real(Y)]
    answers = evaluate_arrays(roots, {"x": x, "y": y})
    assert {answer.shape for answer in answers} == {(2, 3)}
    assert answers[4].all()
    assert not answers[5].any()
    assert (answers[0] == x + y).all()
    assert evaluate_arrays([e.constant(3, FLOAT32)], {})[0].shape == ()


def test_reals_are_approximated_to_double_precision() -> None:
    third = e.constant(Fraction(1, 3), None)
    x = e.real(X)
    roots = [e.fma(third, x, e.neg(x)), e.maximum(third, x), e.mul(x, x), e.add(x, third), e.cast(third, FLOAT16)]
    values = np.array([0.75, -3.0])
    answers = evaluate_arrays(roots, {"x": values})
    for row, value in enumerate(values):
        for answer, exact in zip(answers, evaluate(roots, {"x": r.from_float(value)}), strict=True):
            wanted = exact.fraction() if isinstance(exact, r.Value) else exact
            assert abs(Fraction(answer[row]) - wanted) <= abs(wanted) / 2**50
    assert [r.from_float(v) for v in answers[4]] == evaluate([roots[4]] * 2, {})
    huge = evaluate_arrays([e.lt(e.constant(10**400, None), x), e.lt(x, e.constant(10**400, None))], {"x": values})
    assert [answer.tolist() for answer in huge] == [[False, False], [True, True]]


def test_a_non_number_cast_into_the_reals_makes_every_comparison_false() -> None:
    x, one = e.real(X), e.constant(1, None)
    roots = [op(a, b) for op in (e.lt, e.le, e.eq) for a, b in ((x, one), (one, x), (x, x))]
    for value in (np.inf, -np.inf, np.nan):
        assert not any(answer[0] for answer in evaluate_arrays(roots, {"x": np.array([value])}))
        assert evaluate(roots, {"x": r.from_float(value)}) == [False] * 9


def test_a_root_that_is_also_an_inner_node_and_listed_twice_keeps_its_value() -> None:
    total = e.add(X, Y)
    roots = [total, e.mul(total, total), total, X]
    answers = evaluate_arrays(roots, {"x": np.array([1.0]), "y": np.array([2.0])})
    assert [answer[0] for answer in answers] == [3.0, 9.0, 3.0, 1.0]


def test_what_cannot_be_evaluated_is_said() -> None:
    with pytest.raises(KeyError, match="y"):
        evaluate_arrays([e.add(X, Y)], {"x": np.array([1.0])})
    long = e.variable("x", Format("long", 8, 40))
    with pytest.raises(InputError, match="long has 40 significand bits"):
        evaluate_arrays([e.add(long, long)], {"x": np.array([1.0])})


def test_nothing_is_warned_about(recwarn: pytest.WarningsRecorder) -> None:
    for fmt in EVERY:
        x, y, z = (e.variable(name, fmt) for name in "xyz")
        roots = [
            op for mode in r.Rounding for op in (e.fma(x, y, z, mode), e.add(x, y, mode), e.cast(e.mul(x, y), FLOAT16, mode))
        ]
        evaluate_arrays(roots, dict(zip("xyz", hostile_triples(fmt, 200, 1), strict=True)))
    assert not recwarn.list


def test_constants_alone_are_evaluated_exactly_too() -> None:
    """Arrays without axes, of which numpy knows no nonzero places."""
    largest = e.constant(FLOAT64.max_finite, FLOAT64)
    roots = [e.add(largest, largest, r.Rounding.RTZ), e.cast(e.add(e.real(largest), e.real(largest)), FLOAT64, r.Rounding.RTZ)]
    assert [float(answer) for answer in evaluate_arrays(roots, {})] == [float(FLOAT64.max_finite)] * 2


def test_a_rounded_real_sum_of_products_is_exact_and_its_parts_may_be_read_as_well() -> None:
    large, small = e.variable("large", FLOAT64), e.variable("small", FLOAT64)
    product = e.mul(e.real(large), e.real(large))
    total = e.add(e.add(product, e.real(small)), e.mul(e.neg(e.constant(1, None)), product))
    exact = e.add(e.add(product, e.real(small)), e.mul(e.real(e.neg(large)), e.real(large)))
    roots = [e.cast(exact, FLOAT32), e.cast(total, FLOAT32), e.cast(exact, FLOAT32, flush=True), product]
    given = {"large": np.array([1e30, 3.0]), "small": np.array([2.0**-140, 1e300])}
    answers = evaluate_arrays(roots, given)
    assert answers[0].tolist() == [2.0**-140, np.inf]
    assert answers[1].tolist() == [0.0, np.inf]  # a product with a real constant is approximated
    assert answers[2].tolist() == [0.0, np.inf]
    assert answers[3].tolist() == [1e30 * 1e30, 9.0]
