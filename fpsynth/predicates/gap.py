"""Gap: an output differs by at least a bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fpsynth import expressions as ex
from fpsynth.expressions import Expression
from fpsynth.predicates.base import Bounds, Logits, Parameters, Searched, Telling, each

if TYPE_CHECKING:
    from fpsynth.predicates.base import Floats, Truths


class Gap(Searched):
    """Output ``output`` differs by at least ``bound``, which is above 0."""

    name = "gap"
    bounded = True
    amplified = True

    def refusal(self, p: Parameters) -> str:
        """Any two evaluations differ by nothing."""
        return "a gap must be above 0" if p.bound <= 0 else ""

    def holds(self, p: Parameters, a: Logits, b: Logits, bounds: Bounds) -> bool:
        """As far apart as was asked for."""
        return self.measure(p, a, b, bounds) >= p.bound

    def holds_each(self, p: Parameters, a: Floats, b: Floats, slack: float) -> Truths:
        """``holds`` in arrays: whatever is not known to be nearer than the bound, as where the difference is NaN."""
        return ~(self.measure_each(p, a, b) < float(p.bound) * (1 - slack))

    def strict_each(self, p: Parameters, a: Floats, b: Floats) -> Truths:
        """Everywhere: zeros play no part."""
        everywhere: Truths = each(a, p.output) == each(a, p.output)
        return everywhere

    def expression(self, p: Parameters, a: Sequence[Expression], b: Sequence[Expression]) -> Expression:
        """``holds`` as an expression: over the reals, where the difference does not round."""
        x, y, bound = ex.real(a[p.output]), ex.real(b[p.output]), ex.constant(p.bound, None)
        return ex.disjunction([ex.le(ex.add(x, bound), y), ex.le(ex.add(y, bound), x)])

    def told(self, p: Parameters, t: Telling) -> str:
        """That it holds, in a sentence."""
        (x, y), k = t.names, p.output
        return f"y{k} is {t.of_a(k)} in {x} and {t.of_b(k)} in {y}, {t.text(t.measure)} apart."

    def wanted(self, p: Parameters) -> str:
        """What is searched for, in a few words."""
        return f"a gap of {float(p.bound):.6g}"
