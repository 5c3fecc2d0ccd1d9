"""Labels of small networks in small boxes, against evaluating every float32 of the box by the exact interpreter."""

import itertools
import random
from fractions import Fraction

import numpy as np
import pytest
from profiles import one_in

from fpsynth.corpus.families.base import BELOW, box_of, stack
from fpsynth.corpus.instances.data import ANY, ANY64, REAL
from fpsynth.corpus.labels.environments import Computed
from fpsynth.corpus.labels.labelling import asked_of, real_robust, truth
from fpsynth.corpus.labels.margins import margin, violated
from fpsynth.corpus.labels.ordered import SAMPLES, upper_end
from fpsynth.corpus.labels.points import floats_of, grid_of
from fpsynth.corpus.labels.real import least_margin
from fpsynth.errors import InputError
from fpsynth.evaluators.networks import graph_logits
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import BFLOAT16, FLOAT32, FLOAT64
from fpsynth.networks.layers import Dense, Flatten, MaxPooling
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.orders import SEQUENTIAL, parse_order
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers.properties import Inequality, Property

ORDERS = {
    f"{name}{', fused' if fused else ''}{', bias first' if first else ''}": Deployment(
        Arithmetic(FLOAT32, order=order, fused=fused, bias_first=first)
    )
    for (name, order), fused, first in itertools.product(
        [("sequential", SEQUENTIAL), ("reverse", parse_order("reverse")), ("pairwise", parse_order("pairwise"))],
        [False, True],
        [False, True],
    )
}


def near_ties(rng, inputs):
    """A network whose two outputs are within some ulps of each other, a few or some hundred: every verdict comes up."""
    rows = [[float(np.float32(rng.uniform(0.5, 1))) for _ in range(inputs)] for _ in range(2)]
    shared = [float(np.float32(rng.uniform(0.5, 1))) for _ in range(2)]
    places = [int(np.float32(w).view(np.uint32)) for w in shared]
    step = rng.choice([1, 1, 100])
    other = floats_of(np.array([place + step * rng.randrange(-1, 4) for place in places])).tolist()
    shift = rng.choice([0.0, 0.0, 2.0**-26, -(2.0**-25)])
    return stack((rows, [0.0, rng.choice([0.0, 0.25])]), ([shared, other], [0.0, shift]))


def small_box(rng, inputs):
    starts = [0.5 + rng.randrange(1 << 22) * 2.0**-24 for _ in range(inputs)]
    return box_of([(x, x + rng.randrange(1, [0, 40, 7, 4][inputs]) * 2.0**-24) for x in starts])


@pytest.mark.parametrize("seed", one_in(2, range(16)))
def test_labels_are_what_every_input_says(seed):
    rng = random.Random(f"labels {seed}")
    inputs = rng.randrange(1, 4)
    network, box = near_ties(rng, inputs), small_box(rng, inputs)
    orders = [Computed(name, network, deployment) for name, deployment in ORDERS.items()]
    told = truth(asked_of(network, box, BELOW), orders)
    every = next(grid_of(box).pieces(1 << 14)).tolist()
    labels = {label.semantics: label for label in told.labels}
    densities = {density.semantics: density for density in told.densities}
    for name, deployment in ORDERS.items():
        unsafe = [margin(BELOW, graph_logits(network, point, FLOAT32, deployment)) <= 0 for point in every]
        assert labels[name].verdict == ("sat" if any(unsafe) else "unsat")
        assert (densities[name].bad, densities[name].total) == (sum(unsafe), len(every))
        if labels[name].verdict == "sat":
            assert margin(BELOW, graph_logits(network, labels[name].witness, FLOAT32, deployment)) <= 0
            assert box.contains(labels[name].witness)
        if ANY in labels:
            assert labels[ANY].verdict == labels[name].verdict
    exact = [margin(BELOW, exact_logits(network, point)) for point in every]
    if labels.get(REAL) and labels[REAL].verdict == "unsat":
        assert min(exact) >= told.least > 0
    elif labels.get(REAL):
        assert margin(BELOW, exact_logits(network, labels[REAL].witness)) <= 0
    if ANY64 in labels:
        wide = [graph_logits(network, point, FLOAT64, Deployment(Arithmetic(FLOAT64))) for point in every]
        unsafe = [margin(BELOW, outputs) <= 0 for outputs in wide]
        assert any(unsafe) == (labels[ANY64].verdict == "sat")


