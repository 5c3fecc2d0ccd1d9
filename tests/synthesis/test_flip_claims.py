"""Flips: what is found disagrees in an independent evaluation, stays within its ranges, and impossible comes with a proof."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from profiles import slow, slowly

from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, TF32
from fpsynth.orders import Builder, Tree, fixed_order, parse_order
from fpsynth.predicates import Predicate
from fpsynth.rounding import Rounding
from fpsynth.solvers.engines import engines_named
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.flips import FlipQuestion, find_flip
from fpsynth.synthesis.flips.arithmetics import same
from fpsynth.synthesis.flips.question import common_format
from fpsynth.synthesis.settings import Settings
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness.data import View

SAMPLING = Settings(engines_named("sampling"), seconds=20.0, jobs=1, improvement=1.0)
SIGN, RELU, ARGMAX = Predicate("sign"), Predicate("relu"), Predicate("argmax")
FAMILIES = ("sequential", "reverse", "pairwise", "strided:4")


def float32(order, **rest):
    return Arithmetic(FLOAT32, order=parse_order(order), **rest)


SEQUENTIAL, REVERSE, PAIRWISE, STRIDED = map(float32, FAMILIES)


def question(*hows, terms, predicate=SIGN, weights=(-1, 1), inputs=(-1, 1), fmt=FLOAT32, **rest):
    names = ["a", "b", *(f"silent{k}" for k in range(1, len(hows)))]
    roles = ["reference", "deployed", *["silent"] * len(hows)]
    deployments = [how if isinstance(how, Deployment) else Deployment(how) for how in hows]
    views = tuple(View(n, str(d), r, d) for n, d, r in zip(names, deployments, roles, strict=False))
    domains = [Interval(Fraction(low), Fraction(high)) for low, high in (weights, inputs)]
    return FlipQuestion("order", fmt, terms, predicate, views, *domains, **rest)


def found(asked, settings=SAMPLING):
    """The divergence, after everything that must hold of one whatever was asked."""
    result = find_flip(asked, settings)
    assert result.verdict is Verdict.FOUND, result.reason
    divergence = result.divergence
    assert divergence.network.widths == (asked.terms, asked.outputs)
    assert all(asked.weights.lower <= Fraction(w) <= asked.weights.upper for w in divergence.network.entries())
    assert all(asked.inputs.lower <= Fraction(x) <= asked.inputs.upper for x in divergence.point)
    reference, deployed, *silent = (view.logits for view in divergence.views)
    assert asked.predicate.holds(reference, deployed)
    assert not any(asked.predicate.fires(logits, reference) for logits in silent)
    assert divergence.measure == asked.predicate.measure(reference, deployed)
    row = divergence.network.dense_layers[0].weight[0].tolist()
    assert divergence.real[0] == sum(Fraction(w) * Fraction(x) for w, x in zip(row, divergence.point, strict=True))
    assert result.strict is not None
    return result


def in_numpy(family, divergence, row=0, dtype=np.float32):
    """A family's sum by numpy's own additions, written without fpsynth's trees."""
    products = np.array(divergence.network.dense_layers[0].weight[row], dtype) * np.array(divergence.point, dtype)
    if family == "pairwise":
        while len(products) > 1:
            even = len(products) // 2 * 2
            products = np.concatenate([products[:even:2] + products[1:even:2], products[even:]])
        return products[0]
    if family == "reverse":
        products = products[::-1]
    lanes = int(family.partition(":")[2] or 1)
    sums = [np.add.accumulate(products[lane::lanes])[-1] for lane in range(min(lanes, len(products)))]
    return np.add.accumulate(np.array(sums, dtype))[-1]


@pytest.mark.parametrize("terms", [3, 8, 64, *slowly(512, 4096)])
def test_every_pair_of_families_flips_a_sign_and_numpy_agrees(terms):
    for a, b in itertools.combinations(FAMILIES, 2):
        asked = question(float32(a), float32(b), terms=terms)
        if same(float32(a), float32(b), terms):
            assert find_flip(asked, SAMPLING).verdict is Verdict.IMPOSSIBLE
            continue
        result = found(asked)
        values = [in_numpy(family, result.divergence) for family in (a, b)]
        assert [Fraction(float(v)) for v in values] == [view.logits[0] for view in result.divergence.views]
        assert (values[0] > 0) != (values[1] > 0)
        assert result.strict == (terms > 3), "with four terms or more the signs are opposite"


def test_the_published_shape_is_found_in_a_wide_range():
    result = found(question(SEQUENTIAL, REVERSE, terms=3, weights=(-(2**24), 2**24), ones=True))
    row = result.divergence.network.dense_layers[0].weight[0].tolist()
    assert set(result.divergence.point) == {1.0}
    assert sorted(map(abs, row)) == [1.0, 2.0**24, 2.0**24]


