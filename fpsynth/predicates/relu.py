"""ReLU: an output is below zero in the reference and above zero in the deployed evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fpsynth import expressions as ex
from fpsynth.expressions import Expression
from fpsynth.predicates.base import Bounds, Logits, Parameters, Searched, Telling, each
from fpsynth.predicates.signs import above, below, opposite

if TYPE_CHECKING:
    from fpsynth.predicates.base import Floats, Truths


class Relu(Searched):
    """Output ``output`` is below zero in a and above zero in b."""

    name = "relu"
    reads_signs = True
    opposite_signs = True

    def holds(self, p: Parameters, a: Logits, b: Logits, bounds: Bounds) -> bool:
        """Below zero in a, above it in b."""
        return a[p.output] < 0 < b[p.output]

    def holds_each(self, p: Parameters, a: Floats, b: Floats, slack: float) -> Truths:
        """``holds`` in arrays."""
        return (each(a, p.output) < 0) & (each(b, p.output) > 0)

    def strict_each(self, p: Parameters, a: Floats, b: Floats) -> Truths:
        """Where neither is zero."""
        return opposite(each(a, p.output), each(b, p.output))

    def expression(self, p: Parameters, a: Sequence[Expression], b: Sequence[Expression]) -> Expression:
        """``holds`` as an expression."""
        return ex.conjunction([below(a[p.output]), above(b[p.output])])

    def told(self, p: Parameters, t: Telling) -> str:
        """That it holds, in a sentence."""
        (x, y), k = t.names, p.output
        return (
            f"The pre-activation y{k} is {t.of_a(k)} in {x}, so ReLU gives 0; in {y} it is "
            f"{t.of_b(k)}, and ReLU lets it through."
        )
