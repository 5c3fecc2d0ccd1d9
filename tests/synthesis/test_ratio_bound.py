"""The bound on the ratio: refuted by solvers beyond it, attained by enumeration, silent where its argument does not hold."""

import itertools
from dataclasses import replace

import pytest
from profiles import every_second
from tie_questions import E4P4, best, question

from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.orders import parse_order
from fpsynth.problems import problem_from_json, problem_to_json
from fpsynth.rounding import Rounding
from fpsynth.solvers.base import Status
from fpsynth.solvers.engines import ENGINES
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.ties import ratio_bound
from fpsynth.synthesis.ties.exhaustive import enumerate_ties

P5, P6, P7 = Format("e6p5", 6, 5), Format("e6p6", 6, 6), Format("e6p7", 6, 7)
SIGNS = [("1:7.99", "1:7.99"), ("-7.99:-1", "1:7.99"), ("1:7.99", "-7.99:-1"), ("-7.99:-1", "-7.99:-1")]


@pytest.mark.parametrize("mode", Rounding)
@pytest.mark.parametrize("fmt", [P5, P6, P7], ids=str)
def test_enumeration_attains_the_bound_and_never_exceeds_it(fmt, mode):
    for weights, inputs in SIGNS:
        asked = question(fmt, weights, inputs, mode=mode)
        assert enumerate_ties(asked).value == ratio_bound.bound(asked), (weights, inputs)


def test_rounding_away_from_zero_allows_half_as_much_again():
    # once claimed to be 2**p in every mode
    assert ratio_bound.bound(question(P5, "1:2", "1:2", mode=Rounding.RTP)) == 48
    assert best(question(P5, "1:1.99", "1:1.99", mode=Rounding.RTP)) == 48
    assert ratio_bound.bound(question(P5, "-2:-1", "1:2", mode=Rounding.RTN)) == 48
    assert ratio_bound.bound(question(P5, "-2:-1", "1:2", mode=Rounding.RTP)) == 32
    assert ratio_bound.bound(question(P5, "-2:-1", "-2:-1", mode=Rounding.RTP)) == 48


RATIOS = [
    (P5, Rounding.RNE),
    (BFLOAT16, Rounding.RNE),
    (FLOAT16, Rounding.RNE),
    (BFLOAT16, Rounding.RTP),
    (FLOAT32, Rounding.RTZ),
]


@pytest.mark.parametrize(("of", "engine"), every_second(itertools.product(RATIOS, ["bitwuzla", "cvc5"])))
def test_two_engines_refute_a_larger_ratio(of, engine):
    fmt, mode = of
    pytest.importorskip(engine)
    answer = ENGINES[engine].solve(ratio_bound.theorem(fmt, mode), "significands", 0, 60, None)
    assert answer.status is Status.UNSAT, answer.reason


@pytest.mark.parametrize("mode", Rounding)
def test_the_same_cases_with_at_least_instead_of_above_have_a_solution(mode):
    # so the refutations are no accident of the statement
    pytest.importorskip("bitwuzla")
    data = problem_to_json(ratio_bound.theorem(BFLOAT16, mode))
    for node in data["nodes"]:
        node["op"] = "le" if node["op"] == "lt" else node["op"]
    answer = ENGINES["bitwuzla"].solve(problem_from_json(data), "significands", 0, 60, None)
    assert answer.status is Status.SAT, answer.reason


def test_below_the_normal_numbers_the_bound_is_exceeded_and_nothing_is_said():
    reaching_down = question(FLOAT16, "0.05:0.06", "0.0004:0.0012")
    assert ratio_bound.bound(reaching_down) is None
    assert enumerate_ties(reaching_down).value > 2048


@pytest.mark.parametrize(
    "asked",
    [
        question(E4P4, "0.5:1", "0.5:1"),  # p = 4: the case list is too short
        question(FLOAT16, "100:300", "100:300"),  # overflow
        question(FLOAT16, shape=(2, 2)),
        question(FLOAT16, shape=(1, 1, 2)),
        question(FLOAT16, "0.1:1", "1e-5:1"),  # subnormal inputs
        question(FLOAT16, "1e-5:1", "1:2"),  # subnormal weights
        question(FLOAT16, "-1:2", "1:2"),  # both signs
        question(FLOAT16, "1:2", "-1:2"),
        question(FLOAT16, "0:2", "1:2"),
    ],
    ids=lambda asked: f"{asked.format} {asked.shape} {asked.weights} {asked.inputs}",
)
def test_it_says_nothing_of(asked):
    assert ratio_bound.bound(asked) is None


def test_it_says_nothing_of_other_arithmetics():
    asked = question(FLOAT16)
    wide = Deployment(Arithmetic(FLOAT16, accumulator=FLOAT32))
    uneven = Deployment(Arithmetic(FLOAT16), (((0, 1), Arithmetic(FLOAT16, rounding=Rounding.RTZ)),))
    assert ratio_bound.bound(asked) == 2048
    assert ratio_bound.bound(replace(asked, deployments=(wide,))) is None
    assert ratio_bound.bound(replace(asked, deployments=(uneven,))) is None
    assert ratio_bound.bound(replace(asked, deployments=(*asked.deployments, wide))) is None


def test_what_does_not_matter_to_normal_products_does_not_matter():
    for how in (
        Arithmetic(FLOAT16, fused=True),
        Arithmetic(FLOAT16, flush=True),
        Arithmetic(FLOAT16, order=parse_order("reverse")),
    ):
        asked = replace(question(FLOAT16, "0.5:0.55", "0.5:1"), deployments=(Deployment(how),))
        assert ratio_bound.bound(asked) == 2048
        assert enumerate_ties(asked).value <= 2048
    assert ratio_bound.bound(question(FLOAT64)) == 2**53
