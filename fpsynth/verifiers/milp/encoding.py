"""A network over a region as rows and binaries: every selection by big-M, with the bounds that CROWN has of its inputs.

(Tjeng, Xiao and Tedrake, "Evaluating robustness of neural networks with mixed integer programming", ICLR 2019.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.networks.graph import INPUT
from fpsynth.networks.layers.structure import PADDING
from fpsynth.verifiers.milp.model import Building, Indices, Sphere
from fpsynth.verifiers.relaxations.crown import Analysis
from fpsynth.verifiers.relaxations.ends import Ends, source_ends
from fpsynth.verifiers.relaxations.lines import Piecewise, Selecting
from fpsynth.verifiers.relaxations.maps import AffineMap, scipy_sparse
from fpsynth.verifiers.relaxations.prepared import PreparedLayer, PreparedNetwork
from fpsynth.verifiers.relaxations.region import Inputs
from fpsynth.workers.deadlines import require_time

Line = tuple[float, float]
"""Slope and offset."""
FREE = Ends(np.array([-np.inf]), np.array([np.inf]))
"""Of logits: rows bound them, and no big-M reads them.  With their bounds solvers answer otherwise near a tolerance: SCIP then
says that the published tie's margin of 9.4e-9 can be 0; without, its presolve divides by the difference of the weights."""
TURN = 512
"""Outputs of a selection between two looks at the time."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """A network's program without a question."""

    building: Building
    inputs: Indices
    """The variables of the network's inputs."""
    outputs: Indices
    ball: Sphere | None
    """Where the region is a ball: the rows know of the box around it only."""


def encoded(network: PreparedNetwork, inputs: Inputs, analysis: Analysis) -> Encoded:
    """The program of a network over a region, all of whose ends are finite.

    What an evaluation rounds, of sound reasoning, is room in the rows.  Raises InputError for a program that is too large,
    OutOfTimeError.
    """
    building = Building()
    first = building.variables(inputs.box.lower, inputs.box.upper)
    made = {INPUT: first}
    for layer in network.layers:
        require_time()
        read = np.concatenate([made[source] for source in layer.sources])
        given, own = source_ends(layer, analysis.found), analysis.found[layer.name]
        room = np.broadcast_to(np.asarray(layer.rounding(given.lower, given.upper, given.units), np.float64), own.lower.shape)
        if isinstance(layer.made, AffineMap):
            made[layer.name] = _affine(building, layer.made, read, FREE if layer.name == network.output else own, room)
        elif isinstance(layer.made, Selecting):
            made[layer.name] = _selection(building, layer, read, given, own, room)
        else:
            made[layer.name] = read
    ball = None if inputs.centre is None else Sphere(first, inputs.centre, inputs.radius)
    return Encoded(building, first, made[network.output], ball)


def _affine(building: Building, map: AffineMap, read: Indices, own: Ends, room: Floats) -> Indices:
    """z - W h = b, up to the room."""
    results = building.variables(*(np.broadcast_to(end, room.shape) for end in (own.lower, own.upper)))
    sparse = scipy_sparse()
    weight = sparse.csr_array(map.weight.astype(np.float64))
    rows = sparse.hstack([sparse.eye_array(len(results), format="csr"), -weight], format="csr")
    bias = map.bias.astype(np.float64)
    building.block(rows, np.concatenate([results, read]), bias - room, bias + room)
    return results


def _selection(building: Building, layer: PreparedLayer, read: Indices, given: Ends, own: Ends, room: Floats) -> Indices:
    assert isinstance(layer.made, Selecting)
    results = []
    for number, taps in enumerate(layer.made.read):
        if not number % TURN:
            require_time()
        inside = np.unique(taps[taps != PADDING])
        value = _largest(building, read[inside].tolist(), given.lower[inside], given.upper[inside])
        value = _pieces(building, layer.made.made, value)
        results.append(_moved(building, value, room[number], (own.lower[number], own.upper[number])))
    return np.array(results, np.int64)


