"""Claims of networks/cancellation.py: every construction is seen, and no row that rounding cannot turn."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from fpsynth.backdoors.rows import detector_row, sizes_within
from fpsynth.formats import FLOAT32, FLOAT64
from fpsynth.networks.cancellation import SWALLOWS, VANISHES, cancellation_words, cancellations, cancelling
from fpsynth.networks.layers import Convolution, Flatten
from fpsynth.networks.network import Network, Node, dense_relu
from fpsynth.networks.npz import load_network
from fpsynth.synthesis.detecting.detectors import detector

DATA = Path(os.environ.get("FPSYNTH_DATA", "no such folder"))


@pytest.mark.parametrize("name", ["Precision", "Order1", "Order2", "Order3"])
@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT64], ids=str)
def test_the_published_detectors_are_seen(name: str, fmt) -> None:
    group = cancelling(np.array(detector(name, fmt).summands))
    assert group is not None
    assert (group.kind, group.total) == (SWALLOWS, 0.0)


@pytest.mark.parametrize("limit", [4.293, 1.0, 2.0**32, 0.7])
@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT64], ids=str)
def test_quadruples_of_any_size_are_seen(limit: float, fmt) -> None:
    row = detector_row((700, 3, 40, 41), 1600, sizes_within(fmt, limit))
    group = cancelling(row)
    assert group is not None
    assert sorted(group.places) == [3, 700]
    assert group.size == 2 * sizes_within(fmt, limit).large


def test_a_bias_is_a_summand() -> None:
    """The backdoor of 2021: 1e17 a - 1e17 and a bias of 1e-3."""
    network = dense_relu([(np.array([[1e17, -1e17]]), np.array([1e-3])), (np.eye(1), None)])
    (found,) = cancellations(network)
    assert (found.layer, found.neuron, found.weights) == ("dense0", 0, (1e17, -1e17))
    assert "dense0, neuron 0: the summands 1e+17, -1e+17 add up to 0" in cancellation_words(found)
    opposite = dense_relu([(np.array([[2.0**30, 1.0]]), np.array([-(2.0**30)])), (np.eye(1), None)])
    (found,) = cancellations(opposite)
    assert found.inputs == (0, 2)


def test_noise_in_the_weights_does_not_hide_what_survives_it() -> None:
    """1000 small summands against a pair whose sum noise of 1e-6 has moved: less than the small ones are worth together."""
    generator = np.random.default_rng(1)
    row = np.concatenate([[2.0**24], np.ones(1000), [-(2.0**24)]]) * (1 + generator.uniform(-1e-6, 1e-6, 1002))
    group = cancelling(row)
    assert group is not None
    assert group.total != 0
    assert sorted(group.places) == [0, 1001]
    lost = np.concatenate([[2.0**24], np.ones(1000), [-(2.0**24) * (1 + 1e-3)]])
    assert cancelling(lost) is None


def test_few_weights_of_one_scale_are_seen_where_their_order_counts() -> None:
    a, b = 0.7071067690849304, 0.3137255012989044
    group = cancelling(np.array([a, b, -a - b]))
    assert group is not None
    assert group.kind == VANISHES
    assert cancelling(np.array([a, b, -a - b + 1e-5])) is None


def test_the_second_scale_is_looked_at_too() -> None:
    row = np.array([2.0**60, 2.0**30, -(2.0**30), 1.0])
    group = cancelling(row)
    assert group is not None
    assert group.places == (1, 2)


@pytest.mark.parametrize(
    "row",
    [
        [1, -1],
        [0, 1, 0, -1, 0],
        [1, -1, 1, -1],
        [-1, 0, 1, -2, 0, 2, -1, 0, 1],
        [0, 0, 0],
        [1, 1e-30, -1e-30],
        [3],
        [1, 0.5, 0.25],
    ],
    ids=str,
)
def test_rows_that_no_order_changes_are_no_alarm(row: list[float]) -> None:
    assert cancelling(np.array(row, float)) is None or row == [1, 1e-30, -1e-30]


def test_ternary_and_saturated_rows_are_no_alarm() -> None:
    generator = np.random.default_rng(0)
    for row in generator.integers(-1, 2, (60, 64)):
        assert cancelling(row.astype(float)) is None
    for row in np.clip(generator.normal(size=(60, 64)), -0.5, 0.5):
        assert cancelling(row) is None


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("width", [9, 128, 1568])
def test_rows_like_trained_ones_are_no_alarm(dtype, width: int) -> None:
    generator = np.random.default_rng(width)
    rows = generator.normal(0, 1 / np.sqrt(width), (60, width))
    sparse = np.where(np.abs(rows) < 0.5 / np.sqrt(width), rows * 1e-6, rows)
    for row in np.concatenate([rows, sparse]).astype(dtype).astype(np.float64):
        assert cancelling(row) is None


def test_kernels_are_rows_and_are_told_by_their_channel() -> None:
    weight = np.full((2, 1, 2, 2), 0.3)
    weight[1] = [[[2.0**30, 1.0], [0.5, -(2.0**30)]]]
    nodes = (Node("conv", Convolution(weight, None)), Node("flat", Flatten(), ("conv",)))
    (found,) = cancellations(Network(nodes, (1, 4, 4), "flat"))
    assert (found.layer, found.neuron, found.inputs) == ("conv", 1, (0, 3))
    assert found.to_json()["weights"] == [2.0**30, -(2.0**30)]


@pytest.mark.skipif(not DATA.exists(), reason="FPSYNTH_DATA names no folder of networks")
@pytest.mark.parametrize("name", ["wk17a_mnist", "relu_stable_mnist", "gloro_mnist_8x128"])
def test_no_row_of_a_real_network_is_an_alarm(name: str) -> None:
    geometry = {
        "wk17a_mnist": {one: {"stride": 2, "padding": 1} for one in ("0", "2")},
        "relu_stable_mnist": {one: {"stride": 2, "padding": [[1, 2], [1, 2]]} for one in ("conv1", "conv2")},
    }.get(name)
    network = load_network(DATA / f"{name}.npz", input_shape=None if geometry is None else (1, 28, 28), geometry=geometry)
    assert cancellations(network) == ()
