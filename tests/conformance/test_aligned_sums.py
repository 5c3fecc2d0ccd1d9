"""Aligned sums: the reference, the vectorised interpreters, and a tensor core in plain integers give the same bits."""

from __future__ import annotations

import math
import os
import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from strategies import TINY
from sums import Neurons, neurons, wide_trees

from fpsynth.alignment import Alignment, aligned_sum
from fpsynth.errors import InputError
from fpsynth.evaluators.aligned_sums import aligned_sum_arrays, factor
from fpsynth.evaluators.arrays import evaluate_arrays, round_array
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64, TF32, Format
from fpsynth.orders import fixed_order, parse_order
from fpsynth.rounding import Flush, Rounding, Value, from_float
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import restricted

ROWS = 100_000 if "FPSYNTH_SLOW" in os.environ else 10_000


def agree(got: np.ndarray, wanted: list[Value], of: Neurons) -> None:
    for k, (have, want) in enumerate(zip(got.tolist(), wanted, strict=True)):
        assert from_float(have) == want, (str(of.how), of.weights[k].tolist(), of.inputs[k].tolist(), of.bias is None)


@st.composite
def alignments(draw: st.DrawFn) -> Alignment:
    return Alignment(
        draw(st.one_of(st.integers(13, 28), st.integers(1, 64))),
        draw(st.sampled_from([Rounding.RTZ, Rounding.RTZ, *Rounding])),
        draw(st.sampled_from([Rounding.RTZ, Rounding.RTZ, *Rounding])),
        draw(st.sampled_from([None, None, -133, -126, -20, 0])),
    )


@st.composite
def aligned_neurons(draw: st.DrawFn) -> Neurons:
    formats = (FLOAT16, BFLOAT16, TF32, FLOAT32, FLOAT8_E4M3FN, FLOAT8_E5M2, TINY)
    fmt, terms, bias = draw(st.sampled_from(formats)), draw(st.integers(1, 9)), draw(st.booleans())
    leaf = bias and draw(st.booleans())
    order = draw(
        st.one_of(wide_trees(terms + leaf, 9).map(fixed_order), st.sampled_from([*map(parse_order, ("groups:4", "lanes:2"))]))
    )
    how = Arithmetic(
        fmt,
        accumulator=draw(st.sampled_from([None, FLOAT32, FLOAT32, FLOAT16])),
        fused=True,
        flush=draw(st.sampled_from([Flush.NEVER, Flush.NEVER, Flush.ROUNDED, Flush.UNBOUNDED])),
        order=order,
        bias_first=draw(st.booleans()),
        rounded=tuple(sorted(draw(st.sets(st.integers(0, terms - 1), max_size=3)))),
        operands=draw(st.sampled_from([None, TF32, BFLOAT16])),
        operand_rounding=draw(st.sampled_from(list(Rounding))),
        bias_leaf=leaf,
        alignment=draw(alignments()),
    )
    return neurons(how, terms, 4, bias, draw(st.integers(0, 10**6)))


@settings(max_examples=examples(400))
@given(aligned_neurons())
def test_arrays_and_sums_give_the_bits_of_the_reference(case: Neurons) -> None:
    wanted = case.by_exact()
    agree(evaluate_arrays([case.graph()], case.columns())[0], wanted, case)
    agree(sum_of_products(case.how, case.weights, case.inputs, case.bias), wanted, case)


def test_formats_that_float64_does_not_multiply_exactly_are_refused() -> None:
    how = Arithmetic(FLOAT64, fused=True, alignment=Alignment(25), order=parse_order("groups:4"))
    with pytest.raises(InputError, match="float64"):
        sum_of_products(how, np.ones((1, 4)), np.ones((1, 4)))


@pytest.mark.parametrize("least", [499, 501, 850, 900])
@pytest.mark.parametrize(("sign", "down"), [(-1.0, Rounding.RTN), (1.0, Rounding.RTP)])
def test_what_is_tiny_beside_a_huge_least_exponent_is_cut_away_from_zero(least: int, sign: float, down: Rounding) -> None:
    # at 850 the quotient by the last place underflowed in float64, and nothing was left to cut
    how, tiny = Alignment(25, cut=down, least_exponent=least), 2.0**-149
    wanted = aligned_sum([], [(from_float(sign * tiny), from_float(tiny))], FLOAT32, FLOAT32, how)
    pair = (factor(np.array([sign * tiny]), FLOAT32), factor(np.array([tiny]), FLOAT32))
    (got,) = aligned_sum_arrays([], [pair], FLOAT32, FLOAT32, how).tolist()
    assert got == float(wanted) == sign * math.inf


# a tensor core in plain integers: nothing of fpsynth's arithmetic is used below

WIDTHS = {"float16": (5, 10), "bfloat16": (8, 7), "tf32": (8, 10), "float32": (8, 23)}
"""Exponent bits and fraction bits."""


