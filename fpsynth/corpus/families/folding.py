"""Folding: an importer that folds a batch normalisation rounds numbers that the network never computes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fpsynth.corpus.families.base import FamilyDrawing, InstanceDraft, InstanceFamily, box_of, power, single, steps
from fpsynth.corpus.instances.data import REAL, RUNTIME, SAT, UNSAT
from fpsynth.networks.layers import BatchNormalisation, Dense, ReLU
from fpsynth.networks.network import INPUT, Network, Node

_EACH = 1 << 12
_EPSILON = power(-10)
"""Variance and this are a square, so that the factor is rational."""


def draw(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """(w x + b - mean) s + mean s: folded, b - mean is rounded to -mean, and b is lost; the library multiplies first.

    Every other instance is unsafe, and safe once it is folded.  Means beyond 2**53 are lost in float64 too.
    """
    rng, wide = drawing.rng, drawing.of(0, 0, 1, 1)
    exponent = rng.randrange(56, 60) if wide else rng.randrange(26, 30)
    unsafe, scale, amplitude = bool(drawing.of(0, 1)), power(rng.randrange(-2, 3)), power(rng.randrange(1, 4))
    low = power(-3) + rng.randrange(1 << 19) * power(-26)
    box = box_of([(low, steps(low, _EACH - 1))])
    parameters: dict[str, int | str] = {"mean": f"2**{exponent}", "scale": scale.hex(), "unsafe": int(unsafe)}
    verdict = SAT if unsafe else UNSAT
    sign = -amplitude if unsafe else amplitude
    return [
        InstanceDraft(_network(power(exponent), scale, sign), box, parameters, {REAL: verdict, RUNTIME: verdict}),
        InstanceDraft(
            _network(4.0, scale, sign),
            box,
            parameters,
            {REAL: verdict, RUNTIME: verdict},
            controls="the mean is small: folding loses nothing",
        ),
    ]


def _network(mean: float, scale: float, amplitude: float) -> Network:
    """Outputs 0 and amplitude (z - s / 2), z = max(0, (x + 1 - mean) s + mean s), which is at least s in the box."""
    normalisation = BatchNormalisation(
        mean=single([mean]),
        variance=single([1 - _EPSILON]),
        scale=single([scale]),
        shift=single([mean * scale]),
        epsilon=_EPSILON,
    )
    last = Dense(single([[0.0], [amplitude]]), single([0.0, -amplitude * scale / 2]))
    nodes = (
        Node("dense0", Dense(single(np.ones((1, 1))), single([1.0])), (INPUT,)),
        Node("norm0", normalisation, ("dense0",)),
        Node("relu0", ReLU(), ("norm0",)),
        Node("dense1", last, ("relu0",)),
    )
    return Network(nodes, (1,), "dense1")


FAMILY = InstanceFamily(
    "folding",
    "folding",
    "verifiers whose importers fold batch normalisations in floating point",
    "A bias is lost beside the mean when a batch normalisation is folded into the layer before, which the library does not do.",
    draw,
)
