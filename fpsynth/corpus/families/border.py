"""Borders: an output is compared with a number that it crosses in the middle of a box no wider than usual tolerances."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from fpsynth.corpus.families.base import FamilyDrawing, InstanceDraft, InstanceFamily, box_of, power, stack
from fpsynth.corpus.instances.data import REAL, RUNTIME, SAT, UNSAT
from fpsynth.verifiers.properties import Inequality, Property

_SMALL = (17, 20, 18, 21, 19, 22)
"""Widths are 2 to minus these: 7.6e-6 to 2.4e-7, far above an ulp of what is computed."""


def draw(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """y = sum x - 1/2 behind ReLUs that change nothing, unsafe from the middle of its range on; a control ends before it."""
    rng, inputs, hidden = drawing.rng, drawing.of(1, 2, 1, 3), drawing.of(1, 2, 1)
    exponent = drawing.of(*_SMALL)
    width = power(-exponent)
    lower = [rng.randrange(16, 128) * power(-8) / inputs for _ in range(inputs)]
    lower = [round(x * 1024) / 1024 for x in lower]
    front = [([[float(j == k) for k in range(inputs)] for j in range(inputs)], [0.0] * inputs)] * hidden
    network = stack(*front, ([[1.0] * inputs], [-0.5]))
    middle = sum(map(Fraction, lower), Fraction(-1, 2)) + Fraction(width) * inputs / 2
    unsafe = Property(((Inequality(((0, Fraction(-1)),), -middle),),))
    parameters: dict[str, int | str] = {"exponent": exponent, "inputs": inputs, "hidden": hidden}
    ends = [(low, low + width) for low in lower]
    return [
        InstanceDraft(network, box_of(ends), parameters, {REAL: SAT, RUNTIME: SAT}, tuple(high for _, high in ends), unsafe),
        InstanceDraft(
            network,
            box_of([(low, low + width / 4) for low in lower]),
            parameters,
            {REAL: UNSAT, RUNTIME: UNSAT},
            unsafe=unsafe,
            controls="the same border, beyond the box by a quarter of its width in each input",
        ),
    ]


FAMILY = InstanceFamily(
    "border",
    "tolerance",
    "verifiers with a tolerance",
    "The box is no wider than usual tolerances; an output is beyond a number in half of it, over the reals and in float32.",
    draw,
)
