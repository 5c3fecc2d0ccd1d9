"""The real networks that the benchmarks take, and MNIST's test images, from a folder of .npz files that is not part of this."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.trained_network import export, synthetic, trained
from fpsynth.errors import InputError, MissingPackageError
from fpsynth.networks.network import Network
from fpsynth.networks.npz import load_images, load_network
from fpsynth.networks.reading import read_network
from fpsynth.packages import how_to_install

Points = NDArray[np.float64]
"""(images, 784), between 0 and 1."""
Labels = NDArray[np.int64]
DATA = Path(os.environ.get("FPSYNTH_DATA") or Path(__file__).parents[2] / "shared" / "data")
IMAGES = "mnist_t10k.npz"
_TRAINED_ON = 5000
_SHAPE = (1, 28, 28)

_WK17A = {name: {"stride": 2, "padding": 1} for name in ("0", "2")}
"""Of the convolutions of Wong and Kolter's network, of which the file does not say it."""
_RELU_STABLE = {name: {"stride": 2, "padding": [[1, 2], [1, 2]]} for name in ("conv1", "conv2")}
"""What TensorFlow's padding SAME is for images of 28 and of 14 pixels, kernels of 5 and a stride of 2."""


def _stored(name: str, geometry: dict[str, Any] | None) -> Callable[[Path], Network]:
    def load(folder: Path) -> Network:
        shape = None if geometry is None else _SHAPE
        return load_network(_present(folder / f"{name}.npz"), input_shape=shape, geometry=geometry)

    return load


def _trained(folder: Path) -> Network:
    """The network that is trained here, on MNIST where it is there, read back from the ONNX model that torch wrote."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingPackageError(f"torch is not installed: {how_to_install('torch')}") from None
    images, labels = synthetic(_TRAINED_ON) if not (folder / IMAGES).exists() else _first(folder)
    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / "trained.onnx"
        export(trained(images, labels), model, _SHAPE)
        return read_network(model).network


def _first(folder: Path) -> tuple[NDArray[np.float32], Labels]:
    points, labels = images(folder, _TRAINED_ON)
    return points.astype(np.float32).reshape(-1, *_SHAPE), labels


NETWORKS: dict[str, Callable[[Path], Network]] = {
    "wk17a_mnist": _stored("wk17a_mnist", _WK17A),
    "relu_stable_mnist": _stored("relu_stable_mnist", _RELU_STABLE),
    "gloro_mnist_8x128": _stored("gloro_mnist_8x128", None),
    "trained_cnn": _trained,
}
"""What makes each network from the folder.  Raises InputError where a file or a package is missing."""


def images(folder: Path, count: int) -> tuple[Points, Labels]:
    """The first so many test images, rounded as float32 rounds them once they are divided by 255, and their labels."""
    stored = load_images(_present(folder / IMAGES))
    pixels = stored.pixels[:count].astype(np.float32) / np.float32(255)
    return pixels.astype(np.float64), stored.labels[:count]


def _present(path: Path) -> Path:
    if not path.exists():
        raise InputError(f"{path.name} is not in {path.parent}: say where with --data or FPSYNTH_DATA")
    return path
