"""An interval that holds the computed value of a neuron whatever order it is summed in, fused or not: gamma times sum |w||x|.

In any tree over n products and a bias a product passes at most n + 1 roundings and the bias n, so that with
gamma_k = k u / (1 - k u), k u < 1 (Higham, Accuracy and Stability of Numerical Algorithms, lemma 3.1)

    |computed - exact|  <=  gamma_(n+1) (sum |w_k||x_k| + |b|)  +  (1 + gamma_(n+1)) n e / 2,

u the unit roundoff and e the least subnormal of the format in which the sum is accumulated: only products underflow.  Directed
rounding doubles u and e/2.  The result's cast from a wider accumulator adds one rounding of the value so bounded.

Steps that align their addends lose more (see ``fpsynth.alignment``).  Whatever the tree, n products and a bias make at most n
steps with 2n operands in all, and n products may be rounded on their own.  Let A be the sum of the terms' magnitudes and e a
bound on all errors together.  No partial sum exceeds A + e, so an operand that is cut to F bits below the largest exponent
moves by less than 2**-F (max(A, K) + e), K being the largest that a power of two of an exponent may be beyond the magnitude of
its number (subnormal numbers and factors have that of the least normal one; and there may be a least exponent), and a rounding
moves a number by at most u (A + e) + eta (eta = e/2 above).  The errors of the steps add up, sums being exact otherwise:

    e  =  (n+1) (u (A + e) + eta) + n eta + 2n 2**-F (max(A, K) + e),    solved for e; its factor must be below 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from fpsynth.arithmetic import Arithmetic
from fpsynth.errors import InputError
from fpsynth.formats import Format, holds, power_of_two
from fpsynth.rounding import Rounding, from_float, round_value


def order_agnostic_interval(
    weights: Sequence[float], point: Sequence[float], how: Arithmetic, bias: float | None = None
) -> tuple[Fraction, Fraction]:
    """Return an interval that contains what ``how`` computes for one neuron at a point, and with any other order as well.

    Order, fusing and place of the bias of ``how`` do not matter.  ``weights`` and ``point`` have one number per term.  Raises
    InputError for real arithmetic, flushing, products rounded to a format of their own, accumulators that do not hold the
    numbers of the format, sums of so many terms that no error is bounded (n u >= 1), sums that may overflow, and unlike numbers
    of weights and inputs.
    """
    wide = how.sum_format
    if how.format is None or wide is None:
        raise InputError("real arithmetic makes no rounding errors to bound")
    if how.products is not None:
        raise InputError("the bound for every order does not cover products that are rounded to a format of their own")
    if not holds(wide, how.format):
        raise InputError(
            f"the bound for every order does not cover operands that are rounded into {wide} before they are added"
        )
    if how.flush:
        raise InputError("the bound for every order does not cover subnormals that are flushed to zero")
    if len(weights) != len(point):
        raise InputError(f"{len(weights)} weights do not fit {len(point)} inputs")
    factors = [(_operand(w, how), _operand(x, how)) for w, x in zip(weights, point, strict=True)]
    terms = [*(w * x for w, x in factors), Fraction(bias or 0)]
    nearest, magnitude = _nearest(how.rounding), sum(map(abs, terms), Fraction(0))
    if how.alignment is None:
        error = _error(magnitude, len(factors), wide, nearest)
    else:
        error = _aligned_error(magnitude, factors, how.operands or how.format, wide, how)
    exact = sum(terms, Fraction(0))
    if how.format != wide:
        unit, least = _unit(how.format, nearest), _half(how.format, nearest)
        error += unit * (abs(exact) + error) + least
    if abs(exact) + error >= how.format.max_finite:
        raise InputError("a sum may overflow in some order: no interval bounds it")
    return exact - error, exact + error


def _error(magnitude: Fraction | int, products: int, fmt: Format, nearest: bool) -> Fraction:
    """The bound of the module's text, for the sum of the magnitudes of all terms."""
    roundings = (products + 1) * _unit(fmt, nearest)
    if roundings >= 1:
        raise InputError(f"{products} terms are too many for {fmt}: its rounding errors have no bound")
    gamma = roundings / (1 - roundings)
    error = gamma * magnitude + (1 + gamma) * products * _half(fmt, nearest)
    if magnitude + error >= fmt.max_finite:
        raise InputError("a sum may overflow in some order: no interval bounds it")
    return error


def _aligned_error(
    magnitude: Fraction, factors: Sequence[tuple[Fraction, Fraction]], own: Format, fmt: Format, how: Arithmetic
) -> Fraction:
    """The same where steps may align: ``own`` is the format of the factors, ``fmt`` that of the sums."""
    assert how.alignment is not None
    products = len(factors)
    nearest = _nearest(how.rounding) and _nearest(how.alignment.rounding)
    unit, least, cut = _unit(fmt, nearest), _half(fmt, nearest), 2 * products * power_of_two(-how.alignment.fraction_bits)
    powers = [max(abs(w), own.min_normal) * max(abs(x), own.min_normal) for w, x in factors]
    if how.alignment.least_exponent is not None:
        powers.append(power_of_two(how.alignment.least_exponent))
    once = (products + 1) * unit + cut
    if once >= 1:
        raise InputError(f"{products} terms are too many for {fmt}, {how.alignment}: its errors have no bound")
    largest = max(magnitude, fmt.min_normal, *powers)
    error = ((products + 1) * unit * magnitude + cut * largest + (2 * products + 1) * least) / (1 - once)
    if magnitude + error >= fmt.max_finite:
        raise InputError("a sum may overflow in some order: no interval bounds it")
    return error


def _nearest(mode: Rounding) -> bool:
    return mode in (Rounding.RNE, Rounding.RNA)


def _unit(fmt: Format, nearest: bool) -> Fraction:
    return fmt.unit_roundoff if nearest else 2 * fmt.unit_roundoff


def _half(fmt: Format, nearest: bool) -> Fraction:
    return fmt.min_subnormal / 2 if nearest else fmt.min_subnormal


def _operand(number: float, how: Arithmetic) -> Fraction:
    """A weight or an input as the multiplier reads it."""
    fmt = how.operands
    value = from_float(number) if fmt is None else round_value(from_float(number), fmt, how.operand_rounding)
    if not value.is_finite:
        raise InputError(f"{number} is no number to multiply with" + (f" in {fmt}" if fmt else ""))
    return value.fraction()
