"""Words of messages and reports: text that a terminal may print, nouns with their numbers, and numbers cut to length."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


def printable(text: str, keep: str = "") -> str:
    """The text with every character that a terminal could obey (line breaks, escape sequences) written as an escape.

    Characters in ``keep`` stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)


def printable_report(text: str) -> str:
    """The text of a report, with line breaks and colours left as they are and everything else made ``printable``."""
    return "".join(part if k % 2 else printable(part, "\n") for k, part in enumerate(_COLOUR.split(text)))


def noun(number: int, one: str, many: str = "") -> str:
    """The noun that goes with a number: row of 1, rows of 0 and 2; ``many`` where the plural is not the noun and an s."""
    return one if number == 1 else many or one + "s"


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun, as in "1 row" and "2 rows" (see ``noun``)."""
    return f"{number} {noun(number, one, many)}"


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + " and " + words[-1]


def significant(number: Fraction | float, digits: int, direction: str = "nearest") -> str:
    """The number to so many significant digits, zeros at the end dropped; ``direction`` is nearest, down or up.

    Exponents are written as in 5.96e-8; infinities and NaN by their names.
    """
    if isinstance(number, float) and not math.isfinite(number):
        return repr(number)
    exact = Fraction(number)
    mode = {"nearest": ROUND_HALF_EVEN, "down": ROUND_FLOOR, "up": ROUND_CEILING}[direction]
    context = Context(prec=digits, rounding=mode, Emin=-999999, Emax=999999)
    decimal = context.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    if decimal == 0:
        return "0"
    sign, _, _ = decimal.as_tuple()
    exponent = decimal.adjusted()
    if -5 <= exponent < max(digits, 6):
        text = f"{decimal:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa = "".join(map(str, decimal.as_tuple().digits)).rstrip("0")
    return ("-" if sign else "") + mantissa[0] + ("." + mantissa[1:] if mantissa[1:] else "") + f"e{exponent}"
