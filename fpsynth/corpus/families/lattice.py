"""Lattices: rounding errors of x + B, zero over the reals, add up; only where all are largest is the input unsafe.

The gradient is zero everywhere, since the slopes of x + B - B and of x cancel wherever they are taken, and no ReLU of the first
layers is anywhere near its kink at the witness: nothing leads there.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from fpsynth.corpus.families.base import FamilyDrawing, InstanceDraft, InstanceFamily, NothingDrawnError, box_of, power, stack
from fpsynth.corpus.instances.data import REAL, RUNTIME, SAT, UNSAT
from fpsynth.networks.network import Network

Layer = tuple[object, object]
_FIRST = 24
"""Bits of a float32: inputs in [1/2, 1) are multiples of 2**-24."""


def draw(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """e_i = max(0, fl(fl(x_i + 2**b) - 2**b) - x_i) is at most half an ulp of 2**b, and 0 over the reals."""
    rng, inputs, bits = drawing.rng, drawing.of(6, 4, 8, 3, 7, 5), drawing.rng.randrange(6, 11)
    slack = rng.choice([0, 0, 1, 3])
    scale = power(rng.randrange(-3, 4))
    length = 1 << rng.randrange(bits + 2, 13)
    if drawing.max_weight is not None and drawing.max_weight < power(_FIRST - bits):
        raise NothingDrawnError("lattices need weights that make an error 1")
    starts = [0.5 + rng.randrange((1 << 23) - length) * power(-_FIRST) for _ in range(inputs)]
    ends = [(low, low + (length - 1) * power(-_FIRST)) for low in starts]
    parameters: dict[str, int | str] = {"inputs": inputs, "bits": bits, "slack": slack, "scale": scale.hex()}
    scaled = box_of([(low * scale, high * scale) for low, high in ends])
    witness = tuple(_highest(low, length, bits) * scale for low in starts)
    return [
        InstanceDraft(_network(inputs, bits, slack, scale), scaled, parameters, {REAL: UNSAT, RUNTIME: SAT}, witness),
        InstanceDraft(
            _network(inputs, bits, -1, scale),
            scaled,
            {**parameters, "slack": -1},
            {REAL: UNSAT, RUNTIME: UNSAT},
            controls="the threshold is one step above the largest sum of errors: no input is unsafe",
        ),
    ]


def lone(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """A box in which each error comes up as often as it must, so that one input in all has the largest errors everywhere.

    Ties go to even, so that of 2**(bits + 2) neighbours one has the largest error.
    """
    rng, inputs, bits = drawing.rng, drawing.of(4, 6, 3, 8, 5, 7), drawing.rng.randrange(6, 11)
    scale, length = power(rng.randrange(-3, 4)), 1 << (bits + 2)
    if drawing.max_weight is not None and drawing.max_weight < power(_FIRST - bits):
        raise NothingDrawnError("lattices need weights that make an error 1")
    starts = [0.5 + rng.randrange((1 << 23) - length) * power(-_FIRST) for _ in range(inputs)]
    ends = [(low * scale, (low + (length - 1) * power(-_FIRST)) * scale) for low in starts]
    witness = tuple(_highest(low, length, bits) * scale for low in starts)
    parameters: dict[str, int | str] = {"inputs": inputs, "bits": bits, "slack": 0, "scale": scale.hex()}
    away = power(-_FIRST) * scale
    below, above = (ends[0][0], witness[0] - away), (witness[0] + away, ends[0][1])
    larger = below if below[1] - below[0] >= above[1] - above[0] else above
    return [
        InstanceDraft(_network(inputs, bits, 0, scale), box_of(ends), parameters, {REAL: UNSAT, RUNTIME: SAT}, witness),
        InstanceDraft(
            _network(inputs, bits, -1, scale),
            box_of(ends),
            {**parameters, "slack": -1},
            {REAL: UNSAT, RUNTIME: UNSAT},
            controls="the threshold is one step above the largest sum of errors: no input is unsafe",
        ),
        InstanceDraft(
            _network(inputs, bits, 0, scale),
            box_of([larger, *ends[1:]]),
            parameters,
            {REAL: UNSAT, RUNTIME: UNSAT},
            controls="the same network, the box cut so that its bad input is outside",
        ),
    ]


def _network(inputs: int, bits: int, slack: int, scale: float, front: Sequence[Layer] = ()) -> Network:
    """Unsafe where the errors' sum, in units of the largest, is at least ``inputs`` less ``slack`` steps of 2**-bits."""
    identity, none, big = np.eye(inputs), np.zeros(inputs), np.full(inputs, power(bits) * scale)
    step = power(-bits)
    return stack(
        *front,
        (np.vstack([identity, identity]), np.r_[big, none]),
        (np.eye(2 * inputs), np.r_[-big, none]),
        (np.hstack([identity, -identity]), none),
        (np.full((1, inputs), power(_FIRST - bits) / scale), [-(inputs - 0.5 - slack * step)]),
        ([[power(bits)]], [-(power(bits - 1) - 1)]),
        ([[0.0], [-2.0]], [0.0, 1.0]),
    )


