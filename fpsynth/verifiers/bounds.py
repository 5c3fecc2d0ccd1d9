"""Exact rational upper bounds: square roots, norms, and numbers cut to a few bits."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from fpsynth.formats import power_of_two


def sqrt_upper(number: Fraction, bits: int = 256) -> Fraction:
    """Return the square root of ``number`` >= 0 if it is rational, else a number above it by less than 2**(1-bits) of it.

    Raises ValueError for a negative number.
    """
    product = number.numerator * number.denominator  # sqrt(p / q) = sqrt(p * q) / q
    root = math.isqrt(product)
    if root * root == product:
        return Fraction(root, number.denominator)
    shift = max(0, bits - root.bit_length() + 1)
    return Fraction(math.isqrt(product << 2 * shift) + 1, number.denominator << shift)


def norm_upper(entries: Iterable[Fraction], bits: int = 256) -> Fraction:
    """Return an upper bound of the Euclidean norm of ``entries``, exact or as tight as ``sqrt_upper`` is."""
    return sqrt_upper(sum((entry * entry for entry in entries), Fraction(0)), bits)


def round_up(number: Fraction, bits: int = 64) -> Fraction:
    """Return a number >= ``number`` >= 0 with at most ``bits`` significant bits, above it by less than 2**(1-bits) of it."""
    if not number:
        return number
    # the quotient of two integers with m and n bits has m - n or m - n + 1 bits; rounded up to 2**bits it has one bit again
    exponent = number.numerator.bit_length() - number.denominator.bit_length() - bits
    if number >= power_of_two(exponent + bits):
        exponent += 1
    scaled = number / power_of_two(exponent)
    return -(-scaled.numerator // scaled.denominator) * power_of_two(exponent)


def float_up(number: Fraction) -> float:
    """Return the smallest float64 >= ``number``.  Raises OverflowError where there is none."""
    nearest = float(number)
    return nearest if Fraction(nearest) >= number else math.nextafter(nearest, math.inf)
