"""At a place of a convolution where taps lie in a padding the sum of the other taps is revealed, whatever it is."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar, cast

import numpy as np
import pytest
from given_programs import arithmetic, rounded_before_bias
from hypothesis import given
from hypothesis import strategies as st
from simulated import Simulated, layer, random_tree, revealed
from strategies import arithmetics, trees

from fpsynth.alignment import Alignment
from fpsynth.evaluators.arrays import round_array
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64
from fpsynth.libraries.base import CannotRun, Library
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.layer_shapes import layer_shape
from fpsynth.libraries.operands import narrowed, widened
from fpsynth.networks.graph import INPUT
from fpsynth.networks.layers import Convolution
from fpsynth.networks.network import Network, Node
from fpsynth.orders import Tree, equal, fixed_order, parse_order, restrict
from fpsynth.revealing import layers
from fpsynth.revealing.checking import same_numbers
from fpsynth.revealing.file import reveal_from_json, reveal_to_json
from fpsynth.revealing.kernel import reveal_kernel
from fpsynth.revealing.kernels import CachedKernels
from fpsynth.revealing.layer_runs import hostile_points, predicted
from fpsynth.revealing.networks import reveal_network
from fpsynth.revealing.padding import MADE_UP, _keeps_its_steps, over_all, taps_inside, taps_of
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind

CORNER, EDGE = 15, 14
"""Places of a 4 x 4 image at its lower edge: of nine taps four and six lie in it."""


def convolution(fmt, position, bias):
    """The kernel of a padded convolution at a place."""
    shape = layer_shape(Convolution(np.zeros((2, 1, 3, 3)), np.zeros(2) if bias else None, padding=1), (1, 4, 4))
    return Kernel(Environment("torch", "linear", batch=3, outputs=2), fmt, 9, 2, bias, shape, position)


def reads_the_input_alone(compute, inside):
    """The operation of a layer: what rows hold in the padding does not reach the sums, which read zeros there."""

    def padded(rows, weights, bias):
        seen = np.zeros_like(rows)
        seen[:, list(inside)] = rows[:, list(inside)]
        return compute(seen, weights, bias)

    return padded


tree = fixed_order(random_tree(np.random.default_rng(1), 9))
CASES = {
    "in sequence, fused": Arithmetic(FLOAT32, fused=True),
    "bias first": Arithmetic(FLOAT32, fused=True, bias_first=True),
    "two lanes": Arithmetic(FLOAT32, order=parse_order("strided:2"), fused=True),
    "any tree": Arithmetic(FLOAT64, order=tree),
    "any tree, fused": Arithmetic(FLOAT32, order=tree, fused=True),
    "some products rounded": Arithmetic(FLOAT32, order=parse_order("strided:2"), fused=True, rounded=(0, 1, 4)),
    "bias in the tree": Arithmetic(FLOAT32, order=fixed_order(random_tree(np.random.default_rng(2), 10)), bias_leaf=True),
    "flushed, wide": Arithmetic(BFLOAT16, FLOAT32, order=parse_order("pairwise"), flush=Flush.ROUNDED),
    "aligned": Arithmetic(
        BFLOAT16, FLOAT32, fused=True, order=parse_order("groups:4"), alignment=Alignment(24, rounding=Rounding.RTZ)
    ),
    "one program": arithmetic(rounded_before_bias(9)),
}


@pytest.mark.parametrize("position", [EDGE, CORNER])
@pytest.mark.parametrize("case", CASES)
def test_what_adds_the_taps_in_the_input_is_found(case, position):
    how = CASES[case]
    bias = how.bias_leaf or how.bias_first or how.given is not None
    what = convolution(how.format, position, bias)
    inside = taps_inside(what)
    assert inside == ((0, 1, 3, 4) if position == CORNER else (0, 1, 2, 3, 4, 5))
    reveal = revealed(reads_the_input_alone(layer(what, lambda row, output: how), inside), what)
    assert reveal.explained, (reveal.notes, [str(one.check) for one in reveal.classes])
    assert reveal_from_json(reveal_to_json(reveal)) == reveal
    assert MADE_UP in reveal.notes
    (one,) = reveal.classes
    generator = np.random.default_rng(0)
    inputs, weights, biases = (generator.standard_normal(shape) for shape in ((500, 9), (500, 9), 500))
    inputs[:, [leaf for leaf in range(9) if leaf not in inside]] = 0.0
    numbers = [np.asarray(array, np.float32).view(np.uint32) & 0xFFFF0000 for array in (inputs, weights, biases)]
    x, w, b = (array.view(np.float32).astype(np.float64) for array in numbers)  # of bfloat16, which every format here has
    expected, own = (sum_of_products(way, w, x, b if bias else None) for way in (how, one.arithmetic))
    assert same_numbers(own, expected).all()
    if case in ("in sequence, fused", "bias first"):
        assert one.arithmetic == how
    if case == "two lanes":
        assert one.arithmetic.order.fixed is None


def test_what_is_not_explained_is_told_with_all_taps():
    """A kernel that now and then is wrong in its last bit: the vector that shows it fits the layer."""
    how = Arithmetic(FLOAT32)
    what = convolution(FLOAT32, EDGE, bias=False)
    inside = taps_inside(what)
    right = reads_the_input_alone(layer(what, lambda row, output: how), inside)

    def wrong(rows, weights, bias):
        results = right(rows, weights, bias)
        return np.where(rows[:, :1] > 2, np.nextafter(results, np.float32(np.inf)), results)

    reveal = revealed(wrong, what)
    assert not reveal.explained
    first = next(one.check.first for one in reveal.classes if one.check.first is not None)
    assert (len(first.inputs), len(first.weights)) == (9, 9)
    assert not any(value for leaf, value in enumerate(first.inputs) if leaf not in inside)
    assert first.inputs[0] > 2


def test_weights_in_the_padding_are_numbers_and_reach_the_kernel():
    """What a kernel makes of them must not matter: one that adds them to its sum is not explained."""
    how = Arithmetic(FLOAT32)
    what = convolution(FLOAT32, EDGE, bias=False)
    right = reads_the_input_alone(layer(what, lambda row, output: how), taps_inside(what))

    def reading(rows, weights, bias):
        return right(rows, weights, bias) + weights[:, 8] * np.float32(2**-10)

    assert not revealed(reading, what).explained


def test_where_no_tap_lies_in_the_input_there_is_nothing_to_reveal():
    shape = layer_shape(Convolution(np.zeros((2, 1, 2, 2)), padding=((2, 0), (2, 0))), (1, 3, 3))
    what = Kernel(Environment("torch", "linear", batch=1, outputs=2), FLOAT32, 4, 2, False, shape, 0)
    with pytest.raises(CannotRun, match="no tap of position 0 lies in the input"):
        taps_inside(what)


def test_operands_elsewhere_in_memory_are_those_of_the_taps_in_the_input():
    what = convolution(FLOAT32, EDGE, bias=False)
    inside = taps_inside(what)
    ways = {None: parse_order("sequential"), 4: parse_order("pairwise")}
    operations = {
        offset: reads_the_input_alone(layer(what, lambda row, output, o=order: Arithmetic(FLOAT32, order=o)), inside)
        for offset, order in ways.items()
    }
    library = Simulated(operations[None], moved=lambda offset: operations[4 if offset == 4 else None])
    reveal = reveal_kernel(cast(Library, library), what, 300, 0)
    assert reveal.explained
    assert reveal.alignment == "other results with operands 4 bytes past a multiple of 64 (tried: 4, 16, 32, 48)"


@pytest.mark.parametrize("name", ["pairwise", "strided:4", "strided:8", "lanes:4", "blocked:8", "interleaved:9", "blocked:9"])
@pytest.mark.parametrize("channels", [2, 8])
def test_orders_come_back_by_their_names(name, channels):
    """Or by another one that comes to the same there."""
    sums = Convolution(np.zeros((1, channels, 3, 3)), padding=1).structure((channels, 2, 2))
    how, terms, found = Arithmetic(FLOAT32, order=parse_order(name)), 9 * channels, set()
    for inside in map(np.flatnonzero, taps_of(sums).sets):
        tree = restrict(how.order.tree(terms), inside)[0]
        small = Arithmetic(FLOAT32, order=fixed_order(tree))
        found.add(over_all(small, tuple(inside.tolist()), terms, False, (9, channels)))
    assert not any(one.given or one.order.fixed or one.rounded for one in found), sorted(map(str, found))


class OfOneArithmetic(Library):
    """Runs networks of one layer in an arithmetic that is known."""

    name, packages, variants, takes_patterns = "torch", ("torch",), ("linear",), True
    calls: ClassVar = {"linear": SimpleNamespace(layouts=(), own="", takes=lambda layout: False)}

    def __init__(self, how):
        self.how = how

    def load(self, device, threads=None):
        raise NotImplementedError

    primitive = outputs = load

    def describe(self, device):
        return {}

    def numbers(self, tensor):
        return tensor

    def model(self, network, numbers, dtype, variant, device, offset=None, layout=""):
        (node,) = network.nodes
        arrays = [None if array is None else widened(array) for array in numbers[node.name]]
        held = replace(node, layer=replace(node.layer, **dict(zip(node.layer.parameters, arrays, strict=True))))
        whole = replace(network, nodes=(held,))
        return lambda points: narrowed(self.given(whole, widened(points)), dtype, patterns=True)

    def given(self, network, points):
        """In the arithmetic, (points, outputs)."""
        with np.errstate(all="ignore"):
            shaped = points.reshape(len(points), *network.input_shape)
            return network_outputs(network, shaped, Deployment(self.how)).reshape(len(points), -1)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", ["sequential", "pairwise"])
def test_what_is_revealed_at_one_corner_says_nothing_of_the_others(name, bias):
    """Of an image of 2 x 2 no place reads all taps: float16 results show differences too seldom to notice a wrong order."""
    how, draw = Arithmetic(FLOAT16, FLOAT32, order=parse_order(name)), np.random.default_rng(0)
    weight, shift = (round_array(draw.standard_normal(shape) / 3, FLOAT16) for shape in ((2, 1, 3, 3), 2))
    node = Node("conv", Convolution(weight, shift if bias else None, padding=1), (INPUT,))
    network, library = Network((node,), (1, 2, 2), "conv"), OfOneArithmetic(how)
    found = reveal_network(CachedKernels(library), network, FLOAT16, Environment("torch", "linear", batch=1), vectors=300)
    assert found.perfect
    points = hostile_points(20_000, 4, FLOAT16, 77)
    assert same_numbers(predicted(network, points, found.deployments), library.given(network, points)).all()
    taps = taps_of(network.structure("conv"))
    for output in range(8):
        inside, own = np.flatnonzero(taps.sets[taps.of[output % 4]]), found.deployment.at(0, output)
        assert equal(*(restrict(one.order.tree(9), inside)[0] for one in (own, how)))


def test_places_that_were_not_looked_at_are_not_explained(monkeypatch):
    monkeypatch.setattr(layers, "_MOST_CLASSES", 2)
    node = Node("conv", Convolution(np.ones((1, 1, 3, 3)), padding=1), (INPUT,))
    network, library = Network((node,), (1, 2, 2), "conv"), OfOneArithmetic(Arithmetic(FLOAT32))
    found = reveal_network(CachedKernels(library), network, FLOAT32, Environment("torch", "linear", batch=1), vectors=100)
    (one,) = found.layers
    assert (one.explained, one.total, one.first) == (192, 256, None)
    assert "in what order 1 outputs at the edge are added was not looked at" in one.notes


def test_which_places_are_within_which():
    """Of an image of 4 x 4 all are within an inner one; a corner only within its edges."""
    taps = taps_of(Convolution(np.zeros((1, 1, 3, 3)), padding=1).structure((1, 4, 4)))
    assert taps.within([5]).all()
    assert np.flatnonzero(taps.within([15])).tolist() == [15]
    assert np.flatnonzero(taps.within([14, 11])).tolist() == [3, 7, 11, 12, 13, 14, 15]
    assert taps_of(Convolution(np.zeros((1, 1, 3, 3))).structure((1, 4, 4))).within([0]).all()


@given(st.data())
def test_an_arithmetic_of_some_terms_is_one_of_all_of_them(data):
    terms = data.draw(st.integers(2, 12))
    inside = tuple(sorted(data.draw(st.sets(st.integers(0, terms - 1), min_size=1, max_size=terms - 1))))
    bias, fmt = data.draw(st.booleans()), data.draw(st.sampled_from([FLOAT32, FLOAT16, BFLOAT16]))
    how = data.draw(arithmetics(fmt))
    if data.draw(st.booleans()):
        within = bias and data.draw(st.booleans())
        order = fixed_order(data.draw(trees(len(inside) + within, data.draw(st.integers(2, 4)))))
        rounded = tuple(sorted(data.draw(st.sets(st.integers(0, len(inside) - 1)))))
        how = replace(how, order=order, bias_first=False, rounded=rounded, bias_leaf=within)
    if how.fused and data.draw(st.booleans()):
        how = replace(how, accumulator=FLOAT32, alignment=Alignment(data.draw(st.integers(23, 30)), rounding=Rounding.RTZ))
    if data.draw(st.integers(0, 3)) == 0:
        how = Arithmetic(fmt, given=program_of(how, len(inside), bias))
    found = over_all(how, inside, terms, bias, data.draw(st.sampled_from([(), (3,)])))
    assert bool(found.given) <= bool(how.given or how.alignment)
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    scale = np.exp2(generator.integers(-70, data.draw(st.sampled_from([20, 128])), (40, terms)))
    x, w = (round_array(generator.standard_normal((40, terms)), fmt) for _ in range(2))
    w = np.clip(round_array(w * scale, fmt), -float(fmt.max_finite), float(fmt.max_finite))
    x[:, [leaf for leaf in range(terms) if leaf not in inside]] = 0.0
    b = round_array(generator.standard_normal(40), fmt) if bias else None
    with np.errstate(all="ignore"):
        expected = sum_of_products(how, w[:, list(inside)], x[:, list(inside)], b)
        assert same_numbers(sum_of_products(found, w, x, b), expected).all()


def test_a_step_of_several_is_not_left_with_two():
    """Which add two infinities of opposite signs, or an infinity and a zero, in another way."""
    tree = Tree(4, ((0, 1, 2), (3, 4)))
    kept = {inside: _keeps_its_steps(tree, inside) for inside in ((0, 1, 2), (0, 1, 2, 3), (3,), (0, 1, 3), (2, 3))}
    assert kept == {(0, 1, 2): True, (0, 1, 2, 3): True, (3,): True, (0, 1, 3): False, (2, 3): False}


def test_a_product_that_meets_a_zero_first_is_not_said_to_be_rounded_everywhere():
    """In reverse 2 meets 1, then 0: without 1, product 2 is rounded and 0 is fused onto it, as of all products."""
    small = Arithmetic(FLOAT32, order=parse_order("reverse"), fused=True, rounded=(1,))
    found = over_all(small, (0, 2), 3, False)
    assert (found.order, found.rounded) == (parse_order("reverse"), ())


def test_thousands_of_terms_take_seconds():
    tree = random_tree(np.random.default_rng(3), 4608 * 4 // 9)
    began = time.process_time()
    how = over_all(Arithmetic(FLOAT32, order=fixed_order(tree)), tuple(range(4608 * 4 // 9)), 4608, False, (9, 512))
    assert how.order.fixed is not None
    assert time.process_time() - began < 20


def test_a_program_whose_result_is_wider_than_its_sum_has_zeros_of_its_format():
    leaves, rounds = [Leaf(LeafKind.PRODUCT, (), (Round(FLOAT32),))] * 2, (Round(FLOAT32), Round(BFLOAT16))
    narrow = Program(FLOAT32, Tree(2, ((0, 1),)), tuple(leaves), (Step(StepKind.ADD, rounds),), (Round(FLOAT32),))
    whole = over_all(Arithmetic(FLOAT32, given=narrow), (0, 2), 3, False)
    x, w = np.array([[1.0, 0.0, 2.0**-9]]), np.ones((1, 3))
    assert sum_of_products(whole, w, x, None).tolist() == [1.0]
