"""Rare ties: a box below a power of two, where products are rounded to a finer unit, cut so that one tie is left in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fpsynth.corpus.families.base import (
    BELOW,
    FamilyDrawing,
    InstanceDraft,
    InstanceFamily,
    NothingDrawnError,
    box_of,
    power,
    stack,
    steps,
)
from fpsynth.corpus.instances.data import ANY, REAL, RUNTIME, SAT, UNSAT
from fpsynth.corpus.labels.margins import violated
from fpsynth.corpus.labels.points import Grid, ordinal

_LOOKED_AT = 1 << 15
"""Inputs of float32 among which ties are looked for."""
_APART = 8
"""Ulps between the weights of a control."""


def draw(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """Just below a power of two the outputs w x and w' x differ by nearly an ulp, so that they seldom tie."""
    rng, hidden = drawing.rng, drawing.of(0, 1)
    weight = 0.5 + rng.randrange(1, 1 << 23) * power(-24)
    scale, exponent = power(rng.randrange(-5, 6)), rng.randrange(-4, 3)
    front = [([[scale]], [0.0])] * hidden
    network = stack(*front, ([[weight], [steps(weight, 1)]], [0.0, 0.0]))
    top = ordinal(power(exponent)) - 1
    computed = drawing.environments.computed(network, RUNTIME)
    if computed is None:
        raise NothingDrawnError("the order is not known")
    points = Grid((top - _LOOKED_AT + 1,), (top,)).axis(0)[:, None]
    ties = np.flatnonzero(violated(BELOW, computed.outputs(points)))
    if len(ties) < 2 or ties[-1] + 1 >= len(points):
        raise NothingDrawnError("there are too few ties, or one at the end")
    before, last = int(ties[-2]) + 1, int(ties[-1])
    numbers = points[:, 0].tolist()
    parameters: dict[str, int | str] = {"hidden": hidden, "scale": scale.hex(), "inputs_of_float32": len(numbers) - before}
    return [
        InstanceDraft(
            network, box_of([(numbers[before], numbers[-1])]), parameters, {REAL: UNSAT, RUNTIME: SAT}, (numbers[last],)
        ),
        InstanceDraft(
            network,
            box_of([(numbers[last + 1], numbers[-1])]),
            parameters,
            {REAL: UNSAT, RUNTIME: UNSAT},
            controls="the same network, the box without its one tie",
        ),
        InstanceDraft(
            stack(*front, ([[weight], [steps(weight, _APART)]], [0.0, 0.0])),
            box_of([(numbers[before], numbers[-1])]),
            {**parameters, "ulps": _APART},
            {REAL: UNSAT, ANY: UNSAT},
            controls="the same box, the weights further apart: no evaluation in float32 has a tie",
        ),
    ]


FAMILY = InstanceFamily(
    "last_tie",
    "rare",
    "verifiers that attack, then bound",
    "Exactly one input of the box has two equal outputs in float32; over the reals one is larger everywhere.",
    draw,
)
