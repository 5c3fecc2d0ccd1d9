"""Correctly rounded operations on float64 arrays that hold values of any narrower format, or of float64 itself.

A result is first found exactly, as a float64 and the error that float64 made.  For formats of at most 24 bits that pair is
made one float64 by rounding to odd, which a second rounding into the format cannot tell from the exact result (Boldo and
Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd", IEEE TC 2008); for float64
the error's sign, and whether it is half an ulp, decide.  Where float64 might overflow or lose bits below 2**-1074 on the way,
the exact rounding of ``fpsynth.rounding`` takes over, element by element.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth import rounding as r
from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.bit_patterns import require_subset_of_float64
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.rounding import Flush, Rounding, Value

HUGE = 2.0**1000
_TINY = 2.0**-900
_SPLIT_LIMIT = 2.0**900
"""Bounds within which sums, products and their errors are exact in float64, with room to spare."""

_TOP_EXPONENT = np.int64(0x7FF0000000000000)
_NATIVE: dict[Format, Any] = {FLOAT32: np.float32, FLOAT16: np.float16}
"""Formats into which numpy's own cast rounds float64 correctly (to nearest even, keeping subnormals)."""

Exact = Callable[..., Value]


_told = threading.local()
"""Whether numpy has been told, in this thread."""


def quiet(function: Callable[..., Floats]) -> Callable[..., Floats]:
    """Overflow, underflow and NaN are results here, not accidents.

    Of functions that call one another the outermost tells numpy: that takes longer than an operation on few numbers.
    """

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Floats:
        if getattr(_told, "quiet", False):
            return function(*args, **kwargs)
        with np.errstate(all="ignore"):
            _told.quiet = True
            try:
                return function(*args, **kwargs)
            finally:
                _told.quiet = False

    return wrapped


def require_format(fmt: Format) -> None:
    """Raise InputError unless ``fmt`` is float64 or has at most 24 significand bits and fits into float64."""
    if narrow_range(fmt):
        return
    require_subset_of_float64(fmt)
    if fmt != FLOAT64 and fmt.precision > 24:
        raise InputError(
            f"{fmt.name} has {fmt.precision} significand bits; arrays are evaluated with at most 24, or in float64"
        )


@quiet
def round_array(x: Floats, fmt: Format, rounding: Rounding = Rounding.RNE, flush: Flush = Flush.NEVER) -> Floats:
    """Round float64 values (any shape) once into ``fmt``, and flush them, as ``fpsynth.rounding.round_value`` does.

    Raises InputError for a format of more than 24 significand bits other than float64.
    """
    require_format(fmt)
    x = np.asarray(x, np.float64)
    if fmt == FLOAT64:
        return flush_array(x, fmt) if flush else x
    if rounding is Rounding.RNE and fmt in _NATIVE and flush != Flush.UNBOUNDED:
        rounded: Floats = x.astype(_NATIVE[fmt]).astype(np.float64)
    else:
        rounded = _round_narrow(x, fmt, rounding, flush)
    return flush_array(rounded, fmt) if flush else rounded


def _round_narrow(x: Floats, fmt: Format, mode: Rounding, flush: Flush) -> Floats:
    """Rounding to the nearest multiple of the ulp of x's binade, ties to even; the other modes correct that by one ulp.

    Where tininess is decided with unbounded exponent, the binade below the least normal number has an ulp of its own.
    """
    finite = np.isfinite(x)
    magnitude = np.where(finite, np.abs(x), 0.0)
    least = 2.0 ** (fmt.emin - (flush == Flush.UNBOUNDED))
    binade = np.maximum((magnitude.view(np.int64) & _TOP_EXPONENT).view(np.float64), least)
    ulp = binade * 2.0 ** (1 - fmt.precision)
    rounded = np.rint(magnitude / ulp) * ulp
    if mode is Rounding.RNA:
        rounded = np.where(magnitude - rounded == 0.5 * ulp, rounded + ulp, rounded)
    elif mode is not Rounding.RNE:
        outward = _outward(x, mode)
        rounded = np.where(outward & (rounded < magnitude), rounded + ulp, rounded)
        rounded = np.where(~outward & (rounded > magnitude), rounded - ulp, rounded)
    overflown = ~finite | (rounded > float(fmt.max_finite))
    if overflown.any():
        rounded = np.where(overflown, _overflow(x, fmt, mode), rounded)
    return np.copysign(rounded, x)


def _outward(x: Floats, mode: Rounding) -> NDArray[np.bool_]:
    """Where a directed mode rounds away from zero."""
    return np.zeros(x.shape, bool) if mode is Rounding.RTZ else np.signbit(x) == (mode is Rounding.RTN)