def _largest(building: Building, read: Sequence[int], lower: Floats, upper: Floats) -> int:
    """The largest of some variables: a binary for each that may be, of which one is 1."""
    least, most = float(lower.max()), float(upper.max())
    leading = int(lower.argmax())
    open_ones = [k for k in range(len(read)) if k == leading or upper[k] > least]
    if len(open_ones) == 1:
        return read[leading]
    result = building.variable(least, most)
    chosen = [building.variable(0, 1, binary=True) for _ in open_ones]
    building.row([(one, 1.0) for one in chosen], 1, 1)
    for k, one in zip(open_ones, chosen, strict=True):
        building.row([(result, 1.0), (read[k], -1.0)], 0)
        reach = most - float(lower[k])
        building.row([(result, 1.0), (read[k], -1.0), (one, reach)], most=reach)
    return result


def _pieces(building: Building, made: Piecewise, value: int) -> int:
    """The larger of a value and the floor, then the smaller and the ceiling, then the slope of what is negative."""
    if made.floor is not None:
        value = _larger(building, value, made.floor, (0.0, float(made.floor)), (1.0, 0.0))
    if made.ceiling is not None:
        value = _smaller(building, value, made.ceiling, (1.0, 0.0), (0.0, float(made.ceiling)))
    if made.slope is not None:
        value = _larger(building, value, 0.0, (float(made.slope), 0.0), (1.0, 0.0))
    return value


def _at(line: Line, x: float) -> float:
    return line[0] * x + line[1]


def _straight(building: Building, value: int, line: Line, ends: tuple[float, float]) -> int:
    """slope * value + offset: no new variable where that is the value."""
    if line == (1.0, 0.0):
        return value
    result = building.variable(_at(line, ends[0]), _at(line, ends[1]))
    building.row([(result, 1.0), (value, -line[0])] if line[0] else [(result, 1.0)], line[1], line[1])
    return result


def _larger(building: Building, value: int, knot: float, left: Line, right: Line) -> int:
    """The larger of two lines that cross at the knot, the right one being the steeper: a binary where both may be it."""
    lower, upper = building.lower[value], building.upper[value]
    if upper <= knot or lower >= knot:
        return _straight(building, value, left if upper <= knot else right, (lower, upper))
    result, on = building.variable(_at(left, lower), _at(right, upper)), building.variable(0, 1, binary=True)
    building.row([(result, 1.0), (value, -left[0])], left[1])
    building.row([(result, 1.0), (value, -right[0])], right[1])
    above, below = _at(right, upper) - _at(left, upper), _at(left, lower) - _at(right, lower)
    building.row([(result, 1.0), (value, -left[0]), (on, -above)], most=left[1])
    building.row([(result, 1.0), (value, -right[0]), (on, below)], most=right[1] + below)
    return result


def _smaller(building: Building, value: int, knot: float, left: Line, right: Line) -> int:
    """The smaller of two lines that cross at the knot, the left one being the steeper."""
    lower, upper = building.lower[value], building.upper[value]
    if upper <= knot or lower >= knot:
        return _straight(building, value, left if upper <= knot else right, (lower, upper))
    result, on = building.variable(_at(left, lower), _at(right, upper)), building.variable(0, 1, binary=True)
    building.row([(result, 1.0), (value, -left[0])], most=left[1])
    building.row([(result, 1.0), (value, -right[0])], most=right[1])
    above, below = _at(left, upper) - _at(right, upper), _at(right, lower) - _at(left, lower)
    building.row([(result, 1.0), (value, -left[0]), (on, above)], left[1])
    building.row([(result, 1.0), (value, -right[0]), (on, -below)], right[1] - below)
    return result


def _moved(building: Building, value: int, room: float, ends: tuple[float, float]) -> int:
    """The same up to a room."""
    if not room:
        return value
    result = building.variable(*ends)
    building.row([(result, 1.0), (value, -1.0)], -room, room)
    return result
