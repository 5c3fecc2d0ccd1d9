"""The recorded sums do in numpy what their files say, and what the files deny does not exist in a small format."""

import functools
import operator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fpsynth.corpus.smtlib.divergence_table import FAMILIES, WAYS, ComparedSums, questions
from fpsynth.corpus.smtlib.enumeration import enumerate_problem
from fpsynth.corpus.smtlib.manifest import load_manifest
from fpsynth.formats import FLOAT8_E4M3FN, FLOAT16, FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import parse_order
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.domain import Interval
from fpsynth.verifiers.intervals import network_intervals

ENCODINGS = Path(__file__).parents[2] / "encodings"
OPPOSITE, ZERO, DIFFER = WAYS
TINY = (Interval(Fraction(1, 4), Fraction(1)), Interval(Fraction(-1), Fraction(-1, 4)))


@pytest.fixture(scope="module")
def recorded():
    known = load_manifest(ENCODINGS)["questions"]
    return lambda key: {name: float.fromhex(number) for name, number in known[key]["model"].items()}


def added(numbers, dtype):
    """Added up from left to right, every sum rounded to the type."""
    return functools.reduce(operator.add, [dtype(number) for number in numbers])


def sums(terms, first, second, way=OPPOSITE, domain=TINY, **other):
    """A question about numbers of float8_e4m3fn in two orders."""
    how = [Arithmetic(FLOAT8_E4M3FN, order=parse_order(order)) for order in (first, second)]
    return ComparedSums(FLOAT8_E4M3FN, terms, *how, way, domain, **other)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_three_numbers_add_up_to_nothing_or_to_something(dtype, recorded):
    a, b, c = recorded(f"order/{np.dtype(dtype).name}_3_zero").values()
    assert added([a, b, c], dtype) == 0
    assert added([b, c, a], dtype) > 0  # a + (b + c), as addition commutes


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_four_numbers_add_up_below_zero_or_above(dtype, recorded):
    a, b, c, d = recorded(f"order/{np.dtype(dtype).name}_4_signs").values()
    assert added([a, b, c, d], dtype) < 0
    assert added([a, c], dtype) + added([b, d], dtype) > 0


@pytest.mark.parametrize(("narrow", "wide"), [(np.float16, np.float32), (np.float32, np.float64)])
def test_a_wider_format_turns_a_sign_round(narrow, wide, recorded):
    numbers = recorded(f"precision/{np.dtype(narrow).name}_{np.dtype(wide).name}_4_signs").values()
    assert added(numbers, narrow) < 0 < added(numbers, wide)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_relu_of_a_sum_below_zero_is_above(dtype, recorded):
    numbers = recorded(f"relu/{np.dtype(dtype).name}_4_sequential").values()
    assert sum(map(Fraction, numbers)) < 0 < added(numbers, dtype)


def test_rounding_a_product_before_it_is_added_makes_a_float32_sum_zero(recorded):
    w0, w1, x0, x1 = map(np.float32, recorded("precision/float32_fused_2_zero").values())
    assert w0 * x0 + w1 * x1 == 0
    # the fused one adds the exact second product to the rounded first: that is exact in float64, 48 bits and a few
    assert np.float64(w0 * x0) + np.float64(w1) * np.float64(x1) > 0


@pytest.mark.parametrize(("name", "fmt", "dtype"), [("float16_3", FLOAT16, np.float16), ("float32_3", FLOAT32, np.float32)])
def test_a_sum_in_another_order_leaves_the_interval_of_the_certifier(name, fmt, dtype, recorded):
    numbers = list(recorded(f"interval/{name}_other_order").values())
    ((low, high),) = network_intervals(dense_relu((Dense((tuple(numbers),)),)), [(1, 1)] * 3, fmt, Deployment(Arithmetic(fmt)))
    assert low.fraction() <= added(numbers, dtype) <= high.fraction()
    assert not low.fraction() <= added(numbers[::-1], dtype) <= high.fraction()


DENIED = ("precision/float8_e4m3fn_fused_2_signs", "order/float8_e4m3fn_in_float16_3_exact", "interval/float8_e4m3fn_3_elina")


@pytest.mark.parametrize("key", [*DENIED, "order/float8_e4m3fn_3_signs", "interval/float8_e4m3fn_3_same_order"])
def test_enumeration_confirms_what_two_solvers_refuted(key):
    (question,) = [q for q in questions() if q.key == key]
    assert question.status == "unsat"
    count = enumerate_problem(question.problem)
    assert count.assignments > 1000
    assert count.solution is None


def test_what_is_denied_of_three_terms_holds_of_a_weaker_demand_or_of_four():
    signs = sums(3, "sequential", "reverse", domain=(*TINY, TINY[0]))
    assert enumerate_problem(signs.problem("signs")).solution is None
    assert enumerate_problem(replace(signs, way=DIFFER).problem("differ")).solution is not None
    small = Interval(Fraction(1, 64), Fraction(1, 16))
    four = sums(4, "sequential", "strided:2", domain=(TINY[0], small, TINY[1], Interval(-small.upper, -small.lower)))
    assert enumerate_problem(four.problem("four")).solution is not None
    assert enumerate_problem(sums(4, "sequential", "pairwise", domain=four.domain).problem("same")).solution is None


def test_interval_arithmetic_without_widening_is_left_where_that_of_elina_is_not():
    (question,) = [q for q in questions() if q.key == "interval/float8_e4m3fn_3_elina"]
    widened = question.state.func.__self__
    assert widened.widening == "elina"
    assert enumerate_problem(replace(widened, widening="").problem("bare")).solution is not None


def test_a_header_tells_the_domain_of_every_number():
    text = str(sums(3, "sequential", "[0,[1,2]]", ZERO))
    assert text.startswith("3 numbers v0, v1, ... in float8_e4m3fn, v0 in 0.25:1, v1 in -1:-0.25, v2 in 0.25:1.")
    assert text.endswith(
        "First: float8_e4m3fn sequential.  Second: float8_e4m3fn [0,[1,2]].  The first is 0 and the second above."
    )
    assert set(FAMILIES) == {question.family for question in questions()}
