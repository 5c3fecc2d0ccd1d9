"""Claims of backdoors/remedies.py, heuristics.py and defence.py: what each remedy does, and what its verdict means."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from fpsynth.backdoors.defence import LEAVES, MOVES, NOT_RUN, NOTHING, ON, SILENCES, WEAKENS, judged, parted
from fpsynth.backdoors.heuristics import compared, ks_distance, kurtosis, looks
from fpsynth.backdoors.remedies import DEFAULT, grid_of, noisy, on_a_grid, permuted, remedies_named
from fpsynth.errors import InputError
from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import FLOAT32, FLOAT64
from fpsynth.networks.layers import Convolution, Dense, Flatten, MaxPooling, ReLU
from fpsynth.networks.network import Network, Node, dense_relu

DRAW = np.random.default_rng


def small(shape: tuple[int, ...] = (5, 7, 6, 3)) -> Network:
    draw = DRAW(2)
    return dense_relu([(draw.normal(size=(b, a)).astype(np.float32), draw.normal(size=b)) for a, b in pairwise(shape)])


def convolutional() -> Network:
    draw = DRAW(3)
    nodes = (
        Node("a", Convolution(draw.normal(size=(4, 1, 3, 3)), draw.normal(size=4))),
        Node("ar", ReLU(), ("a",)),
        Node("p", MaxPooling((2, 2), stride=(2, 2)), ("ar",)),
        Node("b", Convolution(draw.normal(size=(5, 4, 2, 2)), None), ("p",)),
        Node("br", ReLU(), ("b",)),
        Node("f", Flatten(), ("br",)),
        Node("c", Dense(draw.normal(size=(6, 20)), draw.normal(size=6)), ("f",)),
        Node("cr", ReLU(), ("c",)),
        Node("d", Dense(draw.normal(size=(3, 6)), None), ("cr",)),
    )
    return Network(nodes, (1, 8, 8), "d")


def test_permuted_networks_are_the_same_function_with_other_orders() -> None:
    network = small()
    other = permuted(network, DRAW(0))
    assert other != network
    point = DRAW(1).random(5).tolist()
    assert exact_logits(other, point) == exact_logits(network, point)
    assert sorted(map(tuple, other["dense0"].layer.weight.tolist())) == sorted(
        map(tuple, network["dense0"].layer.weight.tolist())
    )


def test_channels_are_permuted_through_pooling_and_flattening() -> None:
    network = convolutional()
    other = permuted(network, DRAW(0))
    changed = [node.name for node in network.nodes if other[node.name].layer != node.layer]
    assert changed == ["a", "b", "c", "d"]
    points = DRAW(1).random((4, 1, 8, 8))
    np.testing.assert_allclose(numpy_outputs(other, points), numpy_outputs(network, points), rtol=1e-12)


def test_one_layer_has_nothing_to_permute() -> None:
    with pytest.raises(InputError, match="no two layers follow each other"):
        permuted(dense_relu([(np.eye(2), None)]), DRAW(0))


@pytest.mark.parametrize("size", [1e-7, 1e-5, 1e-2])
def test_noise_is_relative_and_of_the_format(size: float) -> None:
    network = small()
    other = noisy(network, FLOAT32, size, DRAW(5))
    before, after = (np.fromiter(one.entries(), np.float64) for one in (network, other))
    relative = np.abs(after - before) / np.abs(before)
    assert 0 < relative.max() <= size + 2.0**-23
    assert (after == after.astype(np.float32)).all()
    if size > 1e-6:
        assert relative.max() > size / 2


@pytest.mark.parametrize(("fmt", "dtype"), [(FLOAT32, np.float32), (FLOAT64, np.float64)], ids=["float32", "float64"])
def test_a_grid_rounds_activations_in_float_and_nothing_over_the_reals(fmt, dtype) -> None:
    network = dense_relu([(np.array([[1.0], [-1.0]]), np.zeros(2)), (np.eye(2), None)])
    gridded = on_a_grid(network, fmt, 4)
    given = np.array([[0.3], [2.0], [-1.0 / 3], [1e-9], [1000.03]], dtype)
    wanted = np.round(np.maximum(given.astype(np.float64) @ [[1.0, -1.0]], 0) * 16) / 16
    assert numpy_outputs(gridded, given).tolist() == wanted.tolist()
    assert exact_logits(gridded, [0.3125000001]) == exact_logits(network, [0.3125000001])


def test_a_grid_needs_an_activation() -> None:
    with pytest.raises(InputError, match="no ReLU before its end"):
        on_a_grid(dense_relu([(np.eye(2), None)]), FLOAT32, 4)


def test_remedies_are_named_with_their_strength() -> None:
    assert [one.name for one in remedies_named(DEFAULT)] == list(DEFAULT)
    assert [one.random for one in remedies_named(DEFAULT)] == [True, True, True, True, False, False]
    assert (grid_of("grid:10"), grid_of("permuted")) == (2.0**-10, None)
    assert len(remedies_named(["float64", "float64"])) == 1
    for wrong in ("noise", "noise:0", "noise:x", "noise:nan", "grid:-1", "grid:41", "grid:", "permuted:1", "nois:1", "float32"):
        with pytest.raises(InputError):
            remedies_named([wrong])


def masks(**given: str) -> dict[str, np.ndarray]:
    """Images that are wrong, as a text of 0 and 1 for each environment."""
    return {name: np.array([mark == "1" for mark in text]) for name, text in given.items()}


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (masks(a="1111", b="0000"), masks(a="0000", b="0000"), SILENCES),
        (masks(a="1111", b="0000"), masks(a="1111", b="1111"), ON),
        (masks(a="1111", b="0000"), masks(a="1111", b="0000"), LEAVES),
        (masks(a="1111", b="0000"), masks(a="0000", b="1111"), MOVES),
        (masks(a="1111", b="0000", c="0000"), masks(a="1111", b="0100", c="0000"), MOVES),
        (masks(a="1111", b="1111"), masks(a="1111", b="0000"), WEAKENS),
        (masks(a="1111", b="0000"), masks(a="0100", b="0000"), WEAKENS),
        (masks(a="0000", b="0000"), masks(a="0000", b="0000"), NOTHING),
        (masks(a="0000", b="0000"), masks(a="1111", b="1111"), ON),
        (masks(a="1100", b="0000"), masks(a="0011", b="0011"), SILENCES),  # of images that were never wrong nothing is said
        (masks(a="1111", b="1111"), masks(a="1111", b="1111"), LEAVES),
        (masks(a="1111", b="0000"), {}, NOT_RUN),
        (masks(a="1111", b="0000"), masks(b="0000"), NOT_RUN),  # nothing that was wrong runs it
        (masks(a="1111", b="1111", c="0000"), masks(b="0000", c="0000"), WEAKENS),
        (masks(a="1111", b="0000"), masks(b="1111"), ON),
    ],
)
def test_verdicts(before, after, verdict: str) -> None:
    assert judged(before, after) == verdict


def test_parted_images_are_those_whose_class_depends_on_the_environment() -> None:
    assert parted([np.array([0, 1, 2]), np.array([0, 2, 2]), np.array([1, 1, 2])]) == 2
    assert parted([]) == 0


def test_heuristics_are_those_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    draw = DRAW(0)
    a, b = draw.normal(size=200), draw.laplace(size=150)
    assert ks_distance(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-15)
    assert kurtosis(b) == pytest.approx(stats.kurtosis(b))
    assert kurtosis(np.array([1e200, -1e200, 0.0])) == pytest.approx(stats.kurtosis([1.0, -1.0, 0.0]))
    assert kurtosis(np.ones(3)) == 0


def test_heuristics_see_what_was_put_into_a_host() -> None:
    host = small((20, 30, 4))
    weight = np.concatenate([host["dense0"].layer.weight, np.zeros((2, 20))])
    weight[31, :4] = [4, -4, 2.0**-24, -(2.0**-24)]
    wide = np.concatenate([host["dense1"].layer.weight, np.zeros((4, 2))], axis=1)
    network = dense_relu([(weight, None), (wide, None)])
    first, second = compared(host, network)
    assert first.host is not None
    assert (first.host.empty, first.own.empty, first.host.sparse, first.own.sparse) == (0, 1, 0, 1)
    assert (first.host.cancelling, first.own.cancelling) == (0, 1)
    assert first.own.largest == 4
    assert first.own.kurtosis > first.host.kurtosis
    assert second.own.zeros == 8 / 128
    assert second.nonzero_distance == 0
    assert second.distance == pytest.approx(ks_distance(host["dense1"].layer.weight.reshape(-1), wide.reshape(-1)))
    assert [one.distance for one in compared(host, host)] == [0, 0]
    assert set(looks(host)) == {"dense0", "dense1"}
