"""OtherClass: the class differs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from fpsynth import expressions as ex
from fpsynth.errors import InputError
from fpsynth.expressions import Expression
from fpsynth.predicates.base import Bounds, Logits, Parameters, Searched, Telling, argmax
from fpsynth.predicates.signs import one_alone
from fpsynth.wording import listed

if TYPE_CHECKING:
    from fpsynth.predicates.base import Floats, Truths

_SHOWN = 4
"""Outputs that tie and are named."""


class OtherClass(Searched):
    """The class differs: the lowest index of the largest logit."""

    name = "argmax"
    about_classes = True
    amplified = True

    def outputs(self, p: Parameters, count: int) -> tuple[int, ...]:
        """All of them."""
        return tuple(range(count))

    def holds(self, p: Parameters, a: Logits, b: Logits, bounds: Bounds) -> bool:
        """Another class."""
        return argmax(a) != argmax(b)

    def measure(self, p: Parameters, a: Logits, b: Logits, bounds: Bounds) -> Fraction:
        """The smaller of the two margins by which the classes win."""
        i, j = argmax(a), argmax(b)
        return min(a[i] - a[j], b[j] - b[i]) if i != j else Fraction(0)

    def holds_each(self, p: Parameters, a: Floats, b: Floats, slack: float) -> Truths:
        """``holds`` in arrays."""
        truths: Truths = a.argmax(axis=0) != b.argmax(axis=0)
        return truths

    def measure_each(self, p: Parameters, a: Floats, b: Floats) -> Floats:
        """``measure`` in arrays."""
        import numpy as np

        i, j = (view.argmax(axis=0)[None] for view in (a, b))
        of_a, of_b = (np.take_along_axis(view, i, 0)[0] - np.take_along_axis(view, j, 0)[0] for view in (a, b))
        margins: Floats = np.minimum(of_a, -of_b)
        return margins

    def strict_each(self, p: Parameters, a: Floats, b: Floats) -> Truths:
        """Where neither class hangs on a tie with the other one."""
        return self.measure_each(p, a, b) > 0

    def expression(self, p: Parameters, a: Sequence[Expression], b: Sequence[Expression]) -> Expression:
        """``holds`` as an expression, for two classes: the second one takes a larger logit."""
        if len(a) != 2 or len(b) != 2:
            raise InputError(f"solvers are asked about two classes, not {len(a)}: place what they find in a layer of more")
        return one_alone(ex.lt(a[0], a[1]), ex.lt(b[0], b[1]))

    def told(self, p: Parameters, t: Telling) -> str:
        """That it holds, in a sentence."""
        (x, y), before, after = t.names, argmax(t.a), argmax(t.b)
        return f"The same network puts the same input into class {before} in {x} and into class {after} in {y}."

    def over_reals(self, p: Parameters, t: Telling) -> str:
        """Which view gives the class of the exact logits, and whether these tie."""
        best = [j for j, value in enumerate(t.real) if value == max(t.real)]
        fact = f"the class is {best[0]}"
        if len(best) > 1:
            tied = listed([f"y{j}" for j in best[:_SHOWN]] + ["more"] * (len(best) > _SHOWN))
            if t.rearranged:  # which index is the lowest depends on the order of the neurons
                return f"Over the reals {tied} tie."
            fact = f"{tied} tie, and argmax takes the lowest index, class {best[0]}"
        if best[0] not in (argmax(t.a), argmax(t.b)):
            return f"Over the reals {fact}: that is neither's."
        return f"Over the reals {fact}: that of {t.agreeing(best[0] == argmax(t.a))}."
