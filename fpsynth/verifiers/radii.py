"""Radii and distances: exact squares, decimals just below and above a bound, and how many times one is the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.networks.network import Network
from fpsynth.verifiers.bounds import sqrt_upper
from fpsynth.verifiers.lipschitz_ball import exact_supremum_squared

DIGITS = 12
"""Significant digits of the radius that a certifier is asked about."""
LOSS = Fraction(1, 1000)
"""The share of its radius that a certifier may lose to rounding its bounds up before a ratio is that of its own radius."""


def squared_distance(a: Sequence[float], b: Sequence[float]) -> Fraction:
    """The square of the L2 distance of two points, exactly."""
    return sum(((Fraction(x) - Fraction(y)) ** 2 for x, y in zip(a, b, strict=True)), Fraction(0))


def nearest_sqrt(square: Fraction) -> float:
    """The square root of a rational, to within one unit in the last place of float64.

    Raises InputError where it is beyond the range of float64.
    """
    if square == 0:
        return 0.0
    shift = 2 * max(0, 64 - (square.numerator.bit_length() - square.denominator.bit_length()) // 2)
    root = Fraction(math.isqrt((square.numerator << shift) // square.denominator), 1 << (shift // 2))
    try:
        return float(root)
    except OverflowError:
        raise InputError("the distance or the ratio of the certified radius to it exceeds the range of float64") from None


def decimal_below(bound: Fraction, digits: int = DIGITS) -> Fraction:
    """The largest decimal number with so many significant digits that is below ``bound`` > 0."""
    unit = _unit(bound, digits)
    return (math.ceil(bound / unit) - 1) * unit


def decimal_above(bound: Fraction, digits: int = DIGITS) -> Fraction:
    """The smallest decimal number with so many significant digits that is at least ``bound`` > 0."""
    unit = _unit(bound, digits)
    return math.ceil(bound / unit) * unit


def _unit(bound: Fraction, digits: int) -> Fraction:
    """The power of ten with unit * 10**(digits - 1) < bound <= unit * 10**digits."""
    unit = Fraction(10) ** (math.floor(math.log10(bound.numerator) - math.log10(bound.denominator)) - digits + 1)
    while bound > unit * 10**digits:  # the logarithms are rounded
        unit *= 10
    while bound <= unit * 10 ** (digits - 1):
        unit /= 10
    return unit


def lipschitz_ratio(
    network: Network, logits: Sequence[float], squared: Fraction, supremum: Fraction
) -> tuple[float, Fraction | None]:
    """Return the ratio of certified radius and distance (a float64), and its square where it is known exactly.

    One layer: the Lipschitz bounds are norms of differences of rows, so the square is the rational min_i margin_i^2 /
    (L_i^2 d^2).  Otherwise the supremum of the certifier's radii is divided by the distance.
    """
    if squared == 0:
        return math.inf, None
    if len(network.nodes) > 1:
        return nearest_sqrt(supremum**2 / squared), None
    try:
        square = exact_supremum_squared(network, logits) / squared
    except InputError:  # no difference of two logits depends on the input
        return math.inf, None
    return nearest_sqrt(square), square


def stated_ratio(network: Network, logits: Sequence[float], squared: Fraction, supremum: Fraction) -> float:
    """Return the ratio that a witness states (a float64): ``lipschitz_ratio`` where the certifier's own radii come up to it.

    The verified certifier cuts its bounds to 16 decimals.  Where that costs more than a thousandth, as for float64 weights
    near 1, the ratio is that of its own radii, ``supremum`` divided by the distance.
    """
    exact, _ = lipschitz_ratio(network, logits, squared, supremum)
    own = nearest_sqrt(supremum**2 / squared) if squared else exact
    return exact if own >= exact * (1 - float(LOSS)) else own


def containing(squared: Fraction) -> Fraction:
    """A decimal number at least the distance, hardly more."""
    return decimal_above(sqrt_upper(squared)) if squared else squared


def decimal_radius(supremum: Fraction, squared: Fraction) -> Fraction:
    """The largest decimal below the supremum with few digits; more digits where it must still contain the other point."""
    if supremum <= 0:
        return Fraction(0)
    for digits in (DIGITS, 17, 25, 40):
        radius = decimal_below(supremum, digits)
        if radius**2 >= squared:
            return radius
    return decimal_below(supremum)
