"""What a family is: it draws networks, boxes and properties, and says which verdicts they are to have; nothing is believed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

import numpy as np
from numpy.typing import NDArray

from fpsynth.corpus.labels.environments import Environments
from fpsynth.corpus.labels.points import floats_of, ordinal
from fpsynth.errors import InputError
from fpsynth.networks.network import Network, dense_relu
from fpsynth.verifiers.properties import ExactBox, Inequality, Property

BELOW = Property(((Inequality(((0, Fraction(-1)), (1, Fraction(1))), Fraction(0)),),))
"""Unsafe where Y_1 <= Y_0."""


class NothingDrawnError(InputError):
    """A family has no instance for these draws, limits or environments: another draw may have one."""


@dataclass(frozen=True)
class InstanceDraft:
    """An instance before anything of it is proved."""

    network: Network
    box: ExactBox
    parameters: Mapping[str, int | str]
    wanted: Mapping[str, str] = field(default_factory=dict)
    """Semantics to the verdict without which it is of no use."""
    witness: tuple[float, ...] = ()
    """Where the family knows one."""
    unsafe: Property = BELOW
    about: str = ""
    """Instead of the family's own sentence."""
    controls: str = ""
    """Of a control: what it controls."""


@dataclass(frozen=True)
class FamilyDrawing:
    """What a family draws from."""

    rng: Random
    environments: Environments
    number: int
    """Which of its instances it is, from 0: families go through their sizes by it."""
    max_weight: Fraction | None = None
    """No weight or bias may be larger in magnitude; None: any may be."""

    def of(self, *choices: int) -> int:
        """The choice of this number, in turn."""
        return choices[self.number % len(choices)]

    def significand(self) -> float:
        """A float32 in [1, 2)."""
        return 1 + self.rng.randrange(1 << 23) * 2.0**-23


@dataclass(frozen=True)
class InstanceFamily:
    """A line of the table."""

    name: str
    category: str
    beats: str
    """Which verifiers, in a few words."""
    about: str
    """Why, in one sentence."""
    draw: Callable[[FamilyDrawing], Sequence[InstanceDraft]]
    """An instance, and its controls.  Raises NothingDrawnError."""


def stack(*layers: tuple[object, object]) -> Network:
    """Dense layers of float32 with ReLU between them.  Raises ValueError for a number that is no float32."""
    return dense_relu([(single(weight), single(bias)) for weight, bias in layers])


def single(numbers: object) -> NDArray[np.float32]:
    """An array of float32.  Raises ValueError for a number that is none."""
    exact = np.array(numbers, np.float64)
    made = exact.astype(np.float32)
    if (made != exact).any():
        raise ValueError("a weight is no float32")
    return made


def box_of(ends: Sequence[tuple[float, float]]) -> ExactBox:
    """A box of floats."""
    return ExactBox(tuple(Fraction(low) for low, _ in ends), tuple(Fraction(high) for _, high in ends))


def steps(number: float, count: int) -> float:
    """The float32 so many places above, or below."""
    return float(floats_of(np.array([ordinal(number) + count], np.int64))[0])


def around(centre: float, inputs: int, rng: Random) -> tuple[float, float]:
    """Ends of an interval with so many float32, ``centre`` somewhere among them."""
    below = rng.randrange(inputs)
    return steps(centre, -below), steps(centre, inputs - 1 - below)


def largest(network: Network) -> float:
    """The largest magnitude of a weight or bias."""
    return max(float(np.abs(array).max(initial=0.0)) for array in network.arrays())


def require_weights(drafts: Sequence[InstanceDraft], limit: Fraction | None) -> None:
    """Raise NothingDrawnError where a weight is above the limit."""
    for draft in drafts:
        if limit is not None and Fraction(largest(draft.network)) > limit:
            raise NothingDrawnError(f"a weight is larger than {float(limit):g}")


def power(exponent: int) -> float:
    """2 to that power."""
    return math.ldexp(1.0, exponent)
