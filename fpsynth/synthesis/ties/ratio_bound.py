"""A theorem for one-input, two-output ties in precision p >= 5: an upper bound of the ratio of certified radius and distance.

The bound is 2**p, or 3 * 2**(p-1) where products are rounded away from zero; enumeration attains both for p = 5, 6 and 7.

Let the products be normal numbers and let no sign change within the ranges; take everything positive.  Scale so that the lower
weight w and the lower input x are integers in [2**(p-1), 2**p).  The certified class is ahead, so its weight is w + k with an
integer k >= 1; the other input is x + j with an integer j >= 1; with P = w*x the four exact products are P, P + k*x, P + j*w
and P + k*x + j*w + j*k.  A ratio above 2**p says: at one input the two products round to the same number, at the other their
rounded difference M exceeds 2**p * j * k.

* k <= 2: the numbers that round to y span at most ulp(y) <= 2 * x_a, and the products at a differ by k * x_a.
* M < k * x_b + (2 + 6 * 2**-p) * x_b, since each rounding errs by at most ulp/2 (or, in the directed modes, the two together by
  less than one ulp), and x_b < 2**p + j; so for p >= 5 only (k, j) in {(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)} are left.

Each of these cases, for a below b and for a above b, is handed to solvers with P as a *free* unknown that only obeys the
linear (McCormick) bounds of a product.  That is weaker than the truth, so `unsat` proves the theorem; and no multiplication of
unknowns is left, so that it is quick even for float64.

With negative products everything is mirrored: w is the weight of the smaller magnitude, and rounding toward plus infinity is
rounding the magnitudes toward zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from fpsynth import expressions as ex
from fpsynth.expressions import Expression
from fpsynth.formats import Format, holds, power_of_two
from fpsynth.problems import Problem, Variable
from fpsynth.rounding import Rounding
from fpsynth.sums.building import program_of
from fpsynth.synthesis.ties.question import TieQuestion

CASES = ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2))
"""The pairs (k, j) that the argument above leaves over."""


def limit(fmt: Format, mode: Rounding) -> Fraction:
    """Return the bound on the ratio for positive products that are rounded by ``mode`` into ``fmt``."""
    return power_of_two(fmt.precision) * (Fraction(3, 2) if mode is Rounding.RTP else 1)


def bound(question: TieQuestion) -> Fraction | None:
    """Return the bound on the ratio if the theorem speaks of this question, else None."""
    fmt = question.format
    weights, inputs = question.weights, question.inputs
    if not question.scalar or fmt.precision < 5 or len(question.deployments) != 1:
        return None
    if product_rounding(question, 0) is None or product_rounding(question, 0) != product_rounding(question, 1):
        return None
    if min(weights.mignitude, inputs.mignitude, weights.mignitude * inputs.mignitude) < fmt.min_normal:
        return None
    if weights.magnitude * inputs.magnitude > fmt.max_finite / 2:
        return None
    return limit(fmt, magnitude_rounding(question))


def product_rounding(question: TieQuestion, output: int) -> Rounding | None:
    """How one output's product is rounded into the question's format, where that is all that happens to it; else None.

    Neither flushing nor what is exact counts: the numbers that the theorem speaks of are normal.
    """
    fmt, program = question.format, program_of(question.deployments[0].at(0, output), 1)
    (leaf,) = program.leaves
    if program.format != fmt or not leaf.rounds or leaf.rounds[0].format != fmt:
        return None
    further = (*leaf.reads, *leaf.rounds[1:], *program.result)
    return leaf.rounds[0].mode if all(holds(one.format, fmt) for one in further) else None


_MIRRORED = {Rounding.RTP: Rounding.RTN, Rounding.RTN: Rounding.RTP}


def magnitude_rounding(question: TieQuestion) -> Rounding:
    """How the magnitudes of the products are rounded, in a question that the theorem speaks of."""
    mode = product_rounding(question, 0) or Rounding.RNE
    negative = (question.weights.upper < 0) != (question.inputs.upper < 0)
    return _MIRRORED.get(mode, mode) if negative else mode


def theorem(fmt: Format, mode: Rounding) -> Problem:
    """State the negation of the theorem as one problem: if it is unsatisfiable, no ratio exceeds ``limit(fmt, mode)``."""
    p = fmt.precision
    low, high = 1 << (p - 1), 1 << p
    exponents = max(fmt.exponent_bits, (2 * p + 8).bit_length() + 1)
    factor = Format(f"significand{p}", exponents, p)
    wide = Format(f"product{p}", exponents, 2 * p)
    variables = (
        Variable("w", factor, Fraction(low), Fraction(high - 1)),
        Variable("x", factor, Fraction(low), Fraction(high - 1)),
        Variable("product", wide, Fraction(low * low), Fraction((high - 1) * (high - 1))),
    )
    w, x = ex.real(ex.variable("w", factor)), ex.real(ex.variable("x", factor))
    product = ex.real(ex.variable("product", wide))
    cases = [_case(product, w, x, k, j, below, factor, mode) for k, j in CASES for below in (True, False)]
    return Problem(
        f"ratio above {limit(fmt, mode)} in precision {p}",
        variables,
        (*_mccormick(product, w, x, low, high - 1), ex.disjunction(cases)),
    )


def _integer(value: int) -> Expression:
    return ex.constant(value, None)


def _times(factor: int, node: Expression) -> Expression:
    return node if factor == 1 else ex.mul(_integer(factor), node)


def _mccormick(product: Expression, w: Expression, x: Expression, low: int, high: int) -> Iterator[Expression]:
    """The convex hull of the products of two factors in [low, high] (McCormick, Mathematical Programming 10, 1976)."""
    for u, v in ((low, low), (high, high)):  # product >= u*x + v*w - u*v
        yield ex.le(ex.add(_times(u, x), _times(v, w)), ex.add(product, _integer(u * v)))
    for u, v in ((low, high), (high, low)):  # product <= u*x + v*w - u*v
        yield ex.le(ex.add(product, _integer(u * v)), ex.add(_times(u, x), _times(v, w)))


def _case(
    product: Expression, w: Expression, x: Expression, k: int, j: int, below: bool, fmt: Format, mode: Rounding
) -> Expression:
    """Tie at one input, a rounded difference above limit * j * k at the other; ``below``: the tie is at the lower input."""

    def rounded(node: Expression) -> Expression:
        return ex.cast(node, fmt, mode)

    stepped = ex.add(product, _times(j, w))
    at_low = rounded(product), rounded(ex.add(product, _times(k, x)))
    at_high = rounded(stepped), rounded(ex.add(ex.add(stepped, _times(k, x)), _integer(j * k)))
    tie, apart = (at_low, at_high) if below else (at_high, at_low)
    difference = ex.sub(ex.real(apart[1]), ex.real(apart[0]))
    return ex.conjunction([ex.eq(*tie), ex.lt(ex.constant(limit(fmt, mode) * j * k, None), difference)])
