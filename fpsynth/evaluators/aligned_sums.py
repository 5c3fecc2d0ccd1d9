"""Aligned sums of float64 arrays, with the bits of ``fpsynth.alignment.aligned_sum``: single steps of tensor cores."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsynth import rounding as r
from fpsynth.aliases import Floats
from fpsynth.alignment import Alignment, aligned_sum
from fpsynth.errors import InputError
from fpsynth.evaluators.float_arrays import narrow_range, quiet, require_format, round_array
from fpsynth.formats import Format
from fpsynth.rounding import Rounding, Value

_EXPONENT = np.int64(0x7FF0000000000000)
_SPARE = 53 - 2
"""Bits of a float64 significand, but for the two by which products may exceed the largest exponent."""

_FAR = 500
"""Up to this exponent no addend, at least 2**-554, underflows when divided by the last place kept, and so is cut to 0."""


def _half_away(x: Floats) -> Floats:
    whole = np.trunc(x)
    return np.asarray(whole + np.where(np.abs(x - whole) >= 0.5, np.copysign(1.0, x), 0.0))


_CUT: dict[Rounding, Callable[[Floats], Floats]] = {
    Rounding.RTZ: np.trunc,
    Rounding.RTN: np.floor,
    Rounding.RTP: np.ceil,
    Rounding.RNE: np.rint,
    Rounding.RNA: _half_away,
}


@dataclass(frozen=True)
class Factor:
    """Factors of products, and the powers of two of their exponents: zero for a zero."""

    values: Floats
    powers: Floats

    def take(self, rows: Any) -> Factor:
        """Some of them, by an index of the first axis."""
        return Factor(self.values[rows], self.powers[rows])


@quiet
def _powers(x: Floats, fmt: Format) -> Floats:
    """2**exponent of each value, that of a subnormal being the least normal one's; 0 of a zero and of what is no number."""
    powers = (np.abs(x).view(np.int64) & _EXPONENT).view(np.float64)
    return np.where((x == 0) | ~np.isfinite(x), 0.0, np.maximum(powers, 2.0**fmt.emin))


def factor(values: Floats, fmt: Format) -> Factor:
    """Values of ``fmt`` made ready to be multiplied.

    Raises InputError for a format whose products, and sums with them, are not well inside the range of float64.
    """
    require_format(fmt)
    if not narrow_range(fmt):
        raise InputError(f"aligned sums of arrays take factors of at most 24 bits and 9 bits of exponent, not {fmt}")
    values = np.ascontiguousarray(values, np.float64)
    return Factor(values, _powers(values, fmt))


@quiet
def aligned_sum_arrays(
    numbers: Sequence[Floats], products: Sequence[tuple[Factor, Factor]], factors: Format, fmt: Format, how: Alignment
) -> Floats:
    """The aligned sum of ``numbers`` (values of ``fmt``) and of the exact ``products`` of pairs, rounded into ``fmt``.

    All are float64 arrays whose shapes broadcast; at least one in all.  The bits are those of ``aligned_sum``.  Raises
    InputError for a format of more than 24 significand bits or a wide range.
    """
    require_format(fmt)
    if not narrow_range(fmt):
        raise InputError(f"aligned sums of arrays are accumulated in at most 24 bits and 9 bits of exponent, not in {fmt}")
    addends = [np.asarray(number, np.float64) for number in numbers]
    powers = [_powers(np.ascontiguousarray(number), fmt).reshape(number.shape) for number in addends]
    for a, b in products:
        addends.append(np.asarray(a.values * b.values))
        powers.append(np.asarray(a.powers * b.powers))
    if how.fraction_bits + (len(addends) - 1).bit_length() > _SPARE or abs(how.least_exponent or 0) > _FAR:
        return _exactly(numbers, products, factors, fmt, how)
    largest = functools.reduce(np.maximum, powers)
    if how.least_exponent is not None:
        largest = np.where(largest == 0, 0.0, np.maximum(largest, 2.0**how.least_exponent))
    grid = np.where(largest == 0, 1.0, largest) * 2.0**-how.fraction_bits
    cut, total = _CUT[how.cut], np.zeros(())
    for addend in addends:
        total = total + cut(addend / grid)
    exact = np.asarray(total * grid) + 0.0  # zeros are +0
    rounded = round_array(exact, fmt, how.rounding)
    rounded = np.where(np.abs(exact) >= 2.0 ** (fmt.emax + 1), _infinities(exact, fmt), rounded)
    special = functools.reduce(np.add, [np.where(np.isfinite(x), 0.0, x) for x in addends])
    if not np.any(special != 0):
        return rounded
    return np.where(special == 0, rounded, _infinities(special, fmt))


def _infinities(x: Floats, fmt: Format) -> Floats:
    """Infinities with the signs of x, NaN for NaN and in a format without infinities."""
    return np.where(np.isnan(x), np.nan, np.copysign(np.inf, x) if fmt.has_infinity else np.nan)


def _exactly(
    numbers: Sequence[Floats], products: Sequence[tuple[Factor, Factor]], factors: Format, fmt: Format, how: Alignment
) -> Floats:
    """Element by element in exact integers, for sums that keep more bits than float64 has."""
    operands = [*numbers, *(side.values for pair in products for side in pair)]
    spread = np.broadcast_arrays(*operands)
    result = np.empty(spread[0].shape)
    for place in np.ndindex(result.shape):
        values: list[Value] = [r.from_float(float(x[place])) for x in spread]
        rest = values[len(numbers) :]
        pairs = list(zip(rest[::2], rest[1::2], strict=True))
        result[place] = float(aligned_sum(values[: len(numbers)], pairs, factors, fmt, how))
    return result