def _overflow(x: Floats, fmt: Format, mode: Rounding) -> Floats:
    """Magnitudes of what numbers beyond the largest one, infinities and NaN become."""
    beyond = np.where(np.isnan(x), np.nan, np.inf if fmt.has_infinity else np.nan)
    if mode in (Rounding.RNE, Rounding.RNA):
        return beyond
    return np.where(np.isfinite(x) & ~_outward(x, mode), float(fmt.max_finite), beyond)


def flush_array(x: Floats, fmt: Format) -> Floats:
    """The values with those that are subnormal in ``fmt`` replaced by zeros of the same sign."""
    return np.asarray(x * ~(np.abs(x) < math.ldexp(1.0, fmt.emin)))  # no number times 0 is no number


@quiet
def add_arrays(a: Floats, b: Floats, fmt: Format, rounding: Rounding = Rounding.RNE, flush: Flush = Flush.NEVER) -> Floats:
    """a + b rounded once into ``fmt``, tiny results flushed; operands are values of ``fmt``, shapes broadcast.

    Raises what round_array raises.
    """
    require_format(fmt)
    flush = Flush(flush).of_exact
    if rounding is Rounding.RNE:  # two roundings to nearest even do no harm where 53 >= 2 * precision + 2 (Figueroa 1995)
        return round_array(a + b, fmt, flush=flush)
    total, error = two_sum(a, b)
    rounded = finish(_signed_zero(total, a, b, rounding), error, fmt, rounding, flush)
    if narrow_range(fmt):
        return rounded
    unsafe = np.isfinite(a) & np.isfinite(b) & (np.maximum(np.abs(a), np.abs(b)) >= HUGE)
    return repair(rounded, unsafe, lambda x, y: r.exact_add(x, y, rounding), (a, b), fmt, rounding, flush)


@quiet
def mul_arrays(a: Floats, b: Floats, fmt: Format, rounding: Rounding = Rounding.RNE, flush: Flush = Flush.NEVER) -> Floats:
    """a * b rounded once into ``fmt``, tiny results flushed; operands are values of ``fmt``, shapes broadcast.

    Raises what round_array raises.
    """
    require_format(fmt)
    product = np.asarray(a * b)
    if fmt == FLOAT64 and rounding is Rounding.RNE:
        if flush != Flush.UNBOUNDED:
            return flush_array(product, fmt) if flush else product
        rounded = flush_array(product, fmt)
        unsafe = np.abs(product) == float(fmt.min_normal)  # which may have been less
        return repair(rounded, unsafe, r.exact_mul, (a, b), fmt, rounding, flush)
    if fmt == FLOAT64:
        rounded = finish(product, product_error(a, b, product), fmt, rounding, flush)
    else:
        rounded = round_array(product, fmt, rounding, flush)
    if narrow_range(fmt):
        return rounded
    unsafe = np.isfinite(a) & np.isfinite(b) & unsafe_product(a, b, product)
    return repair(rounded, unsafe, r.exact_mul, (a, b), fmt, rounding, flush)


@quiet
def fma_arrays(
    a: Floats, b: Floats, c: Floats, fmt: Format, rounding: Rounding = Rounding.RNE, flush: Flush = Flush.NEVER
) -> Floats:
    """a * b + c rounded once into ``fmt``, tiny results flushed; operands are values of ``fmt``, shapes broadcast.

    Raises what round_array raises.  For float64: Boldo and Melquiond's algorithm Fma_emul.
    """
    require_format(fmt)
    product = np.asarray(a * b)
    total, error = two_sum(product, c)
    if fmt == FLOAT64:
        high_c, low_c = two_sum(c, product_error(a, b, product))
        high, low = two_sum(product, high_c)
        emulated, error = two_sum(high, _to_odd(*two_sum(low_c, low)))
        total = np.where(emulated == 0, total, emulated)  # the plain sum has the right sign where all of it is zero
    rounded = finish(_signed_zero(total, product, c, rounding), error, fmt, rounding, flush)
    if narrow_range(fmt):
        return rounded
    # an infinity or NaN among the operands decides alone, but the product of two numbers may have overflown on the way
    factors, all_numbers = np.isfinite(a) & np.isfinite(b), np.isfinite(a) & np.isfinite(b) & np.isfinite(c)
    rounded = np.where(all_numbers, rounded, np.where(factors, c, product + c))
    unsafe = all_numbers & (unsafe_product(a, b, product) | (np.abs(c) >= HUGE))

    def exact(x: Value, y: Value, z: Value) -> Value:
        return r.exact_add(r.exact_mul(x, y), z, rounding)

    return repair(rounded, unsafe, exact, (a, b, c), fmt, rounding, flush)


