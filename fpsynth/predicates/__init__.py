"""Predicates, and the one table of them: whoever adds one adds a file and a row, and nothing else.

A row says of itself exactly when it holds and how far apart the two are; the same over arrays; for what is searched for, as an
expression; in words; and what it reads (``base.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.predicates.argmax import OtherClass
from fpsynth.predicates.base import Bounds, Logits, Relation, Searched, Telling, argmax
from fpsynth.predicates.equal import Equal
from fpsynth.predicates.gap import Gap
from fpsynth.predicates.outside import Outside
from fpsynth.predicates.relu import Relu
from fpsynth.predicates.sign import Sign

RELATIONS: dict[str, Relation] = {
    relation.name: relation
    for relation in (
        Sign(),
        OtherClass(),
        Gap(),
        Relu(),
        Equal(),
        Outside(),
    )
}
"""Every predicate by its name."""
KINDS = tuple(RELATIONS)
"""The names of all predicates."""
SEARCHED = tuple(name for name, relation in RELATIONS.items() if isinstance(relation, Searched))
"""The names of those that are searched for in a layer."""

__all__ = ["KINDS", "RELATIONS", "SEARCHED", "Bounds", "Logits", "Predicate", "Relation", "Searched", "Telling", "argmax"]


@dataclass(frozen=True)
class Predicate:
    """How evaluations a (the reference) and b (deployed) of a network must differ: a row of the table, and what it is about.

    Raises InputError for a kind that the table does not have and for a bound that the kind refuses.
    """

    kind: str
    output: int = 0
    other: int = 1
    bound: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if self.kind not in RELATIONS:
            raise InputError(f"unknown predicate {self.kind!r}; choose from {', '.join(KINDS)}")
        if refusal := self.relation.refusal(self):
            raise InputError(refusal)

    @property
    def relation(self) -> Relation:
        """The row of the table: what this kind of predicate reads and says."""
        return RELATIONS[self.kind]

    @property
    def searched(self) -> Searched:
        """The row of a predicate that is searched for in a layer.  Raises InputError for any other."""
        relation = self.relation
        if not isinstance(relation, Searched):
            raise InputError(f"a flip is one of {', '.join(SEARCHED)}, not {self.kind}")
        return relation

    def holds(self, a: Logits, b: Logits, bounds: Bounds = ()) -> bool:
        """Whether a and b differ in this way; ``bounds`` are the intervals of a, for those that read them."""
        return self.relation.holds(self, a, b, bounds)

    def fires(self, logits: Logits, reference: Logits, bounds: Bounds = ()) -> bool:
        """Whether an evaluation departs from the reference in this way (``holds`` with the reference as a)."""
        return self.holds(reference, logits, bounds)

    def measure(self, a: Logits, b: Logits, bounds: Bounds = ()) -> Fraction:
        """How far a and b are apart in the terms of the predicate: what a search maximises."""
        return self.relation.measure(self, a, b, bounds)

    def outputs(self, count: int) -> tuple[int, ...]:
        """Which of a network's ``count`` outputs it reads."""
        return self.relation.outputs(self, count)

    def among(self, outputs: Sequence[int]) -> Predicate:
        """The same of evaluations that hold nothing but these outputs, in this order: all that it reads."""
        if self.relation.about_classes:
            return self
        first, *second = (list(outputs).index(output) for output in self.outputs(len(outputs)))
        return replace(self, output=first, other=second[0] if second else self.other)
