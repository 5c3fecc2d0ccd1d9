"""What is asked of a program: can all of a conjunction hold, how closely is it missed, or where does it hold closest."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.verifiers.milp.encoding import Encoded
from fpsynth.verifiers.milp.model import Building, Indices, Model, Sphere
from fpsynth.verifiers.milp.settings import MilpSettings

Terms = list[tuple[int, float]]
Rows = list[tuple[Terms, float]]
"""Left sides, less their bounds."""


def questioned(network: Encoded, rows: Floats, bounds: Floats, middle: Floats, settings: MilpSettings, *, ball: bool) -> Model:
    """The program of a conjunction rows y <= bounds, which has at least one row; y are the logits.

    ``middle``: of the region.  ``ball``: whether the solver takes the region as it is, where that is a ball.
    """
    building = network.building.copy()
    sides = [(_terms(network.outputs, row), float(bound)) for row, bound in zip(rows, bounds, strict=True)]
    objective, constant = QUESTIONS[settings.objective](building, network.inputs, sides, middle, settings.margin)
    sphere: Sphere | None = network.ball if ball else None
    return building.model(objective, constant, sphere)


def _terms(outputs: Indices, row: Floats) -> Terms:
    return [(int(outputs[k]), float(row[k])) for k in np.flatnonzero(row)]


def _worst(building: Building, inputs: Indices, sides: Rows, middle: Floats, margin: float) -> tuple[Terms, float]:
    """The least of the largest of the left sides, each less its bound."""
    if len(sides) == 1:
        return sides[0][0], -sides[0][1]
    largest = building.variable()
    for terms, bound in sides:
        building.row([*terms, (largest, -1.0)], most=bound)
    return [(largest, 1.0)], 0.0


def _any(building: Building, inputs: Indices, sides: Rows, middle: Floats, margin: float) -> tuple[Terms, float]:
    """All of them at most the margin; nothing is better than anything else."""
    for terms, bound in sides:
        building.row(terms, most=bound + margin)
    return [], 0.0


def _closest(building: Building, inputs: Indices, sides: Rows, middle: Floats, margin: float) -> tuple[Terms, float]:
    """The same, and the largest difference from the middle is the least."""
    _any(building, inputs, sides, middle, margin)
    spread = (np.array([side[k] for k in inputs]) - middle for side in (building.lower, building.upper))
    distance = building.variable(0.0, max(float(np.abs(part).max(initial=0.0)) for part in spread))
    for variable, centre in zip(inputs.tolist(), middle.tolist(), strict=True):
        building.row([(variable, 1.0), (distance, -1.0)], most=centre)
        building.row([(variable, 1.0), (distance, 1.0)], centre)
    return [(distance, 1.0)], 0.0


QUESTIONS: Mapping[str, Callable[[Building, Indices, Rows, Floats, float], tuple[Terms, float]]] = {
    "worst margin": _worst,
    "feasibility": _any,
    "closest": _closest,
}
"""What each objective adds to a program; the objective and its constant."""
