"""The significand encoding says the same as the reference, for every assignment of small problems."""

from __future__ import annotations

import itertools
from fractions import Fraction as F

import numpy as np
import pytest
from bitvectors import columns_of, finite_values, holds, tie
from profiles import every_second
from strategies import MICRO, ODD, TINY, TINYFN

from fpsynth.encoders import encode
from fpsynth.errors import InputError
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import Expression, Op, add, cast, constant, eq, le, lt, maximum, mul, neg, real, variable
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, Format
from fpsynth.problems import Problem, Variable
from fpsynth.rounding import Rounding, from_fraction

MODES = list(Rounding)


def agrees(problem: Problem) -> int:
    """Assert that the script holds of exactly the assignments of which the problem does; return of how many."""
    script = encode(problem, "significands")
    domains = [finite_values(v.format, v.lower, v.upper) for v in problem.variables]
    rows = [dict(zip([v.name for v in problem.variables], values, strict=True)) for values in itertools.product(*domains)]
    expected = [all(evaluate(problem.assertions, row)) for row in rows]
    found = holds(script, columns_of(script, rows))
    wrong = [row for row, a, b in zip(rows, expected, found, strict=True) if a != b]
    assert not wrong, wrong[:3]
    return sum(expected)


def result_is_right(operation: Expression, bounds: dict[str, tuple[F, F]], fmt: Format) -> None:
    """Assert that the encoded operation has the reference's value for every assignment of the variables within bounds.

    The result's encoding is compared with an unknown that is given the reference's value.
    """
    result = variable("result", operation.format or fmt)
    names = list(bounds)
    limit = result.format.max_finite
    variables = [Variable(name, fmt, *bounds[name]) for name in names]
    problem = Problem("p", (*variables, Variable("result", result.format, -limit, limit)), (eq(operation, result),))
    script = encode(problem, "significands")
    rows = []
    for values in itertools.product(*(finite_values(fmt, *bounds[name]) for name in names)):
        row = dict(zip(names, values, strict=True))
        (row["result"],) = evaluate([operation], row)
        rows.append(row)
    wrong = [row for row, truth in zip(rows, holds(script, columns_of(script, rows)), strict=True) if not truth]
    assert rows
    assert not wrong, wrong[:3]


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize(("fmt", "mode"), every_second(itertools.product([TINY, TINYFN, FLOAT8_E4M3FN], MODES)), ids=str)
@pytest.mark.parametrize("op", [Op.ADD, Op.MUL])
def test_operations_with_two_arguments(fmt: Format, op: Op, mode: Rounding, flush: bool) -> None:
    a, b = variable("a", fmt), variable("b", fmt)
    wide = fmt is FLOAT8_E4M3FN
    bounds = {"a": (F(-1, 32), F(1, 16)), "b": (F(-1, 4), F(3, 16))} if wide else {"a": (F(-3), F(2)), "b": (F(-2), F(3))}
    result_is_right(Expression(op, (a, b), fmt, mode, flush), bounds, fmt)


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_fused_multiply_add(mode: Rounding, flush: bool) -> None:
    args = tuple(variable(name, MICRO) for name in "abc")
    bounds = {"a": (F(-1), F(1)), "b": (F(-1), F(1)), "c": (F(-1), F(1))}
    result_is_right(Expression(Op.FMA, args, MICRO, mode, flush), bounds, MICRO)


@pytest.mark.parametrize(
    ("low", "high"), [(F(1), F(15, 8)), (F(-15, 8), F(-1)), (F(1, 2), F(8)), (F(-8), F(-1, 2)), (F(3, 4), F(1)), (F(1), F(1))]
)
@pytest.mark.parametrize("mode", MODES)
def test_bounds_in_one_and_in_few_binades(low: F, high: F, mode: Rounding) -> None:
    a, b = variable("a", FLOAT8_E4M3FN), variable("b", FLOAT8_E4M3FN)
    for bounds in ({"a": (low, high), "b": (F(1), F(15, 8))}, {"a": (low, high), "b": (low, high)}):
        result_is_right(mul(a, b, mode), bounds, FLOAT8_E4M3FN)
        result_is_right(add(a, b, mode), bounds, FLOAT8_E4M3FN)


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_casts_narrow_and_widen(mode: Rounding, flush: bool) -> None:
    a = variable("a", ODD)
    for target in (FLOAT8_E4M3FN, FLOAT8_E5M2, TINY, BFLOAT16, FLOAT32):
        result_is_right(cast(a, target, mode, flush), {"a": (F(-9, 8), F(1, 32))}, ODD)