@pytest.mark.parametrize(
    ("a", "b", "fmt"),
    [
        (SEQUENTIAL, float32("sequential", fused=True), FLOAT32),
        (float32("pairwise", fused=True), float32("pairwise", fused=True, rounded=(1, 5)), FLOAT32),
        (SEQUENTIAL, float32("sequential", rounding=Rounding.RTZ), FLOAT32),
        (SEQUENTIAL, float32("sequential", flush=True), FLOAT32),
        (SEQUENTIAL, float32("sequential", operands=TF32), FLOAT32),
        (Arithmetic(FLOAT16), Arithmetic(FLOAT16, accumulator=FLOAT32), FLOAT16),
        (Arithmetic(BFLOAT16), Arithmetic(BFLOAT16, accumulator=FLOAT32), BFLOAT16),
        (
            SEQUENTIAL,
            Arithmetic(FLOAT32, fused=True, order=fixed_order(Tree(8, ((0, 1, 2, 3), (8, 4, 5), (9, 6, 7))))),
            FLOAT32,
        ),
    ],
)
def test_arithmetics_that_differ_in_something_other_than_the_order_flip(a, b, fmt):
    assert found(question(a, b, terms=8, fmt=fmt)).strict


@pytest.mark.parametrize("terms", [1, 2])
def test_flushing_shows_in_one_or_two_products(terms):
    flushed = float32("sequential", flush=True)
    assert {view.logits[0] == 0 for view in found(question(SEQUENTIAL, flushed, terms=terms)).divergence.views} == {True, False}


def test_fusing_shows_in_two_products():
    found(question(SEQUENTIAL, float32("sequential", fused=True), terms=2))


@pytest.mark.parametrize(("low", "high"), [("0.1", 1), (-1, "-0.1"), ("0.3", "0.45")])
def test_ranges_without_zero_are_honoured(low, high):
    for terms in (3, 64):
        found(question(SEQUENTIAL, REVERSE, terms=terms, predicate=ARGMAX, weights=(low, high), inputs=("0.1", 1)))


def test_ranges_without_a_power_of_two_are_honoured():
    found(question(SEQUENTIAL, PAIRWISE, terms=16, weights=("-0.3", "0.45"), inputs=("0.3", "0.45")))


def test_a_gap_is_at_least_what_was_asked_for_and_grows_when_maximised():
    gap = Predicate("gap", bound=Fraction(1, 2**25))
    plain = found(question(SEQUENTIAL, PAIRWISE, terms=64, predicate=gap)).divergence
    grown = found(question(SEQUENTIAL, PAIRWISE, terms=64, predicate=gap, maximise=True)).divergence
    assert Fraction(1, 2**25) <= plain.measure < grown.measure / 8
    assert any("not proved" in note for note in grown.provenance.notes)


@slow  # as the one that grows when it is maximised
def test_a_gap_beyond_the_closed_form_is_grown():
    bound = Fraction(6, 10**6)
    assert found(question(SEQUENTIAL, REVERSE, terms=64, predicate=Predicate("gap", bound=bound))).divergence.measure >= bound


def test_a_wide_range_gives_a_gap_of_one():
    gap = Predicate("gap", bound=Fraction(1))
    assert found(question(SEQUENTIAL, PAIRWISE, terms=512, predicate=gap, weights=(-(2**24), 2**24))).divergence.measure >= 1


@pytest.mark.parametrize("terms", [3, 512])
def test_classes_flip(terms):
    result = found(question(SEQUENTIAL, REVERSE, terms=terms, predicate=ARGMAX))
    for family, view in zip(("sequential", "reverse"), result.divergence.views, strict=True):
        assert [Fraction(float(in_numpy(family, result.divergence, row))) for row in (0, 1)] == list(view.logits)


def test_an_arithmetic_of_one_output_position_alone_flips_the_class():
    tail = Deployment(SEQUENTIAL, (((0, 1), PAIRWISE),))
    found(question(SEQUENTIAL, tail, terms=64, predicate=ARGMAX))


@pytest.mark.parametrize("terms", [3, 8, 512])
def test_camouflage_leaves_no_zero_and_no_giant(terms):
    result = found(question(SEQUENTIAL, REVERSE, terms=terms, camouflage=True))
    assert all(result.divergence.network.entries())
    assert all(result.divergence.point)
    assert result.standing_out < 100
    assert "no weight or input is zero" in result.divergence.provenance.notes[0]


def test_orders_that_differ_in_one_place_of_many_flip_even_in_camouflage():
    build = Builder(512)
    build.chain([build.add(0, build.add(1, 2)), *range(3, 512)])
    nearly = replace(SEQUENTIAL, order=fixed_order(build.tree()))
    found(question(SEQUENTIAL, nearly, terms=512))
    found(question(SEQUENTIAL, nearly, terms=512, camouflage=True))


@pytest.mark.parametrize("rest", [{}, {"camouflage": True}, {"predicate": RELU}])
def test_a_detector_fires_in_one_arithmetic_and_in_none_of_six_others(rest):
    silent = [
        PAIRWISE,
        STRIDED,
        *map(float32, ("strided:2", "strided:8")),
        *(replace(h, fused=True) for h in (SEQUENTIAL, STRIDED)),
    ]
    found(question(SEQUENTIAL, REVERSE, *silent, terms=64, **rest))