def parts(number: float, name: str) -> tuple[int, int]:
    """A number's signed significand and exponent: number = significand * 2**(exponent - fraction bits)."""
    exponent_bits, fraction_bits = WIDTHS[name]
    (bits,) = struct.unpack("<Q", struct.pack("<d", number))
    sign, stored, fraction = -1 if bits >> 63 else 1, bits >> 52 & 0x7FF, bits & ((1 << 52) - 1)
    least = 2 - (1 << (exponent_bits - 1))
    if stored == 0:
        assert fraction == 0, "no number of these formats is so small"
        return 0, least
    exponent, significand = stored - 1023, fraction | 1 << 52
    drop = 52 - fraction_bits + max(0, least - exponent)
    assert significand % (1 << drop) == 0, "not a number of the format"
    return sign * (significand >> drop), max(exponent, least)


def cut(significand: int, places: int) -> int:
    """Shifted left by so many places, or right, toward zero."""
    magnitude = abs(significand) << places if places >= 0 else abs(significand) >> -places
    return magnitude if significand >= 0 else -magnitude


def into_float32(total: int, last: int) -> float:
    """total * 2**last, rounded toward zero by dropping bits."""
    magnitude = abs(total)
    drop = max(magnitude.bit_length() - 24, -149 - last, 0)
    magnitude, last = magnitude >> drop, last + drop
    if magnitude.bit_length() + last > 128:
        return float("inf") if total > 0 else float("-inf")
    return (1 if total >= 0 else -1) * float(magnitude) * 2.0**last


def instruction(accumulator: float, weights: list[float], inputs: list[float], name: str, kept: int) -> float:
    """accumulator + the inner product, in one step."""
    fraction = WIDTHS[name][1]
    addends = []  # (significand, exponent, fraction bits)
    for w, x in zip(weights, inputs, strict=True):
        (a, e), (b, f) = parts(w, name), parts(x, name)
        addends.append((a * b, e + f, 2 * fraction))
    addends.append((*parts(accumulator, "float32"), 23))
    addends = [addend for addend in addends if addend[0]]
    if not addends:
        return 0.0
    largest = max(exponent for _, exponent, _ in addends)
    total = sum(cut(s, exponent - bits - largest + kept) for s, exponent, bits in addends)
    return into_float32(total, largest - kept) if total else 0.0


@pytest.mark.parametrize(
    ("name", "group", "kept"), [("float16", 16, 25), ("bfloat16", 8, 24), ("tf32", 4, 24), ("float16", 4, 23)]
)
def test_a_tensor_core_in_plain_integers(name: str, group: int, kept: int) -> None:
    fmt, n = {"float16": FLOAT16, "bfloat16": BFLOAT16, "tf32": TF32}[name], 20
    how = Arithmetic(fmt, accumulator=FLOAT32, fused=True, order=parse_order(f"groups:{group}"), alignment=Alignment(kept))
    if name == "tf32":
        how = replace(how, format=FLOAT32, operands=TF32, operand_rounding=Rounding.RTZ)
    rng = np.random.default_rng(group)
    rows = ROWS // 4
    scale = 2.0 ** rng.integers(-12, 13, (2, rows, n))
    scale[:, : rows // 4] = 1.0
    weights, inputs = (round_array(rng.standard_normal((rows, n)) * s, fmt) for s in scale)
    weights[rows // 2 :, 1::2], inputs[rows // 2 :, 1::2] = -weights[rows // 2 :, ::2], inputs[rows // 2 :, ::2]  # they cancel
    inputs[rows // 2 :, 1::4] = round_array(inputs[rows // 2 :, 1::4] * (1 + 2.0 ** (2 - fmt.precision)), fmt)
    wide = replace(how, format=FLOAT32) if name != "tf32" else how  # the float32 result, before it is rounded into the format
    got = sum_of_products(replace(wide, operands=fmt), weights, inputs)
    for w, x, result in zip(weights.tolist(), inputs.tolist(), got.tolist(), strict=True):
        total = 0.0
        for start in range(0, n, group):
            total = instruction(total, w[start : start + group], x[start : start + group], name, kept)
        assert result == total


@settings(max_examples=examples(150))
@given(st.data())
def test_a_restricted_sum_gives_what_the_whole_gives_with_zeros(data: st.DataObject) -> None:
    fmt: Format = data.draw(st.sampled_from([FLOAT16, BFLOAT16, FLOAT8_E5M2]))
    terms = data.draw(st.integers(2, 9))
    order = data.draw(st.one_of(wide_trees(terms, 9).map(fixed_order), st.just(parse_order("groups:4"))))
    bits = data.draw(st.sampled_from([13, 21, 23, 25]))
    rounded = tuple(sorted(data.draw(st.sets(st.integers(0, terms - 1), max_size=2))))
    how = Arithmetic(fmt, accumulator=FLOAT32, fused=True, order=order, alignment=Alignment(bits), rounded=rounded)
    active = sorted(data.draw(st.sets(st.integers(0, terms - 1), min_size=1)))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    weights, inputs = (
        round_array(rng.standard_normal((50, terms)) * 2.0 ** rng.integers(-4, 5, (50, terms)), fmt) for _ in "wx"
    )
    weights[:, [k for k in range(terms) if k not in active]] = 0.0
    try:
        small = restricted(how, terms, active)
    except InputError:
        return
    whole = sum_of_products(how, weights, inputs)
    assert np.array_equal(sum_of_products(small, weights[:, active], inputs[:, active]), whole)
