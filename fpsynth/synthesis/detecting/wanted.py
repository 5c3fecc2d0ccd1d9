"""What a detector is wanted for: the layer that two arithmetics sum differently, inputs that it depends on, strength."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from fpsynth.formats import FLOAT32, Format
from fpsynth.synthesis.domain import Interval

Box = Sequence[tuple[Fraction, Fraction]]


@dataclass(frozen=True)
class LastLayer:
    """The layer in which the arithmetics depart: so many products in each sum, so many neurons, of which one is read."""

    terms: int
    format: Format = FLOAT32
    outputs: int = 1
    neuron: int = 0


@dataclass(frozen=True)
class Where:
    """The inputs for which a detector is to depart: either a box of them or those past a threshold."""

    inputs: Interval
    """The range of all inputs."""
    box: Box | None = None
    """For every input the closed range in which the views depart."""
    threshold: tuple[int, Fraction, int] | None = None
    """(input, value, side): for side 1 where the input is at least the value, for side -1 where it is at most."""
    features: int | None = None
    """The number of inputs where a threshold is given; None: one more than its position."""


@dataclass(frozen=True)
class Strength:
    """How far apart the views are to be, and with which weights."""

    gap: Fraction = Fraction(1)
    max_weight: Fraction | None = None
    """A bound on all weights and biases."""
    width: int | None = None
    """Copies of each value in the layers that amplify; None: the fewest that gain."""
    output: str = "gap"
    """One neuron (gap) or two classes (argmax): see ``amplify.amplified``."""


ONE_APART = Strength()
"""Any weights, results 1 apart."""
