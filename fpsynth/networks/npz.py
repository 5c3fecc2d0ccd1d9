"""Networks and images in NumPy's .npz files, read without trusting them: sizes first, never pickle."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError
from fpsynth.networks.layouts import named_otherwise, transposed
from fpsynth.networks.network import Network, dense_relu
from fpsynth.networks.npy import Header
from fpsynth.networks.npz_archive import MAX_BYTES, NETWORK, Archive, archive_of, opened_npz
from fpsynth.networks.npz_graph import is_graph, read_graph
from fpsynth.networks.npz_layers import layer_names, read_layers

MAX_IMAGE_BYTES = 1 << 30
"""What images, as they are stored, and labels, as int64, may hold together."""

__all__ = ["IMAGES", "MAX_BYTES", "MAX_IMAGE_BYTES", "NETWORK", "Images", "load_images", "load_network", "network_in"]

IMAGES = "an .npz file of NumPy with images (count, ...) and labels (count,)"


@dataclass(frozen=True)
class Images:
    """Labelled images, flattened."""

    pixels: npt.NDArray[Any]
    """(images, features): uint8, or floats that are used as they are."""
    labels: npt.NDArray[np.int64]
    """(images,): the true classes."""
    shape: tuple[int, ...]
    """Of one image, as the file has it."""


def load_network(
    path: PathLike, *, input_shape: Sequence[int] | None = None, geometry: Mapping[str, Mapping[str, Any]] | None = None
) -> Network:
    """Read a network, as float64, from arrays that are called in one of three ways; other arrays are left alone.

    W0, W1, ..., each (inputs, outputs), and b0, b1, ...: dense layers.  NAME_weight and NAME_bias, as torch lays them out, in
    the order of the file: dense layers and convolutions, see ``npz_layers``, for which ``input_shape`` and ``geometry`` say
    what the file does not.  The array ``network``: what ``npz_graph.write_npz`` wrote.  Between layers of the first two stands
    a ReLU.  Raises InputError for a file that is no .npz, damaged or too large, and for arrays that are missing, not finite
    numbers, or do not fit together.
    """
    with opened_npz(path, NETWORK) as archive:
        return _network(archive, input_shape, geometry)


def network_in(file: BinaryIO, what: str) -> Network:
    """The network in an .npz file that is open, as ``load_network`` reads it; an InputError begins with ``what``."""
    with archive_of(file, what) as archive:
        return _network(archive)


def _network(
    archive: Archive,
    input_shape: Sequence[int] | None = None,
    geometry: Mapping[str, Mapping[str, Any]] | None = None,
) -> Network:
    if is_graph(archive):
        return read_graph(archive)
    names = layer_names(archive)
    if names and "W0" not in archive.members:
        return read_layers(archive, names, input_shape, geometry)
    count = _layer_count(archive.members)
    headers = archive.headers([name for k in range(count) for name in (f"W{k}", f"b{k}") if name in archive.members])
    _require_fitting(headers, count)
    arrays = archive.floats(list(headers))
    return dense_relu([(arrays[f"W{k}"].T, arrays.get(f"b{k}")) for k in range(count)])


def load_images(path: PathLike) -> Images:
    """Read ``images`` (count, ...) of uint8 or floats and ``labels`` (count,) of integers; the images are flattened.

    Raises InputError for a file that is no .npz, damaged or too large, and for arrays that are missing, of another type,
    not finite, or of different lengths.
    """
    with opened_npz(path, IMAGES) as archive:
        missing = [name for name in ("images", "labels") if name not in archive.members]
        if missing:
            raise InputError(
                f"no array called {missing[0]} (an image file has images and labels){named_otherwise(list(archive.members))}"
            )
        headers = archive.headers(["images", "labels"])
        images, labels = headers["images"], headers["labels"]
        if images.type.lstrip("|<>=") != "u1" and images.kind != "f":
            raise InputError(f"images must be uint8 or floats, not {np.dtype(images.type)}")
        if len(images.shape) < 2 or not images.count:
            raise InputError(f"images must have shape (count, ...), not {images.shape}")
        require_labels(labels, images.shape[0])
        if images.count * images.item_bytes + labels.count * 8 > MAX_IMAGE_BYTES:
            raise InputError(f"the images need more than {MAX_IMAGE_BYTES >> 20} MiB")
        classes, pixels = read_labels(archive), archive.read("images")
        if images.kind == "f" and not all(np.isfinite(image).all() for image in pixels):
            raise InputError("images holds numbers that are not finite")
    return Images(pixels.reshape(len(pixels), -1), classes, pixels.shape[1:])


def require_labels(labels: Header, count: int) -> None:
    """Raise InputError unless an array may be the classes of so many images."""
    if labels.kind not in "iu" or labels.shape != (count,):
        raise InputError(f"labels must be {count} integers from 0, not {np.dtype(labels.type)} of shape {labels.shape}")


def read_labels(archive: Archive) -> npt.NDArray[np.int64]:
    """The array ``labels``, which ``require_labels`` accepts.  Raises InputError for numbers that no class has."""
    classes = archive.read("labels")
    if classes.min() < 0 or classes.max() >= 1 << 31:
        raise InputError(f"labels must be {len(classes)} integers from 0, not {classes.min()} to {classes.max()}")
    return classes.astype(np.int64)


def _layer_count(names: Iterable[str]) -> int:
    """How many layers W0, W1, ... make.  Raises InputError for gaps and for biases without a layer."""
    numbers = {
        letter: {int(m[1]) for name in names if (m := re.fullmatch(letter + r"(0|[1-9]\d{0,4})", name))} for letter in "Wb"
    }
    count = len(numbers["W"])
    if not count:
        raise InputError(f"no array called W0 (a network's layers are called W0, W1, ...){named_otherwise(list(names))}")
    if numbers["W"] != set(range(count)):
        raise InputError(f"the layers must be W0 to W{count - 1} without gaps")
    if not numbers["b"] <= numbers["W"]:
        raise InputError(f"b{max(numbers['b'])} belongs to no layer")
    return count


def _require_fitting(headers: dict[str, Header], count: int) -> None:
    """Raise InputError unless the weights and biases make a chain of layers."""
    shapes: list[tuple[int, int]] = []
    biases: list[int | None] = []
    for k in range(count):
        shape = headers[f"W{k}"].shape
        if len(shape) != 2 or 0 in shape:
            raise InputError(f"W{k} must have two dimensions (inputs, outputs), not shape {shape}")
        shapes.append((shape[0], shape[1]))
        bias = headers[f"b{k}"].shape if f"b{k}" in headers else None
        if bias is not None and len(bias) != 1:
            raise InputError(f"b{k} must have shape ({shape[1]},), not {bias}")
        biases.append(None if bias is None else bias[0])
    for k, ((inputs, outputs), entries) in enumerate(zip(shapes, biases, strict=True)):
        if k and shapes[k - 1][1] != inputs:
            wrong = f"W{k - 1} has {shapes[k - 1][1]} outputs but W{k} has {inputs} inputs"
        elif entries not in (None, outputs):
            wrong = f"b{k} must have shape ({outputs},), not ({entries},)"
        else:
            continue
        raise InputError(wrong + transposed(shapes, biases))
