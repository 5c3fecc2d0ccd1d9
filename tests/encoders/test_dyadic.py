"""Graphs with any rational constants have the truth of their rewriting into binary fractions."""

from __future__ import annotations

from fractions import Fraction as F

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import TINY, values

from fpsynth.encoders.dyadic import with_dyadic_constants
from fpsynth.errors import InputError
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import Op, add, cast, constant, eq, fma, le, lt, maximum, mul, neg, real, topological, variable
from fpsynth.formats import FLOAT16

rationals = st.builds(F, st.integers(-20, 20), st.sampled_from([1, 2, 3, 5, 6, 7, 10]))


@given(values(TINY), values(TINY), rationals, rationals, rationals)
def test_the_truth_stays_and_constants_become_dyadic(one: object, other: object, p: F, q: F, r: F) -> None:
    a, b = real(variable("a", TINY)), real(variable("b", TINY))
    c, d, f = (constant(number, None) for number in (p, q, r))
    terms = [add(mul(a, c), d), fma(a, b, c), fma(c, d, a), maximum(neg(a), c), mul(mul(a, c), mul(b, d)), f]
    roots = [op(s, t) for op in (lt, le, eq) for s in terms for t in terms]
    rewritten = with_dyadic_constants(roots)
    assignment = {"a": one, "b": other}
    assert evaluate(rewritten, assignment) == evaluate(roots, assignment)
    for node in topological(rewritten):
        if node.op is Op.CONSTANT:
            assert node.value.denominator & (node.value.denominator - 1) == 0


def test_graphs_without_such_constants_are_kept() -> None:
    root = lt(variable("a", TINY), constant(F(1, 2), TINY))
    assert with_dyadic_constants([root]) == [root]


def test_a_constant_is_rounded_but_a_multiple_of_it_cannot_be() -> None:
    a, tenth = variable("a", FLOAT16), constant(F(1, 10), None)
    (root,) = with_dyadic_constants([lt(a, cast(tenth, FLOAT16))])
    assert root.args[1].op is Op.CONSTANT
    with pytest.raises(InputError, match="no binary fraction"):
        with_dyadic_constants([lt(a, cast(mul(tenth, real(a)), FLOAT16))])
