"""FPCore text says formats, roundings and the order of evaluation, and refuses what it has no words for."""

from __future__ import annotations

import pytest
from bitvectors import tie

from fpsynth.encoders.fpcore import to_fpcore
from fpsynth.errors import InputError
from fpsynth.expressions import add, maximum, mul, variable
from fpsynth.formats import FLOAT8_E4M3FN, FLOAT16, FLOAT32
from fpsynth.rounding import Rounding


def test_an_expression() -> None:
    a, b = variable("a", FLOAT16), variable("b", FLOAT16)
    product = mul(a, b, Rounding.RTZ)
    assert to_fpcore(add(product, product), "p") == (
        "(FPCore ((! :precision (float 5 16) a) (! :precision (float 5 16) b))\n"
        ' :name "p"\n'
        " :precision real\n"
        " (let* ([_0 (! :precision (float 5 16) :round toZero (* a b))]\n"
        "        [_1 (! :precision (float 5 16) :round nearestEven (+ _0 _0))])\n"
        "  _1))\n"
    )


def test_a_problem_has_its_bounds_as_precondition() -> None:
    text = to_fpcore(tie(FLOAT32), "tie")
    assert " :pre (and (<= 1/10 w1 1) (<= 1/10 w2 1) (<= 1/10 xa 1) (<= 1/10 xb 1))\n" in text
    assert text.count("(") == text.count(")")
    assert "(! :precision real :round nearestEven (cast w1))" in text


def test_the_maximum_keeps_nan_and_the_sign_of_zero() -> None:
    text = to_fpcore(maximum(variable("a", FLOAT16), variable("b", FLOAT16)), "m")
    assert "(if (isnan a) a (if (isnan b) b (if (< a b) b (if (< b a) a (if (signbit a) b a)))))" in text


def test_what_fpcore_cannot_say() -> None:
    a, b = variable("a", FLOAT16), variable("b", FLOAT8_E4M3FN)
    with pytest.raises(InputError, match="flush"):
        to_fpcore(mul(a, a, flush=True), "p")
    with pytest.raises(InputError, match="float8_e4m3fn"):
        to_fpcore(mul(b, b), "p")
    with pytest.raises(InputError, match="quotes"):
        to_fpcore(a, 'p"')
