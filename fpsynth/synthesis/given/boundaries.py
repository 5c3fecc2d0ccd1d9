"""Points on the boundary of two classes of a network that is given: where rounding decides.

Between two inputs of different classes the halfway point has one class or the other; so the pair closes in, until no
number of the format lies between them in any coordinate.  Whatever takes each coordinate from one of the two then lies
within an ulp or so of the boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.formats import Format

Evaluate = Callable[[Floats], Floats]
"""Logits (points, outputs) of points (points, inputs)."""
PAIRS = 64
"""Pairs of inputs that close in together."""
_STEPS = 200
"""Halvings at most: a pair of float64 numbers is neighbouring after 60 or so, one whose ends differ in size later."""


@dataclass(frozen=True)
class Neighbours:
    """Two points of different classes; in no coordinate does halving bring them nearer to each other."""

    lower: Floats
    """(inputs,), of the class of the pair's first input."""
    upper: Floats
    """(inputs,), of another class."""

    def mixed(self, count: int, rng: np.random.Generator) -> Floats:
        """Points (count, inputs) that take each coordinate from one of the two, by a share that is drawn for each point."""
        share = rng.random((count, 1))
        return np.where(rng.random((count, len(self.lower))) < share, self.upper, self.lower)

    def walk(self, rng: np.random.Generator) -> Floats:
        """Points (steps + 1, inputs) from one to the other, a coordinate that differs at a time, in an order that is drawn."""
        order = rng.permutation(np.flatnonzero(self.lower != self.upper))
        moved = np.arange(len(order) + 1)[:, None] > np.arange(len(order))[None, :]
        points = np.repeat(self.lower[None], len(order) + 1, axis=0)
        points[:, order] = np.where(moved, self.upper[order], self.lower[order])
        return points


def neighbours(evaluate: Evaluate, inputs: Floats, fmt: Format, rng: np.random.Generator) -> Iterator[Neighbours]:
    """Pairs of points, of different classes as ``evaluate`` has them, that are neighbours in every coordinate.

    ``inputs`` (points, inputs) are numbers of ``fmt``, of which pairs are drawn, ``PAIRS`` at a time, for ever.  Raises
    InputError where all of them have the same class, those apart whose logits are not finite and which have none.
    """
    logits = evaluate(inputs)
    finite = np.isfinite(logits).all(axis=1)
    if not finite.any():
        raise InputError(f"all {len(inputs)} inputs have logits that are infinite or NaN in {fmt}: they have no classes")
    inputs, classes = inputs[finite], _classes(logits[finite])
    if len(np.unique(classes)) < 2:
        raise InputError(f"all {len(inputs)} inputs have class {int(classes[0])}: give inputs of two classes")
    while True:
        first = rng.integers(0, len(inputs), 4 * PAIRS)
        second = rng.integers(0, len(inputs), 4 * PAIRS)
        apart = np.flatnonzero(classes[first] != classes[second])[:PAIRS]
        if len(apart):
            yield from _closed_in(evaluate, inputs[first[apart]], inputs[second[apart]], classes[first[apart]], fmt)


def _closed_in(evaluate: Evaluate, lower: Floats, upper: Floats, wanted: NDArray[np.intp], fmt: Format) -> Iterator[Neighbours]:
    """Pairs of points (pairs, inputs), the lower ones of the ``wanted`` classes and the upper ones of others, closed in."""
    lower, upper = lower.copy(), upper.copy()
    waiting = np.arange(len(lower))
    for _ in range(_STEPS):
        middle = round_array((lower[waiting] + upper[waiting]) / 2, fmt)
        still = ((middle != lower[waiting]) & (middle != upper[waiting])).any(axis=1)
        waiting, middle = waiting[still], middle[still]
        if not len(waiting):
            break
        same = _classes(evaluate(middle)) == wanted[waiting]
        lower[waiting[same]], upper[waiting[~same]] = middle[same], middle[~same]
    for a, b in zip(lower, upper, strict=True):
        yield Neighbours(a, b)


def _classes(logits: Floats) -> NDArray[np.intp]:
    """The lowest index of the largest logit."""
    return np.asarray(logits.argmax(axis=1))
