"""In what a verifier computes its bounds, and of which evaluations of the network they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32, FLOAT64, Format
from fpsynth.sums.arithmetic import Deployment

UNIT = 2.0**-53
"""The unit roundoff of float64."""
TINY = 2.0**-480
"""More than any sum, or root of a sum of squares, here loses by underflow in float64, flushed or not, of numbers that are no
larger than LARGEST."""
LARGEST = 2.0**400
"""Numbers of a network that may be larger have no rigorous bounds: a coefficient that underflows would count with them."""


@dataclass(frozen=True)
class Reasoning:
    """How bounds are computed, and what they hold for.

    ``real``: in float64, with everything that float64 rounds on top: for exact values.  ``float32`` and ``float64``: as
    verifiers compute them, rounded to nearest, with nothing on top: for nothing that is proved.  ``sound``: as ``real``, with
    what rounding can move in the evaluation of the network on top: for all that such an evaluation computes.
    """

    name: str
    format: Format
    """In which bounds are computed."""
    rigorous: bool
    """Whether what that rounds is added on top."""
    deployed: Format | None = None
    """Of sound reasoning: the format of inputs, and unless a deployment says otherwise of weights, activations and logits."""
    deployment: Deployment | None = None
    """Of sound reasoning: how each layer is evaluated; None: in any order, fused or not, flushed or not, in the format or in
    a wider one, everything rounded to nearest."""

    def __post_init__(self) -> None:
        if self.deployment is None:
            return
        others = [how for _, how in (*self.deployment.layers, *self.deployment.exceptions)]
        if self.deployment.default.format != self.deployed or any(how.format is None for how in others):
            raise InputError("bounds by relaxation are of deployments that compute in formats, or in exact arithmetic alone")

    @cached_property
    def dtype(self) -> np.dtype[np.floating]:
        """The type of arrays of bounds."""
        return np.dtype(np.float32 if self.format == FLOAT32 else np.float64)

    @property
    def least(self) -> float:
        """What a result smaller than all normal numbers may be off by, added to every loss of rigorous bounds."""
        return TINY if self.rigorous else 0.0

    def gamma(self, terms: int) -> float:
        """What a sum of so many products loses at most, relative to the sum of their magnitudes; 0 where it is not counted.

        n u / (1 - n u) with three roundings more, and twice that much for those of the bound itself.
        """
        if not self.rigorous:
            return 0.0
        loss = (terms + 3) * UNIT
        if loss >= 0.25:
            raise InputError(f"a sum of {terms} terms is too long for bounds in float64")
        return 2 * loss / (1 - loss)


REAL = Reasoning("real", FLOAT64, True)
"""For exact values."""
NEAREST32, NEAREST64 = Reasoning("float32", FLOAT32, False), Reasoning("float64", FLOAT64, False)
"""As verifiers without allowance for rounding compute."""


def sound(fmt: Format, deployment: Deployment | None = None, name: str = "") -> Reasoning:
    """For all that is computed in ``fmt`` under a deployment, or in any order."""
    return Reasoning(f"sound:{name or 'any'}", FLOAT64, True, fmt, deployment)


def magnitude(lower: Floats, upper: Floats) -> Floats:
    """The largest magnitude between two ends."""
    return np.maximum(np.abs(lower), np.abs(upper))


def finite(*arrays: Floats) -> bool:
    """Whether every number is finite."""
    return all(math.isfinite(float(np.abs(array).max(initial=0.0))) for array in arrays)
