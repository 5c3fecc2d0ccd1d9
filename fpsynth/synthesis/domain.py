"""Domains: the ranges that weights and inputs are searched in."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.formats import Format, power_of_two

MAX_CHARACTERS = 1200
"""Of a number: all decimals of any float64 fit in."""
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?"


@dataclass(frozen=True)
class Interval:
    """The numbers from ``lower`` to ``upper``, both included."""

    lower: Fraction
    upper: Fraction

    def __str__(self) -> str:
        return f"{_short(self.lower)}:{_short(self.upper)}"

    @property
    def magnitude(self) -> Fraction:
        """The largest absolute value."""
        return max(abs(self.lower), abs(self.upper))

    @property
    def mignitude(self) -> Fraction:
        """The smallest absolute value."""
        return Fraction(0) if self.lower <= 0 <= self.upper else min(abs(self.lower), abs(self.upper))


UNIT = Interval(Fraction(-1), Fraction(1))
"""Where weights and inputs lie unless a question says otherwise."""


def _short(number: Fraction) -> str:
    if number.denominator == 1 and abs(number) < 10**16:
        return str(number)
    try:
        return repr(float(number))
    except OverflowError:
        return f"{'-' if number < 0 else ''}1e+{math.floor(math.log10(abs(number.numerator)) - math.log10(number.denominator))}"


def parse_number(text: str, what: str) -> Fraction:
    """Read a decimal number exactly.  Raises InputError that names ``what`` for anything else."""
    if len(text) > MAX_CHARACTERS or not re.fullmatch(_NUMBER, text.strip(), re.ASCII):
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        raise InputError(f"{what} {shown!r} is not a decimal number")
    return Fraction(text.strip())


def parse_interval(text: str, what: str) -> Interval:
    """Read LO:HI.  Raises InputError that names ``what`` for another form and for a reversed range."""
    lower, colon, upper = text.partition(":")
    if not colon:
        raise InputError(f"{what} {text[:60]!r} must have the form LO:HI, for example 0.1:1")
    interval = Interval(parse_number(lower, what), parse_number(upper, what))
    if interval.lower > interval.upper:
        raise InputError(f"{what} {text[:60]!r} is reversed: its lower end is above its upper end")
    return interval


def check_interval(interval: Interval, fmt: Format, what: str) -> None:
    """Raise InputError where the range exceeds the format, or holds no number of it."""
    if interval.magnitude > fmt.max_finite:
        raise InputError(f"{what} {interval} exceeds the largest {fmt} number, {float(fmt.max_finite):.6g}")
    # the nearest number at or above the lower end: the grid around a magnitude m has steps of at most max(m * 2u, lsb)
    if interval.lower <= 0 <= interval.upper:
        return
    step = _step(interval.mignitude, fmt)
    lower, upper = sorted((abs(interval.lower), abs(interval.upper)))
    if -(-lower // step) * step > upper:
        raise InputError(f"{what} {interval} holds no {fmt} number: widen it")


def _step(magnitude: Fraction, fmt: Format) -> Fraction:
    """Distance of neighbouring numbers of the format at this magnitude."""
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    if power_of_two(exponent) > magnitude:
        exponent -= 1
    return power_of_two(max(exponent - fmt.precision + 1, fmt.lsb_min))


def default_weights(fmt: Format) -> Interval:
    """[0.1, 1], scaled up by a power of two for formats so fine that the gap of two neighbours falls below 2**-30.

    The CAV 2025 certifier rounds its Lipschitz bounds up to 16 decimals: at a gap of 2**-53 its bound is 65537 times too
    large, from 2**-30 on the loss is negligible.  The scale changes nothing else: margin and bound grow alike.
    """
    scale = power_of_two(max(0, fmt.precision + 3 - 30))
    return Interval(Fraction(1, 10) * scale, Fraction(scale))


DEFAULT_INPUTS = Interval(Fraction(1, 10), Fraction(1))
