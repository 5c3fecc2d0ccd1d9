"""Exact values and correct rounding into a Format: the reference that every other interpreter is held against.

A floating-point value is kept as sign * significand * 2**exponent in Python integers, so that sums and products are exact
and each operation rounds once.  Definitions: IEEE 754-2019, sections 3 to 6; overflow in formats without infinity: OCP 8-bit
floating point specification 1.0, non-saturating mode.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from fractions import Fraction

from fpsynth.errors import InputError, unknown_name
from fpsynth.formats import Format, power_of_two


class Rounding(enum.Enum):
    """The five rounding directions of IEEE 754, by their SMT-LIB names."""

    RNE = "RNE"  # to nearest, ties to even
    RNA = "RNA"  # to nearest, ties away from zero
    RTP = "RTP"  # toward plus infinity
    RTN = "RTN"  # toward minus infinity
    RTZ = "RTZ"  # toward zero


def rounding_named(name: str) -> Rounding:
    """Return the rounding mode called ``name``.  Raises InputError that lists the names for an unknown one."""
    try:
        return Rounding(name)
    except ValueError:
        raise unknown_name("rounding", name, [mode.value for mode in Rounding]) from None


class Flush(enum.IntEnum):
    """Whether an operation flushes subnormals: it reads subnormal operands, and writes tiny results, as zeros of their sign.

    The value tells what a tiny result is (IEEE 754-2019, 7.5, tininess after rounding).  True and False, which files and
    callers may say, are equal to ROUNDED and NEVER.
    """

    NEVER = 0
    ROUNDED = 1
    """One that is subnormal once it has been rounded into the format."""
    UNBOUNDED = 2
    """One that is below the least normal number once it has been rounded to the precision as if exponents had no limit: what
    x86 does (SSE, AVX, FMA and AVX512-BF16).  It differs in the last half ulp below the least normal number."""

    @property
    def of_exact(self) -> Flush:
        """The same for operations whose tiny results are exact, such as sums of two numbers: there both kinds are one."""
        return Flush.ROUNDED if self else Flush.NEVER


class Kind(enum.Enum):
    """What a floating-point datum is."""

    FINITE = "finite"
    INFINITE = "infinite"
    NAN = "nan"


@dataclass(frozen=True)
class Value:
    """A floating-point datum: (-1)**negative * significand * 2**exponent, an infinity, or the one NaN.

    Finite values are kept in lowest terms: an odd significand, or significand = exponent = 0 for the two zeros.  Two data
    are the same bits in a format exactly if their Values are equal.
    """

    kind: Kind
    negative: bool = False
    significand: int = 0
    exponent: int = 0

    @property
    def is_zero(self) -> bool:
        """Whether this is +0 or -0."""
        return self.kind is Kind.FINITE and self.significand == 0

    @property
    def is_finite(self) -> bool:
        """Whether this is a number."""
        return self.kind is Kind.FINITE

    @property
    def is_nan(self) -> bool:
        """Whether this is NaN."""
        return self.kind is Kind.NAN

    def fraction(self) -> Fraction:
        """The number exactly.  Raises ValueError for infinities and NaN."""
        if not self.is_finite:
            raise ValueError(f"{self} is not a number")
        signed = -self.significand if self.negative else self.significand
        return Fraction(signed << self.exponent) if self.exponent >= 0 else Fraction(signed, 1 << -self.exponent)

    def __float__(self) -> float:
        """The value as a Python float.  Raises OverflowError where float64 cannot hold it exactly."""
        if self.is_nan:
            return math.nan
        if not self.is_finite:
            return -math.inf if self.negative else math.inf
        width = self.significand.bit_length()
        if width > 53 or self.exponent < -1074 or self.exponent + width > 1024:  # the significand is odd, or zero
            raise OverflowError(f"{self.significand} * 2**{self.exponent} is not a float64")
        magnitude = math.ldexp(self.significand, self.exponent)
        return -magnitude if self.negative else magnitude


NAN = Value(Kind.NAN)
PLUS_INFINITY = Value(Kind.INFINITE, False)
MINUS_INFINITY = Value(Kind.INFINITE, True)
PLUS_ZERO = Value(Kind.FINITE, False)
MINUS_ZERO = Value(Kind.FINITE, True)


def dyadic(negative: bool, significand: int, exponent: int) -> Value:
    """The finite Value (-1)**negative * significand * 2**exponent, in lowest terms; ``significand`` >= 0."""
    if significand == 0:
        return MINUS_ZERO if negative else PLUS_ZERO
    shift = (significand & -significand).bit_length() - 1
    return Value(Kind.FINITE, negative, significand >> shift, exponent + shift)


def from_float(number: float) -> Value:
    """The Value of a Python float."""
    if math.isnan(number):
        return NAN
    negative = math.copysign(1.0, number) < 0
    if math.isinf(number):
        return MINUS_INFINITY if negative else PLUS_INFINITY
    numerator, denominator = abs(number).as_integer_ratio()
    return dyadic(negative, numerator, 1 - denominator.bit_length())


def from_fraction(number: Fraction | int) -> Value:
    """The Value of a dyadic rational (zero becomes +0).  Raises ValueError where the denominator is no power of two."""
    numerator, denominator = number.numerator, number.denominator
    if denominator & (denominator - 1):
        raise ValueError(f"{number} is not a dyadic rational")
    return dyadic(numerator < 0, abs(numerator), 1 - denominator.bit_length())


def from_bits(bits: int, fmt: Format) -> Value:
    """Decode ``bits`` (0 <= bits < 2**fmt.bits)."""
    trailing_bits = fmt.precision - 1
    negative = bool(bits >> (fmt.bits - 1))
    biased = bits >> trailing_bits & ((1 << fmt.exponent_bits) - 1)
    trailing = bits & ((1 << trailing_bits) - 1)
    magnitude = bits & ((1 << (fmt.bits - 1)) - 1)
    if magnitude > fmt.max_finite_bits:
        if fmt.has_infinity and magnitude == fmt.infinity_bits:
            return MINUS_INFINITY if negative else PLUS_INFINITY
        return NAN
    if biased == 0:
        return dyadic(negative, trailing, fmt.lsb_min)
    return dyadic(negative, trailing | 1 << trailing_bits, biased - fmt.bias - trailing_bits)


def to_bits(value: Value, fmt: Format) -> int:
    """Encode a Value that ``fmt`` represents (every NaN as ``fmt.nan_bits``).  Raises ValueError where it does not."""
    if value.is_nan:
        return fmt.nan_bits
    sign = int(value.negative) << (fmt.bits - 1)
    if not value.is_finite:
        return sign | fmt.infinity_bits
    if value.significand == 0:
        return sign
    top = value.exponent + value.significand.bit_length() - 1
    lsb = max(top - fmt.precision + 1, fmt.lsb_min)
    if value.exponent < lsb or top > fmt.emax:
        raise ValueError(f"{value.fraction()} is not a {fmt.name}")
    scaled = value.significand << (value.exponent - lsb)
    # a subnormal has biased exponent 0 and its significand's leading bit, if it reaches that far, carries into the exponent
    magnitude = scaled if top < fmt.emin else scaled + ((top + fmt.bias - 1) << (fmt.precision - 1))
    if magnitude > fmt.max_finite_bits:
        raise ValueError(f"{value.fraction()} is not a {fmt.name}")
    return sign | magnitude


def representable(value: Value, fmt: Format) -> bool:
    """Whether ``fmt`` holds this Value exactly."""
    try:
        to_bits(value, fmt)
    except (ValueError, InputError):
        return False
    return True


def round_significand(significand: int, shift: int, negative: bool, mode: Rounding) -> int:
    """significand / 2**shift, of a number of that sign, rounded to an integer, for shift > 0."""
    quotient, rest = significand >> shift, significand & ((1 << shift) - 1)
    half = 1 << (shift - 1)
    if mode is Rounding.RNE:
        up = rest > half or (rest == half and quotient & 1 == 1)
    elif mode is Rounding.RNA:
        up = rest >= half
    elif mode is Rounding.RTZ:
        up = False
    else:
        up = rest > 0 and negative == (mode is Rounding.RTN)
    return quotient + up


def _exceeds(value: Value, fmt: Format) -> bool:
    """Whether a number of at most ``fmt.precision`` significant bits is larger than the largest finite value."""
    width = value.significand.bit_length()
    top = value.exponent + width - 1
    if top != fmt.emax:
        return top > fmt.emax
    return not fmt.has_infinity and value.significand << (fmt.precision - width) == (1 << fmt.precision) - 1


def _overflow(negative: bool, fmt: Format, mode: Rounding) -> Value:
    """What a result beyond the largest finite value becomes (IEEE 754-2019, 7.4)."""
    toward_zero = mode is Rounding.RTZ or (mode is Rounding.RTP and negative) or (mode is Rounding.RTN and not negative)
    if toward_zero:
        return from_fraction(-fmt.max_finite if negative else fmt.max_finite)
    if not fmt.has_infinity:
        return NAN
    return MINUS_INFINITY if negative else PLUS_INFINITY


def flushed(value: Value, fmt: Format) -> Value:
    """The value, or the zero of its sign if it is subnormal in ``fmt``."""
    if value.is_finite and value.significand and value.exponent + value.significand.bit_length() - 1 < fmt.emin:
        return MINUS_ZERO if value.negative else PLUS_ZERO
    return value


def round_value(value: Value, fmt: Format, mode: Rounding = Rounding.RNE, flush: Flush = Flush.NEVER) -> Value:
    """Round an exact Value once into ``fmt``; with ``flush`` a tiny result becomes a zero of its sign (see Flush).

    An infinity becomes NaN in a format that has none.
    """
    if value.kind is not Kind.FINITE:
        return value if value.kind is Kind.NAN or fmt.has_infinity else NAN
    if not value.significand:
        return value
    top = value.exponent + value.significand.bit_length() - 1
    lsb = top - fmt.precision + 1 if flush == Flush.UNBOUNDED else max(top - fmt.precision + 1, fmt.lsb_min)
    if value.exponent >= lsb:
        result = value
    else:
        result = dyadic(value.negative, round_significand(value.significand, lsb - value.exponent, value.negative, mode), lsb)
    if _exceeds(result, fmt):
        return _overflow(value.negative, fmt, mode)
    return flushed(result, fmt) if flush else result


def round_fraction(number: Fraction, fmt: Format, mode: Rounding = Rounding.RNE, flush: Flush = Flush.NEVER) -> Value:
    """Round any rational once into ``fmt`` (zero becomes +0); ``flush`` as in ``round_value``."""
    denominator = number.denominator
    if denominator & (denominator - 1) == 0:
        return round_value(from_fraction(number), fmt, mode, flush)
    # keep two bits below the last place and make the lowest of them sticky: the rounding cannot tell the difference
    top = abs(number.numerator).bit_length() - denominator.bit_length()
    lsb = top - fmt.precision - 1 if flush == Flush.UNBOUNDED else max(top - fmt.precision - 1, fmt.lsb_min - 2)
    quotient, rest = divmod(abs(number.numerator) * power_of_two(-lsb).numerator, denominator * power_of_two(lsb).numerator)
    return round_value(dyadic(number < 0, quotient << 1 | (rest != 0), lsb - 1), fmt, mode, flush)


def negate(a: Value) -> Value:
    """-a; the NaN stays the NaN."""
    return a if a.is_nan else Value(a.kind, not a.negative, a.significand, a.exponent)


def exact_add(a: Value, b: Value, mode: Rounding = Rounding.RNE) -> Value:
    """a + b without rounding; ``mode`` decides the sign of an exact zero (IEEE 754-2019, 6.3)."""
    if a.kind is not Kind.FINITE or b.kind is not Kind.FINITE:
        if a.is_nan or b.is_nan:
            return NAN
        if a.is_finite:
            return b
        return a if b.is_finite or a.negative == b.negative else NAN
    exponent = min(a.exponent, b.exponent)
    first, second = a.significand << (a.exponent - exponent), b.significand << (b.exponent - exponent)
    total = (-first if a.negative else first) + (-second if b.negative else second)
    if total == 0:
        same_sign_zeros = a.is_zero and b.is_zero and a.negative == b.negative
        return dyadic(a.negative if same_sign_zeros else mode is Rounding.RTN, 0, 0)
    return dyadic(total < 0, abs(total), exponent)


def exact_mul(a: Value, b: Value) -> Value:
    """a * b without rounding."""
    negative = a.negative != b.negative
    if a.kind is not Kind.FINITE or b.kind is not Kind.FINITE:
        if a.is_nan or b.is_nan or a.is_zero or b.is_zero:
            return NAN
        return MINUS_INFINITY if negative else PLUS_INFINITY
    return dyadic(negative, a.significand * b.significand, a.exponent + b.exponent)


def maximum(a: Value, b: Value) -> Value:
    """IEEE 754-2019 maximum: NaN if either is NaN; +0 is above -0."""
    if a.is_nan or b.is_nan:
        return NAN
    if less(a, b):
        return b
    if less(b, a):
        return a
    return b if a.negative else a


def less(a: Value, b: Value) -> bool:
    """a < b; false if either is NaN."""
    if a.is_nan or b.is_nan:
        return False
    if a.negative != b.negative:
        return a.negative and not (a.is_zero and b.is_zero)
    order = _magnitude_order(a, b)
    return order > 0 if a.negative else order < 0


def equal(a: Value, b: Value) -> bool:
    """a = b as numbers: the zeros are equal, NaN equals nothing."""
    return not a.is_nan and not b.is_nan and (a == b or (a.is_zero and b.is_zero))


def _magnitude_order(a: Value, b: Value) -> int:
    """Negative, zero or positive as |a| is below, equal to or above |b|; neither is NaN."""
    if not a.is_finite or not b.is_finite:
        return b.is_finite - a.is_finite
    if a.significand == 0 or b.significand == 0:
        return (a.significand > 0) - (b.significand > 0)
    difference = (a.exponent + a.significand.bit_length()) - (b.exponent + b.significand.bit_length())
    if difference:  # the leading bits decide, however far apart the exponents are
        return difference
    exponent = min(a.exponent, b.exponent)
    return (a.significand << (a.exponent - exponent)) - (b.significand << (b.exponent - exponent))


def to_index(value: Value, fmt: Format) -> int:
    """The position of a finite value among all values of the format: order-preserving, consecutive, 0 for both zeros."""
    magnitude = to_bits(value, fmt) & ((1 << (fmt.bits - 1)) - 1)
    return -magnitude if value.negative else magnitude


def from_index(index: int, fmt: Format) -> Value:
    """The finite value at a position (see ``to_index``); position 0 is +0.  Raises ValueError beyond the finite values."""
    if abs(index) > fmt.max_finite_bits:
        raise ValueError(f"{fmt} has no finite number at position {index}")
    return from_bits(index if index >= 0 else -index | 1 << (fmt.bits - 1), fmt)


def index_range(lower: Fraction, upper: Fraction, fmt: Format) -> tuple[int, int]:
    """Positions of the smallest and the largest number of the format within [lower, upper]; reversed if there is none."""
    return -_last_index(-lower, fmt), _last_index(upper, fmt)


def _last_index(bound: Fraction, fmt: Format) -> int:
    """The position of the largest finite value <= bound; the one before the first position where there is none."""
    if bound < -fmt.max_finite:
        return -fmt.max_finite_bits - 1
    return to_index(round_fraction(min(bound, fmt.max_finite), fmt, Rounding.RTN), fmt)