@quiet
def maximum_arrays(a: Floats, b: Floats) -> Floats:
    """IEEE 754-2019 maximum: NaN if either is NaN, +0 above -0."""
    return np.where(a == b, np.where(np.signbit(a), b, a), np.maximum(a, b))


def narrow_range(fmt: Format) -> bool:
    """Whether every product of two values of ``fmt``, and a sum with it, is well inside the range of float64."""
    return fmt.exponent_bits <= 9 and fmt.precision <= 24


def two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """a + b in float64, and the error exactly (Knuth's TwoSum); the error is 0 where the sum is no number."""
    total = np.asarray(a + b)
    virtual = total - a
    error = (a - (total - virtual)) + (b - virtual)
    return total, np.where(np.isfinite(total), error, 0.0)


def _split(a: Floats) -> tuple[Floats, Floats]:
    """Two halves of at most 26 bits each that add up to a (Veltkamp)."""
    scaled = 134217729.0 * a
    high = scaled - (scaled - a)
    return high, a - high


def product_error(a: Floats, b: Floats, product: Floats) -> Floats:
    """a * b - product exactly (Dekker), where nothing over- or underflows."""
    (a_high, a_low), (b_high, b_low) = _split(a), _split(b)
    error = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    return np.asarray(error)


def _to_odd(x: Floats, error: Floats) -> Floats:
    """x + error rounded to odd: the exact value if float64 holds it, else its neighbour with an odd significand."""
    bits = x.view(np.int64)  # magnitudes and encodings step together, whatever the sign
    step = np.where((error < 0) == (x < 0), 1, -1)
    return np.where((error != 0) & ((bits & 1) == 0), bits + step, bits).view(np.float64)


def _signed_zero(total: Floats, a: Floats, b: Floats, mode: Rounding) -> Floats:
    """Float64 computes to nearest; toward minus infinity, an exact zero sum is -0 unless both operands are +0."""
    if mode is not Rounding.RTN:
        return total
    return np.where((total == 0) & (np.signbit(a) | np.signbit(b)), -0.0, total)


def finish(x: Floats, error: Floats, fmt: Format, mode: Rounding, flush: Flush = Flush.NEVER) -> Floats:
    """Round the exact value x + error, x being its float64 rounding to nearest, into ``fmt``, and flush it.

    In float64 a tiny x + error is exact, since whatever has bits below 2**-1074 is repaired afterwards.
    """
    if fmt != FLOAT64:
        return round_array(_to_odd(x, error), fmt, mode, flush)
    rounded = _finished_float64(x, error, mode)
    return flush_array(rounded, fmt) if flush else rounded


def _finished_float64(x: Floats, error: Floats, mode: Rounding) -> Floats:
    if mode is Rounding.RNE:
        return x
    if mode is Rounding.RNA:
        outward = np.nextafter(x, np.copysign(np.inf, x))
        return np.where((error != 0) & (outward - x == 2 * error), outward, x)
    toward = {Rounding.RTP: np.inf, Rounding.RTN: -np.inf, Rounding.RTZ: 0.0}[mode]
    neighbour = np.nextafter(x, toward)
    return np.where((neighbour > x) & (error > 0) | (neighbour < x) & (error < 0), neighbour, x)


def unsafe_product(a: Floats, b: Floats, product: Floats) -> Any:
    """Where the float64 product of two numbers, or its error, may be inexact."""
    magnitude = np.abs(product)
    zero = (a == 0) | (b == 0)
    large = (np.maximum(np.abs(a), np.abs(b)) >= _SPLIT_LIMIT) | (magnitude >= HUGE)
    return large | (magnitude < _TINY) & ~zero


def repair(
    rounded: Floats,
    unsafe: Any,
    exact: Exact,
    operands: tuple[Floats, ...],
    fmt: Format,
    mode: Rounding,
    flush: Flush = Flush.NEVER,
) -> Floats:
    """Replace the unsafe elements by exactly computed ones."""
    if not np.any(unsafe):
        return rounded
    result = np.array(rounded)
    spread = np.broadcast_arrays(*operands)
    for place in map(tuple, np.argwhere(np.broadcast_to(unsafe, result.shape))):
        values = [r.from_float(float(x[place])) for x in spread]
        result[place] = float(r.round_value(exact(*values), fmt, mode, flush))
    return result