@pytest.mark.parametrize("fmt", [TINY, TINYFN])
def test_maximum_negation_and_absolute_value(fmt: Format) -> None:
    a, b = variable("a", fmt), variable("b", fmt)
    bounds = {"a": (F(-8), F(8)), "b": (F(-1), F(8))}
    for operation in (
        maximum(a, b),
        maximum(a, neg(b)),
        maximum(a, constant(0, fmt)),
        maximum(neg(a), a),
        maximum(a, b, flush=True),
    ):
        result_is_right(operation, bounds, fmt)


def test_real_arithmetic_and_rational_constants() -> None:
    a, b = variable("a", TINY), variable("b", TINY)
    exact = add(mul(real(a), real(b)), neg(mul(real(b), constant(F(1, 3), None))))
    assertions = (lt(exact, constant(F(1, 10), None)), le(constant(F(-1, 5), None), maximum(exact, real(a))))
    domain = [Variable(name, TINY, F(-4), F(6)) for name in "ab"]
    assert agrees(Problem("p", tuple(domain), assertions)) > 0


@pytest.mark.parametrize("fmt", [TINY, TINYFN])
@pytest.mark.parametrize("bounds", [(F(1, 10), F(1)), (F(-1, 3), F(5, 3))])
def test_the_tie_of_a_small_format(fmt: Format, bounds: tuple[F, F]) -> None:
    problem = tie(fmt)
    variables = tuple(Variable(v.name, fmt, *bounds) for v in problem.variables[:1]) + tuple(
        Variable(v.name, fmt, F(1, 2), F(1)) for v in problem.variables[1:]
    )
    agrees(Problem("tie", variables, problem.assertions))


@pytest.mark.parametrize(
    ("low", "high"),
    [(F(1, 10), F(1)), (F(-1), F(1)), (F(-3), F(-1, 7)), (F(1), F(15, 8)), (F(0), F(1, 64)), (F(5), F(5)), (F(-448), F(448))],
)
def test_the_integers_that_a_variable_may_take_are_its_numbers(low: F, high: F) -> None:
    problem = Problem("p", (Variable("a", FLOAT8_E4M3FN, low, high),), ())
    script = encode(problem, "significands")
    (unknown,) = script.unknowns
    integers = np.arange(1 << unknown.width).astype(object)
    accepted = integers[holds(script, {unknown.name: integers})]
    numbers = {v.fraction() for v in finite_values(FLOAT8_E4M3FN, low, high)}
    assert {unknown.value(int(k)).fraction() for k in accepted} == numbers
    assert len(accepted) == len(numbers)


def test_a_variable_in_one_binade_is_its_trailing_significand_and_nothing_else() -> None:
    script = encode(Problem("p", (Variable("a", FLOAT32, F(1, 2), 1 - F(1, 2**24)),), ()), "significands")
    assert [u.width for u in script.unknowns] == [23]
    assert "assert" not in script.text
    assert script.decode({"a_int": 0}) == {"a": from_fraction(F(1, 2))}


def test_no_number_between_the_bounds_is_unsatisfiable() -> None:
    script = encode(Problem("p", (Variable("a", TINY, F(17, 16), F(18, 16)),), ()), "significands")
    assert not holds(script, {"a_int": np.array([0, 1], object)}).any()


def test_what_may_overflow_is_refused() -> None:
    a = variable("a", FLOAT16)
    with pytest.raises(InputError, match=r"mul in float16"):
        encode(Problem("p", (Variable("a", FLOAT16, F(0), F(300)),), (lt(a, mul(a, a)),)), "significands")
    for mode in (Rounding.RTZ, Rounding.RTN):
        with pytest.raises(InputError, match="add in float16"):
            encode(Problem("p", (Variable("a", FLOAT16, F(0), F(65504)),), (lt(a, add(a, a, mode)),)), "significands")
