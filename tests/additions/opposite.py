"""Opposite: an output is below zero in one evaluation and above zero in the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fpsynth import expressions as ex
from fpsynth.expressions import Expression
from fpsynth.predicates.base import Bounds, Logits, Parameters, Searched, Telling, each
from fpsynth.predicates.signs import above, below, opposite

if TYPE_CHECKING:
    from fpsynth.predicates.base import Floats, Truths


class Opposite(Searched):
    """Output ``output`` is below zero in one and above zero in the other."""

    name = "opposite"
    reads_signs = True
    opposite_signs = True

    def holds(self, p: Parameters, a: Logits, b: Logits, bounds: Bounds) -> bool:
        """The product is below zero."""
        return a[p.output] * b[p.output] < 0

    def holds_each(self, p: Parameters, a: Floats, b: Floats, slack: float) -> Truths:
        """``holds`` in arrays."""
        return opposite(each(a, p.output), each(b, p.output))

    def strict_each(self, p: Parameters, a: Floats, b: Floats) -> Truths:
        """Neither is ever zero where it holds."""
        return opposite(each(a, p.output), each(b, p.output))

    def expression(self, p: Parameters, a: Sequence[Expression], b: Sequence[Expression]) -> Expression:
        """``holds`` as an expression."""
        x, y = a[p.output], b[p.output]
        return ex.disjunction([ex.conjunction([below(x), above(y)]), ex.conjunction([above(x), below(y)])])

    def told(self, p: Parameters, t: Telling) -> str:
        """That it holds, in a sentence."""
        (x, y), k = t.names, p.output
        return f"y{k} is {t.of_a(k)} in {x} and {t.of_b(k)} in {y}: on opposite sides of zero."
