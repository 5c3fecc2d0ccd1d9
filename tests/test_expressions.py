"""Claims of expressions.py: what a node accepts, what the constructors build, and the order in which a graph is walked."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from strategies import expressions as random_expressions
from strategies import formats

from fpsynth import expressions as e
from fpsynth.expressions import ARITY, Expression, Op, topological
from fpsynth.formats import FLOAT16, FLOAT32, Format
from fpsynth.rounding import Rounding

X, Y = e.variable("x", FLOAT32), e.variable("y", FLOAT32)
HALF = e.variable("h", FLOAT16)
LESS = e.lt(X, Y)


def test_every_operation_has_an_arity_and_the_comparisons_and_connectives_are_boolean() -> None:
    assert set(ARITY) == set(Op)
    assert {op for op in Op if op.boolean} == {Op.LT, Op.LE, Op.EQ, Op.AND, Op.OR, Op.NOT}


@pytest.mark.parametrize("op", [op for op in Op if ARITY[op] is not None and not op.boolean and op is not Op.CAST])
def test_a_wrong_number_of_arguments_is_refused(op: Op) -> None:
    with pytest.raises(ValueError, match=f"{op.value} takes {ARITY[op]} arguments, got {(ARITY[op] or 0) + 1}"):
        Expression(op, (X,) * ((ARITY[op] or 0) + 1), FLOAT32)


def test_mixed_formats_and_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="arguments of add must have the node's own format"):
        e.add(X, HALF)
    with pytest.raises(ValueError, match="neg got an argument of the wrong kind"):
        e.neg(LESS)
    with pytest.raises(ValueError, match="cast both sides"):
        e.eq(X, HALF)
    with pytest.raises(ValueError, match="cast both sides"):
        e.le(X, e.real(Y))
    with pytest.raises(ValueError, match="lt got an argument of the wrong kind"):
        e.lt(LESS, LESS)
    with pytest.raises(ValueError, match="and got an argument of the wrong kind"):
        e.conjunction([LESS, X])
    with pytest.raises(ValueError, match="not takes 1"):
        Expression(Op.NOT, (LESS, LESS))


def test_casting_a_truth_value_is_refused() -> None:  # it once was not
    with pytest.raises(ValueError, match="cast got an argument of the wrong kind"):
        e.cast(LESS, FLOAT32)


def test_constructors_fill_in_the_format_of_their_arguments() -> None:
    assert e.sub(X, Y).args[1].op is Op.NEG
    assert {node.format for node in (e.neg(X), e.sub(X, Y), e.mul(X, Y), e.fma(X, Y, X), e.maximum(X, Y))} == {FLOAT32}
    assert e.constant(0.1, None).value == Fraction(0.1)
    product = e.mul(X, Y, Rounding.RTP, flush=True)
    assert (product.rounding, product.flush) == (Rounding.RTP, True)


def test_casts_that_do_nothing_build_nothing() -> None:
    assert e.cast(X, FLOAT32) is X
    assert e.cast(X, FLOAT32, flush=True) is not X
    assert e.real(X).op is Op.CAST
    assert e.real(e.real(X)).args == (X,)


def test_nodes_are_compared_by_identity() -> None:
    assert e.add(X, Y) != e.add(X, Y)
    assert len({e.neg(X), e.neg(X)}) == 2


@settings(max_examples=examples(40))
@given(st.data(), formats)
def test_topological_yields_every_node_once_and_arguments_first(data: st.DataObject, fmt: Format) -> None:
    leaves = [e.variable("a", fmt), e.variable("b", fmt)]
    roots = [data.draw(random_expressions(fmt, leaves)), *leaves, data.draw(random_expressions(fmt, leaves))]
    seen: list[Expression] = []
    for node in topological(roots):
        assert all(arg in seen for arg in node.args)
        assert node not in seen
        seen.append(node)
    assert set(roots) <= set(seen)


def test_a_deep_and_a_heavily_shared_graph_are_walked_quickly() -> None:
    deep = X
    for _ in range(20_000):
        deep = e.neg(deep)
    assert sum(1 for _ in topological([deep])) == 20_001
    doubled = X
    for _ in range(200):
        doubled = e.add(doubled, doubled)
    assert sum(1 for _ in topological([doubled])) == 201
