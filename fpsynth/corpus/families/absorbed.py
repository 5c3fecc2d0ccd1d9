"""Absorption: a constant is lost beside a large common part, at every input of the box, in every order that adds it last."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fpsynth.corpus.families.base import FamilyDrawing, InstanceDraft, InstanceFamily, box_of, power, single, stack, steps
from fpsynth.corpus.instances.data import ANY64, REAL, RUNTIME, SAT, UNSAT
from fpsynth.networks.layers import Convolution, Dense, Flatten, ReLU
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.verifiers.properties import ExactBox


def _ends(drawing: FamilyDrawing, inputs: int) -> ExactBox:
    """A box of float32 in [1/2, 1) with some thousand inputs."""
    each = max(2, round((1 << 13) ** (1 / inputs)))
    starts = [0.5 + drawing.rng.randrange(1 << 22) * power(-24) for _ in range(inputs)]
    return box_of([(low, steps(low, each - 1)) for low in starts])


def _tail(large: object, m: float, amplitude: float, sign: float = 1.0) -> list[tuple[object, object]]:
    """t = large + m, p = large, u = t - p; the outputs are 0 and sign * amplitude (u - m / 2)."""
    row = np.atleast_1d(np.asarray(large, np.float64))
    return [
        (np.vstack([row, row]), [m, 0.0]),
        ([[1.0, -1.0]], [0.0]),
        ([[0.0], [sign * amplitude]], [0.0, -sign * amplitude * m / 2]),
    ]


def precision(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """The constant is lost in float32, and kept in float64."""
    inputs = drawing.of(1, 2, 3)
    m, amplitude = power(drawing.rng.randrange(-3, 4)), power(drawing.rng.randrange(-2, 3))
    lost, kept = ([power(e) * m * drawing.rng.choice([1.0, 1.5, 1.75])] * inputs for e in (26, 10))
    box = _ends(drawing, inputs)
    parameters: dict[str, int | str] = {"inputs": inputs, "constant": m.hex(), "amplitude": amplitude.hex()}
    return [
        InstanceDraft(stack(*_tail(lost, m, amplitude)), box, parameters, {REAL: UNSAT, RUNTIME: SAT, ANY64: UNSAT}),
        InstanceDraft(
            stack(*_tail(kept, m, amplitude)),
            box,
            parameters,
            {REAL: UNSAT, RUNTIME: UNSAT},
            controls="the common part is smaller: float32 keeps the constant",
        ),
    ]


def flip(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """The margin is at least 1 on either side; every third one is a convolution with ReLU before that."""
    m, size = 1.0, drawing.of(0, 0, 3, 0, 4, 5)
    amplitude = power(drawing.rng.randrange(1, 5))
    parameters: dict[str, int | str] = {"amplitude": amplitude.hex(), "image": size}
    made = _images if size else _hidden
    networks, box = made(drawing, m, amplitude, size or drawing.of(1, 2, 1, 4))
    wanted = {REAL: UNSAT, RUNTIME: SAT}
    return [
        InstanceDraft(networks[0], box, parameters, wanted, tuple(map(float, box.lower))),
        InstanceDraft(
            networks[1],
            box,
            parameters,
            {REAL: UNSAT, RUNTIME: UNSAT},
            controls="the common part is smaller: float32 keeps the constant",
        ),
    ]


def _hidden(drawing: FamilyDrawing, m: float, amplitude: float, inputs: int) -> tuple[list[Network], ExactBox]:
    """Dense layers: a hidden layer of a few sums of the inputs first."""
    rng, width = drawing.rng, drawing.rng.randrange(1, 5)
    first = [[float(rng.randrange(1, 5)) for _ in range(inputs)] for _ in range(width)]
    tails = [_tail([power(e) * m] * width, m, amplitude) for e in (26, 8)]
    return [stack((first, [0.0] * width), *tail) for tail in tails], _ends(drawing, inputs)


def _images(drawing: FamilyDrawing, m: float, amplitude: float, size: int) -> tuple[list[Network], ExactBox]:
    """A convolution over a small image first."""
    rng, channels, window = drawing.rng, drawing.rng.randrange(1, 4), drawing.rng.randrange(2, 4)
    kernel = single([[[[float(rng.randrange(1, 4)) for _ in range(window)] for _ in range(window)]] for _ in range(channels)])
    width = channels * (size - window + 1) ** 2
    networks = []
    for exponent in (26, 8):
        both, last, out = _tail([power(exponent) * m] * width, m, amplitude)
        dense = [Dense(single(w), single(b)) for w, b in (both, last, out)]
        networks.append(_image_network(kernel, dense, size))
    starts = [0.5 + rng.randrange(1 << 22) * power(-24) for _ in range(size * size)]
    return networks, box_of([(low, steps(low, 63)) for low in starts])


def _image_network(kernel: NDArray[np.float32], dense: Sequence[Dense], size: int) -> Network:
    convolution = Convolution(kernel, np.zeros(len(kernel), np.float32), (1, 1))
    nodes = [Node("conv0", convolution, (INPUT,)), Node("relu0", ReLU(), ("conv0",)), Node("flat", Flatten(), ("relu0",))]
    before = "flat"
    for k, layer in enumerate(dense, 1):
        nodes.append(Node(f"dense{k}", layer, (before,)))
        before = f"dense{k}"
        if k < len(dense):
            nodes.append(Node(f"relu{k}", ReLU(), (before,)))
            before = f"relu{k}"
    return Network(tuple(nodes), (1, size, size), before)


def rounding(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """Unsafe everywhere over the reals, nowhere in float32: bounds that are rounded as the network is call it safe."""
    inputs = drawing.of(1, 2)
    m, amplitude = power(drawing.rng.randrange(-3, 4)), power(drawing.rng.randrange(-1, 3))
    lost, kept = ([power(e) * m] * inputs for e in (26, 8))
    box = _ends(drawing, inputs)
    parameters: dict[str, int | str] = {"inputs": inputs, "constant": m.hex(), "amplitude": amplitude.hex()}
    return [
        InstanceDraft(stack(*_tail(lost, m, amplitude, -1.0)), box, parameters, {REAL: SAT, RUNTIME: UNSAT}),
        InstanceDraft(
            stack(*_tail(kept, m, amplitude, -1.0)),
            box,
            parameters,
            {REAL: SAT, RUNTIME: SAT},
            controls="the common part is smaller: float32 is unsafe as well",
        ),
    ]


PRECISION = InstanceFamily(
    "precision",
    "precision",
    "verifiers that compute in float64",
    "A constant is lost in float32 beside a large common part, and kept in float64, in which verifiers reason.",
    precision,
)
FLIP = InstanceFamily(
    "flip",
    "flip",
    "verifiers that bound and do not attack; none by a tolerance",
    "Unsafe in float32 by a margin of at least 1, and safe over the reals by as much in all of the box.",
    flip,
)
ROUNDING = InstanceFamily(
    "rounding",
    "rounding",
    "verifiers of real networks whose bounds are rounded to nearest",
    "The network is unsafe everywhere over the reals, and safe in float32: bounds computed in float32 lose the same constant.",
    rounding,
)
