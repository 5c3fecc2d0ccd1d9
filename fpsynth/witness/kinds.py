"""Kinds of witnesses: what only those of two points hold, and what only those of one; none holds what belongs to the other."""

from __future__ import annotations

from collections.abc import Iterator

from fpsynth.errors import InputError
from fpsynth.witness.data import Witness

OF_ONE_POINT = ("real", "box", "sampled", "construction")
"""Fields about the only point of a witness."""
OF_TWO_POINTS = ("claims", "control", "distance", "ratio", "objective")
"""Fields about a ball around one point that holds the other."""


def misplaced(witness: Witness) -> Iterator[tuple[str, str]]:
    """The fields of a witness that belong to one of another kind, each with the reason; nothing is computed of them."""
    points, others = ("two points", OF_ONE_POINT) if witness.two_points else ("one point", OF_TWO_POINTS)
    for name in others:
        if getattr(witness, name) not in (None, (), ""):
            yield name, f"does not belong to a witness of {points}"
    if witness.two_points and witness.predicate.kind != "argmax":
        yield "predicate.kind", f"is {witness.predicate.kind}, but of two points the classes are compared (argmax)"
    if witness.question == "tie" and not witness.two_points:
        yield "question", "is a tie, which has two points, but both views are evaluated at the same one"


def require_one_kind(witness: Witness) -> Witness:
    """The witness.  Raises InputError, naming the field, where it holds what belongs to another kind."""
    for name, reason in misplaced(witness):
        raise InputError(f"{name}: {reason}")
    return witness
