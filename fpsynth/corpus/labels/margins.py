"""How far outputs are from being unsafe: one exact number, which is at most 0 where they are."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.verifiers.properties import Inequality, Property


def margin(unsafe: Property, outputs: Sequence[Fraction | float]) -> Fraction:
    """The least, over the conjunctions, of the largest left side minus bound: outputs are unsafe where it is at most 0."""
    return min(max(_left(one, outputs) - one.bound for one in conjunction) for conjunction in unsafe.unsafe)


def _left(one: Inequality, outputs: Sequence[Fraction | float]) -> Fraction:
    return sum((factor * Fraction(outputs[k]) for k, factor in one.coefficients), Fraction(0))


def require_plain(unsafe: Property) -> None:
    """Raise InputError for a property without a margin: a strict comparison, or a conjunction that is empty."""
    if not unsafe.unsafe or not all(unsafe.unsafe):
        raise InputError("the property calls no outputs unsafe, or all")
    if any(one.strict for one in unsafe.inequalities):
        raise InputError("the property has a strict comparison: instances are written with <= and >= alone")


def violated(unsafe: Property, outputs: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which rows of outputs (points, outputs), of float32, are unsafe; exactly.  Infinite and undefined outputs are not.

    Comparisons of two outputs, and of one with a number, need no arithmetic; others are decided in rationals row by row.
    """
    found = np.zeros(len(outputs), bool)
    for conjunction in unsafe.unsafe:
        every = np.ones(len(outputs), bool)
        for one in conjunction:
            every &= _holds(one, outputs)
        found |= every
    return found & np.isfinite(outputs).all(axis=1)


def _holds(one: Inequality, outputs: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    match one.coefficients:
        case ((j, up), (k, down)) if up == -down and one.bound == 0:
            first, second = (j, k) if up > 0 else (k, j)
            return np.asarray(outputs[:, first] <= outputs[:, second])
        case ((j, factor),) if Fraction(float(one.bound / factor)) == one.bound / factor:
            limit = float(one.bound / factor)
            return np.asarray(outputs[:, j] <= limit if factor > 0 else outputs[:, j] >= limit)
    rows = [bool(np.isfinite(row).all()) and one.holds(row.tolist()) for row in outputs]
    return np.array(rows, bool)
