"""Sign: an output is above zero in one evaluation and at most zero in the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fpsynth.expressions import Expression
from fpsynth.predicates.base import Bounds, Logits, Parameters, Searched, Telling, each
from fpsynth.predicates.signs import above, one_alone, opposite

if TYPE_CHECKING:
    from fpsynth.predicates.base import Floats, Truths


class Sign(Searched):
    """Output ``output`` is above zero in one and at most zero in the other: a ReLU or a threshold tells them apart."""

    name = "sign"
    reads_signs = True
    amplified = True

    def holds(self, p: Parameters, a: Logits, b: Logits, bounds: Bounds) -> bool:
        """One of the two is above zero."""
        return (a[p.output] > 0) != (b[p.output] > 0)

    def holds_each(self, p: Parameters, a: Floats, b: Floats, slack: float) -> Truths:
        """``holds`` in arrays."""
        return (each(a, p.output) > 0) ^ (each(b, p.output) > 0)

    def strict_each(self, p: Parameters, a: Floats, b: Floats) -> Truths:
        """Where neither is zero."""
        return opposite(each(a, p.output), each(b, p.output))

    def expression(self, p: Parameters, a: Sequence[Expression], b: Sequence[Expression]) -> Expression:
        """``holds`` as an expression."""
        return one_alone(above(a[p.output]), above(b[p.output]))

    def told(self, p: Parameters, t: Telling) -> str:
        """That it holds, in a sentence."""
        (x, y), k = t.names, p.output
        return f"y{k} is {t.of_a(k)} in {x} and {t.of_b(k)} in {y}: not the same side of zero."

    def over_reals(self, p: Parameters, t: Telling) -> str:
        """Which view is on the side of zero where the exact value is."""
        k = p.output
        fact = f"Over the reals y{k} is {t.text(t.real[k])}"
        if t.real[k] == 0:  # on neither side
            return f"{fact}: that is neither's." if t.a[k] and t.b[k] else f"{fact}."
        return f"{fact}: the side of zero of {t.agreeing((t.real[k] > 0) == (t.a[k] > 0))}."
