"""Mixed-integer programs: optima are the exact ones up to the tolerance, verdicts those of bounds and of branching."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from exact_optima import breakpoints, least_at_vertices, point_at, values_at
from milp_asked import PACKAGES, SLACK, TIE, TIE_BOX, TIED, asked, both, inequality, largest_side, needs
from profiles import SLOW
from random_networks import random_network

from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import Clip, Convolution, Dense, Flatten, LeakyReLU, MaxPooling, ReLU
from fpsynth.networks.network import Network, Node, dense_relu
from fpsynth.packages import package_version
from fpsynth.sums.arithmetic import REAL, Deployment
from fpsynth.verifiers import Ball, Box, verifier
from fpsynth.verifiers.milp import solving
from fpsynth.verifiers.milp.encoding import encoded
from fpsynth.verifiers.milp.settings import MilpSettings
from fpsynth.verifiers.milp.verifier import MilpVerifier
from fpsynth.verifiers.properties import Inequality, Property, one_class
from fpsynth.verifiers.relaxations.crown import analysed
from fpsynth.verifiers.relaxations.prepared import prepared
from fpsynth.verifiers.relaxations.reasoning import NEAREST32, NEAREST64, Reasoning, sound
from fpsynth.verifiers.relaxations.reasoning import REAL as EXACT
from fpsynth.verifiers.relaxations.region import inputs_of
from fpsynth.workers.pool import Pool
from fpsynth.workers.process import Worker

# --- exact optima -------------------------------------------------------------------------------------------------------------


@both
def test_the_worst_margin_is_the_least_value_at_the_vertices(solver: str) -> None:
    rng, bent = random.Random(11), 0
    for number in range(10):
        inputs = 2 + number % 2
        network = random_network(rng, (inputs, 4, 3), FLOAT32, True)
        box = [(x - 0.75, x + 0.5) for x in (rng.randrange(-8, 8) / 8 for _ in range(inputs))]
        one = inequality([1.0, -0.5, 0.25], 0.125)
        exact = least_at_vertices(network, box, lambda logits, one=one: largest_side([one], logits))
        region = Box(*map(tuple, zip(*box, strict=True)))
        solution = asked(network, region, Property(((one,),)), MilpSettings(solver, tolerance=1e-9))
        assert solution.status == "optimal"
        assert abs(solution.value - float(exact)) < SLACK
        assert abs(solution.bound - float(exact)) < SLACK
        corners = [exact_logits(network, corner) for corner in np.array(np.meshgrid(*box)).reshape(inputs, -1).T.tolist()]
        bent += exact < min(largest_side([one], logits) for logits in corners)
    assert bent  # else no kink would matter


def image(rng: random.Random, made: Any) -> Network:
    """A convolution, a selection of every kind, max pooling with padding, and dense layers."""

    def numbers(*shape: int) -> np.ndarray:
        return np.array([rng.randrange(-64, 65) / 64 for _ in range(int(np.prod(shape)))]).reshape(shape)

    return Network(
        (
            Node("conv", Convolution(numbers(2, 1, 2, 2), numbers(2), stride=1, padding=0)),
            Node("made", made, ("conv",)),
            Node("pool", MaxPooling((2, 2), stride=(1, 1), padding=1), ("made",)),
            Node("flat", Flatten(), ("pool",)),
            Node("hidden", Dense(numbers(4, 18), numbers(4)), ("flat",)),
            Node("leaky", LeakyReLU(0.125), ("hidden",)),
            Node("dense", Dense(numbers(3, 4), numbers(3)), ("leaky",)),
        ),
        (1, 3, 3),
        "dense",
    )


SELECTIONS = [ReLU(), LeakyReLU(0.25), LeakyReLU(0.0), Clip(-0.5, 0.75), Clip(None, 0.25), Clip(-0.25), Clip(0.5, 0.5)]


@both
@pytest.mark.parametrize("made", SELECTIONS, ids=repr)
def test_along_a_line_every_selection_has_its_exact_optimum_and_the_closest_point(solver: str, made: Any) -> None:
    rng, away = random.Random(repr(made)), 0
    for _ in range(4 if SLOW else 2):
        network = image(rng, made)
        start = [rng.randrange(-16, 17) / 16 for _ in range(9)]
        moving = rng.randrange(9)
        end = [x + 2 * (k == moving) for k, x in enumerate(start)]
        line, box = (tuple(map(Fraction, start)), tuple(map(Fraction, end))), Box(tuple(start), tuple(end))
        places = breakpoints(network, *line)
        rows, values = ([1.0, -1.0, 0.0], [0.5, 0.0, -1.0]), [values_at(network, point_at(*line, p)) for p in places]
        unmoved = tuple(map(inequality, rows))
        least = float(least_of(unmoved, values))
        solution = asked(network, box, Property((unmoved,)), MilpSettings(solver, tolerance=1e-9))
        assert abs(solution.value - least) < SLACK
        middle = float(largest_side(unmoved, values_at(network, point_at(*line, Fraction(1, 2)))))
        for bound in (least - 0.01, (least + middle) / 2):
            conjunction = tuple(inequality(row, bound) for row in rows)
            closest = asked(network, box, Property((conjunction,)), MilpSettings(solver, "closest", 1e-9))
            assert (closest.status == "infeasible") == (bound < least)
            if bound > least + SLACK:
                distance = 2 * float(nearest_to_half(conjunction, places, values))
                assert abs(closest.value - distance) < 1e-3
                away += distance > 0.01
    assert bool(away) == (repr(made) != repr(Clip(0.5, 0.5)))  # that one is the same everywhere


def least_of(conjunction: Sequence[Inequality], values: Sequence[Sequence[Fraction]]) -> Fraction:
    """The least of the largest of two left sides on a line that is linear between these values."""
    found = [largest_side(conjunction, logits) for logits in values]
    for left, right in itertools.pairwise(values):
        (a, b), (c, d) = (tuple(largest_side([one], logits) for logits in (left, right)) for one in conjunction)
        if (a - c) * (b - d) < 0:
            found.append(a + (b - a) * (a - c) / ((a - c) - (b - d)))
    return min(found)


def nearest_to_half(
    conjunction: Sequence[Inequality], places: Sequence[Fraction], values: Sequence[Sequence[Fraction]]
) -> Fraction:
    """How far from the middle the closest place is where both left sides are at most 0."""
    found = []
    for k in range(len(places) - 1):
        low, high = Fraction(0), Fraction(1)
        for one in conjunction:
            a, b = (largest_side([one], values[k + side]) for side in (0, 1))
            if a > 0 and b > 0:
                low, high = Fraction(1), Fraction(0)
            elif a > 0:
                low = max(low, a / (a - b))
            elif b > 0:
                high = min(high, a / (a - b))
        if low <= high:
            ends = [places[k] + (places[k + 1] - places[k]) * part for part in (low, high)]
            found.append(abs(min(max(Fraction(1, 2), ends[0]), ends[1]) - Fraction(1, 2)))
    return min(found)


@both
def test_the_closest_point_is_so_by_the_largest_difference(solver: str) -> None:
    settings = MilpSettings(solver, "closest", 1e-9)
    for weights, bound, distance in (([1.0, 0.0], -0.25, 0.25), ([-1.0, 0.0], -0.5, 0.5), ([-1.0, -1.0], -1.0, 0.5)):
        one = Property(((inequality(weights, bound),),))
        solution = asked(dense_relu([Dense(np.eye(2))]), Box((-1.0, -1.0), (1.0, 1.0)), one, settings)
        assert abs(solution.value - distance) < 1e-8


@both
@pytest.mark.parametrize("objective", ["feasibility", "closest"])
def test_a_margin_is_room_on_the_unsafe_side(solver: str, objective: str) -> None:
    network = dense_relu([Dense(np.eye(2))])
    box, unsafe = Box((0.5, 0.0), (1.0, 1.0)), Property(((inequality([1.0, 0.0], 0.25),),))
    for margin, verdict in ((0.0, "unsat"), (0.125, "unsat"), (0.375, "unknown")):
        assert (
            verifier(f"milp:{solver},{objective},margin={margin}", Deployment(REAL)).verify(network, box, unsafe).verdict
            == verdict
        )


@both
def test_what_each_layer_may_round_is_room_in_its_rows(solver: str) -> None:
    network = Network(
        (Node("dense", Dense(np.array([[1.0], [1.0]]))), Node("leaky", LeakyReLU(0.125), ("dense",))), (1,), "leaky"
    )
    reasoning, box = sound(FLOAT32), Box((-1000.0,), (-1000.0,))
    known, inputs = prepared(network, reasoning), inputs_of(box, reasoning)
    found = analysed(known, inputs).found
    rooms = [np.max(layer.rounding(ends.lower, ends.upper)) for layer, ends in zip(known.layers, found.values(), strict=False)]
    assert rooms[1] > 1e-6
    one = Property(((inequality([1.0, -1.0]),),))
    apart = asked(network, box, one, MilpSettings(solver, tolerance=1e-10), reasoning).value
    assert abs(apart + 2 * (0.125 * rooms[0] + rooms[1])) < 1e-8
    assert abs(asked(network, box, one, MilpSettings(solver, tolerance=1e-10)).value) < 1e-8


def test_stable_numbers_have_no_binaries() -> None:
    pytest.importorskip("scipy")
    layers = [Dense([[1.0], [1.0], [-1.0]], [1.0, 0.0, -1.0]), Dense([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0]])]
    known = prepared(dense_relu(layers), EXACT)
    inputs = inputs_of(Box((-0.5,), (0.5,)), EXACT)
    assert sum(encoded(known, inputs, analysed(known, inputs)).building.binary) == 1


# --- verdicts -----------------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("objective", ["worst-margin", "feasibility", "closest"])
def test_its_verdicts_are_those_of_crown_and_of_branching(solver: str, objective: str) -> None:
    rng, verdicts = random.Random(5), []
    milp = verifier(f"milp:{solver},{objective}", Deployment(REAL))
    for number in range(8):
        network = random_network(rng, (2, 5, 4, 3), FLOAT32, True)
        centre = [rng.randrange(-8, 8) / 8 for _ in range(2)]
        width = (0.05, 0.25, 0.5, 1.0)[number % 4]
        box = Box(tuple(x - width for x in centre), tuple(x + width for x in centre))
        claim, crown, bab = (
            one.verify(network, box) for one in (milp, *(verifier(n, Deployment(REAL)) for n in ("crown", "bab")))
        )
        for other in (crown, bab):
            assert other.verdict == "unknown" or claim.verdict in (other.verdict, "unknown")
        verdicts.append(claim.verdict)
        if claim.verdict == "sat":
            assert all(low <= x <= high for low, x, high in zip(box.lower, claim.point, box.upper, strict=True))
    assert {"sat", "unsat"} <= set(verdicts)
    assert objective != "worst-margin" or "unknown" not in verdicts


@both
@pytest.mark.parametrize("objective", ["worst-margin", "feasibility", "closest"])
def test_properties_that_cannot_hold_or_always_do(solver: str, objective: str) -> None:
    network = dense_relu([Dense([[1.0, 1.0], [1.0, -1.0]]), Dense([[1.0, 1.0], [1.0, -1.0]])])
    box, milp = Box((-1.0, -1.0), (1.0, 1.0)), verifier(f"milp:{solver},{objective}", Deployment(REAL))

    def verdict(*conjunctions: tuple[Inequality, ...]) -> str:
        return milp.verify(network, box, Property(conjunctions)).verdict

    low, high = inequality([1.0, 0.0], 0.25), inequality([-1.0, 0.0], -0.5)
    # a point on the edge, which the two others may give, can miss it by the tolerance: then nothing is said
    holds = {"sat"} if objective == "worst-margin" else {"sat", "unknown"}
    assert {verdict((low,)), verdict((high,)), verdict((low, high), (high,))} <= holds
    assert verdict((low, high)) == "unsat"  # at most 0.25 and at least 0.5
    assert verdict() == "unsat"
    assert verdict(()) == "sat"
    assert verdict((inequality([0.0, 0.0], -1.0),)) == "unsat"
    assert verdict((inequality([0.0, 0.0], 1.0),)) == "sat"


@both
def test_a_ball_is_one_for_scip_and_a_box_for_highs(solver: str) -> None:
    network = dense_relu([Dense([[1.0, 1.0], [0.0, 0.0]], [0.0, 2.263])])  # CROWN excludes it, but not clearly
    corner = verifier(f"milp:{solver}", Deployment(REAL)).verify(network, Ball((0.0, 0.0), Fraction(8, 5)), one_class(1, 2))
    assert corner.verdict == {"highs": "unknown", "scip": "unsat"}[solver]  # 1.6 sqrt 2 < 2.263 < 1.6 * 2
    ball = Ball((0.0, 0.0), Fraction(9, 4))
    reached = verifier(f"milp:{solver}", Deployment(REAL)).verify(network, ball, one_class(1, 2))
    assert reached.verdict == "sat"
    assert sum(Fraction(x) ** 2 for x in reached.point) <= ball.radius**2
    assert TIED.violated(exact_logits(network, reached.point))


@both
@pytest.mark.parametrize("reasoning", [NEAREST32, NEAREST64, EXACT], ids=lambda one: one.name)
def test_a_point_violates_exactly_whatever_the_bounds_are_computed_in(solver: str, reasoning: Reasoning) -> None:
    rng, points = random.Random(3), 0
    for _ in range(6):
        network = random_network(rng, (3, 6, 3), FLOAT32, True)
        unsafe = one_class(0, 3)
        claim = MilpVerifier(reasoning, solver).verify(network, Box((-1.0,) * 3, (1.0,) * 3), unsafe)
        if claim.verdict == "sat":
            points += 1
            assert unsafe.violated(exact_logits(network, claim.point))
    assert points


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("milp", marks=needs["highs"]),
        pytest.param("milp:scip", marks=needs["scip"]),
        pytest.param("milp:scip,feasibility", marks=needs["scip"]),
    ],
)
def test_small_weights_are_left_out_so_that_it_is_wrong(name: str) -> None:
    """Twice x, from 0 to 2, is at least 1.5 somewhere; with 0 in place of the small weight it is 0."""
    small = 2.0**-36
    network, box = dense_relu([Dense([[small]]), Dense([[2 / small]])]), Box((0.0,), (2.0,))
    unsafe = Property(((inequality([-1.0], -1.5),),))
    assert unsafe.violated(exact_logits(network, (2.0,)))
    assert verifier("bab", Deployment(REAL)).verify(network, box, unsafe).verdict == "sat"
    assert verifier(name, Deployment(REAL)).verify(network, box, unsafe).verdict == "unsat"


@both
def test_numbers_that_solvers_do_not_take_are_said(solver: str) -> None:
    network = dense_relu([Dense([[1e15], [-1.0]])])
    claim = verifier(f"milp:{solver}", Deployment(REAL)).verify(network, Box((-1.0,), (1.0,)))
    assert (claim.verdict, claim.reason) == (
        "unknown",
        f"{solver} gives no answer: numbers from 1e+15 on in its rows are too large",
    )


@both
def test_what_crown_excludes_clearly_is_asked_of_no_solver(solver: str) -> None:
    """No solver takes these rows."""
    network = dense_relu([Dense([[1e15], [-1.0]])])
    asked = verifier(f"milp:{solver}", Deployment(REAL))
    clear = asked.verify(network, Box((0.5,), (1.0,)), one_class(0, 2))
    assert (clear.verdict, clear.reason) == ("unsat", "")
    close = asked.verify(network, Box((2.0**-60,), (1.0,)), one_class(0, 2))  # excluded by 8.7e-4
    assert (close.verdict, close.reason.split(":")[0]) == ("unknown", f"{solver} gives no answer")


@needs["highs"]
def test_a_program_that_is_too_large_is_one_line_with_what_to_ask() -> None:
    network = dense_relu([Dense(np.ones((2049, 2049)))])
    with pytest.raises(InputError, match="more than 4194304 entries is too large for milp: ask crown, or bab") as caught:
        verifier("milp", Deployment(REAL)).verify(network, Box((0.0,) * 2049, (1.0,) * 2049))
    assert "\n" not in str(caught.value)


# --- time, memory, output -----------------------------------------------------------------------------------------------------


def hard() -> tuple[Network, Box]:
    """A question with hundreds of binaries."""
    network = random_network(random.Random(1), (12, 60, 60, 60, 2), FLOAT32, True)
    return network, Box((-1.0,) * 12, (1.0,) * 12)


@both
def test_a_budget_ends_the_solver(solver: str) -> None:
    network, box = hard()
    unsafe = Property(((inequality([1.0, -1.0], -400.0),),))
    started = time.monotonic()
    claim = verifier(f"milp:{solver}", Deployment(REAL)).verify(network, box, unsafe, budget=1.5)
    assert time.monotonic() - started < 5
    assert (claim.verdict, claim.reason) == ("unknown", "the time limit is over")


@needs["highs"]
def test_a_process_without_memory_gives_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with Pool(lambda _: Worker(solving.MODULE, memory=96 << 20)) as small:
        monkeypatch.setattr(solving, "_workers", small)
        claim = verifier("milp", Deployment(REAL)).verify(TIE, TIE_BOX, TIED)
    assert claim.verdict == "unknown"
    assert claim.reason.startswith("highs gives no answer: ")


@both
def test_nothing_is_printed_and_equal_questions_have_equal_claims(solver: str, capfd: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(9)
    network, box = random_network(rng, (3, 8, 8, 3), FLOAT32, True), Box((-0.5,) * 3, (0.5,) * 3)
    claims = [verifier(f"milp:{solver}", Deployment(REAL)).verify(network, box) for _ in range(2)]
    assert claims[0] == claims[1]
    assert claims[0].point == claims[1].point
    assert claims[0].versions[PACKAGES[solver]] == package_version(PACKAGES[solver])
    assert capfd.readouterr().out == ""


# --- the class of the middle --------------------------------------------------------------------------------------------------


@both
def test_a_class_that_is_guessed_from_wide_ends_is_not_refuted(solver: str) -> None:
    large = 2.0**20  # that cancels: class 1 is above class 0 by 2**-30 everywhere, and its least bound is far below
    network = dense_relu([Dense([[1.0, 0.0], [large, 1.0 - large]], [0.0, 2.0**-30])])
    judge = MilpVerifier(EXACT, solver)
    for region in (Box((1.0, 1.0), (1.0, 1.0)), Box((1.0, 1.0), (1.0 + 2.0**-52, 1.0))):
        claim = judge.verify(network, region)
        assert (claim.verdict, claim.point) == ("unknown", ())
        assert claim.reason == "the class of the middle is not certain"
        assert judge.verify(network, region, one_class(0, 2)).verdict == "sat"  # of a class that is named it is


@both
def test_a_network_without_a_class_is_refuted_by_a_point_of_another(solver: str) -> None:
    network = dense_relu([Dense([[1.0], [-1.0]])])
    claim = MilpVerifier(EXACT, solver).verify(network, Box((-1.0,), (2.0,)))
    assert claim.verdict == "sat"
    assert claim.point[0] <= 0
