"""Numerals: exact numbers as hexadecimal and decimal text, and back."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT64, Format
from fpsynth.networks.certifier_text import decimal
from fpsynth.rounding import Value, dyadic, from_fraction, representable

_HEX = re.compile(r"(-?)0x([01])(?:\.([0-9a-f]{1,13}))?p([+-][0-9]{1,4})", re.ASCII)
_RATIO = re.compile(r"-?[0-9]+/[0-9]*[1-9][0-9]*", re.ASCII)
_EXACT = re.compile(r"-?[0-9]+(\.[0-9]+|/[0-9]*[1-9][0-9]*)?", re.ASCII)
MAX_DIGITS = 4000
"""Length of the longest numeral that is read or written: every float64 and every ratio of two fits in it."""


def hex_text(number: float) -> str:
    """The float in C99 hexadecimal notation without trailing zeros (0x1.8p-1), or inf, -inf, nan."""
    text = number.hex()
    significand, mark, exponent = text.partition("p")
    if "." in significand:
        significand = significand.rstrip("0").rstrip(".")
    return significand + mark + exponent


def parse_hex(text: str) -> Value:
    """Read a hexadecimal float exactly.  Raises InputError for any other notation, infinities and NaN included."""
    match = _HEX.fullmatch(text)
    if match is None:
        raise InputError(f"{quoted(text)} is not a finite hexadecimal float such as 0x1.8p-1")
    sign, leading, trailing, exponent = match[1], match[2], match[3] or "", match[4]
    return dyadic(sign == "-", int(leading + trailing, 16), int(exponent) - 4 * len(trailing))


def parse_hex_in(text: str, fmt: Format) -> float:
    """Read a hexadecimal float that ``fmt`` represents.  Raises InputError where it does not, or as ``parse_hex``."""
    value = parse_hex(text)
    if not representable(value, fmt):
        raise InputError(f"{quoted(text)} is not a {fmt.name}")
    return float(value)


def decimal_text(number: Fraction | float) -> str:
    """The exact decimal expansion, without exponent and with at least one decimal place; the negative zero is -0.0.

    Raises InputError for a number whose expansion does not end, infinities and NaN.
    """
    text = decimal(number)
    return f"-{text}" if number == 0 and isinstance(number, float) and math.copysign(1.0, number) < 0 else text


def exact_text(number: Fraction) -> str:
    """The exact number: a decimal expansion where one ends, else p/q.  Raises InputError beyond ``MAX_DIGITS`` characters."""
    try:
        text = decimal(number)
    except InputError:
        text = f"{number.numerator}/{number.denominator}"
    if len(text) > MAX_DIGITS:
        raise InputError(f"a number of {len(text)} characters cannot be written")
    return text


def parse_exact(text: str) -> Fraction:
    """Read a decimal number without exponent, or p/q.  Raises InputError for anything else."""
    if len(text) > MAX_DIGITS or _EXACT.fullmatch(text) is None:
        raise InputError(f"{quoted(text)} is neither a decimal number without exponent nor a fraction p/q")
    return Fraction(text)


def rational_text(number: Fraction) -> str:
    """The exact number: a hexadecimal float where float64 holds it, else p/q.  Raises InputError beyond ``MAX_DIGITS``."""
    if number.denominator & (number.denominator - 1) == 0:
        value = from_fraction(number)
        if representable(value, FLOAT64):
            return hex_text(float(value))
    if max(abs(number.numerator), number.denominator).bit_length() > 10 * MAX_DIGITS // 3:  # which Python need not convert
        raise InputError("a number of too many digits cannot be written")
    text = f"{number.numerator}/{number.denominator}"
    if len(text) > MAX_DIGITS:
        raise InputError(f"a number of {len(text)} characters cannot be written")
    return text


def parse_rational(text: str) -> Fraction:
    """Read a hexadecimal float of float64, or p/q.  Raises InputError for anything else."""
    if len(text) <= MAX_DIGITS and _RATIO.fullmatch(text) is not None:
        return Fraction(text)
    return Fraction(parse_hex_in(text, FLOAT64))


def quoted(value: object, limit: int = 60) -> str:
    """A value as it stands in a message: printable ASCII, one line, shortened."""
    if isinstance(value, int) and value.bit_length() > 1000:
        return "a huge integer"
    text = ascii(value[: limit + 1] if isinstance(value, str) else value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def hexes_of(numbers: Iterable[float]) -> list[str]:
    """Each number as ``hex_text`` writes it."""
    return [hex_text(number) for number in numbers]


def decimals_of(numbers: Iterable[float]) -> list[str]:
    """Each number as ``decimal_text`` writes it."""
    return [decimal_text(number) for number in numbers]
