"""Bit patterns of whole arrays: encode, decode, and the integer index in which one ulp is one step.

The index counts the finite numbers of a format in order: ..., -1 = the smallest negative, 0 = +0 (it stands for both zeros),
1 = the smallest positive, ..., so that "a few ulps away" is integer addition.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT64, Format
from fpsynth.rounding import index_range

Integers = NDArray[np.int64]


def require_subset_of_float64(fmt: Format) -> None:
    """Raise InputError unless float64 holds every number of ``fmt``."""
    if fmt.precision > FLOAT64.precision or fmt.emax > FLOAT64.emax or fmt.lsb_min < FLOAT64.lsb_min:
        raise InputError(f"{fmt.name} does not fit into float64, which the array evaluator computes in")


def bits_to_floats(bits: Integers, fmt: Format) -> Floats:
    """Decode an int64 array of encodings of ``fmt`` (any shape) into float64 values.

    Encodings narrower than 64 bits are in [0, 2**fmt.bits); those of 64 bits are read as two's complement.  Raises InputError
    for a format beyond float64.
    """
    require_subset_of_float64(fmt)
    bits = np.asarray(bits, np.int64)
    if fmt == FLOAT64:
        return bits.view(np.float64)
    return np.where(bits >> (fmt.bits - 1) & 1, -1.0, 1.0) * _decode(bits & _magnitude_mask(fmt), fmt)


def floats_to_bits(x: Floats, fmt: Format) -> Integers:
    """Encode float64 values that ``fmt`` represents (any shape), every NaN as ``fmt.nan_bits``; inverse of ``bits_to_floats``.

    Values that are not in ``fmt`` give meaningless patterns.  Raises InputError for a format beyond float64.
    """
    require_subset_of_float64(fmt)
    x = np.asarray(x, np.float64)
    sign = np.signbit(x).astype(np.int64) << np.int64(fmt.bits - 1)
    return np.where(np.isnan(x), np.int64(fmt.nan_bits), _encode(np.abs(x), fmt) | sign)


def to_index(x: Floats, fmt: Format) -> Integers:
    """The order-preserving index of values of ``fmt`` (infinities follow the largest numbers; meaningless for NaN)."""
    require_subset_of_float64(fmt)
    x = np.asarray(x, np.float64)
    magnitude = _encode(np.abs(x), fmt)
    return np.where(np.signbit(x), -magnitude, magnitude)


def from_index(index: Integers, fmt: Format) -> Floats:
    """The values of ``fmt`` at the given indices; |index| <= ``fmt.max_finite_bits`` gives numbers, 0 gives +0."""
    require_subset_of_float64(fmt)
    index = np.asarray(index, np.int64)
    magnitude = _decode(np.abs(index), fmt)
    return np.where(index < 0, -magnitude, magnitude)


def grid(fmt: Format, lower: Fraction, upper: Fraction) -> tuple[int, int]:
    """Indices (low, high) of the smallest and the largest number of ``fmt`` in [lower, upper]; low > high if it has none."""
    return index_range(Fraction(lower), Fraction(upper), fmt)


def _magnitude_mask(fmt: Format) -> np.int64:
    return np.int64((1 << (fmt.bits - 1)) - 1)


def _decode(magnitude: Integers, fmt: Format) -> Floats:
    """Encodings without sign to values: float64 shares the layout, but for the bias, the subnormals and the top codes."""
    if fmt == FLOAT64:
        return magnitude.view(np.float64)
    trailing = fmt.precision - 1
    biased = np.maximum(magnitude >> trailing, 1)
    significand = magnitude - (biased - 1 << trailing)  # hidden bit included; a subnormal has none
    with np.errstate(over="ignore"):  # of the codes beyond the largest number
        values = np.ldexp(significand.astype(np.float64), (biased - fmt.bias - trailing).astype(np.int32))
    beyond = np.where(magnitude == fmt.infinity_bits, np.inf, np.nan) if fmt.has_infinity else np.nan
    return np.where(magnitude > fmt.max_finite_bits, beyond, values)


def _encode(x: Floats, fmt: Format) -> Integers:
    """Non-negative values to encodings without sign; infinity to the code after the largest number."""
    if fmt == FLOAT64:
        return x.view(np.int64)
    finite = np.where(np.isfinite(x), x, 0.0)
    exponent = np.where(finite == 0, fmt.emin, np.maximum(np.frexp(finite)[1].astype(np.int64) - 1, fmt.emin))
    scaled = np.ldexp(finite, (fmt.precision - 1 - exponent).astype(np.int32)).astype(np.int64)
    encoded = scaled + (exponent - fmt.emin << (fmt.precision - 1))
    return np.where(np.isfinite(x), encoded, np.int64(fmt.max_finite_bits + 1))
