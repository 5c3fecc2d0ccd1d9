"""Claims of network.py, graph.py and template.py: which graphs are networks, which are equal, which are stacks."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from graphs import graphs
from hypothesis import given
from hypothesis import strategies as st
from strategies import networks

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16
from fpsynth.networks.layers import (
    Add,
    Argmax,
    Concat,
    Convolution,
    Dense,
    Flatten,
    LeakyReLU,
    MultiplyConstant,
    Pad,
    ReLU,
    Reshape,
    Softmax,
)
from fpsynth.networks.network import INPUT, Network, Node, dense_relu, with_numbers
from fpsynth.networks.template import template

STACK = dense_relu(
    [(((1.0, 2.0), (3.0, 4.0), (5.0, 6.0)), (7.0, 8.0, 9.0)), (((10.0, 11.0, 12.0),), None)],
)
RELU = ReLU()


def chain(*layers: Any, shape: tuple[int, ...] = (2,)) -> Network:
    """Layers one after the other, called n0, n1, ..."""
    nodes = [Node(f"n{k}", layer, (f"n{k - 1}" if k else INPUT,)) for k, layer in enumerate(layers)]
    return Network(tuple(nodes), shape, nodes[-1].name)


def test_widths_and_entries_of_a_stack_by_hand() -> None:
    assert STACK.widths == (2, 3, 1)
    assert list(STACK.entries()) == [float(k) for k in range(1, 13)]
    assert all(type(entry) is float for entry in STACK.entries())
    assert STACK.dense_layers[1].bias is None
    assert STACK.sums == ("dense0", "dense1")
    assert (STACK.parameter_count, STACK.operations) == (12, 9)


@given(st.data(), st.lists(st.integers(1, 4), min_size=2, max_size=4))
def test_mapping_keeps_shape_and_order(data: st.DataObject, widths: list[int]) -> None:
    network = data.draw(networks(FLOAT16, widths))
    strings = network.map(str)
    assert strings.widths == network.widths == tuple(widths)
    assert list(strings.entries()) == [str(entry) for entry in network.entries()]
    assert [layer.bias is None for layer in strings.dense_layers] == [layer.bias is None for layer in network.dense_layers]


@given(graphs())
def test_a_network_is_its_template_filled_again(network: Network) -> None:
    assert with_numbers(network.map(lambda entry: (entry,)), lambda entry: entry[0]) == network


@pytest.mark.parametrize("weight", [(), ((),), ((1.0, 2.0), (3.0,)), (("a", "b"), ("c",))])
def test_a_weight_is_a_rectangle(weight: Any) -> None:
    with pytest.raises(InputError, match="non-empty rectangle"):
        Dense(weight)


def test_sizes_of_a_stack_must_fit() -> None:
    with pytest.raises(InputError, match="a layer with 1 outputs has a bias of 2 numbers"):
        Dense(((1.0,),), (1.0, 2.0))
    with pytest.raises(InputError, match="a layer with 1 outputs is followed by one with 2 inputs"):
        dense_relu((Dense(((1.0,),)), Dense(((1.0, 2.0),))))
    with pytest.raises(InputError, match="at least one layer"):
        dense_relu(())
    with pytest.raises(InputError, match="at least one layer"):
        Network((), (2,), "dense0")


WRONG: dict[str, tuple[Any, str]] = {
    "a name twice": ([Node("a", RELU), Node("a", RELU, ("a",))], "two nodes are called a"),
    "the input's name": ([Node("input", RELU)], "a node cannot be called 'input'"),
    "no name": ([Node("", RELU)], "a node cannot be called ''"),
    "a name of nothing": ([Node("a", RELU, ("b",))], "a reads b, which is no node"),
    "a cycle": ([Node("a", RELU, ("b",)), Node("b", RELU, ("a",))], "a reads its own result: the network has a cycle"),
    "itself": ([Node("a", Add(), ("input", "a"))], "a reads its own result: the network has a cycle"),
    "no inputs": ([Node("a", RELU, ())], "a: relu reads 1, not 0"),
    "two inputs of a relu": ([Node("a", RELU, ("input", "input"))], "a: relu reads 1, not 2"),
    "one input of an addition": ([Node("a", Add())], "a: add reads at least 2, not 1"),
    "what nobody reads": ([Node("b", RELU), Node("a", RELU)], "b: nothing reads it"),
    "no output": ([Node("b", RELU)], "the output a is no node"),
    "a layer of another size": ([Node("a", Dense(((1.0, 2.0, 3.0),)))], "a: it has 3 inputs, but 2 come in"),
    "an image for a signal": (
        [Node("a", Convolution(np.ones((1, 2, 1))))],
        "a: this convolution reads 2 axes, not the shape 2",
    ),
    "shapes that do not add": (
        [Node("b", Pad(((0, 1),))), Node("a", Add(), ("input", "b"))],
        "a: it adds inputs of one shape, not 2 and 3",
    ),
    "softmax within": ([Node("b", Softmax()), Node("a", RELU, ("b",))], "b: softmax stands only at the end of a network"),
    "too much padding": (
        [Node("a", Pad(((0, 10**9),)))],
        "a: 1000000002 are more than 268435456 numbers",
    ),
    "unknown numbers": ([Node("a", Dense((("w", "v"),)))], "a: a network's parameters are numbers"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_network_is_refused_by_name(case: str) -> None:
    nodes, said = WRONG[case]
    with pytest.raises(InputError) as refused:
        Network(tuple(nodes), (2,), "a")
    assert str(refused.value) == said


def test_huge_shapes_are_refused_before_anything_is_allocated() -> None:
    with pytest.raises(InputError, match="1000000000 x 1000000000 are more than 268435456 numbers"):
        Network((Node("a", RELU),), (10**9, 10**9), "a")
    with pytest.raises(InputError, match="more than 268435456 numbers"):
        chain(*[Concat() if k % 2 else Pad(((0, 2**27),)) for k in range(4)])


@given(graphs(), st.integers())
def test_nodes_may_be_given_in_any_order(network: Network, seed: int) -> None:
    nodes = list(network.nodes)
    random.Random(seed).shuffle(nodes)
    shuffled = Network(tuple(nodes), network.input_shape, network.output)
    places = {node.name: place for place, node in enumerate(shuffled.nodes)}
    assert all(places[name] < places[node.name] for node in shuffled.nodes for name in node.inputs if name != INPUT)
    assert Network(network.nodes, network.input_shape, network.output).nodes == network.nodes


def test_equal_networks_have_equal_bits() -> None:
    one = dense_relu([(((0.5, 0.0),), (1.0,))])
    assert one == dense_relu([(np.array([[0.5, 0.0]], np.float32), np.array([1.0]))])
    assert hash(one) == hash(dense_relu([Dense(np.array([[0.5, 0.0]], np.float32), [1])]))
    for other in (
        dense_relu([(((0.5, -0.0),), (1.0,))]),
        dense_relu([(((0.5, 0.0),), None)]),
        dense_relu([(((0.5, 0.0),), (np.nextafter(1.0, 2.0),))]),
        replace(one, nodes=(replace(one.nodes[0], name="other"),), output="other"),
        one.map(float),
    ):
        assert other != one
    assert LeakyReLU(0.0) != LeakyReLU(-0.0) != RELU
    assert MultiplyConstant([1.0]) != MultiplyConstant([[1.0]])
    assert Convolution(np.ones((1, 1, 2)), padding=1) == Convolution(np.ones((1, 1, 2)), padding=((1, 1),))
    assert Convolution(np.ones((1, 1, 2)), padding=1) != Convolution(np.ones((1, 1, 2)))


def test_numbers_cannot_be_changed_afterwards() -> None:
    given_ = np.ones((2, 2))
    layer = Dense(given_)
    given_[0, 0] = 5.0
    assert layer.weight[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        layer.weight[0, 0] = 2.0
    view = given_[:1]
    view.setflags(write=False)  # what it is a view of can still be written
    layer = Dense(view)
    given_[:] = 7.0
    assert layer.weight.tolist() == [[5.0, 1.0]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint16, np.int64, bool])
def test_numbers_are_kept_as_float32_or_float64(dtype: Any) -> None:
    weight = Dense(np.array([[1, 0]], dtype)).weight
    assert weight.dtype == (np.float32 if dtype is np.float32 else np.float64)
    assert weight.tolist() == [[1.0, 0.0]]


def test_numbers_beyond_float64_are_refused() -> None:
    with pytest.raises(InputError, match="a layer's weight holds integers beyond"):
        Dense(np.array([[2**53 + 1]]))
    if np.dtype(np.longdouble).itemsize > 8:
        with pytest.raises(InputError, match="wider than float64"):
            Dense(np.array([[1]], np.longdouble))


STACKS_ONLY = {
    "a convolution": (chain(Convolution(np.ones((1, 1, 1))), shape=(1, 2)), "the input is 1 x 2"),
    "a leaky relu": (chain(Dense(np.ones((2, 2))), LeakyReLU(), Dense(np.ones((1, 2)))), "n1 is a leaky relu"),
    "an add": (
        Network((Node("d", Dense(np.ones((2, 2)))), Node("sum", Add(), ("d", INPUT))), (2,), "sum"),
        "sum is an add",
    ),
    "no relu": (chain(Dense(np.ones((2, 2))), Dense(np.ones((1, 2)))), "n1 is a dense"),
    "a relu first": (chain(ReLU(), Dense(np.ones((2, 2)))), "n0 is a relu"),
    "a relu last": (chain(Dense(np.ones((2, 2))), ReLU()), "n1, a relu, stands at its end"),
    "reading the input again": (
        Network(
            (
                Node("d", Dense(np.ones((2, 2)))),
                Node("r", RELU),
                Node("e", Dense(np.ones((2, 2))), ("r",)),
                Node("sum", Add(), ("d", "e")),
            ),
            (2,),
            "sum",
        ),
        "r is a relu",
    ),
}


@pytest.mark.parametrize("case", STACKS_ONLY)
def test_what_is_no_stack_says_so(case: str) -> None:
    network, said = STACKS_ONLY[case]
    with pytest.raises(InputError) as refused:
        _ = network.dense_layers
    assert str(refused.value) == f"this command takes dense ReLU networks so far; {said}"
    with pytest.raises(InputError):
        _ = network.widths


def test_the_end_of_a_classifier_is_not_its_logits() -> None:
    for layer in (Argmax(), Softmax()):
        network = chain(Dense(np.ones((3, 2))), layer)
        assert network.logits == chain(Dense(np.ones((3, 2))))
    assert STACK.logits is STACK
    image = chain(Reshape((2, 1)), Flatten())
    assert (image.output_shape, image.shapes["n0"], image["n1"].layer) == ((2,), (2, 1), Flatten())


def test_templates_hold_whatever_is_searched() -> None:
    unknown = template([((("w", "v"),), ("b",))])
    assert list(unknown.entries()) == ["w", "v", "b"]
    assert list(unknown.map(len).entries()) == [1, 1, 1]
    assert with_numbers(unknown, {"w": 1.0, "v": 2.0, "b": 3.0}.__getitem__) == dense_relu([(((1.0, 2.0),), (3.0,))])
