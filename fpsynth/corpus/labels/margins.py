"""How far outputs are from being unsafe: one exact number, at most 0 where they are; and which of many outputs are unsafe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.verifiers.properties import Inequality, Property
from fpsynth.witness.numerals import exact_text

Truths = NDArray[np.bool_]
Ends = tuple[Floats, Floats]
"""Lower and upper ends of outputs, each (boxes, outputs)."""


def margin(unsafe: Property, outputs: Sequence[Fraction | float]) -> Fraction:
    """The least, over the conjunctions, of the largest left side minus bound: outputs are unsafe where it is at most 0."""
    return min(max(_left(one, outputs) - one.bound for one in conjunction) for conjunction in unsafe.unsafe)


def finite_margin(unsafe: Property, outputs: Sequence[float]) -> Fraction | None:
    """The margin of outputs in floating point; None where one of them is no number, or infinite."""
    return margin(unsafe, outputs) if all(map(math.isfinite, outputs)) else None


def _left(one: Inequality, outputs: Sequence[Fraction | float]) -> Fraction:
    return sum((factor * Fraction(outputs[k]) for k, factor in one.coefficients), Fraction(0))


def highest(unsafe: Property, bounds: Sequence[tuple[Fraction, Fraction]]) -> Fraction:
    """An upper end of the margin for outputs between bounds."""
    return min(max(_highest(one, bounds) - one.bound for one in conjunction) for conjunction in unsafe.unsafe)


def _highest(one: Inequality, bounds: Sequence[tuple[Fraction, Fraction]]) -> Fraction:
    return sum((factor * bounds[k][factor > 0] for k, factor in one.coefficients), Fraction(0))


def require_plain(unsafe: Property) -> None:
    """Raise InputError for what no instance has: no or all outputs unsafe, strict comparisons, sums that need arithmetic."""
    if not unsafe.unsafe or not all(unsafe.unsafe):
        raise InputError("the property calls no outputs unsafe, or all")
    if any(one.strict for one in unsafe.inequalities):
        raise InputError("the property has a strict comparison: instances are written with <= and >= alone")
    for one in unsafe.inequalities:
        comparison(one)


@dataclass(frozen=True)
class MarginComparison:
    """left <= right: each the number of an output, or a number itself."""

    left: int | float
    right: int | float

    def holds(self, outputs: Floats) -> Truths:
        """Of which rows (points, outputs) it is true: exactly, since nothing is computed."""
        return np.asarray(_side(self.left, outputs) <= _side(self.right, outputs))

    def surely(self, ends: Ends) -> Truths:
        """Of which boxes it is true throughout."""
        return np.asarray(_side(self.left, ends[1]) <= _side(self.right, ends[0]))

    def never(self, ends: Ends) -> Truths:
        """Of which boxes it is false throughout."""
        return np.asarray(_side(self.left, ends[0]) > _side(self.right, ends[1]))


def _side(side: int | float, outputs: Floats) -> Floats:
    return np.asarray(outputs[:, side] if isinstance(side, int) else np.full(len(outputs), side))


def comparison(one: Inequality) -> MarginComparison:
    """The comparison that an inequality is.  Raises InputError for one that is neither of two outputs nor with a float64."""
    match one.coefficients:
        case ((j, up), (k, down)) if up == -down and one.bound == 0:
            return MarginComparison(j, k) if up > 0 else MarginComparison(k, j)
        case ((j, factor),) if factor and Fraction(float(one.bound / factor)) == one.bound / factor:
            limit = float(one.bound / factor)
            return MarginComparison(j, limit) if factor > 0 else MarginComparison(limit, j)
    raise InputError("properties of instances compare two outputs, or an output with a float64")


def in_words(unsafe: Property) -> str:
    """Which outputs are unsafe, as in "Y_1 <= Y_0 or 0.5 <= Y_2".  Raises InputError as ``comparison`` does."""
    texts = [" and ".join(_words(comparison(one)) for one in conjunction) for conjunction in unsafe.unsafe]
    return texts[0] if len(texts) == 1 else " or ".join(f"({text})" if " and " in text else text for text in texts)


def _words(one: MarginComparison) -> str:
    return " <= ".join(f"Y_{side}" if isinstance(side, int) else exact_text(Fraction(side)) for side in (one.left, one.right))


def violated(unsafe: Property, outputs: Floats) -> Truths:
    """Which rows of outputs (points, outputs) are unsafe, exactly.  Infinite and undefined outputs are not."""
    truths = [[comparison(one).holds(outputs) for one in conjunction] for conjunction in unsafe.unsafe]
    return _either(truths) & np.isfinite(outputs).all(axis=1)


def surely_violated(unsafe: Property, ends: Ends) -> Truths:
    """Of which boxes all outputs are unsafe, whatever they are between their ends."""
    return _either([[comparison(one).surely(ends) for one in conjunction] for conjunction in unsafe.unsafe])


def never_violated(unsafe: Property, ends: Ends) -> Truths:
    """Of which boxes none are."""
    false = [np.any([comparison(one).never(ends) for one in conjunction], axis=0) for conjunction in unsafe.unsafe]
    return np.asarray(np.all(false, axis=0))


def _either(truths: Sequence[Sequence[Truths]]) -> Truths:
    return np.asarray(np.any([np.all(conjunction, axis=0) for conjunction in truths], axis=0))
