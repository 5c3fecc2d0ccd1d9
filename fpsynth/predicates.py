"""Predicates: what it means that two evaluations of one network at one point disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from fpsynth.errors import InputError

Logits = Sequence[Fraction]
"""The exact values of a network's outputs, one per output."""
Bounds = Sequence[tuple[Fraction, Fraction]]
"""An interval for every output."""

KINDS = ("sign", "argmax", "gap", "relu", "equal", "outside")


@dataclass(frozen=True)
class Predicate:
    """How evaluations a (the reference) and b (deployed) of a network must differ.

    * sign: output ``output`` is above zero in one of them and at most zero in the other, so that a ReLU or a threshold there
      tells them apart;
    * argmax: the class differs (the lowest index of the largest logit);
    * gap: output ``output`` differs by at least ``bound``;
    * relu: output ``output`` is below zero in a and above zero in b;
    * equal: outputs ``output`` and ``other`` are equal in a and not equal in b;
    * outside: output ``output`` of b lies outside the interval that a gives for it.
    """

    kind: str
    output: int = 0
    other: int = 1
    bound: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"unknown predicate {self.kind!r}; choose from {', '.join(KINDS)}")
        if self.kind == "gap" and self.bound <= 0:
            raise InputError("a gap must be above 0")

    def holds(self, a: Logits, b: Logits, bounds: Bounds = ()) -> bool:
        """Whether a and b differ in this way; ``bounds`` are the intervals of a, for ``outside``."""
        k = self.output
        match self.kind:
            case "sign":
                return (a[k] > 0) != (b[k] > 0)
            case "argmax":
                return argmax(a) != argmax(b)
            case "gap":
                return abs(a[k] - b[k]) >= self.bound
            case "relu":
                return a[k] < 0 < b[k]
            case "equal":
                return a[k] == a[self.other] and b[k] != b[self.other]
        lower, upper = bounds[k]
        return not lower <= b[k] <= upper

    def fires(self, logits: Logits, reference: Logits, bounds: Bounds = ()) -> bool:
        """Whether an evaluation departs from the reference in this way (``holds`` with the reference as a)."""
        return self.holds(reference, logits, bounds)

    def measure(self, a: Logits, b: Logits, bounds: Bounds = ()) -> Fraction:
        """How far a and b are apart in the terms of the predicate: what a search maximises.

        The difference of the output that is read; for argmax the smaller of the two margins by which the classes win; for
        equal the difference of the two outputs in b; for outside the distance of b from the interval.
        """
        k = self.output
        match self.kind:
            case "argmax":
                i, j = argmax(a), argmax(b)
                return min(a[i] - a[j], b[j] - b[i]) if i != j else Fraction(0)
            case "equal":
                return abs(b[k] - b[self.other])
            case "outside":
                lower, upper = bounds[k]
                return max(lower - b[k], b[k] - upper, Fraction(0))
        return abs(a[k] - b[k])


def argmax(logits: Logits) -> int:
    """The class: the lowest index of the largest logit."""
    return max(range(len(logits)), key=lambda k: (logits[k], -k))
