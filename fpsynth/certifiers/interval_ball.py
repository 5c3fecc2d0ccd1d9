"""An interval that holds the computed value of a neuron whatever order it is summed in, fused or not: gamma times sum |w||x|.

In any tree over n products and a bias a product passes at most n + 1 roundings and the bias n, so that with
gamma_k = k u / (1 - k u), k u < 1 (Higham, Accuracy and Stability of Numerical Algorithms, lemma 3.1)

    |computed - exact|  <=  gamma_(n+1) (sum |w_k||x_k| + |b|)  +  (1 + gamma_(n+1)) n e / 2,

u the unit roundoff and e the least subnormal of the format in which the sum is accumulated: only products underflow.  Directed
rounding doubles u and e/2.  The result's cast from a wider accumulator adds one rounding of the value so bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from fpsynth.arithmetic import Arithmetic
from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.rounding import Rounding, from_float, round_value


def order_agnostic_interval(
    weights: Sequence[float], point: Sequence[float], how: Arithmetic, bias: float | None = None
) -> tuple[Fraction, Fraction]:
    """Return an interval that contains what ``how`` computes for one neuron at a point, and with any other order as well.

    Order, fusing and place of the bias of ``how`` do not matter.  ``weights`` and ``point`` have one number per term.  Raises
    InputError for real arithmetic, flushing, sums of so many terms that no error is bounded (n u >= 1), sums that may
    overflow, and unlike numbers of weights and inputs.
    """
    wide = how.sum_format
    if how.format is None or wide is None:
        raise InputError("real arithmetic makes no rounding errors to bound")
    if how.flush:
        raise InputError("the bound for every order does not cover subnormals that are flushed to zero")
    if len(weights) != len(point):
        raise InputError(f"{len(weights)} weights do not fit {len(point)} inputs")
    products = [_operand(w, how.operands) * _operand(x, how.operands) for w, x in zip(weights, point, strict=True)]
    terms = [*products, Fraction(bias or 0)]
    nearest = how.rounding in (Rounding.RNE, Rounding.RNA)
    error = _error(sum(map(abs, terms)), len(products), wide, nearest)
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


def _unit(fmt: Format, nearest: bool) -> Fraction:
    return fmt.unit_roundoff if nearest else 2 * fmt.unit_roundoff


def _half(fmt: Format, nearest: bool) -> Fraction:
    return fmt.min_subnormal / 2 if nearest else fmt.min_subnormal


def _operand(number: float, fmt: Format | None) -> Fraction:
    """A weight or an input as the multiplier reads it."""
    value = from_float(number) if fmt is None else round_value(from_float(number), fmt)
    if not value.is_finite:
        raise InputError(f"{number} is no number to multiply with" + (f" in {fmt}" if fmt else ""))
    return value.fraction()