def mixed(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """The same behind an exact linear map of determinant 1 or -1: no neuron depends on one input alone."""
    rng, inputs, bits = drawing.rng, drawing.of(6, 5, 8, 7), drawing.rng.randrange(4, 8)
    slack, scale = rng.choice([0, 0, 1, 2]), power(rng.randrange(-3, 4))
    length = 1 << rng.randrange(bits + 2, 11)
    if drawing.max_weight is not None and drawing.max_weight < power(_FIRST - bits):
        raise NothingDrawnError("lattices need weights that make an error 1")
    starts = [0.5 + rng.randrange(1 << 19) * power(-_FIRST) for _ in range(inputs)]
    box = box_of([(low * scale, (low + (length - 1) * power(-_FIRST)) * scale) for low in starts])
    front = [_differences(inputs, scale), (_unimodular(inputs, rng), np.zeros(inputs))]
    parameters: dict[str, int | str] = {"inputs": inputs, "bits": bits, "slack": slack, "scale": scale.hex()}
    return [
        InstanceDraft(_network(inputs, bits, slack, scale, front), box, parameters, {REAL: UNSAT, RUNTIME: SAT}),
        InstanceDraft(
            _network(inputs, bits, -1, scale, front),
            box,
            {**parameters, "slack": -1},
            {REAL: UNSAT, RUNTIME: UNSAT},
            controls="the threshold is one step above the largest sum of errors: no input is unsafe",
        ),
    ]


def _differences(inputs: int, scale: float) -> Layer:
    """x_0 - 1/2, and differences of neighbours, all lifted above zero."""
    rows, bias = np.zeros((inputs, inputs)), np.full(inputs, 0.125 * scale)
    rows[0, 0], bias[0] = 1, -0.5 * scale
    for j in range(1, inputs):
        rows[j, j - 1], rows[j, j] = 1, -1
    return rows, bias


def _unimodular(inputs: int, rng: Random) -> NDArray[np.float64]:
    """A matrix of zeros and ones, two to four in a row, whose determinant is 1 or -1."""
    while True:
        rows = np.zeros((inputs, inputs))
        for row in rows:
            row[rng.sample(range(inputs), rng.randrange(2, 5))] = 1
        if abs(round(float(np.linalg.det(rows)))) == 1:
            return rows


def _highest(low: float, length: int, bits: int) -> float:
    """Some input whose error is the largest."""
    numbers = (low + np.arange(length) * power(-_FIRST)).astype(np.float32)
    big = np.float32(power(bits))
    errors = (numbers + big) - big - numbers
    return float(numbers[int(errors.argmax())])


FAMILY = InstanceFamily(
    "lattice",
    "blind",
    "verifiers with gradient attacks, and complete ones",
    "Rounding errors, zero over the reals, add up: the gradient is zero on all of the box, and no kink is near the witness.",
    draw,
)
LONE = InstanceFamily(
    "lone",
    "rare",
    "verifiers that attack, then bound, and complete ones",
    "One input has the largest rounding errors in all coordinates; over the reals there are none, and nothing leads there.",
    lone,
)
MIXED = InstanceFamily(
    "mixed",
    "blind",
    "verifiers with any attack, and complete ones",
    "Rounding errors, zero over the reals, add up behind a mix of the inputs: no coordinate can be improved by itself.",
    mixed,
)
