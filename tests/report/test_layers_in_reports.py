"""Reports name the layers in which a view's arithmetic is another than the usual one, and say 0 where nothing differs."""

from dataclasses import replace

import numpy as np
import pytest
from divergences import PAIRWISE, SEQUENTIAL, divergence, row_of, twin, views
from rendered import explain, report
from witnesses import published

from fpsynth.formats import FLOAT32
from fpsynth.networks.graph import Node
from fpsynth.networks.layers import Convolution, Flatten
from fpsynth.networks.network import Dense, Network
from fpsynth.orders import parse_order
from fpsynth.orders.order import fixed_order
from fpsynth.predicates import Predicate
from fpsynth.report.stories.other_arithmetics import MAX_SHOWN, other_arithmetics
from fpsynth.sums.arithmetic import Arithmetic, Deployment

TAIL = Arithmetic(FLOAT32, order=parse_order("reverse"), fused=True)


def layered(deployed: Deployment):
    """A convolution that changes nothing, then a row that order decides: in two ways to evaluate it."""
    conv = Convolution(np.ones((1, 1, 1), np.float32))
    row = row_of(4, {0: -(2.0**24), 2: 2.0**24, 3: 1.0})
    last = Dense((row, row_of(4, {0: 0.5}), row_of(4, {1: 0.5})))
    nodes = (Node("conv", conv), Node("flat", Flatten(), ("conv",)), Node("last", last, ("flat",)))
    network = Network(nodes, (1, 4), "last")
    ways = views((str(SEQUENTIAL), SEQUENTIAL), (str(deployed), deployed))
    return divergence(network, (1.0,) * 4, ways, Predicate("argmax"))


@pytest.mark.parametrize("told", [report, explain])
def test_layers_with_an_arithmetic_of_their_own_are_named(told):
    text = " ".join(told(layered(Deployment(TAIL, (((1, 1), SEQUENTIAL), ((1, 2), SEQUENTIAL)), ((1, PAIRWISE),)))).split())
    assert f"but last: {PAIRWISE}" in text
    assert f"but outputs 1-2 of last: {SEQUENTIAL}" in text


@pytest.mark.parametrize("told", [report, explain])
def test_outputs_of_a_single_layer_are_named_by_their_numbers(told):
    assert f"but output 9 of layer 0: {PAIRWISE}" in " ".join(told(twin()).split())


@pytest.mark.parametrize("told", [report, explain])
def test_the_report_on_a_tie_names_them_too(told):
    witness = published()
    deployed = Deployment(witness.deployment.default, (((0, 1), TAIL),))
    changed = replace(witness, views=tuple(replace(view, deployment=deployed) for view in witness.views))
    assert "but output 1 of layer 0: float32 reverse fused" in " ".join(told(changed).split())


def test_nothing_is_said_of_a_view_with_one_arithmetic():
    assert other_arithmetics(layered(Deployment(PAIRWISE)).network, Deployment(PAIRWISE)) == []


def test_two_trees_of_as_many_leaves_do_not_have_the_same_words():
    """A tree is too long to print, and the usual one was named like the other."""
    one, other = (Arithmetic(FLOAT32, order=fixed_order(parse_order(f"random:{k}").tree(200))) for k in (1, 2))
    network = Network(
        (Node("flat", Flatten()), Node("last", Dense(np.ones((3, 200), np.float32)), ("flat",))), (1, 200), "last"
    )
    lines = other_arithmetics(network, Deployment(one, (((0, 1), other), ((0, 2), one))))
    assert lines == [
        "but output 1 of last: float32 another tree of 200 leaves",
        "but output 2 of last: float32 a tree of 200 leaves",
    ]


def test_a_list_of_many_arithmetics_has_an_end():
    hows = [Arithmetic(FLOAT32, order=parse_order(f"strided:{k}")) for k in range(2, 12)]
    rows = Dense(np.ones((12, 16), np.float32))
    network = Network((Node("flat", Flatten()), Node("last", rows, ("flat",))), (1, 16), "last")
    lines = other_arithmetics(network, Deployment(SEQUENTIAL, tuple(((0, k), how) for k, how in enumerate(hows))))
    assert len(lines) == MAX_SHOWN + 1
    assert lines[-1] == f"and {len(hows) - MAX_SHOWN} more; the witness file has them all"


@pytest.mark.parametrize("told", [report, explain])
def test_a_layer_in_which_nothing_differs_has_no_empty_cell(told):
    lines = told(layered(Deployment(PAIRWISE)), width=120).splitlines()
    heads = next(line for line in lines if "by at most" in line).split("  ")
    (conv,) = [line for line in lines if line.split()[:2] == ["conv", "1"]]
    assert len([*filter(None, heads)]) == len([*filter(None, conv.split("  "))])
    assert "0 of 4" in conv
