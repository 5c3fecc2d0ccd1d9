"""Boxes of few points are computed, not bounded; and what is known of the grid that numbers of a deployment lie on."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from random_networks import random_network
from relaxation_cases import EVERY, boxes_of, deployments, networks_of, points_of
from witnesses import XA, XB, published

from fpsynth.errors import InputError
from fpsynth.evaluators.deployed import network_outputs, node_outputs
from fpsynth.evaluators.networks import network_logits
from fpsynth.formats import BFLOAT16, FLOAT8_E5M2, FLOAT16, FLOAT32, Format
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.orders import parse_order
from fpsynth.rounding import Flush
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers import Ball, Box
from fpsynth.verifiers.properties import Inequality, Property, one_class
from fpsynth.verifiers.relaxation_verifier import RelaxationVerifier
from fpsynth.verifiers.relaxations.asked import BoundQuestion
from fpsynth.verifiers.relaxations.crown import analysed
from fpsynth.verifiers.relaxations.ends import interval_ends
from fpsynth.verifiers.relaxations.leaves import enumerated
from fpsynth.verifiers.relaxations.prepared import NOTHING_KNOWN, prepared
from fpsynth.verifiers.relaxations.reasoning import REAL, Reasoning, sound
from fpsynth.verifiers.relaxations.region import inputs_of

PLAIN = Deployment(Arithmetic(FLOAT32))
EIGHT = (
    Deployment(Arithmetic(FLOAT8_E5M2)),
    Deployment(Arithmetic(FLOAT8_E5M2, FLOAT16, fused=True, order=parse_order("pairwise"))),
    Deployment(Arithmetic(FLOAT8_E5M2, flush=Flush.ROUNDED, order=parse_order("reverse"))),
)


ABOVE_OTHER = one_class(1, 2)
"""Unsafe: the second output is not above the first."""


def difference(bound: Fraction = Fraction(0), strict: bool = False) -> Property:
    """The first output is no larger than the second and a bound."""
    return Property(((Inequality(((0, Fraction(1)), (1, Fraction(-1))), bound, strict),),))


def bab(network: Network, box: Box, unsafe: Property | None, reasoning: Reasoning, budget: float = 60.0) -> tuple:
    claim = RelaxationVerifier("bab", reasoning).verify(network, box, unsafe, budget=budget)
    return claim.verdict, claim.point, claim.reason


def test_the_published_tie_is_found_in_what_runs() -> None:
    network = published().network
    verdict, point, _ = bab(network, Box((XA,), (XB,)), ABOVE_OTHER, sound(FLOAT32, PLAIN))
    one, other = network_logits(network, point, FLOAT32, PLAIN)
    assert (verdict, one) == ("sat", other)


@pytest.mark.parametrize("width", [1, 6712])
def test_one_tie_among_floats_is_found_and_none_is_there_without_it(width: int) -> None:
    """The largest float below 1/4 at which the two rows tie, and a box of floats above it, which has none."""
    network = published().network
    ends = np.float32(0.25)
    floats = [ends]
    for _ in range(7000):
        floats.append(np.nextafter(floats[-1], np.float32(0)))
    numbers = np.array(floats, np.float64)
    logits = network_outputs(network, numbers[:, None], PLAIN)
    first = int(np.flatnonzero(logits[:, 0] == logits[:, 1])[0])
    reasoning = sound(FLOAT32, PLAIN)
    low = numbers[min(first + width - 1, 7000)]
    assert bab(network, Box((low,), (0.25,)), ABOVE_OTHER, reasoning)[0] == "sat"
    assert bab(network, Box((numbers[first],), (0.25,)), ABOVE_OTHER, reasoning)[1] == (numbers[first],)
    if first:
        assert bab(network, Box((numbers[first - 1],), (0.25,)), ABOVE_OTHER, reasoning)[0] == "unsat"


def grid(threshold: float) -> Network:
    """256 swallows the ends of two inputs; only where both gain half a unit does the sum reach 2: in 10^-6 of a box."""
    return dense_relu(
        [
            Dense([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]], [256.0, 256.0, 0.0, 0.0]),
            Dense(np.eye(4), [-256.0, -256.0, 0.0, 0.0]),
            Dense([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, -1.0]], [0.0, 0.0]),
            Dense([[65536.0, 65536.0]], [-threshold]),
            Dense([[0.0], [-2.0]], [0.0, 1.0]),
        ]
    )


@pytest.mark.parametrize(
    ("threshold", "wanted"), [(1.5, "sat"), (float(np.nextafter(np.float32(1.5), np.float32(2))), "unsat")]
)
def test_a_bad_float_in_a_million_is_found_and_its_twin_proved(threshold: float, wanted: str) -> None:
    network, end = grid(threshold), float(np.nextafter(np.float32(0.75), np.float32(0)))
    unsafe = Property(((Inequality(((1, Fraction(1)), (0, Fraction(-1))), Fraction(0)),),))
    verdict, point, reason = bab(network, Box((0.5, 0.5), (end, end)), unsafe, sound(FLOAT32, PLAIN), 100.0)
    assert (verdict, reason) == (wanted, "")
    if wanted == "sat":
        assert unsafe.violated(network_logits(network, point, FLOAT32, PLAIN))


def test_every_question_about_eight_bits_is_decided_as_all_its_points_say() -> None:
    rng, verdicts = random.Random(5), []
    every = [x for x in EVERY[FLOAT8_E5M2] if abs(x) <= 4]
    for _ in range(max(20, examples(40))):
        network = random_network(rng, rng.choice([(2, 3, 2), (1, 3, 2), (2, 2)]), FLOAT8_E5M2, True)
        ends = [sorted(rng.sample(every, 2)) for _ in range(network.input_shape[0])]
        deployment = rng.choice(EIGHT)
        points = list(itertools.product(*([x for x in EVERY[FLOAT8_E5M2] if a <= x <= b] for a, b in ends)))
        logits = network_outputs(network, np.array(points), deployment)
        if not np.isfinite(logits).all():
            continue
        gaps = sorted(logits[:, 0] - logits[:, 1])
        unsafe = difference(
            Fraction(rng.choice([gaps[0], gaps[-1], gaps[0] - 0.125, gaps[len(gaps) // 2]])), rng.random() < 0.5
        )
        box = Box(tuple(low for low, _ in ends), tuple(high for _, high in ends))
        truth = any(map(unsafe.violated, logits.tolist()))
        verdict, point, reason = bab(network, box, unsafe, sound(FLOAT8_E5M2, deployment))
        assert verdict == ("sat" if truth else "unsat"), reason
        assert not point or unsafe.violated(network_logits(network, point, FLOAT8_E5M2, deployment))
        verdicts.append(verdict)
    assert len(verdicts) > 5
    assert set(verdicts) == {"sat", "unsat"}


def asked(network: Network, region: Box | Ball, unsafe: Property, reasoning: Reasoning) -> BoundQuestion:
    return BoundQuestion(network, prepared(network, reasoning), region, inputs_of(region, reasoning), unsafe)


def leaf(network: Network, region: Box | Ball, unsafe: Property, reasoning: Reasoning) -> object:
    question = asked(network, region, unsafe, reasoning)
    return enumerated(question, question.inputs.box)


def test_what_is_enumerated_is_one_deployment_a_few_points_and_finite() -> None:
    network = dense_relu([Dense([[1.0], [2.0]])])
    few, many = Box((1.0,), (1.0009765625,)), Box((0.0,), (1.0,))
    once = sound(FLOAT16, Deployment(Arithmetic(FLOAT16)))
    assert leaf(network, few, difference(), once) == ("sat", (1.0,), "")
    assert leaf(network, few, difference(Fraction(-2)), once) == ("unsat", (), "")
    assert leaf(network, many, difference(), once) is None
    assert leaf(network, few, difference(), sound(FLOAT16)) is None
    assert leaf(network, few, difference(), REAL) is None
    assert leaf(network, Box((60000.0,), (60000.0,)), difference(), once) is None  # 2 x overflows


def test_only_points_of_a_ball_count() -> None:
    """The corner of the box around it is unsafe, and no point of the ball."""
    network = dense_relu([Dense([[1.0, 1.0], [0.0, 0.0]])])
    once = sound(BFLOAT16, Deployment(Arithmetic(BFLOAT16)))
    ball = Ball((1.0, 1.0), Fraction(1, 32))
    unsafe = Property(((Inequality(((0, Fraction(-1)),), -Fraction(2) - Fraction(1, 16)),),))
    assert leaf(network, ball, unsafe, once) == ("unsat", (), "")
    assert leaf(network, Box((0.96875, 0.96875), (1.03125, 1.03125)), unsafe, once)[0] == "sat"


def test_a_property_that_float64_cannot_tell_is_decided_exactly() -> None:
    network = dense_relu([Dense([[1.0], [1.0]], [0.0, 0.0])])
    once = sound(FLOAT32, PLAIN)
    third = Inequality(((0, Fraction(1, 3)), (1, Fraction(2, 3) - Fraction(1, 10**30))), Fraction(1))
    assert leaf(network, Box((1.0,), (1.0,)), Property(((third,),)), once) == ("sat", (1.0,), "")
    above = Inequality(third.coefficients, Fraction(1) - Fraction(2, 10**30))
    assert leaf(network, Box((1.0,), (1.0,)), Property(((above,),)), once) == ("unsat", (), "")


@settings(max_examples=examples(150), deadline=None)
@given(st.data(), st.sampled_from([FLOAT8_E5M2, FLOAT16, BFLOAT16]))
def test_numbers_are_the_multiples_that_they_are_said_to_be(data: st.DataObject, fmt: Format) -> None:
    network = data.draw(networks_of(fmt))
    box = data.draw(boxes_of(fmt, int(np.prod(network.input_shape))))
    deployment = data.draw(deployments(fmt))
    try:
        known = prepared(network, sound(fmt, deployment))
    except InputError:
        return
    inputs = inputs_of(box, known.reasoning)
    with np.errstate(all="ignore"):
        both = (interval_ends(known, inputs.box), analysed(known, inputs).found)
    for point in points_of(box, fmt)[:8]:
        try:
            values = node_outputs(network, point.reshape(network.input_shape), deployment)
        except InputError:
            continue
        for found in both:
            for name, ends in found.items():
                if ends.units is not None:
                    require_multiples(values[name].tolist(), ends.units.tolist())


def require_multiples(values: list[float], units: list[int]) -> None:
    for value, unit in zip(values, units, strict=True):
        if np.isfinite(value) and value and unit > NOTHING_KNOWN:
            assert unit < 4000
            assert Fraction(value) % Fraction(2) ** unit == 0


def test_a_class_is_asked_for_where_no_property_is() -> None:
    network = published().network
    verdict, point, _ = bab(network, Box((XA,), (XB,)), None, sound(FLOAT32, PLAIN))
    one, other = network_logits(network, point, FLOAT32, PLAIN)
    assert (verdict, one) == ("sat", other)
