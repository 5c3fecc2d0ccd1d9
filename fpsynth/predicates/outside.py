"""Outside: an output of the deployed evaluation lies outside the interval that the reference gives for it."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from fpsynth.predicates.base import Bounds, Logits, Parameters, Relation, Telling, each

if TYPE_CHECKING:
    from fpsynth.predicates.base import Floats, Truths


class Outside(Relation):
    """Output ``output`` of b lies outside the interval that a gives for it."""

    name = "outside"
    needs_interval = True

    def holds(self, p: Parameters, a: Logits, b: Logits, bounds: Bounds) -> bool:
        """Below the interval or above it."""
        lower, upper = bounds[p.output]
        return not lower <= b[p.output] <= upper

    def measure(self, p: Parameters, a: Logits, b: Logits, bounds: Bounds) -> Fraction:
        """The distance of b from the interval."""
        lower, upper = bounds[p.output]
        return max(lower - b[p.output], b[p.output] - upper, Fraction(0))

    def holds_each(self, p: Parameters, a: Floats, b: Floats, slack: float) -> Truths:
        """``holds`` in arrays, a being the ends of the intervals."""
        value = each(b, p.output)
        return (value < each(a, p.output, 0)) | (value > each(a, p.output, 1))

    def measure_each(self, p: Parameters, a: Floats, b: Floats) -> Floats:
        """The distances of b from the intervals."""
        import numpy as np

        value = each(b, p.output)
        distances: Floats = np.maximum(np.maximum(each(a, p.output, 0) - value, value - each(a, p.output, 1)), 0.0)
        return distances

    def told(self, p: Parameters, t: Telling) -> str:
        """That it holds, in a sentence."""
        (x, y), k = t.names, p.output
        low, high = t.bounds[k]
        widened = f", widened as {t.widening} does," if t.widening else ""
        return (
            f"Interval arithmetic in {x}{widened} proves that y{k} lies in [{t.text(low)}, {t.text(high)}]; in {y} it is "
            f"{t.of_b(k)}, outside by {t.text(t.measure)}."
        )

    def held_against(self, a: str, b: str) -> str:
        """What is compared: the logits of a play no part."""
        return f"{b} is to lie outside"
