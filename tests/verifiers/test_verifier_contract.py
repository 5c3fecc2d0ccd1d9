"""The contract of verifiers, held against every line of their table: claims are true where they reason, errors are one line."""

from __future__ import annotations

import builtins
import math
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from profiles import SLOW, slow
from random_networks import downhill_point, nearest, random_network
from witnesses import W1, W2, XA, XB

from fpsynth.errors import InputError, MissingPackageError
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.networks import argmax, network_logits
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import FLOAT16, FLOAT32, Format
from fpsynth.networks.layers import BatchNormalisation, Convolution, Dense, DivideConstant, Flatten, MaxPooling, ReLU
from fpsynth.networks.network import Network, Node, dense_relu
from fpsynth.orders import parse_order
from fpsynth.packages import package_version
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.verifiers import VERIFIERS, Ball, Box, Claim, Region, Verifier, verifier

HALF = Deployment(Arithmetic(FLOAT16, order=parse_order("pairwise"), fused=True))
SINGLE = Deployment(Arithmetic(FLOAT32))
EXACT = Deployment(REAL)
OTHERS = {
    FLOAT16: [HALF, Deployment(Arithmetic(FLOAT16, FLOAT32)), Deployment(Arithmetic(FLOAT16, order=parse_order("reverse")))],
    FLOAT32: [SINGLE, Deployment(Arithmetic(FLOAT32, order=parse_order("pairwise"), fused=True))],
}
"""Deployments in which a verifier that reasons in a format must be right."""
NAMES = list(VERIFIERS)


def asked(names: Sequence[str]) -> list[Any]:
    """Each name as a parameter, skipped where a package that its line says is not installed."""
    missing = {name: [one for one in VERIFIERS[name].packages if package_version(one) is None] for name in names}
    return [pytest.param(one, marks=pytest.mark.skipif(bool(missing[one]), reason=f"needs {missing[one]}")) for one in names]


BALLS = [name for name in NAMES if Ball in VERIFIERS[name].regions]
BOXES = [name for name in NAMES if Box in VERIFIERS[name].regions]


def in_turn(names: Sequence[Any]) -> list[Any]:
    """Each of the names with three deployments, of which every second one is left to the slow run."""
    deployments = {"real": EXACT, "float32": SINGLE, "float16": HALF}
    return [
        pytest.param(*one.values, how, marks=[*one.marks, *[slow] * ((k + j) % 2)], id=f"{one.values[0]}-{label}")
        for k, one in enumerate(names)
        for j, (label, how) in enumerate(deployments.items())
    ]


def made(name: str, deployment: Deployment) -> Verifier | None:
    """The verifier, None where it has no use for the deployment."""
    with suppress(InputError):
        return verifier(name, deployment)
    return None


def around(centre: Sequence[float], radius: float, kind: type) -> Region:
    """A ball, or the box around it."""
    if kind is Ball:
        return Ball(tuple(centre), Fraction(radius))
    return Box(tuple(x - radius for x in centre), tuple(x + radius for x in centre))


def region_of(name: str, centre: Sequence[float], radius: float) -> Region:
    """A region that the verifier takes."""
    return around(centre, radius, VERIFIERS[name].regions[0])


def results(reasons_in: Deployment | Format, network: Network, points: Sequence[Sequence[float]]) -> list[Sequence[Any]]:
    """The logits at each of the points in all that a verifier reasons in."""
    deployments = OTHERS[reasons_in] if isinstance(reasons_in, Format) else [reasons_in]
    if EXACT in deployments:
        return [exact_logits(network, point) for point in points]
    given = np.array(points).reshape(-1, *network.input_shape)
    return [logits for one in deployments for logits in network_outputs(network, given, one).reshape(len(given), -1).tolist()]


