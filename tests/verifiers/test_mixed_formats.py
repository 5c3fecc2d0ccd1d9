"""Deployments whose layers compute in several formats: bounds hold at every point of a box of an 8-bit format."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import numpy as np
import pytest
from profiles import examples
from random_networks import nearest, random_network
from relaxation_cases import EVERY, asked_rows, bounded, require_all_within

from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.networks import network_logits
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, Format
from fpsynth.networks.layers import LeakyReLU, ReLU
from fpsynth.networks.network import Network, Node
from fpsynth.orders import parse_order
from fpsynth.rounding import Flush
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers import Box
from fpsynth.verifiers.properties import Inequality, Property
from fpsynth.verifiers.relaxation_verifier import RelaxationVerifier
from fpsynth.verifiers.relaxations.deciding import DECISIONS
from fpsynth.verifiers.relaxations.reasoning import sound

EIGHT = (FLOAT8_E5M2, FLOAT8_E4M3FN)


def one_of(rng: random.Random, fmt: Format) -> Arithmetic:
    """An arithmetic in a format: its sums there or in a wider one, in some order, fused or not, flushed or not."""
    wider = [None, FLOAT32, *([FLOAT16] if fmt in EIGHT else [])]
    accumulator = rng.choice(wider)
    fused = rng.random() < 0.5
    return Arithmetic(
        fmt,
        accumulator,
        fused=fused,
        flush=rng.choice([Flush.NEVER, Flush.NEVER, Flush.ROUNDED]),
        order=parse_order(rng.choice(["sequential", "pairwise", "reverse"])),
        bias_first=rng.random() < 0.5,
        products=fmt if accumulator is not None and not fused and rng.random() < 0.5 else None,
    )


def mixed(rng: random.Random, first: Format, layers: int) -> tuple[Deployment, list[Format]]:
    """The first layer in a format, the others in ones that hold those before them."""
    formats = [first]
    for _ in range(layers - 1):
        formats.append(rng.choice([formats[-1], FLOAT16 if formats[-1] in EIGHT else FLOAT32, FLOAT32]))
    hows = [one_of(rng, fmt) for fmt in formats]
    return Deployment(hows[0], (), tuple(enumerate(hows))[1:]), formats


def drawn(rng: random.Random, number: int) -> tuple[Network, Deployment, list[Format], np.ndarray, Box]:
    """A network of one or two inputs, its deployment, and all points of a box of an 8-bit format."""
    first = rng.choice(EIGHT)
    widths = rng.choice([(1, 3, 2), (2, 3, 2), (2, 2, 3, 2)])
    network = random_network(rng, widths, first, True)
    if number % 3 == 0:
        nodes = tuple(Node(n.name, LeakyReLU(0.25) if isinstance(n.layer, ReLU) else n.layer, n.inputs) for n in network.nodes)
        network = Network(nodes, network.input_shape, network.output)
    deployment, formats = mixed(rng, first, len(widths) - 1)
    every = [x for x in EVERY[first] if abs(x) <= 8]
    ends = [sorted(rng.sample(every, 2)) for _ in range(widths[0])]
    points = np.array(list(itertools.product(*([x for x in every if low <= x <= high] for low, high in ends))))
    return network, deployment, formats, points, Box(tuple(low for low, _ in ends), tuple(high for _, high in ends))


def test_every_point_of_an_eight_bit_box_lies_within() -> None:
    rng, several = random.Random(2), 0
    for number in range(max(12, examples(60))):
        network, deployment, formats, points, box = drawn(rng, number)
        outputs = network_outputs(network, points, deployment)
        several += len(set(formats)) > 1
        for found in bounded(network, box, sound(formats[0], deployment)).values():
            require_all_within(found, [tuple(row) for row in outputs.tolist()])
    assert several


def test_the_exact_interpreter_says_the_same_of_them() -> None:
    rng = random.Random(7)
    for number in range(6):
        network, deployment, formats, points, _ = drawn(rng, number)
        outputs = network_outputs(network, points[:3], deployment)
        for point, row in zip(points[:3].tolist(), outputs.tolist(), strict=True):
            assert list(network_logits(network, point, formats[0], deployment)) == row


def test_verdicts_are_those_of_all_points() -> None:
    rng, verdicts = random.Random(3), []
    for number in range(max(10, examples(40))):
        network, deployment, formats, points, box = drawn(rng, number)
        outputs = network_outputs(network, points, deployment)
        if not np.isfinite(outputs).all():
            continue
        gaps = outputs[:, 0] - outputs[:, 1]
        bound = Fraction(float(gaps.min())) - Fraction(rng.choice([0, 0, 1]), 64)
        unsafe = Property(((Inequality(((0, Fraction(1)), (1, Fraction(-1))), bound, rng.random() < 0.3),),))
        truth = any(map(unsafe.violated, outputs.tolist()))
        for name in DECISIONS:
            claim = RelaxationVerifier(name, sound(formats[0], deployment)).verify(network, box, unsafe, budget=60.0)
            assert claim.verdict != ("unsat" if truth else "sat")
            assert name != "bab" or claim.verdict != "unknown", claim.reason
            assert not claim.point or unsafe.violated(network_logits(network, claim.point, formats[0], deployment))
            verdicts.append(claim.verdict)
    assert {"sat", "unsat"} <= set(verdicts)


@pytest.mark.parametrize("products", [None, BFLOAT16])
def test_bfloat16_products_with_float32_sums_are_bounded_closer_than_bfloat16_sums(products: Format | None) -> None:
    rng = random.Random(4)
    network = random_network(rng, (3, 8, 2), BFLOAT16, True)
    box = Box((0.5,) * 3, (0.5,) * 3)
    wide = Deployment(Arithmetic(BFLOAT16, FLOAT32, products=products), (), ((1, Arithmetic(FLOAT32)),))
    narrow = Deployment(Arithmetic(BFLOAT16))
    point = (nearest(0.5, BFLOAT16),) * 3
    widths = []
    for deployment in (wide, narrow):
        found = bounded(network, box, sound(BFLOAT16, deployment), ["crown"])["crown"]
        require_all_within(found, [network_logits(network, point, BFLOAT16, deployment)])
        assert len(found.least) == len(asked_rows(2))
        widths.append((found.outputs.upper - found.outputs.lower).max())
    assert widths[0] <= widths[1]
