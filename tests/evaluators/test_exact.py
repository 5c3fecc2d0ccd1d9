"""Claims of exact.py: what each node is worth, by hand and by definition, in a format, in the reals and as a truth value."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SMALL, expressions, formats, operands, roundings, values

from fpsynth import expressions as e
from fpsynth import rounding as r
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import Expression, Op
from fpsynth.formats import FLOAT8_E4M3FN, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.rounding import NAN, Rounding, Value, round_fraction

X, Y, Z = (e.variable(name, FLOAT16) for name in "xyz")
SMALLEST = r.from_fraction(FLOAT16.min_subnormal)
ONE = r.from_fraction(1)


def at(root: Expression, *given: Value) -> object:
    return evaluate([root], dict(zip("xyz", given, strict=False)))[0]


@given(st.data(), formats, roundings)
def test_operations_are_the_rational_result_rounded_once(data: st.DataObject, fmt: Format, mode: Rounding) -> None:
    a, b, c = data.draw(operands(fmt, 3))
    x, y, z = (e.variable(name, fmt) for name in "xyz")
    if not (a.is_finite and b.is_finite and c.is_finite):
        return
    p, q, s = a.fraction(), b.fraction(), c.fraction()
    for root, exact in ((e.add(x, y, mode), p + q), (e.mul(x, y, mode), p * q), (e.fma(x, y, z, mode), p * q + s)):
        got, wanted = at(root, a, b, c), round_fraction(exact, fmt, mode)
        assert isinstance(got, Value)
        assert got == wanted or (exact == 0 and got.is_zero)  # the sign of an exact zero is a matter of its own


@given(st.data(), st.sampled_from(SMALL), formats, roundings)
def test_a_cast_is_the_value_rounded_once(data: st.DataObject, source: Format, target: Format, mode: Rounding) -> None:
    value = data.draw(values(source, finite=True))
    got = at(Expression(Op.CAST, (e.variable("x", source),), target, mode), value)
    assert got == r.round_value(value, target, mode)
    assert at(e.real(e.variable("x", source)), value) == value.fraction()


def test_signs_of_exact_zeros_by_hand() -> None:
    minus = r.negate(ONE)
    for mode in Rounding:
        zero = r.MINUS_ZERO if mode is Rounding.RTN else r.PLUS_ZERO
        assert at(e.add(X, Y, mode), ONE, minus) == zero
        assert at(e.sub(X, X, mode), ONE) == zero
        assert at(e.fma(X, Y, Z, mode), ONE, minus, ONE) == zero
        assert at(e.fma(X, Y, Z, mode), r.MINUS_ZERO, ONE, r.PLUS_ZERO) == zero
        assert at(e.fma(X, Y, Z, mode), r.MINUS_ZERO, ONE, r.MINUS_ZERO) == r.MINUS_ZERO
    assert at(e.neg(X), r.PLUS_ZERO) == r.MINUS_ZERO
    assert at(e.maximum(X, Y), r.MINUS_ZERO, r.PLUS_ZERO) == r.PLUS_ZERO


def test_a_fused_product_neither_overflows_nor_rounds_before_the_sum() -> None:
    largest = r.from_fraction(FLOAT16.max_finite)
    two = r.from_fraction(2)
    assert at(e.fma(X, Y, Z), largest, two, r.negate(largest)) == largest
    assert at(e.add(e.mul(X, Y), Z), largest, two, r.negate(largest)) == r.PLUS_INFINITY
    assert at(e.fma(X, Y, Z), largest, two, r.MINUS_INFINITY) == r.MINUS_INFINITY
    assert at(e.fma(X, Y, Z), r.PLUS_INFINITY, r.PLUS_ZERO, ONE) == NAN
    x = r.from_fraction(1 + Fraction(1, 1024))
    rest = evaluate([e.fma(X, X, Z), e.add(e.mul(X, X), Z)], {"x": x, "z": r.from_fraction(-1 - Fraction(1, 512))})
    assert rest == [r.from_fraction(Fraction(1, 1024**2)), r.PLUS_ZERO]


def test_flushing_reads_and_writes_subnormals_as_zeros_of_their_sign() -> None:
    smallest_normal = r.from_fraction(FLOAT16.min_normal)
    minus = r.negate(SMALLEST)
    assert at(e.add(X, Y, flush=True), SMALLEST, ONE) == ONE
    assert at(e.mul(X, Y, flush=True), minus, ONE) == r.MINUS_ZERO
    assert at(e.mul(X, Y, flush=True), smallest_normal, r.from_fraction(Fraction(-1, 2))) == r.MINUS_ZERO
    assert at(e.maximum(X, Y, flush=True), SMALLEST, minus) == r.PLUS_ZERO
    assert at(e.fma(X, Y, Z, flush=True), ONE, ONE, SMALLEST) == ONE
    # the product inside a fused operation is no result: it is not flushed
    tiny = r.from_fraction(FLOAT16.min_normal / 2)
    assert at(e.fma(X, Y, Z, flush=True), smallest_normal, r.from_fraction(Fraction(1, 2)), smallest_normal) == r.from_fraction(
        tiny.fraction() * 3
    )
    # a cast reads subnormals of its argument's format and writes those of its own
    assert at(e.cast(X, FLOAT32, flush=True), SMALLEST) == r.PLUS_ZERO
    assert at(e.cast(X, FLOAT32), SMALLEST) == SMALLEST
    wide = e.variable("x", FLOAT32)
    assert at(e.cast(wide, FLOAT16, flush=True), minus) == r.MINUS_ZERO
    assert at(e.cast(e.real(wide), FLOAT16, flush=True), minus) == r.MINUS_ZERO  # casts from the reals once kept subnormals


def test_reals_are_exact_and_a_non_number_among_them_makes_comparisons_false() -> None:
    third = e.constant(Fraction(1, 3), None)
    x = e.real(X)
    assert at(e.add(e.mul(third, third), e.neg(third))) == Fraction(-2, 9)
    assert at(e.fma(third, x, x), ONE) == Fraction(4, 3)
    assert at(e.maximum(third, x), ONE) == 1
    assert at(e.cast(third, FLOAT64)) == r.from_float(1 / 3)
    assert at(e.lt(third, x), ONE) is True
    for value in (NAN, r.PLUS_INFINITY):
        assert at(e.cast(e.add(third, x), FLOAT16), value) == NAN
        assert [at(op(a, b), value) for op in (e.lt, e.le, e.eq) for a, b in ((third, x), (x, x), (x, third))] == [False] * 9


def test_comparisons_and_connectives() -> None:
    half = r.from_fraction(Fraction(1, 2))
    assert [at(op(X, Y), half, ONE) for op in (e.lt, e.le, e.eq)] == [True, True, False]
    assert [at(op(X, Y), r.MINUS_ZERO, r.PLUS_ZERO) for op in (e.lt, e.le, e.eq)] == [False, True, True]
    assert [at(op(X, X), NAN) for op in (e.lt, e.le, e.eq)] == [False, False, False]
    assert at(e.negation(e.le(X, X)), NAN) is True
    assert at(e.conjunction([])) is True
    assert at(e.disjunction([])) is False
    true, false = e.conjunction([]), e.disjunction([])
    assert at(e.conjunction([true, false, true])) is False
    assert at(e.disjunction([false, true])) is True


@given(st.data(), formats)
def test_every_floating_point_result_is_in_its_format(data: st.DataObject, fmt: Format) -> None:
    names = [e.variable(name, fmt) for name in "xy"]
    root = data.draw(expressions(fmt, names, formats=[FLOAT32, FLOAT8_E4M3FN]))
    result = at(root, data.draw(values(fmt)), data.draw(values(fmt)))
    assert isinstance(result, Value)
    assert r.representable(result, fmt)


def test_roots_are_answered_in_order_and_a_missing_variable_is_named() -> None:
    assert evaluate([Y, X, Y], {"x": ONE, "y": NAN}) == [NAN, ONE, NAN]
    with pytest.raises(KeyError, match="y"):
        evaluate([e.add(X, Y)], {"x": ONE})