def graph(rng: random.Random, fmt: Format) -> Network:
    """A convolution with a stride, max pooling, a quotient and a dense layer."""

    def numbers(*shape: int) -> np.ndarray:
        return np.array([nearest(rng.uniform(-1, 1), fmt) for _ in range(math.prod(shape))]).reshape(shape)

    return Network(
        (
            Node("conv", Convolution(numbers(2, 1, 2, 2), numbers(2), stride=2, padding=1)),
            Node("half", DivideConstant(np.array([2.0])), ("conv",)),
            Node("relu", ReLU(), ("half",)),
            Node("pool", MaxPooling((2, 2), stride=(1, 1)), ("relu",)),
            Node("flat", Flatten(), ("pool",)),
            Node("dense", Dense(numbers(3, 8), numbers(3)), ("flat",)),
        ),
        (1, 4, 4),
        "dense",
    )


def networks(name: str, rng: random.Random, fmt: Format) -> list[Network]:
    """Networks that the verifier takes."""
    bias = "without biases" not in VERIFIERS[name].networks
    stacks = [random_network(rng, shape, fmt, bias) for shape in ((2, 3), (3, 5, 3), (4, 4, 4, 2))]
    return stacks + ([graph(rng, fmt)] if "graphs" in VERIFIERS[name].networks else [])


def times(name: str) -> int:
    """How many regions of each network are tried: fewer by one that looks at many parts of each, unless tests may take long."""
    return 4 if SLOW or name != "bab" else 2


@pytest.mark.parametrize(("name", "deployment"), in_turn(asked(BALLS)))
def test_no_point_of_a_claimed_ball_has_another_class(name: str, deployment: Deployment) -> None:
    judge, rng, claimed = made(name, deployment), random.Random(name), 0
    if judge is None:
        return
    fmt = deployment.default.format or FLOAT32
    if deployment is not EXACT and not isinstance(judge.reasons_in, Format):
        return  # what is claimed of real numbers rests on computed logits then: see the test of what refutes it
    for network in networks(name, rng, fmt) * times(name):
        centre = tuple(nearest(rng.uniform(-1, 1), fmt) for _ in range(math.prod(network.input_shape)))
        claim = largest_claim(judge, network, centre)
        if claim is None:
            continue
        claimed += 1
        top = argmax(results(judge.reasons_in, network, [centre])[0])
        for logits in results(judge.reasons_in, network, points_in(rng, network, claim.region, fmt)):
            assert all(logits[top] > logits[k] for k in range(len(logits)) if k != top)
    assert claimed >= 4


def largest_claim(judge: Verifier, network: Network, centre: tuple[float, ...]) -> Claim | None:
    """Of about the largest ball that is claimed: just below the supremum, or where none is known the first of halved radii."""
    supremum = judge.verify(network, Ball(centre, Fraction(0))).supremum
    if supremum is None:
        radii = (Fraction(1, 2**k) for k in range(20))
        return next((claim for radius in radii if (claim := judge.verify(network, Ball(centre, radius))).accepted), None)
    if not supremum:
        return None
    claim = judge.verify(network, Ball(centre, supremum * Fraction(999, 1000)))
    assert (claim.verdict, claim.supremum, claim.reason) == ("unsat", supremum, "")
    assert judge.verify(network, Ball(centre, supremum)).verdict == "unknown"
    return claim


def points_in(rng: random.Random, network: Network, ball: Region, fmt: Format) -> list[Sequence[float]]:
    """Points of the format in a ball: its centre, and where the class is most likely to change."""
    assert isinstance(ball, Ball)
    points: list[Sequence[float]] = [ball.centre]
    if len(network.input_shape) == 1:
        top = argmax(exact_logits(network, ball.centre))
        hostile = [downhill_point(rng, network, list(ball.centre), ball.radius, top, fmt) for _ in range(12)]
        return points + [point for point in hostile if point is not None]
    for _ in range(12):
        step = np.array([rng.gauss(0, 1) for _ in ball.centre])
        step *= 0.999 * float(ball.radius) / np.linalg.norm(step)
        point = [nearest(x + d, fmt) for x, d in zip(ball.centre, step, strict=True)]
        if sum((Fraction(x) - Fraction(y)) ** 2 for x, y in zip(point, ball.centre, strict=True)) <= ball.radius**2:
            points.append(point)
    return points


