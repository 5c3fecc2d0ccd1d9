"""The query means what it says: its assertions hold of exactly the assignments that plain exact arithmetic calls a tie."""

import itertools
import math
import random
from dataclasses import replace
from fractions import Fraction

import pytest
from profiles import SLOW, every_second
from tie_questions import E4P4, E4P4FN, E5P3, numbers, question

from fpsynth import rounding as r
from fpsynth.errors import InputError
from fpsynth.evaluators.recheck import failures
from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.ties.question import OBJECTIVES, Bound, TieQuestion, build, solution, symbolic_network, weight_name


def forward(shape, values, point, fmt, mode=Rounding.RNE):
    """Logits of the network without biases, sums from left to right; None where one is not a number."""
    now = [r.from_fraction(values[f"{point}{k}"]) for k in range(shape[0])]
    for layer, outputs in enumerate(shape[1:]):
        if layer:
            now = [r.maximum(v, r.PLUS_ZERO) for v in now]
        rows = [[r.from_fraction(values[weight_name(layer, j, k)]) for k in range(shape[layer])] for j in range(outputs)]
        sums = []
        for row in rows:
            products = [r.round_value(r.exact_mul(w, x), fmt, mode) for w, x in zip(row, now, strict=True)]
            total = products[0]
            for product in products[1:]:
                total = r.round_value(r.exact_add(total, product, mode), fmt, mode)
            sums.append(total)
        now = sums
    return [v.fraction() if v.is_finite else None for v in now]


def is_tie(asked, values):
    """Whether the numbers are a certified tie of at least the demanded ratio; and the squares of its objectives."""
    at_a, at_b = (forward(asked.shape, values, point, asked.format) for point in "ab")
    if None in at_a or None in at_b or at_a[0] != at_a[1] or max(at_a) > at_a[0]:
        return False, {}
    distance = sum((values[f"a{k}"] - values[f"b{k}"]) ** 2 for k in range(asked.shape[0]))
    hidden, layers = Fraction(1), len(asked.shape) - 1
    for layer in range(layers - 1):
        sizes = range(asked.shape[layer + 1]), range(asked.shape[layer])
        hidden *= sum(values[weight_name(layer, j, k)] ** 2 for j, k in itertools.product(*sizes))
    worst = {"ratio": [], "radius": [], "margin": [], "distance": [distance]}
    for other in range(asked.shape[-1]):
        if other == 1:
            continue
        margin = at_b[1] - at_b[other]
        columns = range(asked.shape[-2])
        gap = hidden * sum(
            (values[weight_name(layers - 1, 1, k)] - values[weight_name(layers - 1, other, k)]) ** 2 for k in columns
        )
        if margin <= 0 or margin**2 <= gap * distance or margin**2 < asked.min_ratio**2 * gap * distance:
            return False, {}
        worst["margin"].append(margin**2)
        worst["radius"].append(margin**2 / gap)
        worst["ratio"].append(margin**2 / (gap * distance))
    return True, {name: min(squares) for name, squares in worst.items()}


def assignments(asked, count, seed):
    """Random assignments with a and b, and the first two rows of the last layer, near each other."""
    draw = random.Random(seed)
    weights, inputs = numbers(asked.weights, asked.format), numbers(asked.inputs, asked.format)

    def near(number, among):
        place = among.index(number) + draw.choice((-2, -1, 0, 1, 2))
        return among[min(max(place, 0), len(among) - 1)]

    last = len(asked.shape) - 2
    for _ in range(count):
        values = {w.name: draw.choice(weights) for w in symbolic_network(asked).entries()}
        for k in range(asked.shape[-2]):
            values[weight_name(last, 1, k)] = near(values[weight_name(last, 0, k)], weights)
        for k in range(asked.shape[0]):
            values[f"b{k}"] = draw.choice(inputs)
            values[f"a{k}"] = near(values[f"b{k}"], inputs)
        yield values


def as_values(values):
    return {name: r.from_fraction(number) for name, number in values.items()}


