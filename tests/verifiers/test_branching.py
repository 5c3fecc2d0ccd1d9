"""Claims of verifiers by relaxation: unsat is never refuted, sat points violate, tighter ways are tighter, budgets are kept."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from profiles import examples
from random_networks import nearest, random_network
from relaxation_cases import bounded, computed
from witnesses import RADIUS, XA, XB, published

from fpsynth.evaluators.networks import network_logits
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.networks.reading import read_network
from fpsynth.orders import parse_order
from fpsynth.rounding import from_float, representable
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers import Ball, Box
from fpsynth.verifiers.properties import Inequality, Property, one_class
from fpsynth.verifiers.relaxation_verifier import RelaxationVerifier
from fpsynth.verifiers.relaxations.deciding import DECISIONS
from fpsynth.verifiers.relaxations.points import inside
from fpsynth.verifiers.relaxations.reasoning import NEAREST32, NEAREST64, REAL, sound
from fpsynth.verifiers.vnnlib import load_vnnlib

RARE = Path(__file__).parents[3] / "shared" / "data" / "rare"
HALF = (
    Deployment(Arithmetic(FLOAT16)),
    Deployment(Arithmetic(FLOAT16, order=parse_order("pairwise"), fused=True)),
    Deployment(Arithmetic(FLOAT16, FLOAT32, order=parse_order("reverse"))),
)
ALL = pytest.mark.parametrize("name", DECISIONS)


def question(rng: random.Random, number: int) -> tuple[Network, Box, Property]:
    """A small network of float16, a box, and a bound of a difference about where it is reached; the first two are clear."""
    network = random_network(rng, rng.choice([(2, 4, 2), (3, 5, 3), (2, 3, 3, 2)]), FLOAT16, True)
    centre = [nearest(rng.uniform(-1, 1), FLOAT16) for _ in range(network.input_shape[0])]
    width = rng.choice([0.0, 0.125, 0.5]) if number > 1 else 0.0
    box = Box(tuple(nearest(x - width, FLOAT16) for x in centre), tuple(nearest(x + width, FLOAT16) for x in centre))
    sampled = [difference(exact_logits(network, point)) for point in points(rng, box, 12)]
    shift = rng.choice([-1, -0.25, -0.03125, 0, 0.03125]) if number > 1 else (-1, 0.0625)[number]
    bound = min(sampled) + Fraction(shift)
    return network, box, Property(((Inequality(((0, Fraction(1)), (1, Fraction(-1))), bound, rng.random() < 0.5),),))


def difference(logits: tuple[Fraction | float, ...]) -> Fraction:
    return Fraction(logits[0]) - Fraction(logits[1])


def points(rng: random.Random, box: Box, count: int) -> list[list[float]]:
    """Corners and others of float16."""
    ends = list(zip(box.lower, box.upper, strict=True))
    corners = [list(corner) for corner in itertools.product(*ends)]
    return corners + [[nearest(rng.uniform(low, high), FLOAT16) for low, high in ends] for _ in range(count)]


@ALL
@pytest.mark.parametrize("kind", ["real", "any", 0, 1, 2])
def test_unsat_is_never_refuted_and_points_of_sat_violate(name: str, kind: str | int) -> None:
    rng, verdicts = random.Random(f"{name} {kind}"), set()
    deployments = HALF if kind == "any" else () if kind == "real" else (HALF[int(kind)],)
    reasoning = REAL if kind == "real" else sound(FLOAT16) if kind == "any" else sound(FLOAT16, deployments[0])
    for number in range(examples(25)):
        network, box, unsafe = question(rng, number)
        claim = RelaxationVerifier(name, reasoning).verify(network, box, unsafe)
        verdicts.add(claim.verdict)
        assert claim == RelaxationVerifier(name, reasoning).verify(network, box, unsafe)

        if claim.verdict == "unsat":
            assert not any(map(unsafe.violated, results(network, points(rng, box, 20), deployments)))
        if claim.verdict == "sat":
            assert inside(box, claim.point)
            assert all(map(unsafe.violated, results(network, [list(claim.point)], deployments)))
            assert kind == "real" or all(representable(from_float(x), FLOAT16) for x in claim.point)
    assert {"unsat", "sat"} <= verdicts


def results(network: Network, given: list[list[float]], deployments: Sequence[Deployment]) -> list[Sequence[Fraction | float]]:
    """The logits of all points in all deployments, or exactly."""
    if not deployments:
        return [exact_logits(network, point) for point in given]
    answers = [computed(network, np.array(given), FLOAT16, one) for one in deployments]
    return [logits for answer in answers for logits in answer if logits is not None]


def optimum(network: Network, box: Box) -> float:
    """The least difference of the first two logits, by linear programs of all activation patterns."""
    linprog = pytest.importorskip("scipy.optimize").linprog
    first, second = network.dense_layers
    weight, bias = np.array(first.weight), np.array(first.bias)
    row = np.array(second.weight)[0] - np.array(second.weight)[1]
    constant = np.array(second.bias)[0] - np.array(second.bias)[1]
    best = math.inf
    for pattern in itertools.product([0, 1], repeat=len(bias)):
        on = np.array(pattern)
        signs = np.where(on, -1.0, 1.0)  # signs * (W x + b) <= 0
        ends = list(zip(box.lower, box.upper, strict=True))
        answer = linprog((row * on) @ weight, signs[:, None] * weight, -signs * bias, bounds=ends)
        if answer.status == 0:
            best = min(best, answer.fun + float((row * on) @ bias) + constant)
    return best


@pytest.mark.parametrize("seed", range(examples(10)))
def test_bounds_are_below_the_exact_optimum_and_branch_and_bound_reaches_it(seed: int) -> None:
    rng = random.Random(seed)
    network = random_network(rng, (2, 4, 2), FLOAT32, True)
    box = Box((-1.0, -0.5), (0.5, 1.0))
    least = optimum(network, box)
    for reasoning in (REAL, sound(FLOAT32)):
        for one in bounded(network, box, reasoning).values():
            assert one.least[-1] <= optimum(flipped(network), box) + 1e-6  # y1 - y0
    for shift, verdict in ((-0.01, "unsat"), (0.01, "sat")):
        unsafe = Property(((Inequality(((0, Fraction(1)), (1, Fraction(-1))), Fraction(least + shift)),),))
        claim = RelaxationVerifier("bab", REAL).verify(network, box, unsafe, budget=20.0)
        assert claim.verdict == verdict
    for name in DECISIONS:
        unsafe = Property(((Inequality(((0, Fraction(1)), (1, Fraction(-1))), Fraction(least + 1e-6)),),))
        assert RelaxationVerifier(name, REAL).verify(network, box, unsafe).verdict != "unsat"


def flipped(network: Network) -> Network:
    """The two logits change places."""
    first, second = network.dense_layers
    return dense_relu([first, Dense(np.array(second.weight)[::-1].copy(), np.array(second.bias)[::-1].copy())])


@pytest.mark.parametrize("seed", range(examples(10)))
def test_better_ways_are_never_looser(seed: int) -> None:
    rng = random.Random(seed)
    network = random_network(rng, (3, 6, 6, 3), FLOAT32, True)
    box = Box((-0.5,) * 3, (0.25,) * 3)
    for reasoning in (REAL, sound(FLOAT32)):
        found = bounded(network, box, reasoning)
        slack = 1e-9
        widths = {name: one.outputs.upper - one.outputs.lower for name, one in found.items()}
        assert (widths["crown"] <= widths["ibp"] + slack).all()
        assert (found["alpha-crown"].least >= found["crown"].least).all()
        bound = Fraction(float(found["alpha-crown"].least[-1]) - 1e-9)
        unsafe = Property(((Inequality(((2, Fraction(1)), (1, Fraction(-1))), bound),),))
        assert RelaxationVerifier("alpha-crown", reasoning).verify(network, box, unsafe).verdict == "unsat"
        assert RelaxationVerifier("bab", reasoning).verify(network, box, unsafe).verdict == "unsat"


def test_a_budget_is_kept_where_parts_never_end() -> None:
    network = random_network(random.Random(1), (8, 24, 24, 2), FLOAT32, True)
    box = Box((-9.0,) * 8, (9.0,) * 8)
    whole = bounded(network, box, REAL, ["crown"])["crown"].least[-1]
    unsafe = Property(((Inequality(((1, Fraction(1)), (0, Fraction(-1))), Fraction(float(whole)) / 3),),))
    started = time.monotonic()
    claim = RelaxationVerifier("bab", REAL).verify(network, box, unsafe, budget=0.3)
    assert time.monotonic() - started < 20
    assert (claim.verdict, claim.reason) == ("unknown", "the time limit is over")


@ALL
def test_the_published_tie_is_unsat_for_models_and_refused_by_sound_bounds(name: str) -> None:
    network = published().network
    at, other = (XB,), (XA,)
    assert (
        network_logits(network, other, FLOAT32, Deployment(Arithmetic(FLOAT32)))[0]
        == network_logits(network, other, FLOAT32, Deployment(Arithmetic(FLOAT32)))[1]
    )
    region = Box((XA,), (XB,))
    label = int(np.argmax([float(y) for y in exact_logits(network, at)]))
    unsafe = one_class(label, 2)
    assert RelaxationVerifier(name, NEAREST64).verify(network, region, unsafe).verdict == "unsat"
    assert RelaxationVerifier(name, REAL).verify(network, region, unsafe).verdict == "unsat"
    for reasoning in (sound(FLOAT32), sound(FLOAT32, Deployment(Arithmetic(FLOAT32)))):
        assert RelaxationVerifier(name, reasoning).verify(network, region, unsafe).verdict != "unsat"
        assert RelaxationVerifier(name, reasoning).verify(network, Ball(at, RADIUS), unsafe).verdict != "unsat"


@pytest.mark.skipif(not RARE.is_dir(), reason="the data of rare failures is not there")
@pytest.mark.parametrize("file", ["PO", "HS_e31", "L_e9"])
def test_rare_failures_are_unsat_for_models_and_refused_by_sound_bounds(file: str) -> None:
    network = read_network(RARE / f"{file}.onnx").network.logits
    query = load_vnnlib(RARE / f"{file}.vnnlib")
    (case,) = query.cases(math.prod(network.input_shape), math.prod(network.output_shape))
    verdicts = {}
    for reasoning in (NEAREST32, NEAREST64, REAL):
        verdicts[reasoning.name] = [
            RelaxationVerifier(name, reasoning).verify(network, case.region, case.property, budget=20.0).verdict
            for name in ("crown", "bab")
        ]
    assert "sat" not in verdicts["real"]
    assert "unsat" in verdicts["float64"] + verdicts["float32"]
    box = case.region
    assert isinstance(box, Box)
    rounded = Box(*(tuple(nearest(x, FLOAT32) for x in end) for end in (box.lower, box.upper)))
    for name in DECISIONS:
        assert RelaxationVerifier(name, sound(FLOAT32)).verify(network, rounded, case.property, budget=5.0).verdict != "unsat"
