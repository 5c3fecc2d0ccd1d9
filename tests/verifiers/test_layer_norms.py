"""Claims of layer_norms.py and lipschitz_graph.py: no layer and no network moves its outputs farther apart than it says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import graphs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.networks.layers import (
    PADDING,
    Add,
    AddConstant,
    Affine,
    AveragePooling,
    BatchNormalisation,
    Concat,
    Convolution,
    Dense,
    DivideConstant,
    Flatten,
    GlobalAveragePooling,
    Layer,
    LeakyReLU,
    MaxPooling,
    MultiplyConstant,
    ReLU,
    Shape,
    Softmax,
    Sums,
)
from fpsynth.networks.layers.structure import Selection, moved, taps
from fpsynth.networks.network import INPUT, Network, Node, dense_relu
from fpsynth.verifiers import layer_norms
from fpsynth.verifiers.layer_norms import layer_norm_upper
from fpsynth.verifiers.lipschitz_ball import ball_certifier
from fpsynth.verifiers.lipschitz_graph import graph_bounds, network_certifier

pytest.importorskip("flint", reason="python-flint is not installed")

RNG = np.random.default_rng(7)


def matrix_of(sums: Sums, inputs: int) -> np.ndarray:
    """The linear map (outputs, inputs), an output at a time."""
    matrix = np.zeros((sums.outputs, inputs))
    for output in range(sums.outputs):
        addends = sums.addends(output)
        for k, place in enumerate(addends.read.tolist()):
            if place != PADDING:
                matrix[output, place] += (1.0 if addends.weights is None else addends.weights[k]) / addends.divisor
        if sums.normalisation is not None:
            matrix[output] *= sums.normalisation.factors()[addends.group]
    return matrix


LAYERS: list[tuple[Layer, Shape, float]] = [
    (Dense(RNG.normal(size=(4, 5)), RNG.normal(size=4)), (5,), 1.01),
    (Dense(RNG.normal(size=(4, 5))), (3, 5), 1.01),
    (Convolution(RNG.normal(size=(4, 2, 3, 3)), stride=2, padding=1), (2, 7, 6), 1.01),
    (Convolution(RNG.normal(size=(4, 1, 3)), RNG.normal(size=4), groups=2, dilation=2, padding=((2, 0),)), (2, 9), 1.01),
    (Convolution(RNG.normal(size=(3, 2, 1, 1))), (2, 4, 4), 1.01),
    (AveragePooling((2, 2)), (3, 4, 4), 1.001),
    (AveragePooling((3,), stride=1, padding=((1, 1),), count_padding=False), (2, 6), 1.6),
    (GlobalAveragePooling(), (3, 4, 4), 1.001),
    (AddConstant(RNG.normal(size=(3, 1))), (3, 4), 1.0001),
    (MultiplyConstant(np.array([[0.5], [-3.0], [2.0]])), (3, 4), 1.0001),
    (DivideConstant(np.array([0.5, -0.25, 4.0])), (2, 3), 1.0001),
    (Affine(np.array([0.5, -3.0]), np.array([1.0, 2.0])), (2, 3, 3), 1.0001),
    (BatchNormalisation(*(RNG.uniform(0.5, 2, size=3) for _ in range(4))), (3, 2, 2), 1.0001),
]


@pytest.mark.parametrize(("layer", "shape", "slack"), LAYERS, ids=[f"{k} {layer.kind}" for k, (layer, *_) in enumerate(LAYERS)])
@pytest.mark.parametrize("cost", [layer_norms.MAX_COST, 0], ids=["matrix", "kernel"])
def test_sums_are_linear_maps_of_at_most_this_norm(
    layer: Layer, shape: Shape, slack: float, cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_norms, "MAX_COST", cost)
    structure = layer.structure(shape)
    assert isinstance(structure, Sums)
    true = np.linalg.norm(matrix_of(structure, math.prod(shape)), 2)
    bound = float(layer_norm_upper(structure, math.prod(shape), 11))
    assert true * (1 - 1e-12) <= bound <= true * (slack if cost else 3.0)


def differences_squared(network: Network, x: Sequence[float], y: Sequence[float]) -> list[list[Fraction]]:
    """How far apart the differences of every two logits are at two points, squared and exactly."""
    moved_by = [a - b for a, b in zip(exact_logits(network, x), exact_logits(network, y), strict=True)]
    return [[(q - p) ** 2 for q in moved_by] for p in moved_by]


def squared(x: Sequence[float], y: Sequence[float]) -> Fraction:
    return sum(((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(x, y, strict=True)), Fraction(0))


def require_bounded(network: Network, pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> None:
    bounds = graph_bounds(network, 5)
    for x, y in pairs:
        apart = squared(x, y)
        for p, row in enumerate(differences_squared(network, x, y)):
            for q, moved_by in enumerate(row):
                assert moved_by <= bounds[p][q] ** 2 * apart


@given(data=st.data())
def test_no_two_logits_of_a_graph_move_faster_apart(data: st.DataObject) -> None:
    network = data.draw(graphs.graphs(st.sampled_from([-1.5, -1.0, 0.0, 0.5, 2.0]), divisors=True))
    point = st.lists(
        st.integers(-3, 3).map(float), min_size=math.prod(network.input_shape), max_size=math.prod(network.input_shape)
    )
    pairs = [data.draw(st.tuples(point, point)) for _ in range(3)]
    near = [(x, [*x[:-1], x[-1] + 0.125]) for x, _ in pairs]
    require_bounded(network, pairs + near)


def single(layer: Layer, shape: Shape) -> Network:
    return Network((Node("only", layer),), shape, "only")


def bound_of(network: Network) -> float:
    return float(graph_bounds(network, 11)[0][1])


def test_windows_that_overlap_let_one_number_move_two_maxima() -> None:
    layer, zeros = MaxPooling((2,), stride=1), [0.0, 0.0, 0.0]
    assert float(layer_norm_upper(layer.structure((1, 3)), 3, 11)) == pytest.approx(math.sqrt(2), rel=1e-15)
    moved_by = exact_logits(single(layer, (1, 3)), [0.0, 1.0, 0.0])
    assert sum(value**2 for value in moved_by) == 2  # so that 1 would be wrong
    require_bounded(single(layer, (1, 3)), [(zeros, [0.0, 1.0, 0.0])])
    assert layer_norm_upper(MaxPooling((2,)).structure((1, 4)), 4, 11) == 1


def test_what_is_read_twice_moves_twice() -> None:
    twice = Network(
        (Node("sum", Add(), (INPUT, INPUT)), Node("minus", Dense([[1.0, 0.0], [-1.0, 0.0]]), ("sum",))), (2,), "minus"
    )
    assert bound_of(twice) == pytest.approx(4)
    assert differences_squared(twice, [1.0, 0.0], [0.0, 0.0])[0][1] == 16
    both = Network(
        (Node("both", Concat(), (INPUT, INPUT)), Node("all", Dense([[1.0] * 4, [-1.0] * 4]), ("both",))), (2,), "all"
    )
    assert differences_squared(both, [1.0, 1.0], [0.0, 0.0])[0][1] == 64
    assert bound_of(both) == pytest.approx(math.sqrt(2) * 4)  # reached: 8 over sqrt 2


def test_inputs_that_a_view_joins_at_the_end_all_count() -> None:
    double = Node("double", Add(), (INPUT, INPUT))
    network = Network((double, Node("minus", Dense([[-1.5]])), Node("joined", Concat(), ("double", "minus"))), (1,), "joined")
    require_bounded(network, [([0.0], [0.125])])
    assert bound_of(network) == pytest.approx(math.sqrt(2) * 2.5)


def test_residual_branches_add_up() -> None:
    branch = Node("half", MultiplyConstant(np.array([-0.5])))
    network = Network(
        (branch, Node("sum", Add(), (INPUT, "half")), Node("last", Dense([[1.0], [0.0]]), ("sum",))), (1,), "last"
    )
    assert bound_of(network) == pytest.approx(1.5)


def test_logits_that_no_dense_layer_gives_move_apart_by_the_root_of_two() -> None:
    network = single(MultiplyConstant(np.array([1.0, -1.0])), (2,))
    assert bound_of(network) == pytest.approx(math.sqrt(2))
    assert differences_squared(network, [1.0, 1.0], [0.0, 0.0])[0][1] == 2 * squared([1.0, 1.0], [0.0, 0.0])
    assert graph_bounds(network, 11)[0][0] == 0


def test_what_stands_behind_the_logits_changes_no_bound() -> None:
    dense = Node("dense", Dense([[1.0, 2.0], [3.0, 5.0]]))
    nodes = (dense, Node("flat", Flatten(), ("dense",)), Node("likely", Softmax(), ("flat",)))
    assert graph_bounds(Network(nodes, (2,), "likely"), 11)[0][1] == graph_bounds(single(dense.layer, (2,)), 11)[0][1]


def test_an_irrational_normalisation_is_bounded_from_above() -> None:
    layer = BatchNormalisation(np.zeros(2), np.full(2, 2.0), np.array([1.0, -3.0]), np.zeros(2), 0.0)
    bound = layer_norm_upper(layer.structure((2,)), 2, 11)
    assert Fraction(9, 2) <= bound**2 <= Fraction(9, 2) * (1 + Fraction(1, 2**50))


def test_groups_that_read_the_same_inputs_move_together() -> None:
    one = Convolution(np.ones((1, 1, 2))).structure((1, 3))
    sums = Sums(one.taps, groups=2, classes=1, group_stride=1, weight=np.ones((2, 1, 2)))
    matrix = np.zeros((4, 4))
    for group in range(2):
        for position, row in enumerate(moved(sums.taps.at(slice(None)), group).tolist()):
            matrix[2 * group + position, row] = 1
    assert np.linalg.norm(matrix, 2) <= float(layer_norm_upper(sums, 4, 11)) * (1 + 1e-12)
    assert np.linalg.norm(matrix, 2) > float(layer_norm_upper(one, 3, 11)) * 1.1  # that of one group is too small


def test_an_input_that_a_sum_reads_twice_counts_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = Sums(taps([[0, 0]]), weight=np.array([[[1.0, 2.0]]]))
    assert matrix_of(sums, 1).tolist() == [[3.0]]
    for cost in (layer_norms.MAX_COST, 0):
        monkeypatch.setattr(layer_norms, "MAX_COST", cost)
        assert 3 <= layer_norm_upper(sums, 1, 11) < 4


def test_groups_of_a_selection_that_read_the_same_input_all_move_with_it() -> None:
    selection = Selection(taps([[0, 1]]), groups=2, group_stride=1)  # the larger of 0 and 1, and of 1 and 2
    assert float(layer_norm_upper(selection, 3, 11)) == pytest.approx(math.sqrt(2), rel=1e-15)
    assert layer_norm_upper(Selection(taps([[0, 1]]), groups=2, group_stride=2), 4, 11) == 1


def test_weights_whose_sums_overflow_are_bounded_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_norms, "MAX_COST", 0)
    bound = layer_norm_upper(Convolution(np.full((1, 1, 2), 1.5e308)).structure((1, 3)), 3, 11)
    assert 2 * Fraction(1.5e308) <= bound <= 3 * Fraction(1.5e308)


def test_a_stack_has_the_bounds_of_ball_arithmetic_and_so_has_the_graph() -> None:
    stack = dense_relu([Dense(RNG.normal(size=(4, 3))), Dense(RNG.normal(size=(3, 4)))])
    assert network_certifier(stack).bounds[0] == ball_certifier(stack).bounds[0]
    assert float(graph_bounds(stack, 11)[0][2]) == pytest.approx(float(ball_certifier(stack).bounds[0][2]), rel=1e-15)
    named = [*stack.nodes[:1], Node("relu0", LeakyReLU(0.25), ("dense0",)), *stack.nodes[2:]]
    assert network_certifier(Network(tuple(named), (3,), "dense1")).bounds[0] == graph_bounds(stack, 11)[0]


def test_one_output_and_infinite_weights_are_refused() -> None:
    with pytest.raises(InputError, match="one output"):
        network_certifier(single(GlobalAveragePooling(), (1, 4)))
    with pytest.raises(InputError, match="not a finite number"):
        network_certifier(single(MultiplyConstant(np.array([math.inf, 1.0])), (2,)))
    assert network_certifier(single(ReLU(), (2, 2))).shape == (4, 4)