def root(square):
    """A rational root, the very one where there is one."""
    n, d = math.isqrt(square.numerator), math.isqrt(square.denominator)
    return Fraction(n, d) if Fraction(n, d) ** 2 == square else Fraction(math.isqrt(square * 4**60 // 1), 2**60)


SHAPES = [((1, 2), 1000), ((3, 2), 1200), ((2, 3, 2), 1500), ((2, 3), 1500)]


BOTH_SIGNS = ("-2:2", "-1.5:1.5")
RANGES = [("0.3:1.5", "0.3:1.5"), BOTH_SIGNS]


@pytest.mark.parametrize(
    ("case", "ranges"),
    every_second(itertools.product(SHAPES, RANGES), always=lambda case, ranges: ranges is BOTH_SIGNS),
    ids=str,
)
def test_the_assertions_hold_of_exactly_the_certified_ties(case, ranges):
    shape, tries = case
    asked = question(E5P3, *ranges, shape=shape)
    problem, yes = build(asked), 0
    for number, values in enumerate(assignments(asked, tries if SLOW else tries // 2, seed=1)):
        expected, _ = is_tie(asked, values)
        yes += expected
        if expected or number % 10 == 0:  # most are far from a solution
            assert (failures(problem, as_values(values)) == []) == expected, values
    assert yes >= 3


@pytest.mark.parametrize(("shape", "tries"), SHAPES, ids=str)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_further_demand_is_met_from_its_very_value_on(shape, tries, objective):
    asked = question(E5P3, "-2:2", "0.3:1.5", shape=shape)
    ties = ((values, said) for values in assignments(asked, tries, seed=2) for yes, said in [is_tie(asked, values)] if yes)
    values, said = next(ties)
    square = said[objective]
    at = root(square)
    for value, strict in itertools.product((at * Fraction(99, 100), at, at * Fraction(101, 100)), (True, False)):
        expected = value**2 < square or (value**2 == square and not strict)
        problem = build(asked, [Bound(objective, value, strict)])
        assert (failures(problem, as_values(values)) == []) == expected, (value, strict)


def test_the_least_ratio_counts_from_its_very_value_on():
    asked = question(E5P3, "0.3:1.5", "0.3:1.5")
    values, said = next((v, s) for v in assignments(asked, 4000, seed=3) for yes, s in [is_tie(asked, v)] if yes)
    ratio = root(said["ratio"])
    assert ratio**2 == said["ratio"]  # one input, one layer: norms are absolute values
    for demand, expected in [(ratio, True), (ratio + Fraction(1, 10**20), False), (Fraction(1, 2), True)]:
        assert (failures(build(replace(asked, min_ratio=demand)), as_values(values)) == []) == expected


def test_the_tie_must_happen_in_every_deployment():
    asked = question(E4P4, "1:1.875", "1:1.875")
    other = Deployment(Arithmetic(E4P4, rounding=Rounding.RNA))
    both = replace(asked, deployments=(*asked.deployments, other))
    outcomes = set()
    pairs = list(itertools.pairwise(numbers(asked.weights, E4P4)))
    for (w, v), (a, b) in itertools.product(pairs, [*pairs, *((high, low) for low, high in pairs)]):
        values = as_values({"w0_0_0": w, "w0_1_0": v, "a0": a, "b0": b})
        each = [failures(build(replace(asked, deployments=(d,))), values) == [] for d in both.deployments]
        assert (failures(build(both), values) == []) == all(each)
        outcomes.add(tuple(each))
    assert len(outcomes) == 4


@pytest.mark.parametrize("fmt", [E4P4, E4P4FN], ids=str)
def test_infinite_logits_are_no_tie(fmt):
    # both products at a overflow, to the same infinity or to NaN; without a demand on the logits that would be a tie
    asked = question(fmt, "28:36", "1:16")
    values = {"w0_0_0": 32, "w0_1_0": 36, "a0": 16, "b0": 15}
    assert forward((1, 2), values, "a", fmt) == [None, None]
    assert failures(build(asked), as_values(values)) != []
    assert len(build(asked).assertions) == len(build(question(fmt, "0.5:1", "0.5:1")).assertions) + 2


def test_sums_that_grow_by_rounding_alone_are_watched_for_overflow():
    # 64 products of at most 1 sum to 64 exactly, but rounded upward in three bits they leave any range
    shape = (64, 2)
    asked = question(E5P3, "0.9:1", "0.9:1", shape=shape, mode=Rounding.RTP)
    ones = {f"a{k}": 1 for k in range(64)} | {weight_name(0, j, k): 1 for j in range(2) for k in range(64)}
    assert forward(shape, ones, "a", E5P3, Rounding.RTP)[0] is None
    plain = question(E5P3, "0.9:1", "0.9:1", shape=(2, 2), mode=Rounding.RTP)
    assert len(build(asked).assertions) == len(build(plain).assertions) + 2


def test_the_unknowns_are_named_by_layer_output_and_source_and_paired_where_they_tend_to_be_near():
    problem = build(question(FLOAT16, "0.1:1", "0.5:2", shape=(2, 3, 2)))
    bounds = {v.name: (v.lower, v.upper) for v in problem.variables}
    assert len(bounds) == 2 * 3 + 3 * 2 + 2 + 2
    assert bounds["w1_1_2"] == (Fraction(1, 10), 1)
    assert bounds["a1"] == bounds["b0"] == (Fraction(1, 2), 2)
    assert problem.near == (("w1_0_0", "w1_1_0"), ("w1_0_1", "w1_1_1"), ("w1_0_2", "w1_1_2"), ("a0", "b0"), ("a1", "b1"))


def test_narrower_bounds_apply_to_the_unknowns_they_name():
    problem = build(question(FLOAT16), narrowed={"w0_1_0": Interval(Fraction(1, 4), Fraction(1, 2))})
    assert (problem.variable("w0_1_0").lower, problem.variable("w0_1_0").upper) == (Fraction(1, 4), Fraction(1, 2))
    assert problem.variable("w0_0_0").upper == 1


def test_a_solution_is_read_back_as_a_network_and_two_points():
    asked = question(FLOAT16, shape=(2, 3, 2))
    names = [v.name for v in build(asked).variables]
    network, a, b = solution(asked, {name: r.from_fraction(k + 1) for k, name in enumerate(names)})
    assert network.dense_layers[0].weight.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert network.dense_layers[1].weight.tolist() == [[7, 8, 9], [10, 11, 12]]
    assert (a, b) == ((13, 14), (15, 16))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shape": (2,)}, "needs inputs and outputs"),
        ({"shape": ()}, "needs inputs and outputs"),
        ({"shape": (0, 2)}, "at least 1"),
        ({"shape": (1, 0, 2)}, "at least 1"),
        ({"shape": (1, -1, 2)}, "at least 1"),
        ({"shape": (3, 1)}, "one output"),
        ({"shape": (999_999_999, 2)}, "too large"),
        ({"shape": (1, 999_999_999, 2)}, "too large"),
        ({"objective": "size"}, "unknown objective 'size'"),
        ({"min_ratio": Fraction(0)}, "above 0"),
        ({"min_ratio": Fraction(-1)}, "above 0"),
        ({"min_ratio": Fraction(10) ** 301}, "at most 1e\\+300"),
        ({"weights": Interval(Fraction(0), Fraction(10) ** 39)}, "the weights' range 0:1e\\+39 exceeds"),
        ({"inputs": Interval(Fraction(1) + Fraction(1, 2**40), Fraction(1) + Fraction(1, 2**39))}, "holds no float32 number"),
    ],
)
def test_questions_that_make_no_sense_are_refused(changes, words):
    asked = question(FLOAT32)
    with pytest.raises(InputError, match=words):
        TieQuestion(**{name: getattr(asked, name) for name in asked.__dataclass_fields__} | changes)
