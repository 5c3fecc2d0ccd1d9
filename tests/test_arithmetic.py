"""Claims of arithmetic.py: what an arithmetic is called, in which format it sums, and where a deployment differs."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from profiles import examples
from strategies import EVERY
from sums import Neurons, neurons, sum_arithmetics

from fpsynth.errors import InputError
from fpsynth.evaluators.bit_patterns import bits_to_floats
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64, TF32, holds
from fpsynth.orders import Order, Tree, fixed_order, parse_order
from fpsynth.rounding import Flush, Rounding, from_float
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.sums.building import program_of, restricted
from fpsynth.sums.program import StepKind


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
        (
            Arithmetic(BFLOAT16, FLOAT32, fused=True, flush=Flush.UNBOUNDED, rounded=(1,)),
            "bfloat16 accumulated in float32 sequential fused but for product 1 flushed (unbounded exponent)",
        ),
        (Arithmetic(FLOAT32, fused=True, rounded=(0, 2)), "float32 sequential fused but for products 0, 2"),
        (Arithmetic(FLOAT32, fused=True, rounded=(0, 1, 2, 3, 4)), "float32 sequential fused but for 5 products"),
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
    assert str(deployment) == "float32 sequential with 1 exception"


def same_but_for_zeros(whole: Neurons, active: list[int]) -> None:
    """Assert that a sum in which only ``active`` products are not zero is the restricted sum of those."""
    part = restricted(whole.how, whole.weights.shape[1], active, whole.bias is not None)
    program = program_of(whole.how, whole.weights.shape[1], whole.bias is not None)
    wide = any(len(step) > 2 for step in program.tree.steps)
    left = Neurons(part, whole.weights[:, active], whole.inputs[:, active], whole.bias)
    for k, (full, rest) in enumerate(zip(whole.by_exact(), left.by_exact(), strict=True)):
        overflown = wide and full.is_nan and not rest.is_finite  # an infinity makes a fused step of many nodes NaN
        assert full == rest or (full.is_zero and rest.is_zero) or overflown, (
            str(whole.how),
            active,
            whole.weights[k],
            whole.inputs[k],
        )


@st.composite
def partly_active(draw: st.DrawFn) -> tuple[Neurons, list[int]]:
    """Neurons with hostile numbers at some places and zeros of either sign elsewhere, with or without a bias."""
    fmt, terms, bias = (
        draw(st.sampled_from([FLOAT16, BFLOAT16, FLOAT32, FLOAT64])),
        draw(st.integers(1, 9)),
        draw(st.booleans()),
    )
    how = draw(sum_arithmetics(fmt, terms, bias))
    active = sorted(draw(st.sets(st.integers(0, terms - 1), min_size=1)))
    case = neurons(how, terms, 5, bias, draw(st.integers(0, 10**6)), finite=True)
    others = [k for k in range(terms) if k not in active]
    case.weights[:, others] = draw(st.sampled_from([0.0, -0.0]))
    case.inputs[:, others] = 1.0  # a large one, rounded into a narrower format, would be an infinity, and its product NaN
    return case, active


def zeros_at(how: Arithmetic, inputs: list[float]) -> Neurons:
    x = np.array([inputs])
    return Neurons(how, np.where(x == 0, 0.0, 1 + 2.0**-12) * np.where(x < 0, -1, 1), np.abs(x), None)


X = 1 + 2.0**-12
"""Its square does not fit into float32."""


@settings(max_examples=examples(300))
@given(partly_active())
@example((zeros_at(Arithmetic(FLOAT32, fused=True), [0.0, X, -X]), [1, 2]))
@example((zeros_at(Arithmetic(FLOAT32, fused=True, order=Order("pairwise")), [X, 0.0, 0.0, -X]), [0, 3]))
@example((zeros_at(Arithmetic(FLOAT32, fused=True, rounded=(1,)), [X, -X, 0.0]), [0, 1]))
@example((zeros_at(Arithmetic(FLOAT32, fused=True, order=fixed_order(Tree(4, ((0, 1, 2), (4, 3))))), [X, 0, 0, -X]), [0, 3]))
def test_a_restricted_arithmetic_gives_what_the_whole_sum_gives(case: tuple[Neurons, list[int]]) -> None:
    whole, active = case
    try:
        restricted(whole.how, whole.weights.shape[1], active, whole.bias is not None)
    except InputError as error:
        assume("cannot be restricted" not in str(error))
        raise
    same_but_for_zeros(whole, active)


def test_a_restricted_step_stays_one_rounding() -> None:
    step = Arithmetic(FLOAT32, order=fixed_order(Tree(3, ((0, 1, 2),))), fused=True)
    kinds = {
        (step, (0, 2)): (StepKind.EXACT, [True, True]),
        (replace(step, rounded=(2,)), (0, 2)): (StepKind.FMA, [True, False]),
        (replace(step, fused=False), (0, 2)): (StepKind.ADD, [False, False]),
    }
    for (whole, active), (kind, exact) in kinds.items():
        program = program_of(restricted(whole, 3, active), 2)
        assert [one.kind for one in program.steps] == [kind]
        assert [leaf.exact for leaf in program.leaves] == exact
    assert restricted(REAL, 3, [1]) == REAL
    with pytest.raises(InputError, match="at least one"):
        restricted(step, 3, [])


def test_an_order_that_holds_the_bias_is_restricted_with_it_or_without() -> None:
    how = Arithmetic(FLOAT32, order=parse_order("blocked:2+bias:1"), bias_leaf=True)
    with_bias, without = restricted(how, 4, [0, 3], True), restricted(how, 4, [0, 3])
    assert program_of(with_bias, 2, True).tree.steps == ((0, 2), (3, 1))
    assert program_of(without, 2).tree.steps == ((0, 1),)
    assert program_of(with_bias, 2) == program_of(without, 2)
    with pytest.raises(InputError, match="without a bias"):
        program_of(without, 2, True)


def test_thousands_of_terms_are_restricted_in_milliseconds() -> None:
    how = Arithmetic(FLOAT32, fused=True, order=Order("pairwise"))
    program_of(how, 4096)
    start = time.perf_counter()
    for k in range(10):
        assert program_of(restricted(how, 4096, [k, 2000, 4095]), 3).tree.leaves == 3
    assert time.perf_counter() - start < 10  # measured: 0.05


def test_a_format_holds_another_exactly_if_it_holds_its_values() -> None:
    small = [fmt for fmt in EVERY if fmt.bits <= 16]
    for narrow in small:
        values = bits_to_floats(np.arange(1 << narrow.bits), narrow)
        for wide in (fmt for fmt in EVERY if fmt.precision <= 24 or fmt == FLOAT64):
            kept = round_array(values, wide)
            assert holds(wide, narrow) == np.array_equal(kept, values, equal_nan=True), (wide, narrow)
    pairs = [(FLOAT64, FLOAT32), (FLOAT32, TF32), (FLOAT32, FLOAT16), (FLOAT16, FLOAT8_E5M2), (FLOAT8_E5M2, FLOAT8_E4M3FN)]
    assert [holds(*pair) for pair in pairs] == [True, True, True, True, False]


def test_a_zero_bias_that_comes_first_stays_where_it_is() -> None:
    how = Arithmetic(FLOAT32, fused=True, bias_first=True, order=parse_order("reverse"))
    part = restricted(how, 3, [1, 2], True)
    x = np.float64(1 + 2.0**-12)
    weights, inputs = np.array([[0.0, x, -x]]), np.array([[1.0, x, x]])
    (whole,) = Neurons(how, weights, inputs, np.zeros(1)).by_exact()
    (left,) = Neurons(part, weights[:, [1, 2]], inputs[:, [1, 2]], np.zeros(1)).by_exact()
    assert float(whole.fraction()) == float(left.fraction()) == 2.0**-24
    same_but_for_zeros(Neurons(how, weights, inputs, None), [1, 2])


def test_a_fused_product_that_is_left_alone_is_rounded_as_its_step_rounds() -> None:
    """Product 1 is exact until it is added to the other; alone it is rounded into float32, and not into float16 before."""
    how = Arithmetic(FLOAT32, products=FLOAT16, fused=True)
    x = 1 + 2.0**-12
    both, one = restricted(how, 2, [0, 1]), restricted(how, 2, [1])
    assert program_of(both, 2) == program_of(how, 2)
    assert [one.format for one in program_of(one, 1).leaves[0].rounds] == [FLOAT32]
    assert Neurons(one, np.array([[x]]), np.array([[x]]), None).by_exact() == [from_float(1 + 2.0**-11)]
    same_but_for_zeros(Neurons(how, np.array([[0.0, x]]), np.array([[1.0, x]]), None), [1])