@pytest.mark.parametrize(("name", "deployment"), in_turn(asked(BOXES)))
def test_every_point_of_a_box_has_its_logits_within_the_bounds_and_the_class_that_is_claimed(
    name: str, deployment: Deployment
) -> None:
    judge, rng, verdicts = made(name, deployment), random.Random(name), set()
    if judge is None:
        return
    fmt = deployment.default.format or FLOAT32
    for network in networks(name, rng, fmt) * 4:
        width = rng.choice([0.0, 0.0625, 0.5])
        centre = [nearest(rng.uniform(-1, 1), FLOAT16) for _ in range(math.prod(network.input_shape))]
        lower, upper = ([nearest(x + s * width, fmt) for x in centre] for s in (-1, 1))
        claim = judge.verify(network, Box(tuple(lower), tuple(upper)))
        verdicts.add(claim.verdict)
        assert bool(claim.reason) == (claim.verdict == "unknown")
        classes, ends = set(), list(zip(lower, upper, strict=True))
        points = [[rng.choice([low, high, nearest(rng.uniform(low, high), fmt)]) for low, high in ends] for _ in range(12)]
        for logits in results(judge.reasons_in, network, points):
            assert all(low <= Fraction(y) <= high for y, (low, high) in zip(logits, claim.bounds, strict=True))
            classes.add(argmax(logits))
        assert claim.verdict != "unsat" or len(classes) == 1
        if claim.verdict == "sat":
            assert_another_class(judge, network, claim, deployment.default.format)
    assert {"unsat"} < verdicts


def assert_another_class(judge: Verifier, network: Network, claim: Claim, fmt: Format | None) -> None:
    """The point lies in the box, and its class is another than the middle's, or ties with that."""
    assert isinstance(claim.region, Box)
    ends = list(zip(claim.region.lower, claim.region.upper, strict=True))
    assert all(low <= x <= high for x, (low, high) in zip(claim.point, ends, strict=True))
    middle = [(low + high) / 2 for low, high in ends]
    read = [nearest(x, fmt) for x in middle] if fmt else middle
    own = argmax(results(judge.reasons_in, network, [read])[0])
    for logits in results(judge.reasons_in, network, [claim.point]):
        assert any(logits[k] >= logits[own] for k in range(len(logits)) if k != own)


@pytest.mark.parametrize("name", asked(NAMES))
def test_a_region_that_is_too_large_is_unknown_and_equal_questions_have_equal_claims(name: str) -> None:
    judge, rng = verifier(name, SINGLE), random.Random(0)
    for network in networks(name, rng, FLOAT32):
        region = region_of(name, [0.5] * math.prod(network.input_shape), 2.0**20)
        claim = judge.verify(network, region)
        assert (claim.verifier, claim.region, claim.accepted) == (name, region, False)
        if claim.point:  # it knows a point of another class than the middle's
            middle = [0.5] * len(claim.point)
            assert claim.verdict == "sat"
            assert len({argmax(results(judge.reasons_in, network, [point])[0]) for point in (middle, claim.point)}) == 2
        else:
            assert claim.verdict == "unknown"
            assert claim.reason
        assert claim.versions["fpsynth"]
        assert judge.verify(network, region) == claim


@pytest.mark.parametrize("name", asked(NAMES))
def test_a_budget_that_is_over_is_unknown_and_says_so(name: str) -> None:
    rng = random.Random(7)
    network = random_network(rng, (3, 4, 4, 2), FLOAT32, "without biases" not in VERIFIERS[name].networks)
    region = region_of(name, [0.5, 0.25, 1.0], 0.0)
    claim = verifier(name, SINGLE).verify(network, region, budget=0.0)
    assert (claim.verdict, claim.reason) == ("unknown", "the time limit is over")
    assert verifier(name, SINGLE).verify(network, region, budget=1000.0).reason != claim.reason


