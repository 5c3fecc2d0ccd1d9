"""Claims of averages.py: the tree of an average is found whatever the sum is divided or multiplied by, or none is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import AveragePooling, GlobalAveragePooling
from fpsynth.orders import parse_order
from fpsynth.revealing.averages import MOST_TERMS, average_tree
from fpsynth.revealing.trees import Inconsistent, canonical

MEAN = GlobalAveragePooling(False).structure((3, 5, 5))


def averaging(order: str, terms: int, last: str):
    """A library that adds each of three channels in an order, then divides, or multiplies by a rounded reciprocal."""
    tree = parse_order(order).tree(terms)

    def run(points: np.ndarray) -> np.ndarray:
        nodes = list(points.astype(np.float32).reshape(len(points), 3, terms).transpose(2, 0, 1))
        for operands in tree.steps:
            total = nodes[operands[0]]
            for operand in operands[1:]:
                total = total + nodes[operand]
            nodes.append(total)
        count = np.float32(terms)
        return (nodes[-1] / count if last == "divided" else nodes[-1] * (np.float32(1) / count)).astype(float)

    return run


@pytest.mark.parametrize("last", ["divided", "times the reciprocal"])
@pytest.mark.parametrize("order", ["sequential", "pairwise", "strided:8", "lanes:4", "blocked:7"])
def test_the_tree_of_an_average_is_found(order: str, last: str) -> None:
    found = average_tree(MEAN, 1, averaging(order, 25, last), 75, FLOAT32)
    assert canonical(found) == canonical(parse_order(order).tree(25))


def test_what_is_added_exactly_is_one_step() -> None:
    def run(points: np.ndarray) -> np.ndarray:
        return np.array([[math.fsum(channel) / 25 for channel in point.reshape(3, 25)] for point in points])

    assert average_tree(MEAN, 0, run, 75, FLOAT32).steps == (tuple(range(25)),)


def test_what_is_no_sum_has_no_tree() -> None:
    def run(points: np.ndarray) -> np.ndarray:
        return np.clip(points.reshape(len(points), 3, 25), 0, most).mean(axis=2)

    most = 1.0
    with pytest.raises(Inconsistent, match="a probe lost 1 of 25 leaves"):
        average_tree(MEAN, 0, run, 75, FLOAT32)
    most = 1.5
    with pytest.raises(Inconsistent, match="a probe gives what no tree of units gives"):
        average_tree(MEAN, 0, run, 75, FLOAT32)


@pytest.mark.parametrize(
    "sums",
    [
        AveragePooling((2, 2), padding=1).structure((1, 4, 4)),
        GlobalAveragePooling(False).structure((1, MOST_TERMS + 1, 1)),
        GlobalAveragePooling(False).structure((1, 1, 1)),
    ],
)
def test_what_is_not_probed_says_so(sums) -> None:
    with pytest.raises(Inconsistent, match="is not probed"):
        average_tree(sums, 0, lambda points: points, 1 + MOST_TERMS, FLOAT32)
