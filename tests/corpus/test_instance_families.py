"""Every family: what it makes has the verdicts that it is for, on this machine's libraries, and its attacks fare as said."""

import random
from fractions import Fraction

import numpy as np
import pytest
from profiles import slow

from fpsynth.corpus.attacks.target import gradients, layers_of
from fpsynth.corpus.families.base import FamilyDrawing, largest
from fpsynth.corpus.families.table import CATEGORIES, FAMILIES
from fpsynth.corpus.instances.data import ANY, REAL, RUNTIME
from fpsynth.corpus.labels.environments import Environments, computed_from
from fpsynth.corpus.labels.margins import margin
from fpsynth.corpus.labels.points import grid_of
from fpsynth.corpus.making.job import done
from fpsynth.corpus.making.wanted import Job, WantedCorpus
from fpsynth.evaluators.real import exact_logits

WANTED = WantedCorpus(1, 11)
# real, ONNX Runtime: of the instance; of its controls
VERDICTS = {
    "tie": ("unsat", "sat", "unsat", "unsat"),
    "needle": ("unsat", "sat", "unsat", "unsat", "unsat", "unsat"),
    "last_tie": ("unsat", "sat", "unsat", "unsat", "unsat", "unsat"),
    "lone": ("unsat", "sat", "unsat", "unsat", "unsat", "unsat"),
    "lattice": ("unsat", "sat", "unsat", "unsat"),
    "mixed": ("unsat", "sat", "unsat", "unsat"),
    "order": ("unsat", "sat", "unsat", "unsat"),
    "ghost": ("unsat", "unsat", "unsat", "unsat"),
    "twin": ("unsat", "unsat", "unsat", "unsat", "unsat", "unsat"),
    "position": ("unsat", "sat", "unsat", "unsat"),
    "precision": ("unsat", "sat", "unsat", "unsat"),
    "flip": ("unsat", "sat", "unsat", "unsat"),
    "relu": ("unsat", "sat", "unsat", "unsat"),
    "interval": ("unsat", "sat", "unsat", "unsat"),
    "folding": ("unsat", "unsat", "unsat", "unsat"),
    "narrow": ("sat", "sat", "unsat", "unsat"),
    "flat": ("sat", "sat", "unsat", "unsat"),
    "border": ("sat", "sat", "unsat", "unsat"),
    "rounding": ("sat", "unsat", "sat", "sat"),
    "broken": ("sat", "sat"),
    "robust": ("unsat", "unsat"),
}


@pytest.fixture(scope="module")
def environments():
    with Environments() as found:
        yield found


@pytest.fixture(scope="module")
def made(environments):
    return {name: done(Job(family, 0), WANTED, environments) for name, family in FAMILIES.items()}


