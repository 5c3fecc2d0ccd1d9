"""How simple numbers are, and a total order on instances by what a reader has to take in."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from fpsynth.aliases import Json
from fpsynth.corpus.instances.data import Instance
from fpsynth.corpus.labels.points import grid_of
from fpsynth.networks.network import Network
from fpsynth.verifiers.properties import ExactBox, Property


@dataclass(frozen=True)
class Candidate:
    """An instance without its labels, and points that may be its witness."""

    network: Network
    box: ExactBox
    unsafe: Property
    points: tuple[tuple[float, ...], ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(repr((self.network.digest, self.box, self.unsafe, self.points)).encode()).hexdigest()


def candidate_of(instance: Instance) -> Candidate:
    """An instance as what is shrunk."""
    return Candidate(instance.network.logits, instance.box, instance.unsafe, (instance.witness,) if instance.witness else ())


def cost(number: Fraction | float) -> int:
    """How long a number is: bits of its significand and of its exponent, and one for a sign; 0 costs nothing, 1 costs 1."""
    exact = abs(Fraction(number))
    if not exact:
        return 0
    sign = int(number < 0)
    odd, twos = _without_twos(exact.numerator)
    rest, halves = _without_twos(exact.denominator)
    parts = odd.bit_length() + (rest.bit_length() if rest > 1 else 0)
    return parts + (twos + halves).bit_length() + sign


def _without_twos(number: int) -> tuple[int, int]:
    twos = (number & -number).bit_length() - 1
    return number >> twos, twos


def costs(numbers: Iterable[Fraction | float]) -> int:
    """Of all together."""
    return sum(map(cost, numbers))


def size_of(candidate: Candidate) -> tuple[object, ...]:
    """Inputs, layers, neurons, weights that are not zero, the lengths of all numbers (theirs, of the ends of the box, of the
    property), the float32 inputs of the box; the digest makes the order total.

    Inputs come first: what has one of them can be drawn, whatever else it holds.

    Raises InputError for a box without inputs.
    """
    network = candidate.network
    entries = [number for number in network.entries() if number]
    ends = (*candidate.box.lower, *candidate.box.upper)
    layers, neurons, inputs = shape_of(network)
    return (
        *(inputs, layers, neurons),
        len(entries),
        costs((*entries, *ends, *_numbers(candidate.unsafe))) + len(candidate.unsafe.inequalities),
        grid_of(candidate.box).total,
        candidate.digest,
    )


def shape_of(network: Network) -> tuple[int, int, int]:
    """Layers that add, neurons (all of their outputs) and inputs."""
    return len(network.sums), sum(math.prod(network.shapes[name]) for name in network.sums), math.prod(network.input_shape)


def _numbers(unsafe: Property) -> list[Fraction]:
    told: list[Fraction] = []
    for one in unsafe.inequalities:
        told += [one.bound, *(factor for _, factor in one.coefficients)]
    return told


def size_json(network: Network, box: ExactBox | None = None) -> Json:
    """The same for a report."""
    layers, neurons, inputs = shape_of(network)
    entries = [number for number in network.entries() if number]
    told: Json = {"layers": layers, "neurons": neurons, "inputs": inputs, "weights": len(entries), "bits": costs(entries)}
    return told if box is None else {**told, "box_inputs": str(grid_of(box).total)}