def test_all_verdicts_come_up():
    """Else the test above could not fail."""
    seen = set()
    for seed in range(30):
        rng = random.Random(f"labels {seed}")
        inputs = rng.randrange(1, 4)
        network, box = near_ties(rng, inputs), small_box(rng, inputs)
        told = truth(asked_of(network, box, BELOW), [Computed("s", network, ORDERS["sequential"])])
        seen |= {(label.semantics, label.verdict) for label in told.labels}
    assert seen >= {(semantics, verdict) for semantics in ("s", REAL, ANY, ANY64) for verdict in ("sat", "unsat")}


def test_a_network_that_a_library_rewrites_is_not_covered_by_what_is_true_of_any_order():
    given = stack(([[1.0], [0.5]], [0.0, 1.0]))
    rewritten = stack(([[1.0], [0.5]], [0.0, -1.0]))
    told = truth(asked_of(given, box_of([(0.25, 0.5)]), BELOW), [Computed("there", rewritten, ORDERS["sequential"])])
    labels = {label.semantics: label.verdict for label in told.labels}
    assert labels[ANY] == "unsat"
    assert labels["there"] == "sat"


def test_sampled_densities_say_so_and_bound_what_they_cannot_count():
    rng = random.Random(3)
    rows = [[rng.gauss(0, 1) // 0.125 / 8 for _ in range(4)] for _ in range(3)]
    network = stack((rows, [0.0] * 3), ([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]], [0.0, 0.0]))
    box, computed = box_of([(-1.0, 1.0)] * 4), Computed("s", network, ORDERS["sequential"])
    assert truth(asked_of(network, box, BELOW), [computed]).densities == (), "its order would not be recorded"
    points = grid_of(box).drawn(100, rng)
    witness = points[violated(BELOW, computed.outputs(points))][0].tolist()
    (density,) = truth(asked_of(network, box, BELOW, [witness]), [computed]).densities
    assert (density.bad, density.method, density.samples) == (None, "sampled", SAMPLES)
    assert density.at_most is not None
    assert Fraction(density.hits, density.samples) < density.at_most <= 1


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3])
def test_sampled_bounds_are_seldom_wrong(share):
    draw = np.random.default_rng(5)
    hits = draw.binomial(500, share, size=400)
    wrong = sum(upper_end(int(n), 500) < Fraction(share) for n in hits)
    assert wrong <= 400 * 0.03


def test_properties_that_instances_have_not_are_refused():
    network = stack(([[1.0], [0.5]], [0.0, 1.0]))
    box = box_of([(0.25, 0.5)])
    strict = Property(((Inequality(((0, Fraction(1)),), Fraction(1), strict=True),),))
    weighed = Property(((Inequality(((0, Fraction(2)), (1, Fraction(-1))), Fraction(0)),),))
    others = ((Property(()), "no outputs"), (Property(((),)), "all"))
    for unsafe, reason in ((strict, "strict"), (weighed, "compare two outputs"), *others):
        with pytest.raises(InputError, match=reason):
            truth(asked_of(network, box, unsafe), [])


def test_outputs_that_are_not_finite_are_not_unsafe():
    outputs = np.array([[1.0, 0.0], [np.inf, 0.0], [np.nan, 0.0], [0.0, 1.0]])
    assert violated(BELOW, outputs).tolist() == [True, False, False, False]


def test_points_that_are_no_float32_are_witnesses_of_nothing():
    """Over the reals 1/10 is unsafe and in the box; no input that a network of float32 reads is."""
    network = stack(([[1.0], [0.0]], [0.0, float(np.float32(0.1))]))
    box = box_of([(0.1, float(np.nextafter(np.float32(0.1), np.float32(1))))])
    single = float(np.nextafter(np.float32(0.1), np.float32(1)))
    asked = asked_of(network, box, BELOW, [(0.1,), (single,)])
    assert asked.candidates == [(single,)]
    told = truth(asked, [Computed("sequential", network, ORDERS["sequential"])])
    assert {x for label in told.labels for x in label.witness} == {single}