PLAIN = dense_relu([Dense([[1.0, 0.5], [-1.0, 0.25]])])
TENTH = dense_relu([Dense([[0.1], [1.0]])])
REFUSED: dict[str, tuple[Network, Callable[[str], Region], str]] = {
    "another region": (
        PLAIN,
        lambda name: around([0.0, 0.0], 1.0, Box if name in BALLS else Ball),
        "takes (balls, not boxes|boxes, not balls)",
    ),
    "another size": (PLAIN, lambda name: region_of(name, [0.0], 1.0), "has 1 number, but the network 2 inputs"),
    "infinite": (PLAIN, lambda name: region_of(name, [math.inf, 0.0], 1.0), "not finite"),
    "NaN": (PLAIN, lambda name: region_of(name, [0.0, math.nan], 1.0), "not finite"),
    "inside out": (PLAIN, lambda name: region_of(name, [0.0, 0.0], -1.0), "must not be negative|is above the upper end"),
    "no number of the format": (PLAIN, lambda name: region_of(name, [0.1, 0.0], 0.0), "not a float32"),
    "weights of another format": (TENTH, lambda name: region_of(name, [0.0], 1.0), "round the network"),
}


@pytest.mark.parametrize("name", asked(NAMES))
@pytest.mark.parametrize(("network", "region", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_accepted_is_one_line(name: str, network: Network, region: Callable[[str], Region], reason: str) -> None:
    if "takes" in reason and len(VERIFIERS[name].regions) > 1:
        return
    with pytest.raises(InputError, match=reason) as caught:
        verifier(name, SINGLE).verify(network, region(name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", asked(NAMES))
def test_a_network_that_it_does_not_take_is_one_line_with_the_node(name: str) -> None:
    network = graph(random.Random(3), FLOAT32)
    region = region_of(name, [0.5] * 16, 0.0)
    if "graphs" in VERIFIERS[name].networks:
        assert verifier(name, SINGLE).verify(network, region).verifier == name
        return
    with pytest.raises(InputError, match="conv") as caught:
        verifier(name, SINGLE).verify(network, region)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in BALLS if name not in BOXES])
def test_a_ball_needs_classes(name: str) -> None:
    with pytest.raises(InputError, match="one output"):
        verifier(name, SINGLE).verify(dense_relu([Dense([[1.0]])]), Ball((0.0,), Fraction(1)))


@pytest.mark.parametrize("name", asked(BOXES))
def test_one_output_has_bounds_but_no_class(name: str) -> None:
    claim = verifier(name, SINGLE).verify(dense_relu([Dense([[1.0]])]), Box((0.0,), (1.0,)))
    assert (claim.verdict, claim.reason) == ("unknown", "a network with one output has no classes")
    ((low, high),) = claim.bounds
    assert low <= 0 < 1 <= high


@pytest.mark.parametrize("name", asked(BOXES))
def test_an_end_that_overflows_leaves_no_bounds(name: str) -> None:
    network = dense_relu([Dense([[60000.0, 60000.0], [0.0, 0.0]])])
    claim = verifier(name, HALF).verify(network, Box((1.0, 1.0), (1.0, 1.0)))
    assert (claim.verdict, claim.bounds, claim.reason) == ("unknown", (), "an end of an interval is infinite or NaN")


@pytest.mark.parametrize("name", asked(BOXES))
def test_a_batch_normalisation_is_for_real_arithmetic_only(name: str) -> None:
    one = np.ones(2)
    network = Network((Node("norm", BatchNormalisation(0 * one, 2 * one, one, np.array([0.0, 8.0]), 0.0)),), (2,), "norm")
    box = Box((0.0, 0.0), (1.0, 1.0))
    with pytest.raises(InputError, match=r"norm: .*fold it first"):
        verifier(name, SINGLE).verify(network, box)
    if (judge := made(name, EXACT)) is not None:
        claim = judge.verify(network, box)
        assert claim.verdict == "unsat"
        assert all(low**2 <= Fraction(1, 2) <= high**2 for low, high in [claim.bounds[0]] if low) or claim.bounds[0][0] == 0


def test_what_the_published_tie_refutes() -> None:
    network = dense_relu([Dense([[W1], [W2]])])
    ball = Ball((XB,), abs(Fraction(XA) - Fraction(XB)))
    for name in ("lipschitz", "lipschitz-exact"):
        assert verifier(name, SINGLE).verify(network, ball).verdict == "unsat"
    assert verifier("lipschitz-sound", SINGLE).verify(network, ball).verdict == "unknown"
    assert argmax(network_logits(network, (XA,), FLOAT32, SINGLE)) != argmax(network_logits(network, (XB,), FLOAT32, SINGLE))


def test_intervals_of_real_numbers_are_refuted_where_those_of_the_deployment_say_nothing() -> None:
    network, point = dense_relu([Dense([[W1], [W2]])]), Box((XA,), (XA,))
    assert verifier("intervals", EXACT).verify(network, point).verdict == "unsat"
    assert argmax(exact_logits(network, (XA,))) != argmax(network_logits(network, (XA,), FLOAT32, SINGLE))
    assert verifier("intervals", SINGLE).verify(network, point).verdict == "unknown"


def test_exact_logits_beyond_float64_are_numbers_all_the_same() -> None:
    network = dense_relu([Dense([[1e300, 1e300], [1.0, 1.0]])])
    claim = verifier("lipschitz", EXACT).verify(network, Ball((1e300, 1e300), Fraction(1)))
    assert claim.verdict == "unsat"


def test_a_radius_that_nothing_bounds_is_accepted_and_has_no_supremum() -> None:
    network = dense_relu([Dense([[0.0], [0.0]], [0.0, 1.0])])
    for name in ("lipschitz", "lipschitz-sound"):
        claim = verifier(name, HALF).verify(network, Ball((0.0,), Fraction(10**100)))
        assert (claim.verdict, claim.supremum) == ("unsat", None)


@pytest.mark.parametrize("name", ["lipschitz-sound", "intervals-elina", "intervals-elina-sums"])
def test_real_arithmetic_has_no_units_to_allow_for(name: str) -> None:
    with pytest.raises(InputError, match="which real arithmetic has not") as caught:
        verifier(name, EXACT)
    assert "\n" not in str(caught.value)


def test_the_sound_one_speaks_of_no_deployment_that_rounds_more_coarsely() -> None:
    coarse = Deployment(Arithmetic(FLOAT32, FLOAT16))
    with pytest.raises(InputError, match="to nearest"):
        verifier("lipschitz-sound", coarse).verify(PLAIN, Ball((0.0, 0.0), Fraction(1)))


def test_unknown_names_are_one_line_with_all_names() -> None:
    with pytest.raises(InputError, match=r"unknown verifier 'interval'.*did you mean intervals.*lipschitz-sound"):
        verifier("interval", SINGLE)


@pytest.mark.parametrize("name", NAMES)
def test_it_needs_the_packages_that_its_line_says_and_no_other(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(module: str, *rest: Any) -> Any:
        if module.split(".")[0] in ("flint", "numba", "scipy", "highspy", "z3", "torch"):
            raise ImportError(module)
        return real(module, *rest)

    network = random_network(random.Random(f"{name} alone"), (3, 4, 2), FLOAT32, False)
    region = region_of(name, [0.5, 0.25, 1.0], 0.0)
    monkeypatch.setattr(builtins, "__import__", without)
    if VERIFIERS[name].packages:
        with pytest.raises(MissingPackageError, match=VERIFIERS[name].packages[0]):
            verifier(name, SINGLE).verify(network, region)
    else:
        assert verifier(name, SINGLE).verify(network, region).verifier == name
