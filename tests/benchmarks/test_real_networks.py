"""A trained network is reproduced bit for bit as a whole; the benchmark of real networks says so, and goes on where it was."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from profiles import slow

from fpsynth.formats import FLOAT32
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.libraries.registry import library_named
from fpsynth.networks.network import Network
from fpsynth.networks.reading import read_network
from fpsynth.revealing.revealer import Revealer

ROOT = Path(__file__).parents[2]
KINDS = ["convolution", "batch normalisation", "relu", "max pooling", "add", "global average pooling", "dense"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Network, np.ndarray, np.ndarray]:
    """The network, read from what torch has exported; images and labels that it was not trained on."""
    pytest.importorskip("torch", reason="torch is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        from benchmarks.trained_network import export, synthetic
        from benchmarks.trained_network import trained as train
    file = tmp_path_factory.mktemp("trained") / "cnn.onnx"
    export(train(*synthetic(1000)), file)
    images, labels = synthetic(150, seed=1)
    return read_network(file).network, images.reshape(150, -1).astype(float), labels


@pytest.fixture(scope="module")
def revealer() -> Iterator[Revealer]:
    with Revealer() as one:
        yield one


def test_it_has_all_that_real_networks_have(trained: tuple[Network, np.ndarray, np.ndarray]) -> None:
    kinds = [node.layer.kind for node in trained[0].nodes]
    assert set(KINDS) <= set(kinds)
    assert kinds.count("batch normalisation") == kinds.count("convolution") == 3


@pytest.mark.parametrize(
    "environment",
    [
        *("torch:batch=1,threads=1", "torch:batch=64,threads=1"),
        *("onnxruntime:batch=64,threads=1,optimize=off", "numpy:batch=1,threads=1"),
        pytest.param("onnxruntime:batch=1,threads=1,optimize=off", marks=slow),
        pytest.param("numpy:batch=64,threads=1", marks=slow),
    ],
)
def test_every_logit_is_reproduced(
    trained: tuple[Network, np.ndarray, np.ndarray], revealer: Revealer, environment: str
) -> None:
    network, points, labels = trained
    where = parse_network_environment(environment)
    if library_named(where.library).version() is None:
        pytest.skip(f"{where.library} is not installed")
    answer = revealer.network(network, FLOAT32, where, inputs=points, vectors=300)
    for layer in answer["reveal"]["layers"]:
        assert layer["explained"] == layer["of"] > 0, layer
    assert answer["reproduced"] == answer["logits"].size == 1500
    assert (answer["logits"].argmax(axis=1) == labels).mean() > 0.9  # it has learnt something


def benchmark(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.real_networks", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def data(folder: Path) -> None:
    """A network of dense layers by the name of one that is known, and images."""
    rng = np.random.default_rng(0)
    weights = {f"W{k}": rng.standard_normal(shape) / 8 for k, shape in enumerate([(784, 12), (12, 10)])}
    np.savez(folder / "gloro_mnist_8x128.npz", **weights)
    images, labels = rng.integers(0, 256, (70, 28, 28)).astype(np.uint8), rng.integers(0, 10, 70)
    np.savez(folder / "mnist_t10k.npz", images=images, labels=labels)


@slow
def test_the_benchmark_goes_on_where_it_was(tmp_path: Path) -> None:
    data(tmp_path)
    said = ("--data", tmp_path, "--out", tmp_path, "--library", "numpy", "--network", "gloro_mnist_8x128,wk17a_mnist")
    done = benchmark(*said)
    assert done.returncode == 0, done.stderr
    assert "wk17a_mnist: skipped: wk17a_mnist.npz is not in" in done.stderr
    assert (tmp_path / "real_networks.txt").read_text() == done.stdout
    results = json.loads((tmp_path / "real_networks.json").read_text())
    assert [cell["environment"] for cell in results["cells"]] == ["numpy:batch=1,threads=1", "numpy:batch=64,threads=1"]
    assert "Everything is reproduced." in done.stdout
    for cell in results["cells"]:
        assert cell["logits"] == {"equal": 700, "of": 700}
        assert cell["exact"] == {"agree": 12, "of": 12, "by_layer": {"dense0": 4, "relu0": 4, "dense1": 4}}
        assert cell["rounded_into_float32"] == 784 * 12 + 120
    again = benchmark(*said)
    assert again.stdout == done.stdout
    assert "gloro_mnist_8x128 in numpy" in done.stderr
    assert "gloro_mnist_8x128 in numpy" not in again.stderr


def test_what_is_not_there_is_a_line(tmp_path: Path) -> None:
    missing = benchmark("--data", tmp_path)
    assert (missing.returncode, missing.stderr) == (0, "")
    assert missing.stdout.startswith("skipped: mnist_t10k.npz is not in")
    unknown = benchmark("--network", "mine")
    assert (unknown.returncode, unknown.stderr) == (2, "error: no network 'mine'\n")
