"""Numbers as a person reads them: decimals cut to length, shortest decimals, ulps, and the bits of a float."""

from __future__ import annotations

import math
from fractions import Fraction

from fpsynth.formats import Format, power_of_two
from fpsynth.rounding import Rounding, Value, from_fraction, from_index, representable, round_fraction, to_bits, to_index
from fpsynth.witness.numerals import decimal_text, hex_text
from fpsynth.wording import significant as significant

RADIUS_DIGITS = 10
"""Significant digits of a radius, wherever a report shows one."""


def radius_text(radius: Fraction | float, direction: str = "down") -> str:
    """A radius as every report writes it, rounded so that what is said of it stays true.

    What holds of a radius and of all smaller ones (that it is accepted) is rounded down, what holds of it and of all larger
    ones (that it is rejected) "up".
    """
    return significant(radius, RADIUS_DIGITS, direction)


def equated(name: str, value: str) -> str:
    """``name = value``, or ``name ≈ value`` where the decimals begin with "≈"."""
    return f"{name} {value}" if value.startswith("≈") else f"{name} = {value}"


def decimal(number: Fraction | float, limit: int = 40) -> str:
    """The exact decimal expansion if it has at most ``limit`` characters, else 17 digits: after "≈ " unless exact."""
    if isinstance(number, float) and not math.isfinite(number):
        return repr(number)
    if abs(Fraction(number)) < 10**limit and Fraction(number).denominator < 10 ** (2 * limit):
        try:
            text = decimal_text(number)
        except ValueError:  # no power of ten has this denominator
            text = ""
        if text and len(text) <= limit:
            return text.removesuffix(".0")
    text = significant(number, 17)
    return text if Fraction(text) == number else "≈ " + text


def shortest(number: float, fmt: Format) -> str:
    """The shortest decimal that rounds to this number in its format."""
    if not math.isfinite(number):
        return repr(number)
    for digits in range(1, 18):
        text = significant(number, digits)
        if round_fraction(Fraction(text), fmt) == from_fraction(Fraction(number)):
            return text
    return significant(number, 17)


def value_hex(value: Value) -> str:
    """A Value that float64 holds as a hexadecimal float."""
    return hex_text(float(value))


def value_decimal(value: Value, limit: int = 40) -> str:
    """A Value as ``decimal`` writes it."""
    return decimal(float(value), limit)


def power_text(number: float) -> str:
    """2^k for a power of two of at least 4 (or at most a quarter); empty for any other number."""
    mantissa, exponent = math.frexp(number)
    return f"2^{exponent - 1}" if mantissa == 0.5 and abs(exponent - 1) > 1 else ""


def ulp(number: Fraction, fmt: Format) -> Fraction:
    """Distance of neighbouring numbers of the format in the binade of ``number`` (of subnormals, for small ones).

    Beyond the largest finite number: the distance just below it.
    """
    return power_of_two(max(min(binade(number), fmt.emax) - fmt.precision + 1, fmt.lsb_min)) if number else fmt.min_subnormal


def binade(number: Fraction) -> int:
    """The exponent of the leading bit of a number that is not zero."""
    exponent = abs(number.numerator).bit_length() - number.denominator.bit_length()
    return exponent if power_of_two(exponent) <= abs(number) else exponent - 1


def ulps(difference: Fraction, unit: Fraction) -> str:
    """A difference in units of the last place, to four digits, with its sign."""
    sign = "−" if difference < 0 else "+" if difference > 0 else ""
    return f"{sign}{significant(abs(difference) / unit, 4)} ulp"


def bit_fields(value: Value, fmt: Format) -> str:
    """The encoding as sign | exponent | trailing significand."""
    if not representable(value, fmt):
        return "?"
    bits = f"{to_bits(value, fmt):0{fmt.bits}b}"
    return f"{bits[0]} | {bits[1 : 1 + fmt.exponent_bits]} | {bits[1 + fmt.exponent_bits :]}"


def binary(exact: Value, fmt: Format, limit: int = 60) -> str:
    """An exact finite value in binary, with a bar where the format's last place ends: 1.0011|0101 × 2^-3.

    More than ``limit`` bits after the point are cut, which two dots at the end say.
    """
    if not exact.is_finite:
        return "-inf" if exact.negative else "nan" if exact.is_nan else "inf"
    if exact.is_zero:
        return "-0" if exact.negative else "0"
    top = exact.exponent + exact.significand.bit_length() - 1
    kept = top - max(top - fmt.precision + 1, fmt.lsb_min)  # places after the point that the format holds; < 0: none at all
    lead, places = f"{exact.significand:b}"[0], f"{exact.significand:b}"[1:]
    if kept < 0:
        return f"{'-' if exact.negative else ''}|{lead}.{places[:limit]} × 2^{top}"
    beyond = places[kept:]
    cut = ".." if len(beyond) > max(limit - kept, 8) else ""
    tail = "|" + (beyond[: max(limit - kept, 8)] + cut if beyond else "")
    return f"{'-' if exact.negative else ''}{lead}.{places[:kept].ljust(kept, '0')}{tail} × 2^{top}"


def scaled_integer(number: Fraction) -> str:
    """A dyadic rational as k × 2^e with k odd (or 2^e alone); any other as p/q."""
    if number == 0:
        return "0"
    if number.denominator & (number.denominator - 1):
        return str(number)
    odd = from_fraction(number)
    sign = "-" if odd.negative else ""
    if odd.exponent == 0:
        return f"{sign}{odd.significand}"
    return f"{sign}{'' if odd.significand == 1 else f'{odd.significand} × '}2^{odd.exponent}"


def neighbours(value: Value, fmt: Format) -> tuple[Fraction, Fraction]:
    """The numbers just below and just above a finite value; beyond the largest, where the next one would be."""
    index, number = to_index(value, fmt), value.fraction()

    def at(position: int) -> Fraction:
        if abs(position) <= fmt.max_finite_bits:
            return from_index(position, fmt).fraction()
        return number + (ulp(number, fmt) if position > 0 else -ulp(number, fmt))

    return at(index - 1), at(index + 1)


def rounding_interval(value: Value, fmt: Format, mode: Rounding = Rounding.RNE) -> tuple[Fraction, Fraction, bool, bool]:
    """Return (low, high, low included, high included): the real numbers that round to a finite value that is not zero.

    Source: IEEE 754-2019, section 4.3.  Near zero and the largest finite value the same rule is continued.
    """
    number = value.fraction()
    below, above = neighbours(value, fmt)
    if mode in (Rounding.RNE, Rounding.RNA):
        even = to_bits(value, fmt) & 1 == 0
        low_in = even if mode is Rounding.RNE else number > 0
        high_in = even if mode is Rounding.RNE else number < 0
        return (below + number) / 2, (number + above) / 2, low_in, high_in
    downward = mode is Rounding.RTN or (mode is Rounding.RTZ and number > 0)
    return (number, above, True, False) if downward else (below, number, False, True)
