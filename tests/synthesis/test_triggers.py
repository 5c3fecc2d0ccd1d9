"""Input-dependent detectors: two arithmetics disagree in the box and nowhere else, whatever the orders of the other layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from detectors import dependent
from profiles import SLOW

from fpsynth.errors import InputError
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, TF32, Format
from fpsynth.libraries.pool import LibraryCall, LibraryPool
from fpsynth.orders import Builder, fixed_order, parse_order
from fpsynth.predicates import Predicate
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.synthesis.domain import Interval
from fpsynth.witness.data import View, Witness
from fpsynth.witness.prediction import predicted_logits

UNIT = Interval(Fraction(0), Fraction(1))
BOX = [(Fraction(1, 4), Fraction(1, 2)), (Fraction(1, 10), Fraction(9, 10)), (Fraction(0), Fraction(1))]


def view(name: str, order: str, fmt: Format = FLOAT32, **how: object) -> View:
    role = {"a": "reference", "b": "deployed"}.get(name, "silent")
    return View(name, order, role, Deployment(replace(Arithmetic(fmt, order=parse_order(order)), **how)))


A, B = view("a", "sequential"), view("b", "pairwise")


def found(a: View = A, b: View = B, **request: object) -> Witness:
    usual = {"format": FLOAT32, "terms": 8, "box": BOX, "inputs": UNIT, "samples": 2000}
    if "threshold" in request:
        usual["box"] = None
    return dependent(a, b, *request.pop("silent", ()), **{**usual, **request})


def departs(divergence: Witness, point: tuple[float, ...]) -> bool:
    """By the exact interpreter."""
    a, b = (predicted_logits(divergence.network, point, side) for side in divergence.views[:2])
    return divergence.predicate.fires(b, a)


def neighbours(number: float) -> tuple[float, float]:
    low, high = np.nextafter(np.float32(number), np.float32([-9, 9]))
    return float(low), float(high)


@pytest.mark.parametrize("bound", [None, 4, 1, Fraction(1, 2)], ids=str)
def test_it_departs_in_the_box_and_in_no_other_sampled_input(bound: Fraction | None) -> None:
    half = 10_000 if SLOW else 2_000
    divergence = found(max_weight=None if bound is None else Fraction(bound), seed=3, samples=2 * half)
    sampled = divergence.sampled
    assert sampled is not None
    assert (sampled.inside, sampled.inside_fires, sampled.outside, sampled.outside_fires) == (half, half, half, 0)
    assert sampled.seed == 3
    assert "next number" in sampled.how
    assert divergence.predicate == Predicate("gap", bound=Fraction(1))
    assert divergence.measure == 1
    assert divergence.max_weight == (None if bound is None else Fraction(bound))
    assert bound is None or max(map(abs, divergence.network.entries())) <= bound
    tenth, rest = (float(np.float32(x)) for x in (0.1, 0.9))
    assert divergence.box[0] == (0.25, 0.5)
    assert divergence.box[1] == (tenth, neighbours(rest)[0] if rest > 0.9 else rest)
    assert all(low <= x <= high for x, (low, high) in zip(divergence.point, divergence.box, strict=True))


def test_without_a_bound_two_hidden_layers_and_the_sum_are_enough() -> None:
    assert found().network.widths == (3, 4 + 1, 8, 1)


def test_corners_and_the_numbers_next_to_the_faces_exactly() -> None:
    divergence = found(max_weight=Fraction(4))
    (low0, high0), (low1, high1), _ = divergence.box
    for corner in product(*divergence.box):
        assert departs(divergence, corner)
    for point in (
        (neighbours(low0)[0], 0.5, 0.5),
        (neighbours(high0)[1], 0.5, 0.5),
        (0.3, neighbours(low1)[0], 0.0),
        (0.3, neighbours(high1)[1], 1.0),
        (neighbours(low0)[0], neighbours(high1)[1], 1.0),
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
    ):
        assert not departs(divergence, point)


def test_the_other_layers_give_the_same_bits_in_every_order() -> None:
    """All the sampled kinds of points: random ones, in the box and around, in six arithmetics of the hidden layers."""
    divergence = found(max_weight=Fraction(4), width=4)
    draw = np.random.default_rng(1)
    points = draw.random((500, 3)).astype(np.float32).astype(np.float64)
    points[:200] = np.array([0.25, 0.5, 0.5]) + draw.integers(-3, 4, (200, 3)) * 2.0**-24
    last = len(divergence.network.dense_layers) - 1
    for side in divergence.views:
        usual = network_outputs(divergence.network, points, side.deployment)
        kept = (((last, 0), side.deployment.at(last, 0)),)
        for order, fused, rounding in [
            ("reverse", False, Rounding.RNE),
            ("pairwise", True, Rounding.RNE),
            ("strided:3", False, Rounding.RNE),
            ("sequential", True, Rounding.RTZ),
            ("pairwise", False, Rounding.RTP),
            ("strided:2", False, Rounding.RTN),
        ]:
            how = Arithmetic(FLOAT32, order=parse_order(order), fused=fused, rounding=rounding, bias_first=fused)
            assert np.array_equal(network_outputs(divergence.network, points, Deployment(how, kept)), usual)
    inside = network_outputs(divergence.network, points, divergence.reference.deployment)[:, 0]
    assert 0 < np.count_nonzero(inside) < len(points)


@pytest.mark.parametrize(("side", "inside", "outside"), [(1, 1.0, 0.0), (-1, 0.0, 1.0)])
def test_a_threshold(side: int, inside: float, outside: float) -> None:
    third = float(np.float32(1 / 3))
    divergence = found(threshold=(1, Fraction(third), side), features=3, max_weight=Fraction(4))
    beyond = neighbours(third)[0 if side == 1 else 1]
    assert [departs(divergence, (0.0, x, 1.0)) for x in (inside, third, beyond, outside)] == [True, True, False, False]
    assert divergence.network.widths[:2] == (3, 2)  # one violation and the constant


def test_a_threshold_at_zero_sees_subnormal_numbers() -> None:
    divergence = found(threshold=(0, Fraction(0), 1), inputs=Interval(Fraction(-1), Fraction(1)))
    assert [departs(divergence, (x,)) for x in (0.0, 2.0**-149, -(2.0**-149), -1.0, 1.0)] == [True, True, False, False, True]


def test_inputs_that_reach_far() -> None:
    divergence = found(box=BOX[:2], inputs=Interval(Fraction(-(2**126)), Fraction(2**126)), max_weight=Fraction(4))
    assert departs(divergence, (0.5, 0.5))
    assert not departs(divergence, (2.0**126, -(2.0**126)))
    assert not departs(divergence, (0.5, neighbours(divergence.box[1][1])[1]))


def test_two_classes() -> None:
    divergence = found(max_weight=Fraction(4), output="argmax")
    assert divergence.predicate == Predicate("argmax")
    assert divergence.network.widths[-1] == 2
    assert divergence.sampled is not None
    assert (divergence.sampled.inside_fires, divergence.sampled.outside_fires) == (1000, 0)
    assert departs(divergence, (0.25, 0.5, 0.0))
    assert not departs(divergence, (neighbours(0.25)[0], 0.5, 0.0))


REALS = View("a", "real", "reference", Deployment(REAL))


@pytest.mark.parametrize(
    ("fmt", "a", "b", "gap"),
    [
        (FLOAT16, view("a", "sequential", FLOAT16), view("b", "pairwise", FLOAT16), Fraction(1)),
        (BFLOAT16, view("a", "reverse", BFLOAT16), view("b", "strided:2", BFLOAT16), Fraction(1)),
        (FLOAT64, view("a", "sequential", FLOAT64), view("b", "pairwise", FLOAT64), Fraction(1)),
        (FLOAT32, A, view("b", "sequential", FLOAT64), Fraction(1)),
        (FLOAT32, REALS, view("b", "sequential"), Fraction(1)),
        (FLOAT32, view("a", "sequential", flush=True), B, Fraction(1)),
        (FLOAT32, view("a", "sequential", fused=True), view("b", "strided:4", fused=True), Fraction(8)),
        (
            FLOAT16,
            view("a", "sequential", FLOAT16, accumulator=FLOAT32),
            view("b", "pairwise", FLOAT16, accumulator=FLOAT32),
            Fraction(1, 256),
        ),
    ],
)
def test_other_arithmetics(fmt: Format, a: View, b: View, gap: Fraction) -> None:
    divergence = found(a, b, format=fmt, gap=gap, max_weight=Fraction(8), samples=400)
    assert divergence.measure == gap
    assert divergence.sampled is not None
    assert (divergence.sampled.inside_fires, divergence.sampled.outside_fires) == (200, 0)


def test_trees_of_a_fixed_width_and_a_wide_layer() -> None:
    build = Builder(64)
    build.add(build.chain(range(1, 64)), 0)
    tree = replace(B, deployment=Deployment(Arithmetic(FLOAT32, order=fixed_order(build.tree()))))
    divergence = found(A, tree, terms=64, max_weight=Fraction(4), outputs=3, neuron=1)
    assert [side.logits[1] for side in divergence.views] in ([1, 0], [0, 1])
    assert [side.logits[::2] for side in divergence.views] == [(0, 0), (0, 0)]


def test_silent_views_depart_nowhere() -> None:
    quiet = view("silent1", "sequential", fused=True)
    assert found(silent=[quiet]).silent[0].logits == found().views[0].logits
    with pytest.raises(InputError, match="must stay silent"):
        found(silent=[replace(B, name="silent1", role="silent")])


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"box": None}, "either a box or a threshold"),
        ({"box": []}, "at least one input"),
        ({"box": [(Fraction(0), Fraction(1))]}, "nothing is outside"),
        ({"box": [(Fraction(0), Fraction(2))]}, "beyond the inputs 0:1"),
        ({"box": [(Fraction(3, 4), Fraction(1, 2))]}, "no float32 number is between"),
        ({"box": [(Fraction(2**25 + 1, 2**26), Fraction(2**25 + 1, 2**26))]}, "no float32 number is between"),
        ({"threshold": (3, Fraction(1, 2), 1), "features": 3}, "an input among 3"),
        ({"threshold": (0, Fraction(1, 2), 0)}, "1 or -1"),
        ({"samples": 4}, "between 8 and"),
        ({"inputs": Interval(Fraction(-(10**38) * 3), Fraction(10**38 * 3))}, "narrow the inputs' range"),
        ({"inputs": Interval(Fraction(-(2**126)), Fraction(2**126))}, "narrow the inputs' range"),  # a face at 0
        ({"terms": 2}, "at least 3 terms"),
        ({"b": replace(A, name="b", role="deployed")}, "not at all"),
        ({"b": view("b", "pairwise", operands=TF32)}, "rounds its operands"),
        ({"max_weight": Fraction(0)}, "above 0"),
        ({"max_weight": Fraction(1), "width": 1}, "amplify nothing"),
        ({"max_weight": Fraction(1, 2), "width": 1, "gap": Fraction(1, 2**40)}, "amplify nothing"),
        (
            {
                "a": view("a", "sequential", flush=True),
                "threshold": (0, Fraction(0), 1),
                "inputs": Interval(Fraction(-1), Fraction(1)),
            },
            "the difference is lost",
        ),
        (
            {
                "threshold": (0, Fraction(0), 1),
                "inputs": Interval(Fraction(-1), Fraction(1)),
                "max_weight": Fraction(1, 2),
            },
            "the difference is lost",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(request_: dict, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        found(**request_)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def pool() -> Iterator[LibraryPool]:
    with LibraryPool(["numpy", "torch"]) as started:
        started.wait()
        yield started


@pytest.mark.parametrize(("library", "variant"), [("numpy", "matmul"), ("torch", "linear")])
def test_libraries_give_a_prediction_inside_and_the_one_value_outside(pool: LibraryPool, library: str, variant: str) -> None:
    if pool.members[library].reason:
        pytest.skip(f"{library}: {pool.members[library].reason}")
    divergence = found(max_weight=Fraction(4), outputs=2)
    outside = (neighbours(0.25)[0], 0.5, 0.5)
    predictions = {tuple(map(float, side.logits)) for side in divergence.views}
    calls = {library: [LibraryCall(variant, (0, 1) * half) for half in (1, 2, 32)]}
    for answer in pool.run(divergence.network, FLOAT32, [divergence.point, outside], calls)[library]:
        assert answer.outputs is not None, answer.not_run
        assert set(answer.outputs.logits[::2]) <= predictions
        assert set(answer.outputs.logits[1::2]) == {(0.0, 0.0)}


def test_torch_classifies_the_inputs_in_the_box_by_its_batch_size(pool: LibraryPool) -> None:
    """From left to right at batch 1, in lanes at batch 4, weights at most 1: where torch's orders are the known ones."""
    if pool.members["torch"].reason:
        pytest.skip(f"torch: {pool.members['torch'].reason}")
    build = Builder(8)
    lanes = [build.add(k, k + 4) for k in range(4)]
    build.add(build.add(lanes[0], lanes[2]), build.add(lanes[1], lanes[3]))
    four = replace(B, deployment=Deployment(Arithmetic(FLOAT32, order=fixed_order(build.tree()))))
    divergence = found(A, four, max_weight=Fraction(1), outputs=2, output="argmax")
    draw = np.random.default_rng(5)
    points = [tuple(float(x) for x in np.float32(row)) for row in draw.random((40, 3))]
    inside = [all(low <= x <= high for x, (low, high) in zip(point, divergence.box, strict=True)) for point in points]
    assert 0 < sum(inside) < len(inside)
    calls = {"torch": [LibraryCall("linear", (k,) * batch) for batch in (1, 4) for k in range(len(points))]}
    answers = [answer.outputs for answer in pool.run(divergence.network, FLOAT32, points, calls)["torch"]]
    classes = [outputs.classes[0] for outputs in answers if outputs is not None]
    differ = [one != many for one, many in zip(classes[:40], classes[40:], strict=True)]
    if not any(differ):
        pytest.skip("this build of torch sums in other orders on this machine")
    assert differ == inside
