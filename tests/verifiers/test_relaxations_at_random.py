"""Many small networks at random: nothing that is computed lies outside sound bounds.  FPSYNTH_NETWORKS says how many.

Quicker ones than hypothesis draws, which test_relaxations.py leaves it to find the odd ones.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Sequence

import numpy as np
import pytest
from relaxation_cases import FORMATS, bounded, computed, points_of, require_all_within

from fpsynth.evaluators.float_arrays import round_array
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.networks.layers import Convolution, Dense, Flatten, ReLU
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.orders import Order
from fpsynth.orders.families import FAMILIES
from fpsynth.rounding import Flush, Rounding, Value, from_bits
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.relaxations.bounding import BOUNDINGS
from fpsynth.verifiers.relaxations.reasoning import sound

NETWORKS = int(os.environ.get("FPSYNTH_NETWORKS", "200"))
AT_ONCE = 50
WIDER = {FLOAT16: (FLOAT32, FLOAT64), BFLOAT16: (FLOAT32, FLOAT64), FLOAT32: (FLOAT64,)}


def number(rng: random.Random, fmt: Format) -> float:
    """A quarter of a whole number, a normal number, or any at all."""
    kind = rng.random()
    if kind < 0.4:
        return rng.randint(-8, 8) / 4
    if kind < 0.7:
        return nearest(rng.gauss(0, 1), fmt)
    while True:
        found = from_bits(rng.randrange(1 << fmt.bits), fmt)
        if isinstance(found, Value) and found.is_finite:
            return float(found)


def nearest(x: float, fmt: Format) -> float:
    """Of a format."""
    return float(round_array(np.array([x]), fmt)[0])


def array(rng: random.Random, fmt: Format, *shape: int) -> np.ndarray:
    """Numbers of a format, each kind alone or mixed."""
    return np.array([number(rng, fmt) for _ in range(int(np.prod(shape)))]).reshape(shape)


def network(rng: random.Random, fmt: Format) -> Network:
    """One to three dense layers, or a convolution before them."""
    nodes: list[Node] = []
    if rng.random() < 0.25:
        channels, side = rng.randint(1, 2), rng.randint(2, 3)
        shape: tuple[int, ...] = (1, side, side)
        kernel = Convolution(array(rng, fmt, channels, 1, 2, 2), array(rng, fmt, channels), padding=rng.randint(0, 1))
        nodes.append(Node("conv", kernel))
        nodes += [Node("relu", ReLU(), ("conv",)), Node("flat", Flatten(), ("relu",))]
        known = Network(tuple(nodes), shape, "flat")
        size = int(np.prod(known.output_shape))
    else:
        size = rng.randint(1, 4)
        shape = (size,)
    for k in range(rng.randint(1, 3 if not nodes else 2)):
        if nodes and isinstance(nodes[-1].layer, Dense):
            nodes.append(Node(f"relu{k}", ReLU(), (nodes[-1].name,)))
        width = rng.randint(1, 4)
        bias = array(rng, fmt, width) if rng.random() < 0.5 else None
        nodes.append(Node(f"dense{k}", Dense(array(rng, fmt, width, size), bias), (nodes[-1].name,) if nodes else (INPUT,)))
        size = width
    return Network(tuple(nodes), shape, nodes[-1].name)


def box(rng: random.Random, fmt: Format, inputs: int) -> Box:
    """A point, a small or a large one in each direction."""
    pairs = []
    for _ in range(inputs):
        a = number(rng, fmt)
        b = rng.choice([a, number(rng, fmt), nearest(a + rng.randint(0, 4) / 4, fmt), nearest(a * (1 + rng.random() / 8), fmt)])
        pairs.append(sorted((a, b if math.isfinite(b) else a)))
    return Box(tuple(low for low, _ in pairs), tuple(high for _, high in pairs))


def order(rng: random.Random) -> Order:
    """Of any family, with its parameter where it takes one."""
    name = rng.choice(sorted(FAMILIES))
    family = FAMILIES[name]
    return Order(name, rng.randint(0 if family.optional else family.least, 9) if family.parameter else 0)


def arithmetic(rng: random.Random, fmt: Format, roundings: Sequence[Rounding]) -> Arithmetic:
    """Any order and switches; the accumulator is at least as wide as the format."""
    return Arithmetic(
        fmt,
        accumulator=rng.choice((None, *WIDER.get(fmt, ()))),
        rounding=rng.choice(roundings),
        fused=rng.random() < 0.5,
        flush=rng.choice(list(Flush)),
        order=order(rng),
        bias_first=rng.random() < 0.5,
    )


def points(rng: random.Random, held: Box, fmt: Format) -> np.ndarray:
    """All numbers of an 8-bit format where they are few, else some."""
    return points_of(held, fmt, rng.randrange(1 << 30))


def require_sound(seed: int) -> int:
    """Bounds of one network, for one deployment or for any order; how many points were computed."""
    rng = random.Random(seed)
    fmt = rng.choice(FORMATS)
    made = network(rng, fmt)
    held = box(rng, fmt, int(np.prod(made.input_shape)))
    any_order = rng.random() < 0.5
    roundings = (Rounding.RNE,) if any_order else tuple(Rounding)
    deployments = [Deployment(arithmetic(rng, fmt, roundings)) for _ in range(2 if any_order else 1)]
    reasoning = sound(fmt) if any_order else sound(fmt, deployments[0])
    found = bounded(made, held, reasoning, ["crown", rng.choice(sorted(BOUNDINGS))])
    some = points(rng, held, fmt)
    for deployment in deployments:
        logits = computed(made, some, fmt, deployment)
        for one in found.values():
            require_all_within(one, logits)
    return len(some) * len(deployments)


@pytest.mark.parametrize("first", range(0, NETWORKS, AT_ONCE))
def test_what_networks_at_random_compute_lies_within_sound_bounds(first: int) -> None:
    assert sum(require_sound(seed) for seed in range(first, min(first + AT_ONCE, NETWORKS))) >= AT_ONCE // 2
