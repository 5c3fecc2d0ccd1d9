"""Claims of rewrites.py: a folded batch normalisation is the same function, but for one rounding of each parameter."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64
from fpsynth.networks.layers import Add, AddConstant, BatchNormalisation, Convolution, Dense, MultiplyConstant, ReLU
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.networks.rewrites import fold_batch_normalisation

NORM = BatchNormalisation([0.5, -1.0], [3.75, 0.0], [3.0, -0.5], [1.0, 0.25], 0.25)
"""Factors 3/2 and -1."""
POINT = (0.5, -1.0, 2.0, 0.25, 0.75, -0.5)


def after(layer: Dense | Convolution, shape: tuple[int, ...], *more: Node) -> Network:
    nodes = (Node("first", layer), Node("norm", NORM, ("first",)), *more)
    return Network(nodes, shape, nodes[-1].name)


CASES = {
    "dense": after(Dense(np.arange(12.0).reshape(2, 6) - 5, [1.0, 2.0]), (6,)),
    "dense without bias": after(Dense(np.arange(12.0).reshape(2, 6) - 5), (6,)),
    "convolution": after(Convolution(np.arange(8.0).reshape(2, 2, 2) - 3, [0.5, -0.5], padding=1), (2, 3)),
    "dense along an axis": after(Dense(np.arange(9.0).reshape(3, 3)), (2, 3)),
    "read twice": after(Dense(np.arange(12.0).reshape(2, 6)), (6,), Node("sum", Add(), ("first", "norm"))),
    "the input": Network((Node("norm", NORM), Node("relu", ReLU(), ("norm",))), (2, 3), "relu"),
}


@pytest.mark.parametrize("case", CASES)
def test_where_nothing_is_rounded_nothing_changes(case: str) -> None:
    network = CASES[case]
    folded = fold_batch_normalisation(network, FLOAT64)
    assert not any(isinstance(node.layer, BatchNormalisation) for node in folded.nodes)
    assert exact_logits(folded, POINT) == exact_logits(network, POINT)
    assert (folded.output, folded.output_shape) == (network.output, network.output_shape)


def test_where_it_goes() -> None:
    assert [node.name for node in fold_batch_normalisation(CASES["dense"], FLOAT32).nodes] == ["norm"]
    kinds = [type(node.layer) for node in fold_batch_normalisation(CASES["read twice"], FLOAT32).nodes]
    assert kinds == [Dense, MultiplyConstant, AddConstant, Add]
    network = CASES["dense"]
    assert fold_batch_normalisation(fold_batch_normalisation(network, FLOAT32), FLOAT32) == fold_batch_normalisation(
        network, FLOAT32
    )


def test_each_number_is_rounded_once() -> None:
    layer = BatchNormalisation([0.1], [1.0], [1.0], [0.0], 1.0)  # the factor is 1 / sqrt(2)
    network = Network((Node("first", Dense([[3.0]], [0.0])), Node("norm", layer, ("first",))), (1,), "norm")
    (folded,) = fold_batch_normalisation(network, FLOAT16).dense_layers
    half = Fraction(2) ** -10  # an ulp of 3 / sqrt(2) in float16 is 2**-9
    weight, bias = Fraction(float(folded.weight[0, 0])), Fraction(float(folded.bias[0]))
    assert (weight - half) ** 2 < Fraction(9, 2) < (weight + half) ** 2
    assert bias == Fraction(float(np.float16(-float(Fraction(0.1)) / np.sqrt(2.0))))


def test_what_the_format_does_not_hold_is_refused() -> None:
    layer = BatchNormalisation([0.0], [1.0], [1.0], [0.0], 0.0)
    network = Network((Node("first", Dense([[70000.0]])), Node("norm", layer, ("first",))), (1,), "norm")
    with pytest.raises(InputError, match="norm: a folded number is beyond the range of float16"):
        fold_batch_normalisation(network, FLOAT16)


def test_networks_without_one_stay_as_they_are() -> None:
    network = Network((Node("relu", ReLU(), (INPUT,)),), (2,), "relu")
    assert fold_batch_normalisation(network, FLOAT32) == network
