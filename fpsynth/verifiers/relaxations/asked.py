"""A question about a network in a region, ready to be bounded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.networks.network import Network
from fpsynth.verifiers.claims import Region
from fpsynth.verifiers.properties import Property
from fpsynth.verifiers.relaxations.ends import Ends
from fpsynth.verifiers.relaxations.points import room_of, violation
from fpsynth.verifiers.relaxations.prepared import PreparedNetwork
from fpsynth.verifiers.relaxations.region import Inputs

Outcome = tuple[str, tuple[float, ...], str]
"""Verdict, point, reason."""


@dataclass(frozen=True)
class BoundQuestion:
    """A question, ready to be bounded."""

    network: Network
    known: PreparedNetwork
    region: Region
    inputs: Inputs
    unsafe: Property
    limited: bool = False
    """Whether a time limit ends what could go on for long."""

    def rows(self) -> Floats:
        """The left sides of the property's inequalities, each times a factor, (inequalities, outputs)."""
        return self.unsafe.rows(self.known.outputs)[0]

    def room(self, outputs: Ends) -> Floats:
        """How far the exact left sides are from ``rows``, at most, for outputs between these ends, (inequalities,)."""
        return room_of(self.unsafe, self.known, outputs)

    def violation(self, points: Iterable[Floats]) -> tuple[float, ...]:
        """The first of the points that is unsafe for certain."""
        return violation(self.network, self.known, self.region, self.unsafe, points)


def middle(inputs: Inputs) -> Floats:
    """The centre of a region."""
    if inputs.centre is not None:
        return inputs.centre
    half = inputs.box.lower.dtype.type(0.5)
    return np.clip(inputs.box.lower * half + inputs.box.upper * half, inputs.box.lower, inputs.box.upper)
