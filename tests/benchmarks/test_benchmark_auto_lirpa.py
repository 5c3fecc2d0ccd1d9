"""The benchmark of auto_LiRPA: what it is given computes what the network does, and without a checkout it says so."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.auto_lirpa import METHODS, SAME_ENDS, difference, loaded, main, measured, row_text, torch_module
from fpsynth.errors import InputError
from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.networks.layers import Convolution, Dense, Flatten, LeakyReLU, ReLU
from fpsynth.networks.network import INPUT, Network, Node

CHECKOUT = os.environ.get("FPSYNTH_CHECKOUT_AUTO_LIRPA", "")


def network(*more: Node) -> Network:
    """A convolution that pads more behind than before it, and two dense layers."""
    rng = np.random.default_rng(0)
    convolution = Convolution(rng.normal(size=(2, 1, 3, 3)), rng.normal(size=2), stride=(2, 2), padding=((0, 2), (1, 0)))
    (_, rows, columns) = convolution.shape((1, 6, 5))
    nodes = (
        Node("conv", convolution, (INPUT,)),
        Node("relu0", ReLU(), ("conv",)),
        Node("flat", Flatten(), ("relu0",)),
        Node("dense", Dense(rng.normal(size=(4, 2 * rows * columns)), rng.normal(size=4)), ("flat",)),
        Node("relu1", ReLU(), ("dense",)),
        Node("last", Dense(rng.normal(size=(3, 4))), ("relu1",)),
        *more,
    )
    return Network(nodes, (1, 6, 5), nodes[-1].name)


def test_the_module_computes_the_network() -> None:
    torch = pytest.importorskip("torch")
    points = np.random.default_rng(1).random((4, 1, 6, 5))
    with torch.no_grad():
        outputs = torch_module(network())(torch.tensor(points)).numpy()
    assert np.abs(outputs - numpy_outputs(network(), points)).max() < 1e-12


def test_other_layers_are_one_line() -> None:
    pytest.importorskip("torch")
    with pytest.raises(InputError, match="leaky, a leaky relu, is not written for auto_LiRPA"):
        torch_module(network(Node("leaky", LeakyReLU(0.5), ("last",))))


@pytest.mark.parametrize("words", [[], ["--checkout", "nowhere"]])
def test_without_a_checkout_nothing_is_measured_in_one_line(capsys, monkeypatch, tmp_path: Path, words: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["auto_lirpa", *words, "--out", str(tmp_path)])
    main()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("auto_LiRPA is left out: ")
    assert not list(tmp_path.iterdir())


def test_differences_are_relative_to_the_largest_bound() -> None:
    assert difference(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [3.5, 5.0]])) == 0.2


@pytest.mark.skipif(not CHECKOUT, reason="no checkout of auto_LiRPA is named: set FPSYNTH_CHECKOUT_AUTO_LIRPA")
def test_both_bound_a_small_network_alike() -> None:
    try:
        library = loaded(Path(CHECKOUT))
    except InputError as error:
        pytest.skip(str(error))
    points = np.random.default_rng(2).random((2, 30))
    rows = measured(library, "small", network(), points, "float64")
    assert [row["method"] for row in rows] == list(METHODS)
    for row in rows:
        assert len(row_text(row)) == 8
        if row["method"] in ("IBP", SAME_ENDS):
            assert max(row["differences"]) < 1e-12
