"""Every way to decide a question by relaxation, by its name: bounds alone, or branch and bound over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from fpsynth.verifiers.relaxations.asked import BoundQuestion, Outcome, middle
from fpsynth.verifiers.relaxations.bounding import BOUNDINGS, RowBounds
from fpsynth.verifiers.relaxations.branching import below, branched
from fpsynth.verifiers.relaxations.ends import Ends
from fpsynth.wording import significant

Decision = tuple[Outcome, Ends]
"""What is said, and the ends of the logits."""


def by_bounds(name: str, asked: BoundQuestion) -> Decision:
    """From bounds of the whole region."""
    found = BOUNDINGS[name](asked.known, asked.inputs, asked.rows())
    least = below(asked, found.least, found.outputs)
    return decided(asked, replace(found, least=least)), found.outputs


def by_branching(asked: BoundQuestion) -> Decision:
    """From bounds of as many parts as it takes."""
    outputs = BOUNDINGS["crown"](asked.known, asked.inputs, asked.rows()).outputs
    return branched(asked)[0], outputs


def decided(asked: BoundQuestion, found: RowBounds) -> Outcome:
    """What bounds say of a property: proved, violated at the middle of the region, or neither."""
    if asked.unsafe.excluded(found.least.tolist()):
        return "unsat", (), ""
    if point := asked.violation([middle(asked.inputs)]):
        return "sat", point, ""
    if not np.isfinite(found.least).all():
        return "unknown", (), "an end of an interval is infinite or NaN"
    least = min(one.unscaled(float(x)) for one, x in zip(asked.unsafe.inequalities, found.least, strict=True))
    return "unknown", (), f"the bounds do not exclude it: the least of a left side is at least {significant(least, 6, 'down')}"


def _bounds_of(name: str) -> Callable[[BoundQuestion], Decision]:
    return lambda asked: by_bounds(name, asked)


DECISIONS: Mapping[str, Callable[[BoundQuestion], Decision]] = {
    **{name: _bounds_of(name) for name in BOUNDINGS},
    "bab": by_branching,
}
"""Every one of them."""