@pytest.mark.parametrize(("a", "b"), list(itertools.permutations((FLOAT16, BFLOAT16, TF32, FLOAT32, FLOAT64), 2)))
def test_every_pair_of_formats_flips(a, b):
    found(question(Arithmetic(a), Arithmetic(b), terms=8, fmt=common_format(a, b)))


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_negative_in_the_reals_is_positive_in_an_order(family):
    divergence = found(question(REAL, float32(family), terms=8, predicate=RELU)).divergence
    assert divergence.real[0] < 0 < in_numpy(family, divergence)


def test_the_real_effect_grows_when_maximised():
    small = found(question(REAL, PAIRWISE, terms=64, predicate=RELU)).divergence
    large = found(question(REAL, PAIRWISE, terms=64, predicate=RELU, maximise=True)).divergence
    assert large.measure > 4 * small.measure


def test_two_terms_have_one_order():
    result = find_flip(question(SEQUENTIAL, REVERSE, terms=2), SAMPLING)
    assert result.verdict is Verdict.IMPOSSIBLE
    assert result.proof.method == "structural"
    assert "same expression" in result.reason
    assert result.seconds < 1


def test_a_silent_view_that_is_the_deployed_one_makes_it_impossible():
    result = find_flip(question(SEQUENTIAL, REVERSE, REVERSE, terms=8), SAMPLING)
    assert result.verdict is Verdict.IMPOSSIBLE
    assert "must be silent" in result.reason


def test_products_of_one_sign_never_flip_a_sign():
    result = find_flip(question(SEQUENTIAL, REVERSE, terms=64, weights=("0.1", 1), inputs=("0.1", 1)), SAMPLING)
    assert result.verdict is Verdict.IMPOSSIBLE
    assert "same sign" in result.reason


def test_products_of_one_sign_that_may_underflow_are_not_called_impossible():
    flushed = float32("sequential", flush=True)
    tiny = ("1e-20", 1)
    found(question(SEQUENTIAL, flushed, terms=1, weights=tiny, inputs=tiny))


def test_three_unfused_products_never_have_opposite_signs():
    result = find_flip(question(SEQUENTIAL, REVERSE, terms=3, predicate=RELU), SAMPLING)
    assert result.verdict is Verdict.IMPOSSIBLE
    assert "monotonic" in result.reason


@pytest.mark.parametrize("rounding", list(Rounding))
def test_no_small_sum_contradicts_that_theorem(rounding):
    """All triples of a coarse grid, which have plenty of ties, in every rounding mode."""
    from fpsynth.evaluators.float_arrays import add_arrays
    from fpsynth.formats import FLOAT8_E5M2

    grid = np.array([s * m * 2.0**e for s in (-1, 1) for e in range(-2, 3) for m in (1, 1.25, 1.5, 1.75)])
    i, j, k = (axis.ravel() for axis in np.meshgrid(grid, grid, grid))

    def add(x, y):
        return add_arrays(x, y, FLOAT8_E5M2, rounding)

    assert not (add(add(i, j), k) * add(i, add(j, k)) < 0).any()


def test_a_gap_beyond_all_rounding_errors_is_refuted():
    result = find_flip(question(SEQUENTIAL, REVERSE, terms=3, predicate=Predicate("gap", bound=Fraction(10**6))), SAMPLING)
    assert result.verdict is Verdict.IMPOSSIBLE
    assert "never more than" in result.reason


def test_what_is_neither_found_nor_refuted_is_unknown_with_a_reason():
    asked = question(SEQUENTIAL, REVERSE, terms=64, predicate=Predicate("gap", bound=Fraction(4, 10**4)))
    result = find_flip(asked, replace(SAMPLING, seconds=0.5))
    assert result.verdict is Verdict.UNKNOWN
    assert result.divergence is None
    assert result.proof is None
    assert result.reason
    assert result.seconds < 5


def test_no_time_at_all_is_unknown():
    result = find_flip(question(SEQUENTIAL, REVERSE, terms=8), replace(SAMPLING, seconds=0.0))
    assert result.verdict is Verdict.UNKNOWN
    assert "time limit" in result.reason


def test_the_same_seed_gives_the_same_flip():
    asked = question(SEQUENTIAL, REVERSE, terms=64, camouflage=True)
    first, again = (found(asked).divergence for _ in range(2))
    assert (first.network, first.point) == (again.network, again.point)
    other = found(asked, replace(SAMPLING, seed=1)).divergence
    assert other.network != first.network


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ({"terms": 0}, "terms"),
        ({"terms": 4097}, "4096"),
        ({"predicate": Predicate("equal")}, "equal"),
        ({"ones": True, "inputs": (2, 3)}, "all inputs are to be 1"),
        ({"weights": (-(2**200), 1)}, "exceeds"),
        ({"fmt": FLOAT64}, "does not hold every number"),
    ],
)
def test_questions_that_make_no_sense_are_refused(rest, message):
    with pytest.raises(InputError, match=message):
        question(SEQUENTIAL, REVERSE, **{"terms": 8, **rest})


def test_an_order_of_another_number_of_terms_is_refused():
    with pytest.raises(InputError, match="leaves"):
        question(SEQUENTIAL, replace(SEQUENTIAL, order=fixed_order(Tree(2, ((0, 1),)))), terms=8)