@pytest.mark.parametrize("narrow", [{"operands": BFLOAT16}, {"products": BFLOAT16}])
def test_what_is_true_in_any_order_of_float32_is_not_believed_of_narrower_arithmetics(narrow):
    """Weights eight ulps apart tie in no order of float32, and everywhere where factors or products keep eight bits."""
    network, box = stack(([[1.0], [1 + 8 * 2.0**-23]], [0.0, 0.0])), box_of([(1.0, 1 + 2.0**-20)])
    computed = Computed("narrow", network, Deployment(Arithmetic(FLOAT32, **narrow)))
    labels = {label.semantics: label for label in truth(asked_of(network, box, BELOW), [computed]).labels}
    assert (labels[ANY].verdict, labels["narrow"].verdict) == ("unsat", "sat")
    assert violated(BELOW, computed.outputs(next(grid_of(box).pieces(1 << 14)))).all()


@pytest.mark.parametrize("seed", range(40))
def test_boxes_that_linear_bounds_call_robust_have_no_unsafe_point_over_the_reals(seed):
    rng = np.random.default_rng(seed)
    sizes = [int(rng.integers(1, 4)), *rng.integers(2, 6, rng.integers(0, 3)).tolist(), 2]
    layers = [(rng.normal(size=(m, n)), rng.normal(size=m)) for n, m in itertools.pairwise(sizes)]
    network = stack(*[tuple(np.float32(array).astype(float).tolist() for array in layer) for layer in layers])
    radius = float(rng.choice([0.01, 0.1, 1.0]))
    box = box_of([(x - radius, x + radius) for x in rng.uniform(-2, 2, sizes[0]).tolist()])
    bound = least_margin(network, box, BELOW)
    robust = real_robust(network, box, BELOW)
    ends = [[float(low), float(high)] for low, high in zip(box.lower, box.upper, strict=True)]
    inside = [[low + (high - low) * float(t) for low, high in ends] for t in rng.uniform(0, 1, 40)]
    points = [point for point in (*itertools.product(*ends), *inside) if box.contains(point)]
    least = min(margin(BELOW, exact_logits(network, point)) for point in points)
    assert not robust or least > 0
    assert not (robust and bound.attained and bound.least <= 0)


def test_a_network_without_exact_forms_has_a_label_over_the_reals_where_linear_bounds_prove_it():
    pool = Node("pool", MaxPooling((2,)), (INPUT,))
    nodes = (pool, Node("flat", Flatten(), ("pool",)), Node("last", Dense([[-1.0, -1.0], [1.0, 1.0]]), ("flat",)))
    network = Network(nodes, (1, 4), "last")
    for low, verdict in ((0.5, "unsat"), (-0.5, "sat")):
        box = box_of([(low, 1.0)] * 4)
        assert least_margin(network, box, BELOW) is None
        (label,) = [one for one in truth(asked_of(network, box, BELOW), []).labels if one.semantics == REAL]
        assert label.verdict == verdict
        assert label.basis == ("proved" if verdict == "unsat" else "computed")


def test_a_network_that_is_too_large_for_exact_forms_is_not_halved_for_hours_and_still_labelled():
    rng = np.random.default_rng(0)
    wide = stack((rng.normal(size=(40, 80)).astype(np.float32).tolist(), [0.0] * 40), ([[0.0] * 40] * 2, [0.0, 1.0]))
    box = box_of([(-1.0, 1.0)] * 80)
    assert least_margin(wide, box, BELOW) is None
    told = truth(asked_of(wide, box, BELOW), [])
    assert {label.semantics: label.verdict for label in told.labels} == {REAL: "unsat", ANY: "unsat", ANY64: "unsat"}


def test_of_a_box_of_hundreds_of_inputs_there_is_a_label_and_no_number_beyond_what_can_be_written(tmp_path):
    rows = np.zeros((2, 784))
    rows[0, 0] = 1.0
    network, inputs = stack((rows.tolist(), [-0.5, 0.0])), (0.25, 0.75)
    asked = asked_of(network, box_of([inputs] * 784), BELOW, [(0.25,) * 784, (0.75,) * 784])
    computed = Computed("torch:batch=1", network, Deployment(Arithmetic(FLOAT32, order=SEQUENTIAL)))
    told = truth(asked, [computed])
    (label,) = [one for one in told.labels if one.semantics == "torch:batch=1"]
    assert (label.verdict, told.densities) == ("sat", ())
    assert asked.grid.total >= 10**4300
    small = asked_of(network, box_of([inputs, *[(0.5, 0.5)] * 783]), BELOW, [(0.75, *[0.5] * 783)])
    (density,) = truth(small, [computed]).densities
    assert density.total < 10**10
