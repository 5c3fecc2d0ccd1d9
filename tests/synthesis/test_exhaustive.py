"""The enumeration finds what looking at everything finds: all modes, objectives, signs, with and without zero, overflow."""

import itertools
from fractions import Fraction

import pytest
from profiles import SLOW, every_second, slow
from tie_questions import E4P4, E4P4FN, E4P5, E5P3, best, question, scalar_ties
from tie_questions import numbers as every_number

from fpsynth.evaluators.recheck import failures
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT16, FLOAT32, TF32
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.ties.exhaustive import contradiction, enumerate_ties, feasible, numbers
from fpsynth.synthesis.ties.question import OBJECTIVES, TieQuestion, build

DOMAINS = [
    (E5P3, "0.1:1", "0.1:1"),
    (E4P4, "0.5:1.5", "0.5:2"),
    (E4P4, "0.5:1.5", "-2:-0.5"),  # negative inputs: the smaller weight is ahead
    (E4P4, "-1.5:-0.5", "0.5:2"),
    (E4P4, "-1.5:-0.5", "-2:-0.5"),
    (E4P4, "-0.02:0.02", "0.5:1.5"),  # zero and both signs among the weights, subnormal
    (E4P4, "0.5:1", "-0.02:0.02"),  # zero and both signs among the inputs
    (E4P4, "0.5:1", "0:0.03"),  # zero at the end
    (E4P4, "0.01:0.05", "0.05:0.3"),  # products underflow
    (E4P4, "10:30", "6:12"),  # products overflow
    (E4P4FN, "10:30", "6:12"),  # and become NaN
    (E4P5, "0.5:0.9", "1:2"),
    (E5P3, "1e-4:1", "1000:4000"),
]


@pytest.mark.parametrize(("domain", "mode"), every_second(itertools.product(DOMAINS, Rounding)))
def test_the_optimum_is_that_of_looking_at_everything(domain, mode):
    fmt, weights, inputs = domain
    cases = list(itertools.product(OBJECTIVES, (1, 2, 17)))
    for objective, ratio in cases if SLOW else cases[list(Rounding).index(mode) % 2 :: 2]:
        asked = question(fmt, weights, inputs, objective=objective, min_ratio=ratio, mode=mode)
        assert feasible(asked)
        found = enumerate_ties(asked)
        assert found.value == best(asked), (objective, ratio)
        assert (found.best is None) == (found.value is None)
        if found.best is not None:
            assert failures(build(asked), found.best) == []


def test_some_of_these_domains_hold_ties_and_some_do_not():
    values = [best(question(*domain, min_ratio=ratio)) for domain in DOMAINS for ratio in (1, 17)]
    assert None in values
    assert sum(value is not None for value in values) >= len(DOMAINS)


def test_a_least_ratio_pulls_the_farthest_counterexample_in():
    # once only the farthest tie within the radius and the nearest one were looked at: 7/512 was called the largest distance
    asked = question(E4P4, "0.5:1", "-0.02:0.02", objective="distance", min_ratio=2)
    assert enumerate_ties(asked).value == best(asked) == Fraction(1, 64)


def test_a_ratio_of_exactly_one_is_no_tie_within_the_radius():
    # the certifier accepts only radii below margin / L: a point at exactly that distance is not certified
    asked = question(E4P4, "0.5:1", "-0.02:0.02", objective="distance")
    on_the_rim = max(d for m, g, d in scalar_ties(E4P4, asked.weights, asked.inputs, Rounding.RNE) if m == g * d)
    assert on_the_rim > enumerate_ties(asked).value


@pytest.mark.parametrize(
    ("fmt", "optimum"),
    [pytest.param(FLOAT16, 2048, marks=slow), (BFLOAT16, 256), (FLOAT8_E4M3FN, 32)],
    ids=["float16", "bfloat16", "float8_e4m3fn"],
)
def test_the_largest_ratio_on_the_default_domain(fmt, optimum):
    assert enumerate_ties(question(fmt)).value == optimum


def test_it_says_when_it_could_not_look_at_everything():
    cut = enumerate_ties(question(FLOAT16), seconds=0.3)
    assert not cut.complete
    whole = enumerate_ties(question(BFLOAT16), seconds=60)
    assert whole.complete
    assert cut.weight_pairs < 6877  # what the whole domain needs


def test_it_does_not_take_on_what_float64_cannot_hold():
    # distances of such inputs need 80 bits and more
    assert not feasible(question(BFLOAT16, "0.1:1", "1e-21:1e-3"))
    assert feasible(question(BFLOAT16, "0.1:1", "1e-6:1e-3"))


def test_it_does_not_take_on_what_it_does_not_describe():
    assert not feasible(question(FLOAT32))
    assert not feasible(question(BFLOAT16, shape=(2, 2)))
    assert not feasible(question(FLOAT16, "0.0001:1", "0.0001:1"))
    assert not feasible(question(FLOAT16, "0.1:1", "0:1"))
    assert not feasible(question(FLOAT16, "0.1:1", "0:0.0001"))  # with a zero no pair is left out: 2 * 10**10 triples
    assert feasible(question(FLOAT16, "0.5:0.6", "0:0.0001"))
    assert feasible(question(TF32))
    asked = question(E4P4)
    towards_zero = Arithmetic(E4P4, rounding=Rounding.RTZ)
    uneven = Deployment(asked.deployments[0].default, (((0, 1), towards_zero),))
    assert not feasible(TieQuestion(E4P4, (1, 2), (uneven,), asked.weights, asked.inputs))
    assert not feasible(TieQuestion(E4P4, (1, 2), (Deployment(towards_zero), *asked.deployments), asked.weights, asked.inputs))


@pytest.mark.parametrize("fmt", [E5P3, E4P4, E4P4FN], ids=str)
@pytest.mark.parametrize(
    "ends", [("-0.3", "0.4"), ("0", "0"), ("0.1", "0.11"), ("-2", "-1.9"), ("0.001", "0.002"), ("3", "3.5")]
)
def test_it_counts_the_numbers_of_a_range(fmt, ends):
    interval = Interval(*map(Fraction, ends))
    assert numbers(interval, fmt) == len(every_number(interval, fmt))


@pytest.mark.parametrize("shape", [(1, 2), (3, 2), (2, 3, 2)])
def test_a_single_weight_or_a_single_input_is_a_contradiction(shape):
    assert "logits are always equal" in contradiction(question(FLOAT32, "0.5:0.5", shape=shape))
    assert "points coincide" in contradiction(question(FLOAT32, inputs="0.5:0.50000001", shape=shape))
    assert contradiction(question(FLOAT32, shape=shape)) == ""
    assert contradiction(question(E4P4, "0:0.001", shape=shape)) != ""  # the zeros count once
