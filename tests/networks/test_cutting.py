"""Claims of networks/cutting.py: a network is what leads to a node and what is behind it, where that node cuts it."""

from __future__ import annotations

import numpy as np
import pytest

from fpsynth.evaluators.float64 import float64_outputs
from fpsynth.networks.cutting import behind, cuts, until
from fpsynth.networks.layers import Add, Dense, ReLU
from fpsynth.networks.network import Network, Node

DRAW = np.random.default_rng(0)


def dense(size: int = 3) -> Dense:
    return Dense(DRAW.normal(size=(size, 3)), DRAW.normal(size=size))


RESIDUAL = Network(
    (
        Node("a", dense()),
        Node("ar", ReLU(), ("a",)),
        Node("b", dense(), ("ar",)),
        Node("br", ReLU(), ("b",)),
        Node("sum", Add(), ("br", "ar")),
        Node("c", dense(2), ("sum",)),
    ),
    (3,),
    "c",
)


def test_inside_a_block_with_a_shortcut_no_node_cuts() -> None:
    assert [node.name for node in RESIDUAL.nodes if cuts(RESIDUAL, node.name)] == ["a", "ar", "sum", "c"]


@pytest.mark.parametrize("name", ["a", "ar", "sum"])
def test_both_parts_after_each_other_are_the_network(name: str) -> None:
    points = DRAW.normal(size=(5, 3))
    rest = behind(RESIDUAL, name)
    assert rest is not None
    assert (float64_outputs(rest, float64_outputs(until(RESIDUAL, name), points)) == float64_outputs(RESIDUAL, points)).all()


def test_nothing_is_behind_the_output() -> None:
    assert behind(RESIDUAL, "c") is None
    assert until(RESIDUAL, "c") == RESIDUAL
