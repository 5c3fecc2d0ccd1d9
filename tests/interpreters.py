"""The table of interpreters: what the conformance test holds against the exact one.  A new interpreter is one more line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from fpsynth.evaluators import arrays, exact
from fpsynth.expressions import Expression
from fpsynth.rounding import Value, from_float

Answer = Value | bool
Interpreter = Callable[[Sequence[Expression], Mapping[str, Value]], list[Answer]]
"""From roots (floating-point or boolean, no reals) and a Value for every variable to what each root is worth."""


def by_exact(roots: Sequence[Expression], assignment: Mapping[str, Value]) -> list[Answer]:
    """The reference."""
    return [answer for answer in exact.evaluate(roots, assignment) if isinstance(answer, Value | bool)]


def by_arrays(roots: Sequence[Expression], assignment: Mapping[str, Value]) -> list[Answer]:
    """The vectorised one, on arrays of one element."""
    answers = arrays.evaluate_arrays(roots, {name: np.array([float(value)]) for name, value in assignment.items()})
    return [bool(answer[0]) if answer.dtype == bool else from_float(float(answer[0])) for answer in answers]


INTERPRETERS: dict[str, Interpreter] = {
    "exact": by_exact,
    "arrays": by_arrays,
}
