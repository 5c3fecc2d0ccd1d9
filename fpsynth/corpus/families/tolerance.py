"""Tolerances: boxes and margins of 1e-5 to 1e-9, unsafe over the reals and in every float32 evaluation, and safe twins."""

from __future__ import annotations

from collections.abc import Sequence

from fpsynth.corpus.families.base import FamilyDrawing, InstanceDraft, InstanceFamily, box_of, power, stack
from fpsynth.corpus.instances.data import ANY, REAL, RUNTIME, SAT, UNSAT
from fpsynth.networks.network import Network

_SMALL = (17, 20, 23, 26, 29, 18, 21, 24, 27, 30)
"""Widths and margins are 2 to minus these: 7.6e-6 to 9.3e-10."""


def narrow(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """The output is x - c; the box is no wider than the tolerance, c in the middle of it: half of it is unsafe."""
    exponent = drawing.of(*_SMALL)
    rng, hidden = drawing.rng, drawing.of(0, 1, 2)
    width = power(-exponent)
    centre = drawing.significand() * width * power(rng.randrange(1, 9))
    unit = power(-12) * width
    centre = round(centre / unit) * unit
    network = _shifted(centre, hidden)
    parameters: dict[str, int | str] = {"exponent": exponent, "hidden": hidden}
    wanted = {REAL: SAT, RUNTIME: SAT, ANY: SAT}
    half = width / 2
    return [
        InstanceDraft(network, box_of([(centre - half, centre + half)]), parameters, wanted, (centre + half,)),
        InstanceDraft(
            network,
            box_of([(centre - width, centre - half)]),
            parameters,
            {REAL: UNSAT, RUNTIME: UNSAT},
            controls="the safe side of the same border: the margin is half as small as the box of the other is wide",
        ),
    ]


def _shifted(centre: float, hidden: int) -> Network:
    """Outputs x - c and 0, behind ReLUs that change nothing."""
    front = [([[1.0]], [0.0])] * hidden
    return stack(*front, ([[1.0], [0.0]], [-centre, 0.0]))


def flat(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """Two outputs differ by a constant margin of that size, in a box that is not small."""
    exponent = drawing.of(*_SMALL)
    rng, inputs = drawing.rng, drawing.of(1, 2, 3)
    margin = power(-exponent)
    ends = [(margin * rng.randrange(1, 9), margin * rng.randrange(9, 64)) for _ in range(inputs)]
    parameters: dict[str, int | str] = {"exponent": exponent, "inputs": inputs}
    rows = [[1.0] * inputs, [1.0] * inputs]
    box = box_of(ends)
    corner = tuple(low for low, _ in ends)
    return [
        InstanceDraft(stack((rows, [margin, 0.0])), box, parameters, {REAL: SAT, RUNTIME: SAT, ANY: SAT}, corner),
        InstanceDraft(
            stack((rows, [0.0, margin])),
            box,
            parameters,
            {REAL: UNSAT, RUNTIME: UNSAT},
            controls="the same margin on the safe side",
        ),
    ]


NARROW = InstanceFamily(
    "narrow",
    "tolerance",
    "verifiers with a tolerance",
    "The box is no wider than usual tolerances; half of it is unsafe, over the reals and in float32.",
    narrow,
)
FLAT = InstanceFamily(
    "flat",
    "tolerance",
    "verifiers with a tolerance",
    "All of the box is unsafe by a margin that is no larger than usual tolerances, over the reals and in float32.",
    flat,
)
