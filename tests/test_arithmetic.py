"""Claims of arithmetic.py: what an arithmetic is called, in which format it sums, and where a deployment differs."""

from __future__ import annotations

import pytest

from fpsynth.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32
from fpsynth.orders import Order
from fpsynth.rounding import Rounding


@pytest.mark.parametrize(
    ("arithmetic", "text"),
    [
        (REAL, "real"),
        (Arithmetic(FLOAT32), "float32 sequential"),
        (Arithmetic(FLOAT16, accumulator=FLOAT16), "float16 sequential"),
        (
            Arithmetic(BFLOAT16, FLOAT32, Rounding.RTZ, True, True, Order("strided", 4), True),
            "bfloat16 accumulated in float32 strided:4 fused RTZ flushed bias first",
        ),
    ],
)
def test_an_arithmetic_says_what_it_is(arithmetic: Arithmetic, text: str) -> None:
    assert str(arithmetic) == text


def test_sums_are_taken_in_the_accumulator_or_else_in_the_format() -> None:
    assert Arithmetic(FLOAT16).sum_format == FLOAT16
    assert Arithmetic(FLOAT16, FLOAT32).sum_format == FLOAT32
    assert REAL.sum_format is None


def test_a_deployment_is_constant_but_for_its_exceptions() -> None:
    usual, tail = Arithmetic(FLOAT32), Arithmetic(FLOAT32, order=Order("pairwise"))
    deployment = Deployment(usual, (((1, 9), tail),))
    assert [deployment.at(*place) for place in ((0, 9), (1, 8), (1, 9))] == [usual, usual, tail]
    assert str(deployment) == "float32 sequential with 1 exceptions"
