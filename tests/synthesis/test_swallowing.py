"""Any two trees that differ lose different summands somewhere, and where they do is found."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import trees

from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import fixed_order, parse_order
from fpsynth.orders.comparing import equal
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.synthesis.detecting.swallowing import Swallowing, swallowing
from fpsynth.witness.data import View
from fpsynth.witness.prediction import predicted_logits


def value(found: Swallowing, small: Fraction, how: Arithmetic, terms: int) -> Fraction:
    """The whole sum, zeros included."""
    row = [0.0] * terms
    row[found.minus], row[found.plus], row[found.small] = (float(x) for x in (-found.omega, found.omega, small))
    return predicted_logits(dense_relu((Dense((tuple(row),)),)), (1.0,) * terms, View("x", "x", "silent", Deployment(how)))[0]


@given(st.data(), st.integers(3, 9), st.sampled_from([FLOAT16, BFLOAT16, FLOAT32, FLOAT64]), st.booleans())
def test_trees_differ_exactly_if_summands_tell_them_apart(data: st.DataObject, terms: int, fmt: Format, fused: bool) -> None:
    one, other = data.draw(trees(terms)), data.draw(trees(terms))
    a, b = (Arithmetic(fmt, order=fixed_order(tree), fused=fused) for tree in (one, other))
    small = Fraction(1, 4)
    if equal(one, other):
        with pytest.raises(InputError, match="not at all"):
            swallowing(a, b, terms, small)
        return
    found = swallowing(a, b, terms, small)
    assert {value(found, small, how, terms) for how in (a, b)} == {Fraction(0), small}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Arithmetic(FLOAT32), Arithmetic(FLOAT64)),
        (Arithmetic(FLOAT32), Arithmetic(FLOAT32, accumulator=FLOAT64)),
        (REAL, Arithmetic(FLOAT32, order=parse_order("pairwise"))),
        (Arithmetic(FLOAT32), Arithmetic(FLOAT32, rounding=Rounding.RTP)),
        (Arithmetic(FLOAT32), Arithmetic(FLOAT32, rounding=Rounding.RNA)),
        (Arithmetic(FLOAT32, rounding=Rounding.RTZ), Arithmetic(FLOAT32, rounding=Rounding.RTN)),
    ],
    ids=str,
)
def test_equal_trees_in_other_formats_and_roundings(a: Arithmetic, b: Arithmetic) -> None:
    found = swallowing(a, b, 5, Fraction(1))
    assert abs(value(found, Fraction(1), a, 5) - value(found, Fraction(1), b, 5)) >= 1


def test_two_thousand_terms() -> None:
    a, b = Arithmetic(FLOAT32), Arithmetic(FLOAT32, order=parse_order("strided:8"))
    found = swallowing(a, b, 2048, Fraction(1))
    assert {value(found, Fraction(1), how, 2048) for how in (a, b)} == {0, 1}


def test_arithmetics_that_differ_in_fusing_only_are_beyond_it() -> None:
    plain = Arithmetic(FLOAT32)
    with pytest.raises(InputError, match="they differ in other ways"):
        swallowing(plain, replace(plain, fused=True), 8, Fraction(1))
