"""Sums of many numbers and products of float64 arrays, exact and rounded once: what one step of fused hardware computes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fpsynth import rounding as r
from fpsynth.aliases import Floats
from fpsynth.evaluators.float_arrays import (
    HUGE,
    finish,
    product_error,
    quiet,
    repair,
    require_format,
    two_sum,
    unsafe_product,
)
from fpsynth.formats import Format
from fpsynth.rounding import Flush, Rounding, Value


@quiet
def sum_arrays(
    numbers: Sequence[Floats],
    products: Sequence[tuple[Floats, Floats]],
    fmt: Format,
    rounding: Rounding = Rounding.RNE,
    flush: Flush = Flush.NEVER,
) -> Floats:
    """The sum of all ``numbers`` and ``products`` (at least one in all), exact and then rounded once into ``fmt``.

    With ``flush`` a tiny result becomes a zero of its sign; operands are taken as they are.

    Operands are float64 arrays of any values, their shapes broadcast.  An exact zero is +0 in every mode, and the result is
    NaN where an operand is an infinity or NaN: the sum is one of real numbers.  Raises InputError for a format of more than
    24 significand bits other than float64.

    The sum is distilled with TwoSum into a float64, the sum of its errors and the errors of that (Ogita, Rump and Oishi,
    "Accurate sum and dot product", SIAM J. Sci. Comput. 2005); where the last are not zero, exact integers decide.
    """
    require_format(fmt)
    operands = [np.asarray(x, np.float64) for x in (*numbers, *(factor for pair in products for factor in pair))]
    pairs = list(zip(operands[len(numbers) :: 2], operands[len(numbers) + 1 :: 2], strict=True))
    addends, unsafe = operands[: len(numbers)], np.asarray(False)
    for a, b in pairs:
        product = np.asarray(a * b)
        addends += [product, product_error(a, b, product)]
        unsafe = unsafe | unsafe_product(a, b, product)
    for addend in addends:
        unsafe = unsafe | (np.abs(addend) >= HUGE)
    total, rest, lost = _distilled(addends)
    total, error = two_sum(total, rest)
    rounded = finish(total, error, fmt, rounding, flush)  # an exact zero is +0, since rest is never -0
    finite = functools.reduce(np.logical_and, [np.isfinite(x) for x in operands])
    exact = functools.partial(_exact_sum, len(numbers))
    wrong = finite & (unsafe | lost)
    repaired = repair(np.where(finite, rounded, np.nan), wrong, exact, tuple(operands), fmt, rounding, flush)
    return np.asarray(repaired)


def _distilled(addends: Sequence[Floats]) -> tuple[Floats, Floats, Any]:
    """A float64 sum, the float64 sum of its errors, and where that one is not exact."""
    total, rest, lost = addends[0], np.zeros(()), np.asarray(False)
    for addend in addends[1:]:
        total, error = two_sum(total, addend)
        rest, below = two_sum(rest, error)
        lost = lost | (below != 0)
    return total, rest, lost


def _exact_sum(numbers: int, *operands: Value) -> Value:
    """The sum of the first ``numbers`` operands and of the products of the others, two by two."""
    factors = operands[numbers:]
    addends = [*operands[:numbers], *map(r.exact_mul, factors[::2], factors[1::2])]
    total = functools.reduce(r.exact_add, addends)
    return r.PLUS_ZERO if total.is_zero else total
