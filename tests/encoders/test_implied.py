"""What is said to be implied holds wherever the assertions hold, and bounds what it should."""

from __future__ import annotations

import itertools
from fractions import Fraction as F

import pytest
from bitvectors import finite_values, tie
from profiles import every_second, slow
from strategies import MICRO, TINY, TINYFN

from fpsynth.encoders.implied import implied
from fpsynth.encoders.ranges import analyse, variable_range
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import Expression, cast, conjunction, eq, lt, mul, variable
from fpsynth.formats import FLOAT16, FLOAT32, Format
from fpsynth.problems import Problem, Variable
from fpsynth.rounding import Rounding

MODES = [pytest.param(mode, marks=slow if mode in (Rounding.RNA, Rounding.RTP) else ()) for mode in Rounding]


def consequence(problem: Problem) -> Expression:
    return implied(problem.assertions, analyse(problem.assertions, {v.name: variable_range(v) for v in problem.variables}))


def follows(problem: Problem) -> int:
    """Assert that every solution has the implied property; return how many solutions there are."""
    extra = consequence(problem)
    assert extra.args
    names = [v.name for v in problem.variables]
    solutions = 0
    for values in itertools.product(*(finite_values(v.format, v.lower, v.upper) for v in problem.variables)):
        row = dict(zip(names, values, strict=True))
        *truths, also = evaluate([*problem.assertions, extra], row)
        solutions += all(truths)
        assert also or not all(truths), row
    return solutions


INPUTS = [(TINYFN, (F(1, 2), F(2))), (TINY, (F(-3), F(-1))), (TINY, (F(-1, 4), F(1, 4)))]


@pytest.mark.parametrize(("among", "mode"), every_second(itertools.product(INPUTS, Rounding)))
def test_equal_and_ordered_products(among: tuple[Format, tuple[F, F]], mode: Rounding) -> None:
    fmt, inputs = among
    w1, w2, x = variable("w1", fmt), variable("w2", fmt), variable("x", fmt)
    weights = (F(-1), F(3, 2))
    variables = (Variable("w1", fmt, *weights), Variable("w2", fmt, *weights), Variable("x", fmt, *inputs))
    one, other = mul(w1, x, mode), mul(x, w2, mode)
    assert follows(Problem("p", variables, (eq(one, other),))) > 0
    if inputs[0] * inputs[1] > 0:
        assert follows(Problem("p", variables, (conjunction([lt(one, other)]),))) > 0


@pytest.mark.parametrize("mode", MODES)
def test_products_rounded_twice(mode: Rounding) -> None:
    w1, w2, x = (variable(name, TINY) for name in ("w1", "w2", "x"))
    variables = tuple(Variable(name, TINY, F(1, 2), F(7, 4)) for name in ("w1", "w2", "x"))
    one, other = (cast(mul(cast(w, FLOAT16), cast(x, FLOAT16), mode), MICRO, mode) for w in (w1, w2))
    assert follows(Problem("p", variables, (eq(one, other),))) > 0
    assert follows(Problem("p", variables, (lt(one, other),))) > 0


def test_solutions_of_the_small_tie() -> None:
    assert follows(tie(TINY)) >= 0


def test_the_weights_of_a_float32_tie_are_a_few_ulps_apart() -> None:
    extra = consequence(tie(FLOAT32, narrow=True))
    bounds = [arg.args[1].value for arg in extra.args if arg.args[1].value is not None]
    # products in [1/4, 1): errors of half an ulp each, divided by an input of at least 1/2
    assert max(b for b in bounds if b) == F(1, 2**23)


def test_nothing_is_implied_where_products_may_overflow_or_are_flushed() -> None:
    w1, w2, x = (variable(name, TINY) for name in ("w1", "w2", "x"))
    wide = tuple(Variable(name, TINY, F(1), F(8)) for name in ("w1", "w2", "x"))
    narrow = tuple(Variable(name, TINY, F(1), F(2)) for name in ("w1", "w2", "x"))
    for mode in (Rounding.RNE, Rounding.RTZ):
        assert not consequence(Problem("p", wide, (eq(mul(w1, x, mode), mul(w2, x, mode)),))).args
    assert not consequence(Problem("p", narrow, (eq(mul(w1, x, flush=True), mul(w2, x, flush=True)),))).args
