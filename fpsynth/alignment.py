"""Aligned sums: how a step of fused hardware adds many products at once, as tensor cores do; the reference of its results.

The addends are not normalised one against another.  All are shifted to the largest exponent among them, what falls below the
last place kept is cut off, the rest is added exactly, and the sum is rounded once.  Fasi, Higham, Mikaitis and Pranesh,
"Numerical behavior of NVIDIA tensor cores", PeerJ Computer Science 2021; Xie et al., "MMA-Sim: Bit-accurate reference model of
tensor cores and matrix cores", 2025 (there: truncated fused dot product and addition, with F fraction bits).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fpsynth import rounding as r
from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.rounding import Rounding, Value

MAX_FRACTION_BITS = 64


@dataclass(frozen=True)
class Alignment:
    """How the addends of one step are lined up, cut and rounded.

    The exponent of a number is that of its leading bit, but at least the format's smallest normal exponent; the exponent of a
    product is the sum of its factors' exponents, although the product of their significands may be 2 or more: products are
    not normalised before they are added.  A zero has no exponent, or ``least_exponent``.
    """

    fraction_bits: int
    """Each addend becomes a multiple of 2**(largest exponent - fraction_bits): 24 for float32 and one extra bit."""
    rounding: Rounding = Rounding.RTZ
    """How the exact sum of what is left is rounded into the accumulator; overflow gives an infinity in every mode."""
    cut: Rounding = Rounding.RTZ
    """How addends are made multiples: toward zero (signed magnitudes), or downward (two's complement)."""
    least_exponent: int | None = None
    """The largest exponent is never taken to be less than this."""

    def __post_init__(self) -> None:
        if not 1 <= self.fraction_bits <= MAX_FRACTION_BITS:
            raise InputError(f"an alignment keeps 1 to {MAX_FRACTION_BITS} fraction bits, not {self.fraction_bits}")
        if self.least_exponent is not None and not -2000 <= self.least_exponent <= 2000:
            raise InputError("the least exponent of an alignment must be from -2000 to 2000")

    def extra_bits(self, accumulator: Format) -> int:
        """Bits kept below the last place of an accumulator's significand: 0 for Volta, 1 for Ampere, 2 for Hopper."""
        return self.fraction_bits - (accumulator.precision - 1)

    def keeps(self, factors: Format, accumulator: Format) -> bool:
        """Whether a product or a partial sum that is alone in a step loses nothing when it is cut."""
        return self.fraction_bits >= max(2 * (factors.precision - 1), accumulator.precision - 1)

    def __str__(self) -> str:
        parts = [f"aligned to {self.fraction_bits} bits"]
        if self.cut is not Rounding.RTZ:
            parts.append(f"cut {self.cut.value}")
        parts.append(f"rounded {self.rounding.value}")
        if self.least_exponent is not None:
            parts.append(f"exponents from {self.least_exponent}")
        return ", ".join(parts)


def exponent_of(value: Value, fmt: Format) -> int:
    """The exponent of a finite value other than zero: that of its leading bit, but at least that of the least normal one."""
    return max(value.exponent + value.significand.bit_length() - 1, fmt.emin)


def lined_up(
    numbers: Sequence[Value], products: Sequence[tuple[Value, Value]], factors: Format, fmt: Format, how: Alignment
) -> tuple[list[Value], int | None]:
    """The exact addends of a step, numbers first, and the exponent that they are lined up at; None where all are zero."""
    exponents = [exponent_of(value, fmt) for value in numbers if _counts(value)]
    exponents += [exponent_of(a, factors) + exponent_of(b, factors) for a, b in products if _counts(a) and _counts(b)]
    addends = [*numbers, *(r.exact_mul(a, b) for a, b in products)]
    if not exponents:
        return addends, None
    return addends, max(exponents if how.least_exponent is None else [*exponents, how.least_exponent])


def cut_at(value: Value, last: int, how: Alignment) -> Value:
    """What is left of a finite addend that is cut to a multiple of 2**last."""
    units = _cut(value, last, how.cut)
    return r.dyadic(units < 0, abs(units), last)


def aligned_sum(
    numbers: Sequence[Value],
    products: Sequence[tuple[Value, Value]],
    factors: Format,
    fmt: Format,
    how: Alignment,
) -> Value:
    """What a step makes of ``numbers`` (of ``fmt``) and the exact ``products`` of pairs (of ``factors``), rounded into ``fmt``.

    An exact zero is +0.  NaN, infinities of both signs and zero times infinity give NaN; infinities of one sign give that one.
    """
    addends, largest = lined_up(numbers, products, factors, fmt, how)
    special = [value for value in addends if not value.is_finite]
    if special:
        return special[0] if len(set(special)) == 1 and fmt.has_infinity else r.NAN
    if largest is None:
        return r.PLUS_ZERO
    last = largest - how.fraction_bits
    total = sum(_cut(value, last, how.cut) for value in addends)
    if total == 0:
        return r.PLUS_ZERO
    exact = r.dyadic(total < 0, abs(total), last)
    if exact.exponent + exact.significand.bit_length() - 1 > fmt.emax:  # whatever the mode says
        return _overflowed(exact.negative, fmt)
    return r.round_value(exact, fmt, how.rounding)


def _counts(value: Value) -> bool:
    """Whether a value has an exponent."""
    return value.is_finite and not value.is_zero


def _cut(value: Value, last: int, mode: Rounding) -> int:
    """A finite value as a multiple of 2**last."""
    shift, units = last - value.exponent, value.significand
    units = r.round_significand(units, shift, value.negative, mode) if shift > 0 else units << -shift
    return -units if value.negative else units


def _overflowed(negative: bool, fmt: Format) -> Value:
    if not fmt.has_infinity:
        return r.NAN
    return r.MINUS_INFINITY if negative else r.PLUS_INFINITY
