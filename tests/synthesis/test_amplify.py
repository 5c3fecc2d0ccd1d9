"""Differences of a few ulps become a gap of 1 through layers of bounded weights, for every pair of orders, in libraries too."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from fractions import Fraction
from itertools import permutations

import pytest
from detectors import bounded
from profiles import one_in

from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.libraries.pool import LibraryCall, LibraryPool
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import Builder, Tree, fixed_order, parse_order
from fpsynth.predicates import Predicate
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.synthesis.detecting.amplify import amplified
from fpsynth.witness.data import View, Witness, only_point
from fpsynth.witness.prediction import predicted_logits, with_prediction

FAMILIES = ["sequential", "reverse", "pairwise", "strided:2", "strided:4"]
LIBRARIES = {"numpy": "matmul", "torch": "linear"}


def arithmetic(order: str, fmt: Format = FLOAT32, **how: object) -> Arithmetic:
    return replace(Arithmetic(fmt, order=parse_order(order)), **how)


def view(name: str, how: Arithmetic) -> View:
    roles = {"a": "reference", "b": "deployed"}
    return View(name, str(how), roles.get(name, "silent"), Deployment(how))


A, B = view("a", arithmetic("sequential")), view("b", arithmetic("pairwise"))


def flip(kind: str, seed: int = 0, a: View = A, b: View = B, terms: int = 8) -> Witness:
    """A neuron with weights of at most 2 in magnitude and inputs 1 on which a and b differ in a few ulps, drawn at random."""
    draw = random.Random(seed)
    while True:
        row = [draw.choice([-1, 1]) * single(draw.uniform(1 / 16, 1 / 4)) for _ in range(terms)]
        if kind == "sign":  # the sum in order a is next to nothing: half an ulp of 1/16, or 0
            row[-1] = draw.choice([0, 2**-28, -(2**-28)]) - float(predicted(row[:-1], a.deployment.default)[0])
        (x,), (y,) = predicted(row, a.deployment.default), predicted(row, b.deployment.default)
        predicate = Predicate("sign") if kind == "sign" else Predicate("gap", bound=abs(x - y) or Fraction(1))
        if predicate.fires((y,), (x,)):
            views = (replace(a, logits=(x,)), replace(b, logits=(y,)))
            return Witness("order", FLOAT32, dense_relu((Dense((tuple(row),)),)), only_point((1.0,) * terms), predicate, views)


def predicted(row: list[float], how: Arithmetic) -> tuple[Fraction, ...]:
    return predicted_logits(dense_relu((Dense((tuple(row),)),)), (1.0,) * len(row), view("x", how))


def single(number: float) -> float:
    """The nearest float32."""
    return struct.unpack("f", struct.pack("f", number))[0]


def largest(found: Witness) -> float:
    return max(map(abs, found.network.entries()))


@pytest.mark.parametrize("kind", ["sign", "gap"])
@pytest.mark.parametrize("seed", one_in(3, range(3)))
@pytest.mark.parametrize(
    ("bound", "width"), [(4, None), (4, 8), (3, 2), (2, None), (1, None), (Fraction(1, 2), None), (Fraction(1, 3), 16)], ids=str
)
def test_a_flip_of_a_few_ulps_becomes_a_gap_of_one(kind: str, seed: int, bound: Fraction, width: int | None) -> None:
    before, bound = flip(kind, seed), Fraction(bound)
    low, high = sorted(side.logits[0] for side in before.views)
    assert high - low < Fraction(1, 2**20)
    after = amplified(before, max_weight=max(bound, Fraction(largest(before))), width=width)
    a, b = (side.logits[0] for side in after.views)
    assert min(a, b) == 0
    assert 1 <= max(a, b) == after.measure < 2
    assert largest(after) <= after.max_weight == max(bound, largest(before))
    assert after.predicate == Predicate("gap", bound=Fraction(1))
    assert after.real == predicted_logits(after.network, after.point, view("real", REAL))


@pytest.mark.parametrize("width", [1, 2, 8])
def test_no_fewer_layers_reach_the_gap(width: int) -> None:
    """n layers gain 4**n * width**(n - 1) at most; equal products of few bits need no further layers."""
    before = clean_flip()
    (high,) = before.views[0].logits
    after = amplified(before, max_weight=Fraction(4), width=width)
    layers = len(after.network.dense_layers) - 1
    assert high * 4**layers * width ** (layers - 1) >= 1
    assert high * 4 ** (layers - 1) * width ** (layers - 2) < 1
    assert set(after.network.widths[1:-1]) <= {1, width}


def clean_flip(small: float = 2.0**-24) -> Witness:
    """-1 + 1 + small, which is ``small`` from left to right and 0 with the last two first."""
    build = Builder(3)
    build.add(0, build.add(1, 2))
    right = view("b", Arithmetic(FLOAT32, order=fixed_order(build.tree())))
    network = dense_relu((Dense(((-1.0, 1.0, small),)),))
    views = (with_prediction(network, (1.0,) * 3, A), with_prediction(network, (1.0,) * 3, right))
    return Witness("order", FLOAT32, network, only_point((1.0,) * 3), Predicate("sign"), views)


def test_layers_behind_an_order_of_a_fixed_width_have_one_that_fits_them() -> None:
    after = amplified(clean_flip(), max_weight=Fraction(4), width=2)
    assert after.views[1].deployment.at(0, 0) == clean_flip().views[1].deployment.default
    assert after.views[1].deployment.at(1, 0) == arithmetic("sequential")
    assert [side.logits for side in after.views] == [(1,), (0,)]


def test_the_amplified_value_is_the_same_in_every_order_of_the_further_layers() -> None:
    """Of width 8 as well, where the value is made a power of two first: sums of equal products are exact then."""
    for kind in ("sign", "gap"):
        after = (
            amplified(flip(kind), max_weight=Fraction(1), width=8)
            if kind == "sign"
            else amplified(flip(kind), max_weight=Fraction(2), width=8)
        )
        for side in after.views:
            first = (((0, 0), side.deployment.at(0, 0)),)
            for other in ("sequential", "reverse", "pairwise", "strided:3"):
                for fused in (False, True):
                    changed = Deployment(arithmetic(other, fused=fused), first)
                    assert predicted_logits(after.network, after.point, replace(side, deployment=changed)) == side.logits


@pytest.mark.parametrize(("width", "measure"), [(2, 1 + Fraction(1, 2**23)), (8, Fraction(1))])
def test_a_value_of_many_bits_becomes_a_power_of_two_where_layers_are_wide(width: int, measure: Fraction) -> None:
    after = amplified(clean_flip((1 + 2.0**-23) * 2.0**-25), max_weight=Fraction(1), width=width)
    assert after.measure == measure
    for other in ("sequential", "reverse", "strided:3"):
        changed = Deployment(arithmetic(other), (((0, 0), arithmetic("sequential")),))
        assert predicted_logits(after.network, after.point, replace(after.views[0], deployment=changed)) == (measure,)


@pytest.mark.parametrize("width", [None, 16])
def test_an_offset_beyond_the_bound_is_scaled_down(width: int | None) -> None:
    row = (0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 2.0**-24, 2.0**-24)
    network = dense_relu((Dense((row,)),))
    views = (with_prediction(network, (1.0,) * 8, A), with_prediction(network, (1.0,) * 8, B))
    assert [side.logits for side in views] == [(Fraction(3, 2),), (Fraction(3, 2) + Fraction(1, 2**23),)]
    before = Witness("order", FLOAT32, network, only_point((1.0,) * 8), Predicate("gap", bound=Fraction(1, 2**23)), views)
    after = amplified(before, max_weight=Fraction(1, 4), width=width)
    assert [side.logits for side in after.views] == [(0,), (1,)]
    assert largest(after) == Fraction(1, 4)


@pytest.mark.parametrize("kind", ["sign", "gap"])
def test_two_classes(kind: str) -> None:
    before = flip(kind)
    after = amplified(before, max_weight=Fraction(4), output="argmax")
    reference, deployed = (side.logits for side in after.views)
    assert {reference.index(max(reference)), deployed.index(max(deployed))} == {0, 1}
    assert after.predicate == Predicate("argmax")
    assert after.measure >= 1
    assert largest(after) <= 4


def test_a_flip_that_is_wide_enough_gets_no_layers() -> None:
    found = bounded(A, B, terms=8, max_weight=Fraction(4))
    assert amplified(found, max_weight=Fraction(4)).network == found.network


def test_a_difference_between_negative_values_is_amplified_as_well() -> None:
    negative = next(found for seed in range(20) if (found := flip("gap", seed)).views[0].logits[0] < 0)
    assert amplified(negative, max_weight=Fraction(4)).measure >= 1


def test_silent_views_stay_silent_or_the_request_is_refused() -> None:
    before = flip("sign")
    silent = next(
        view("silent1", arithmetic(order))
        for order in ("strided:2", "strided:4", "reverse")
        if predicted(before.network.dense_layers[0].weight[0].tolist(), arithmetic(order))[0] > 0
    )
    a, b = before.views
    positive, other = (a, b) if a.logits[0] > 0 else (b, a)
    views = (replace(other, role="reference"), replace(positive, role="deployed"), silent)
    with pytest.raises(InputError, match="must stay silent"):
        amplified(replace(before, views=views), max_weight=Fraction(4))
    quiet = replace(before, views=(a, b, replace(a, name="silent1", role="silent")))
    assert (
        amplified(quiet, max_weight=Fraction(4)).silent[0].logits == amplified(before, max_weight=Fraction(4)).views[0].logits
    )


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"max_weight": Fraction(1, 64)}, "own weights exceed"),
        ({"max_weight": Fraction(1), "width": 1}, "amplify nothing: widen"),
        ({"max_weight": Fraction(4), "width": 3}, "power of two up to 4096, not 3"),
        ({"max_weight": Fraction(4), "gap": Fraction(5), "output": "argmax"}, "lower the gap"),
        ({"max_weight": Fraction(4), "gap": Fraction(0)}, "above 0"),
        ({"max_weight": Fraction(4), "output": "classes"}, "choose from gap, argmax"),
        ({"max_weight": Fraction(4), "gap": Fraction(2) ** 130}, "infinite or NaN"),
    ],
)
def test_impossible_requests_are_refused(request_: dict, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        amplified(flip("sign"), **request_)


def test_other_predicates_are_refused() -> None:
    with pytest.raises(InputError, match="only a flip of one neuron"):
        amplified(replace(flip("sign"), predicate=Predicate("equal")), max_weight=Fraction(4))


@pytest.mark.parametrize(("a", "b"), list(permutations(FAMILIES, 2)))
def test_weights_up_to_4_tell_any_two_families_apart_by_1(a: str, b: str) -> None:
    """The published detectors need 2**24."""
    found = bounded(view("a", arithmetic(a)), view("b", arithmetic(b)), terms=16, max_weight=Fraction(4))
    assert largest(found) == found.max_weight == 4
    assert found.measure == 1
    assert sorted(side.logits[0] for side in found.views) == [0, 1]
    assert found.real == (1,)
    assert found.network.widths == (1, *[2] * 10, 16, 1)


@pytest.mark.parametrize(
    ("bound", "width", "hidden"),
    [(4, 8, 5), (1, None, 25), (Fraction(1, 2), None, 27), (2**24, None, 1), (1000, None, 2)],
    ids=str,
)
def test_other_bounds(bound: Fraction, width: int | None, hidden: int) -> None:
    found = bounded(A, B, terms=8, max_weight=Fraction(bound), width=width)
    assert len(found.network.dense_layers) - 1 == hidden
    assert largest(found) <= bound
    assert found.measure == 1


@pytest.mark.parametrize(
    ("fmt", "a", "b", "gap"),
    [
        (FLOAT16, {}, {"order": parse_order("pairwise")}, Fraction(1)),
        (BFLOAT16, {}, {"order": parse_order("pairwise")}, Fraction(8)),
        (FLOAT64, {}, {"order": parse_order("pairwise")}, Fraction(1)),
        (FLOAT32, {}, {"format": FLOAT64}, Fraction(1)),
        (FLOAT32, {"format": None}, {}, Fraction(1)),
        (FLOAT32, {}, {"order": parse_order("pairwise"), "rounding": Rounding.RTZ}, Fraction(1)),
        (FLOAT32, {"fused": True}, {"order": parse_order("pairwise"), "fused": True, "flush": True}, Fraction(1)),
        (FLOAT16, {"accumulator": FLOAT32}, {"order": parse_order("pairwise"), "accumulator": FLOAT32}, Fraction(1, 256)),
        (FLOAT16, {}, {"accumulator": FLOAT32}, Fraction(1)),
    ],
)
def test_other_arithmetics(fmt: Format, a: dict, b: dict, gap: Fraction) -> None:
    views = [view(name, replace(Arithmetic(fmt), **how)) for name, how in (("a", a), ("b", b))]
    found = bounded(*views, format=fmt, terms=8, max_weight=Fraction(4), gap=gap)
    assert found.measure == gap
    assert largest(found) <= 4


@pytest.mark.parametrize(
    "other", [REAL, arithmetic("sequential"), Arithmetic(FLOAT32, order=fixed_order(Tree(8, ((0, 1, 2, 3, 4, 5, 6, 7),))))]
)
def test_steps_that_add_several_terms_in_one_rounding(other: Arithmetic) -> None:
    blocks = Arithmetic(FLOAT32, order=fixed_order(Tree(8, ((0, 1, 2, 3), (8, 4, 5, 6, 7)))))
    found = bounded(view("a", other), view("b", blocks), terms=8, max_weight=Fraction(4))
    assert found.measure == 1
    assert largest(found) == 4


def test_a_bias_among_the_leaves_is_zero() -> None:
    build = Builder(5)
    build.add(build.add(0, build.add(1, 2)), build.add(4, 3))
    odd = view("b", Arithmetic(FLOAT32, order=fixed_order(build.tree()), bias_leaf=True))
    found = bounded(A, odd, terms=4, max_weight=Fraction(4))
    assert found.network.dense_layers[-1].bias.tolist() == [0.0]
    assert found.measure == 1


def test_another_neuron_of_a_wider_layer() -> None:
    tail = Deployment(arithmetic("sequential"), (((0, 2), arithmetic("pairwise")),))
    found = bounded(A, replace(B, deployment=tail), terms=8, max_weight=Fraction(4), outputs=3, neuron=2)
    assert [side.logits for side in found.views] == [(0, 0, 1), (0, 0, 0)]


def test_detectors_that_do_not_exist_are_refused() -> None:
    with pytest.raises(InputError, match="they differ in other ways, or not at all"):
        bounded(A, replace(A, name="b"), terms=8, max_weight=Fraction(4))
    with pytest.raises(InputError, match="at least 3 terms"):
        bounded(A, B, terms=2, max_weight=Fraction(4))
    with pytest.raises(InputError, match="float16 does not hold what the gap needs"):
        bounded(
            view("a", arithmetic("sequential", FLOAT16, accumulator=FLOAT32)),
            view("b", arithmetic("pairwise", FLOAT16, accumulator=FLOAT32)),
            format=FLOAT16,
            terms=8,
            max_weight=Fraction(4),
        )


@pytest.fixture(scope="module")
def pool():
    with LibraryPool(list(LIBRARIES)) as started:
        started.wait()
        yield started


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("order", ["pairwise", "reverse", "strided:4"])
def test_libraries_give_one_of_the_two_predictions(pool: LibraryPool, library: str, batch: int, order: str) -> None:
    """Every layer but the last is exact in every order; and there every order loses the small summand or keeps it."""
    if pool.members[library].reason:
        pytest.skip(f"{library}: {pool.members[library].reason}")
    other = view("b", arithmetic(order))
    found = bounded(A, other, terms=16, max_weight=Fraction(4), width=2)
    classes = amplified(found, max_weight=Fraction(4), output="argmax")
    for divergence in (found, classes):
        calls = {library: [LibraryCall(LIBRARIES[library], (0,) * batch)]}
        answer = pool.run(divergence.network, FLOAT32, [divergence.point], calls)[library][0]
        assert answer.outputs is not None, answer.not_run
        for logits in answer.outputs.logits:
            assert tuple(map(Fraction, logits)) in {side.logits for side in divergence.views}


def test_torch_at_batch_1_and_4_where_its_order_is_the_known_one(pool: LibraryPool) -> None:
    """From left to right at batch 1, in lanes at batch 4: one network, one input, two classes, weights at most 1."""
    if pool.members["torch"].reason:
        pytest.skip(f"torch: {pool.members['torch'].reason}")
    build = Builder(8)
    lanes = [build.add(k, k + 4) for k in range(4)]
    build.add(build.add(lanes[0], lanes[2]), build.add(lanes[1], lanes[3]))
    four = view("b", Arithmetic(FLOAT32, order=fixed_order(build.tree())))
    one_neuron = bounded(A, four, terms=8, max_weight=Fraction(1), outputs=2)
    found = amplified(one_neuron, max_weight=Fraction(1), output="argmax")
    answers = pool.run(
        found.network, FLOAT32, [found.point], {"torch": [LibraryCall("linear", (0,)), LibraryCall("linear", (0,) * 4)]}
    )
    one, many = (answer.outputs for answer in answers["torch"])
    assert one is not None
    assert many is not None
    if many.logits[0] == one.logits[0]:
        pytest.skip("this build of torch sums in other orders on this machine")
    assert tuple(map(Fraction, one.logits[0])) == found.views[0].logits
    assert {tuple(map(Fraction, row)) for row in many.logits} == {found.views[1].logits}
    assert one.classes[0] != many.classes[0]
