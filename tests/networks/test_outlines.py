"""How large a layer's structure is, told by shapes alone, is what its tables are once they are laid out."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from graphs import graphs
from hypothesis import given, settings
from profiles import examples

from fpsynth.networks.layers import (
    LAYERS,
    Affine,
    Argmax,
    BatchNormalisation,
    DivideConstant,
    Layer,
    Pad,
    Selection,
    Softmax,
    Sums,
)
from fpsynth.networks.layers.structure import outlined
from fpsynth.networks.network import INPUT, Network, Node

ONES = np.ones(2)


def compared(network: Network, name: str) -> None:
    told, structure = network.outline(name), network.structure(name)
    laid_out = outlined(structure, math.prod(network.shapes[name]))
    assert (told.positions, told.terms, told.adds, told.biased) == (
        laid_out.positions,
        laid_out.terms,
        laid_out.adds,
        laid_out.biased,
    )
    if isinstance(structure, Sums):
        assert network.read_by(name) == structure.outputs * structure.terms
        if structure.divisor is not None:
            common = math.lcm(*(abs(Fraction(d)).numerator for d in structure.divisor.tolist()))
            assert told.divisor_bits >= (common // (common & -common)).bit_length() - 1
    elif isinstance(structure, Selection):
        assert math.prod(network.shapes[name]) == structure.outputs


@settings(max_examples=examples(100), deadline=None)
@given(graphs(divisors=True))
def test_an_outline_is_what_the_tables_say(network):
    for node in network.nodes:
        compared(network, node.name)
    assert network.operations == sum(
        structure.outputs * structure.terms
        for structure in (network.structure(node.name) for node in network.nodes)
        if isinstance(structure, Sums)
    )
    assert network.sums == tuple(node.name for node in network.nodes if isinstance(network.structure(node.name), Sums))
    assert network.work >= network.operations


@pytest.mark.parametrize(
    "layer",
    [
        BatchNormalisation(ONES, ONES, ONES, ONES),
        Affine(ONES, ONES),
        Argmax(),
        Softmax(),
        DivideConstant(np.arange(1.0, 7.0).reshape(2, 3)),
    ],
    ids=lambda layer: layer.kind,
)
def test_an_outline_of_what_random_networks_do_not_have(layer):
    compared(Network((Node("one", layer),), (2, 3), "one"), "one")


def test_every_layer_type_says_how_large_it_is_without_its_tables():
    assert [kind for kind, layer in LAYERS.items() if layer.outline is Layer.outline] == []


def test_a_layer_that_is_too_large_to_be_laid_out_is_told():
    huge = Network((Node("pad", Pad(((0, 16000), (0, 16000)))),), (1, 1), "pad")
    assert huge.work == 16001**2
    assert huge.numbers == 16001**2 + 1
    assert huge.outline(huge.output).positions == 16001**2
    assert INPUT in huge.shapes
    assert not huge._structures, "nothing is laid out"
