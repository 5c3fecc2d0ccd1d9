"""Equal: two outputs are equal in the reference and not equal in the deployed evaluation."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from fpsynth.predicates.base import Bounds, Logits, Parameters, Relation, Telling, each

if TYPE_CHECKING:
    from fpsynth.predicates.base import Floats, Truths


class Equal(Relation):
    """Outputs ``output`` and ``other`` are equal in a and not equal in b."""

    name = "equal"
    of_pair = True

    def outputs(self, p: Parameters, count: int) -> tuple[int, ...]:
        """Both."""
        return p.output, p.other

    def holds(self, p: Parameters, a: Logits, b: Logits, bounds: Bounds) -> bool:
        """Equal in a, not in b."""
        return a[p.output] == a[p.other] and b[p.output] != b[p.other]

    def measure(self, p: Parameters, a: Logits, b: Logits, bounds: Bounds) -> Fraction:
        """The difference of the two outputs in b."""
        return abs(b[p.output] - b[p.other])

    def holds_each(self, p: Parameters, a: Floats, b: Floats, slack: float) -> Truths:
        """``holds`` in arrays."""
        truths: Truths = (each(a, p.output) == each(a, p.other)) & (each(b, p.output) != each(b, p.other))
        return truths

    def measure_each(self, p: Parameters, a: Floats, b: Floats) -> Floats:
        """The differences of the two outputs in b."""
        return abs(each(b, p.output) - each(b, p.other))

    def told(self, p: Parameters, t: Telling) -> str:
        """That it holds, in a sentence."""
        (x, y), i, j = t.names, p.output, p.other
        return (
            f"Neurons {i} and {j} have equal outputs in {x}, {t.of_a(i)}; in {y} they are "
            f"{t.of_b(i)} and {t.of_b(j)}, so a tie is decided by the kernel."
        )
