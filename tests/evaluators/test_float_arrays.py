"""Claims of float_arrays.py: array operations give the exact ones' bits, for small formats exhaustively."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hostile import hostile_array, hostile_triples, pairs_of_all
from profiles import every_second
from strategies import EVERY, MICRO, TINY, TINYFN, TWO_BITS, WIDE

from fpsynth import rounding as r
from fpsynth.errors import InputError
from fpsynth.evaluators.arrays import bits_to_floats, round_array
from fpsynth.evaluators.float_arrays import add_arrays, flush_array, fma_arrays, maximum_arrays, mul_arrays
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.rounding import Flush, Rounding, Value

Array = np.ndarray
PER_ELEMENT: dict[str, tuple[Callable[..., Array], Callable[..., Value]]] = {
    "add": (add_arrays, lambda a, b, mode: r.exact_add(a, b, mode)),
    "mul": (mul_arrays, lambda a, b, mode: r.exact_mul(a, b)),
    "fma": (fma_arrays, lambda a, b, c, mode: r.exact_add(r.exact_mul(a, b), c, mode)),
}


def as_values(x: Array) -> list[Value]:
    return [r.from_float(v) for v in x.tolist()]


def agree(got: Array, wanted: Sequence[Value], *operands: Array) -> None:
    for place, (have, want) in enumerate(zip(as_values(got), wanted, strict=True)):
        assert have == want, [x[place].hex() for x in operands]


SMALL = [TINY, TINYFN, MICRO, TWO_BITS]


def finite(fmt: Format, mode: Rounding) -> bool:
    """Formats without infinity overflow in each mode in a way of their own."""
    return not fmt.has_infinity


@pytest.mark.parametrize("op", ["add", "mul"])
@pytest.mark.parametrize(("fmt", "mode"), every_second(product(SMALL, Rounding), always=finite), ids=str)
def test_every_pair_of_a_small_format(fmt: Format, op: str, mode: Rounding) -> None:
    vectorised, exact = PER_ELEMENT[op]
    a, b = pairs_of_all(fmt)
    wanted = [r.round_value(exact(x, y, mode), fmt, mode) for x, y in zip(as_values(a), as_values(b), strict=True)]
    agree(vectorised(a, b, fmt, mode), wanted, a, b)


@pytest.mark.parametrize("mode", Rounding)
@pytest.mark.parametrize("fmt", [MICRO, Format("microfn", 2, 2, has_infinity=False)], ids=str)
def test_every_triple_of_a_tiny_format(fmt: Format, mode: Rounding) -> None:
    everything = bits_to_floats(np.arange(1 << fmt.bits), fmt)
    a, b, c = (x.ravel() for x in np.meshgrid(everything, everything, everything))
    exact = PER_ELEMENT["fma"][1]
    operands = zip(as_values(a), as_values(b), as_values(c), strict=True)
    agree(fma_arrays(a, b, c, fmt, mode), [r.round_value(exact(*xyz, mode), fmt, mode) for xyz in operands], a, b, c)


@pytest.mark.parametrize("op", PER_ELEMENT)
@pytest.mark.parametrize(("fmt", "mode"), every_second(product(EVERY, Rounding), always=finite), ids=str)
def test_hostile_operands_of_every_format(fmt: Format, op: str, mode: Rounding) -> None:
    vectorised, exact = PER_ELEMENT[op]
    operands = hostile_triples(fmt, 1500 if fmt in (FLOAT32, FLOAT64, WIDE) else 500, seed=3)[: 3 if op == "fma" else 2]
    wanted = [r.round_value(exact(*xs, mode), fmt, mode) for xs in zip(*(as_values(x) for x in operands), strict=True)]
    agree(vectorised(*operands, fmt, mode), wanted, *operands)


@pytest.mark.parametrize("flush", Flush)
@pytest.mark.parametrize(("fmt", "mode"), every_second(product(EVERY, Rounding), always=finite), ids=str)
def test_rounding_float64_into_every_format(fmt: Format, mode: Rounding, flush: Flush) -> None:
    near = hostile_array(fmt, 300, seed=5)
    with np.errstate(all="ignore"):
        ulp = near - np.nextafter(near, 0.0)
        between = [near * factor for factor in (1 + 2.0**-fmt.precision, 1 - 2.0**-fmt.precision, 1.25, 1 + 2.0**-52)]
        x = np.concatenate([near, *between, near + ulp, hostile_array(FLOAT64, 300, seed=6)])
    agree(round_array(x, fmt, mode, flush), [r.round_value(v, fmt, mode, flush) for v in as_values(x)], x)


@pytest.mark.parametrize("mode", Rounding)
@pytest.mark.parametrize("op", PER_ELEMENT)
@pytest.mark.parametrize("fmt", [TINY, FLOAT16, FLOAT32, FLOAT64, WIDE], ids=str)
def test_results_around_the_least_normal_number_are_flushed_as_the_reference_does(fmt: Format, op: str, mode: Rounding) -> None:
    """Products within two ulps of it, and tiny products on top of it: where the two kinds of flushing differ."""
    vectorised, exact = PER_ELEMENT[op]
    rng, count = np.random.default_rng(11), 300
    half = float(fmt.min_normal) ** 0.5
    a = round_array(rng.uniform(1.0, 1.5, count) * half, fmt)
    b = round_array(float(fmt.min_normal) / a * (1 + rng.integers(-3, 4, count) * 2.0 ** (-fmt.precision - 1)), fmt)
    b = np.where(rng.random(count) < 0.5, b * 2.0 ** (-fmt.precision - rng.integers(-1, 3, count)), b)
    c = rng.choice([-1.0, 0.0, 1.0], count) * float(fmt.min_normal)
    operands = (np.where(rng.random(count) < 0.5, a, -a), round_array(b, fmt), c)[: 3 if op == "fma" else 2]
    results = {flush: vectorised(*operands, fmt, mode, flush) for flush in Flush}
    for flush, got in results.items():
        wanted = [r.round_value(exact(*xs, mode), fmt, mode, flush) for xs in zip(*map(as_values, operands), strict=True)]
        agree(got, wanted, *operands)
    differ = np.any(results[Flush.ROUNDED] != results[Flush.UNBOUNDED])
    assert differ == (op != "add" and mode not in (Rounding.RTZ,)) or fmt == TINY


@pytest.mark.parametrize("fmt", [TINY, TINYFN, FLOAT16, FLOAT64], ids=str)
def test_maximum_and_flushing(fmt: Format) -> None:
    a, b = pairs_of_all(fmt) if fmt.bits < 8 else hostile_triples(fmt, 800, seed=7)[:2]
    agree(maximum_arrays(a, b), [r.maximum(x, y) for x, y in zip(as_values(a), as_values(b), strict=True)], a, b)
    agree(flush_array(a, fmt), [r.flushed(x, fmt) for x in as_values(a)], a)


def scalar(function: Callable[..., Array], *numbers: float, mode: Rounding = Rounding.RNE) -> float:
    return float(function(*(np.array([x]) for x in numbers), FLOAT64, mode)[0])


def test_float64_fused_by_hand() -> None:
    x = 1 + 2.0**-27
    assert scalar(fma_arrays, x, x, -(1 + 2.0**-26)) == 2.0**-54
    assert scalar(fma_arrays, 2.0**1000, 2.0**1000, -np.inf) == -np.inf  # the product does not overflow first
    assert scalar(fma_arrays, 2.0**600, 2.0**600, -(2.0**1023)) == np.inf
    assert scalar(fma_arrays, 2.0**512, 2.0**511, -(2.0**1023)) == 0
    assert np.signbit(scalar(fma_arrays, -0.0, 1.0, -0.0))  # the emulation alone would lose this sign
    assert scalar(fma_arrays, 5e-324, 0.5, 0.0, mode=Rounding.RTP) == 5e-324
    assert scalar(fma_arrays, 5e-324, 5e-324, 1.0, mode=Rounding.RTP) == np.nextafter(1.0, 2.0)


def test_float64_directed_roundings_see_what_is_lost_far_below_the_last_place() -> None:
    assert scalar(add_arrays, 1.0, 5e-324, mode=Rounding.RTP) == np.nextafter(1.0, 2.0)
    assert scalar(add_arrays, 1.0, -5e-324, mode=Rounding.RTZ) == np.nextafter(1.0, 0.0)
    assert scalar(add_arrays, 1.0, 2.0**-53, mode=Rounding.RNA) == np.nextafter(1.0, 2.0)
    assert scalar(add_arrays, 2.0**1023, 2.0**1023, mode=Rounding.RTZ) == float(FLOAT64.max_finite)
    assert scalar(mul_arrays, 2.0**-600, -(2.0**-600), mode=Rounding.RTN) == -5e-324
    assert scalar(mul_arrays, 2.0**-600, -(2.0**-600), mode=Rounding.RTP) == 0


def test_shapes_broadcast() -> None:
    column, row = np.array([[1.0], [2.0]]), np.array([0.1, 0.2, 0.3])
    for fmt in (FLOAT32, FLOAT64):
        for mode in Rounding:
            row_in = round_array(row, fmt)
            total = fma_arrays(column, row_in, np.float64(1), fmt, mode)
            assert (
                total.shape
                == add_arrays(column, row_in, fmt, mode).shape
                == mul_arrays(column, row_in, fmt, mode).shape
                == (2, 3)
            )
            exact = r.exact_add(r.exact_mul(r.from_float(2.0), r.from_float(row_in[2])), r.from_fraction(1))
            assert r.from_float(total[1, 2]) == r.round_value(exact, fmt, mode)


def test_formats_between_float32_and_float64_are_refused() -> None:
    with pytest.raises(InputError, match="long has 30 significand bits"):
        round_array(np.array([1.0]), Format("long", 8, 30))
    with pytest.raises(InputError, match="quad does not fit into float64"):
        add_arrays(np.array([1.0]), np.array([1.0]), Format("quad", 15, 113))


def test_products_beyond_float64_are_repaired() -> None:
    """Format wide has the range of float64 but 24 bits: float64 rounds its subnormal products, which must not count."""
    a = np.array([float(Fraction(2**24 - 1, 2**24) * Fraction(1, 2**500))])
    b = np.array([float(Fraction(2**24 - 3, 2**24) * Fraction(1, 2**530))])
    exact = r.exact_mul(r.from_float(a[0]), r.from_float(b[0]))
    for mode in Rounding:
        agree(mul_arrays(a, b, WIDE, mode), [r.round_value(exact, WIDE, mode)], a, b)


def test_what_overflows_is_no_accident_whoever_calls_and_after_whatever_error() -> None:
    huge, wide = np.array([3.0e38]), Format("wide", 8, 30)
    with np.errstate(all="raise"):
        for _ in range(2):
            assert np.isinf(add_arrays(huge, huge, FLOAT32)).all()
            with pytest.raises(InputError, match="30 significand bits"):
                add_arrays(huge, huge, wide)
        with pytest.raises(FloatingPointError):
            huge.astype(np.float32) * np.float32(10)
