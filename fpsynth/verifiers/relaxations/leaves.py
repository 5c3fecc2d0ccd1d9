"""Enumeration: a box that holds few points that a deployment can read is computed at all of them, bit for bit.

Inputs of what runs are numbers of its format, so that nothing else is in the box: what its own sum programs compute there is a
proof, and finds ties that no bounds tell from what is near them.  (Of the two zeros the positive one stands for both: no layer
tells them apart but by the sign of a zero that it makes of one, and no comparison does.)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.formats import Format
from fpsynth.rounding import from_index, index_range
from fpsynth.verifiers.properties import Property
from fpsynth.verifiers.relaxations.asked import BoundQuestion, Outcome
from fpsynth.verifiers.relaxations.ends import Ends
from fpsynth.verifiers.relaxations.points import inside

POINTS = 1 << 12
"""Of a box that is enumerated, at most."""
PRODUCTS = 1 << 16
"""Of all its points together, at most, so that it takes about as long as bounds do; a few points may take more."""


def enumerated(asked: BoundQuestion, box: Ends) -> Outcome | None:
    """What becomes of the property at all points of the region in a box; None where there are many, or not one deployment.

    None, too, where an output is no finite number: comparisons say nothing of those.
    """
    reasoning = asked.known.reasoning
    if reasoning.deployment is None or reasoning.deployed is None:
        return None
    points = _points(box, reasoning.deployed, max(1, min(POINTS, PRODUCTS // max(1, asked.network.operations))))
    if points is None or len(points) * asked.network.operations > 16 * PRODUCTS:
        return None
    if not len(points):
        return "unsat", (), ""
    try:
        outputs = network_outputs(asked.network, points.reshape(-1, *asked.network.input_shape), reasoning.deployment)
    except InputError:  # what arrays do not evaluate
        return None
    rows = outputs.reshape(len(points), -1)
    if not np.isfinite(rows).all():
        return None
    for k in np.flatnonzero(_unclear(asked.unsafe, rows)).tolist():
        point = tuple(points[k].tolist())
        if asked.unsafe.violated(rows[k].tolist()) and inside(asked.region, point):
            return "sat", point, ""
    return "unsat", (), ""


def _points(box: Ends, fmt: Format, most: int) -> Floats | None:
    """All numbers of the format in a box, (points, inputs); None where they are more than so many."""
    choices: list[Sequence[int]] = []
    for low, high in zip(box.lower.tolist(), box.upper.tolist(), strict=True):
        if not (math.isfinite(low) and math.isfinite(high)):
            return None
        first, last = index_range(Fraction(low), Fraction(high), fmt)
        choices.append(range(first, last + 1))
        if math.prod(map(len, choices)) > most:
            return None
    numbers = [[float(from_index(k, fmt)) for k in range_of] for range_of in choices]
    return np.array(list(itertools.product(*numbers)), np.float64).reshape(-1, len(numbers))


def _unclear(unsafe: Property, outputs: Floats) -> np.ndarray:
    """(points,): whether float64 leaves it open that outputs of (points, outputs) are unsafe."""
    rows, _ = unsafe.rows(outputs.shape[1])
    off = unsafe.off(outputs.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        sums, sizes = outputs @ rows.T, np.abs(outputs) @ np.abs(rows).T
        lost = sizes * (outputs.shape[1] + 4) * 2.0**-51 + 2.0**-900
        lost = lost if off is None else lost + 2 * np.abs(outputs) @ off.T
        bounds = np.nextafter([one.near_bound for one in unsafe.inequalities], np.inf)
        above = sums - lost > bounds  # false where an end is infinite or NaN: then it is unclear
    place = {one: k for k, one in enumerate(unsafe.inequalities)}
    found = np.zeros(len(outputs), bool)
    for conjunction in unsafe.unsafe:
        found |= ~above[:, [place[one] for one in conjunction]].any(axis=1)
    return found
