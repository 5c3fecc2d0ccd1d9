"""Dense ties: two outputs whose weights differ by one ulp, so that their sums are often rounded to the same number."""

from __future__ import annotations

from collections.abc import Sequence

from fpsynth.corpus.families.base import FamilyDrawing, InstanceDraft, InstanceFamily, around, box_of, power, stack, steps
from fpsynth.corpus.instances.data import ANY, REAL, RUNTIME, SAT, UNSAT
from fpsynth.networks.network import Network

_INPUTS = 1 << 14
"""Of float32, in the box."""


def draw(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """Y_1 - Y_0 = (w' - w) x_j > 0 over the reals, for weights w < w' one ulp apart; the control has more ulps between them."""
    rng, inputs, hidden = drawing.rng, drawing.of(1, 1, 2, 3), drawing.of(0, 1, 0, 1, 2)
    scale = power(rng.randrange(-6, 7))
    weights = [drawing.significand() * power(rng.randrange(-2, 1)) for _ in range(inputs)]
    place = rng.randrange(inputs)
    each = round(_INPUTS ** (1 / inputs))
    ends = [around(drawing.significand() * power(rng.randrange(-3, 2)), each, rng) for _ in range(inputs)]
    parameters: dict[str, int | str] = {"inputs": inputs, "hidden": hidden, "scale": scale.hex(), "input": place}

    def made(ulps: int) -> Network:
        other = [steps(w, ulps) if k == place else w for k, w in enumerate(weights)]
        identity = [[float(j == k) * scale for k in range(inputs)] for j in range(inputs)]
        passed = [[float(j == k) for k in range(inputs)] for j in range(inputs)]
        front = [(identity if number == 0 else passed, [0.0] * inputs) for number in range(hidden)]
        return stack(*front, ([weights, other], [0.0, 0.0]))

    return [
        InstanceDraft(made(1), box_of(ends), {**parameters, "ulps": 1}, {REAL: UNSAT, RUNTIME: SAT}),
        *(
            InstanceDraft(
                made(ulps),
                box_of(ends),
                {**parameters, "ulps": ulps},
                {REAL: UNSAT, ANY: UNSAT},
                controls="the same box, the weights further apart: no evaluation in float32 has a tie",
            )
            for ulps in (8 * inputs,)
        ),
    ]


FAMILY = InstanceFamily(
    "tie",
    "tie",
    "verifiers that bound and do not attack",
    "Weights of two outputs differ by one ulp: over the reals one output is larger, rounded they are often equal.",
    draw,
)