def test_there_are_more_than_eight_categories():
    assert len(CATEGORIES) >= 8
    assert set(VERDICTS) == set(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_instances_and_controls_have_the_verdicts_that_they_are_for(name, made):
    verdicts = [one.verdict(semantics) for one in made[name] for semantics in (REAL, RUNTIME)]
    assert tuple(verdicts) == VERDICTS[name]
    first, *controls = made[name]
    assert all(control.control_of == first.name and control.controls for control in controls)
    assert all(one.about and one.category in CATEGORIES for one in made[name])


def float32s(box):
    return all(Fraction(float(np.float32(float(end)))) == end for end in (*box.lower, *box.upper))


@pytest.mark.parametrize("name", FAMILIES)
def test_boxes_end_at_float32_numbers_as_their_queries_say(name, made):
    assert all(float32s(one.box) for one in made[name])


@pytest.mark.parametrize("seed", range(8))
def test_boxes_of_folding_end_at_float32_numbers(seed):
    """The lower end of every second one was half way between two: a reader of float32 saw another box."""
    assert all(float32s(draft.box) for draft in FAMILIES["folding"].draw(FamilyDrawing(random.Random(seed), None, seed)))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_environment_that_is_labelled_was_run_at_the_witness(name, made):
    for one in made[name]:
        for label in one.labels:
            if label.computed is not None:
                assert label.order
                assert bool(label.replayed) == bool(one.witness)


def test_needles_last_ties_and_lone_inputs_are_one_of_the_box(made):
    for name, least in (("needle", 1000), ("last_tie", 1000), ("lone", 1 << 24)):
        (density,) = (d for d in made[name][0].densities if d.semantics == RUNTIME)
        assert density.bad == 1
        assert density.total > least


def test_lone_inputs_are_counted_to_be_one_whatever_the_seed(environments):
    for seed in (0, 3):
        one, *_ = done(Job(FAMILIES["lone"], seed), WantedCorpus(1, seed), environments)
        (density,) = (d for d in one.densities if d.semantics == RUNTIME)
        assert density.bad == 1


def test_lattices_are_rare_and_counted(made):
    for name in ("lattice", "mixed"):
        (density,) = (d for d in made[name][0].densities if d.semantics == RUNTIME)
        assert density.bad is not None
        assert 0 < density.bad * 10**6 < density.total


def test_orders_are_wrong_everywhere_in_one_library_and_nowhere_in_another(made):
    for name in ("order", "ghost"):
        one = made[name][0]
        counts = {density.semantics: (density.bad, density.total) for density in one.densities}
        wrong = [semantics for semantics, (bad, total) in counts.items() if bad == total]
        right = [semantics for semantics, (bad, _) in counts.items() if bad == 0]
        assert one.parameters["wrong_in"] in wrong
        assert (RUNTIME in wrong) == (name == "order")
        assert set(wrong) | set(right) == set(counts)


def test_twins_have_the_same_weights_and_differ_at_every_input_of_one_library(made):
    one, small, moved = made["twin"]
    wrong = one.parameters["wrong_in"]
    counts = {density.semantics: (density.bad, density.total) for density in one.densities}
    assert counts[wrong][0] == counts[wrong][1]
    assert counts[RUNTIME][0] == 0
    weight = one.network.dense_layers[1].weight
    first, second = map(int, one.parameters["twins"].split())
    assert (weight[first] == weight[second]).all()
    assert small.verdict(wrong) == moved.verdict(wrong) == "unsat"
    deployment = computed_from(one.label(wrong).computed, one.network, wrong).deployment
    assert deployment.at(1, first) != deployment.at(1, second)
    assert deployment.at(1, int(moved.parameters["twins"][0])) == deployment.at(1, int(moved.parameters["twins"][2]))
    assert one.least == -one.label(wrong).margin >= 1


def neurons(network):
    """What goes into each neuron of the first layer, and what comes of it."""
    first, second, _ = network.dense_layers
    return list(zip(first.weight.tolist(), first.bias.tolist(), second.weight.T.tolist(), strict=True))


def test_exchanged_neurons_are_the_same_function_over_the_reals(made):
    one, other = made["position"]
    corners = (one.box.lower, one.box.upper, [(a + b) / 2 for a, b in zip(one.box.lower, one.box.upper, strict=True)])
    for point in corners:
        assert exact_logits(one.network, point) == exact_logits(other.network, point)
    assert sorted(neurons(one.network)) == sorted(neurons(other.network))
    assert neurons(one.network) != neurons(other.network)
    assert (one.least, one.attained) == (other.least, other.attained)
    assert one.label(RUNTIME).margin == -one.least
    (density,) = (d for d in one.densities if d.semantics == RUNTIME)
    assert density.bad == density.total


def test_flips_have_margins_of_at_least_one_on_both_sides(made):
    one = made["flip"][0]
    assert one.least is not None
    assert one.least >= 1
    assert one.label(RUNTIME).margin <= -1


def test_lattices_have_no_gradient_and_no_kink_near_the_witness(made):
    one = made["lattice"][0]
    layers = layers_of(one.network)
    points = np.vstack([grid_of(one.box).drawn(500, random.Random(1)), [one.witness]]).astype(np.float32)
    assert (gradients(layers, points, np.array([-1, 1], np.float32)) == 0).all()
    values = points[-1:]
    unit = np.spacing(values).max()
    for layer in layers[:6]:  # x + B, then - B, then - x: in float32, as it runs
        if layer is None:
            values = np.maximum(values, 0)
        else:
            values = values @ layer[0].T + layer[1]
            assert (np.abs(values) >= 8 * unit).all()


def test_gradients_are_those_of_differences(made):
    """Of a network whose pieces are wide: otherwise nothing could be seen of them."""
    one = made["broken"][0]
    layers, rng = layers_of(one.network), np.random.default_rng(0)
    points = rng.uniform(-1, 1, (50, len(one.box.lower))).astype(np.float32)
    found = gradients(layers, points, np.array([-1, 1] + [0] * (one.network.output_shape[0] - 2), np.float32))

    def value(x):
        for layer in layers:
            x = np.maximum(x, 0) if layer is None else x @ layer[0].astype(np.float64).T + layer[1]
        return x[:, 1] - x[:, 0]

    for k in range(points.shape[1]):
        shift = np.zeros(points.shape[1])
        shift[k] = 2.0**-12
        slopes = (value(points + shift) - value(points - shift)) / 2.0**-11
        assert np.mean(np.abs(slopes - found[:, k]) < 1e-3) > 0.9  # a kink may lie between


@pytest.mark.parametrize(
    ("name", "attack", "found"),
    [
        ("tie", "random", True),
        ("needle", "random", False),
        ("needle", "gradient", False),
        ("needle", "kinks", True),
        ("last_tie", "corners", False),
        ("lattice", "random", False),
        ("lattice", "gradient", False),
        ("lattice", "kinks", False),
        ("lone", "random", False),
        ("lone", "gradient", False),
        ("lone", "kinks", False),
        ("mixed", "gradient", False),
        ("mixed", "splice", False),
        ("order", "random", False),  # it computes in torch, which is right everywhere
        ("flip", "corners", True),
        ("broken", "gradient", True),
    ],
)
def test_attacks_find_what_they_are_known_to_find(name, attack, found, made):
    (attacked,) = (one for one in made[name][0].attacks if one.attack == attack)
    assert attacked.found == found
    assert 0 < attacked.evaluations <= attacked.limit


def test_controls_have_no_record_of_attacks_where_nothing_is_unsafe(made):
    assert not any(one.attacks for instances in made.values() for one in instances if one.verdict(RUNTIME) == "unsat")


@slow
def test_a_limit_on_weights_is_kept(environments):
    wanted = WantedCorpus(1, 3, max_weight=64)
    for name in ("needle", "tie", "broken"):
        instances = done(Job(FAMILIES[name], 1), wanted, environments)
        assert instances
        assert max(largest(one.network) for one in instances) <= 64


def test_controls_of_needles_differ_in_one_number_by_an_ulp(made):
    first, control, _ = made["needle"]
    changed = [
        (a, b)
        for x, y in zip(first.network.arrays(), control.network.arrays(), strict=True)
        for a, b in zip(x.reshape(-1), y.reshape(-1), strict=True)
        if a != b
    ]
    ((a, b),) = changed
    assert b == np.nextafter(a, np.float32(np.inf))


def test_margins_are_exact(made):
    for instances in made.values():
        for one in instances:
            label = one.label(REAL)
            if one.witness and label.margin is not None:
                assert label.margin == margin(one.unsafe, exact_logits(one.network, one.witness))


def test_robust_and_broken_are_so_in_every_evaluation(made):
    assert made["robust"][0].verdict(ANY) == "unsat"
    assert made["broken"][0].verdict(ANY) == "sat"


def test_an_order_that_holds_for_some_rows_of_a_batch_only_is_not_taken(environments, monkeypatch):
    from dataclasses import replace

    from fpsynth.corpus.families.base import stack
    from fpsynth.corpus.labels import environments as module

    network, read = stack(([[1.0], [2.0]], [0.0, 0.5])), module.network_from_kept
    assert environments.computed(network, "torch:batch=64") is not None

    def noted(*arguments):
        reveal = read(*arguments)
        return replace(reveal, rows=((tuple(range(63)), reveal.deployment), ((63,), reveal.deployment)))

    monkeypatch.setattr(module, "network_from_kept", noted)
    assert environments._computed(network, "torch:batch=64") is None


def test_a_library_that_gives_other_numbers_than_its_order_is_not_labelled(environments, made):
    from dataclasses import replace

    from fpsynth.corpus.labels.environments import computed_from

    one = made["order"][0]
    orders = {label.semantics: computed_from(label.computed, one.network, RUNTIME) for label in one.labels if label.computed}
    grid = grid_of(one.box)
    assert environments.agrees(one.network, orders[RUNTIME], grid)
    assert not environments.agrees(one.network, orders["torch:batch=64"], grid)
    assert environments.agrees(one.network, replace(orders["torch:batch=64"], environment="torch:batch=64"), grid)
