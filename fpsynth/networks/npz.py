"""Networks and images in NumPy's .npz files, read without trusting them: sizes first, never pickle."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from fpsynth.errors import InputError
from fpsynth.files import PathLike, opened, shown
from fpsynth.networks.archive import MAX_ARCHIVE, DamagedError, MemberReader, read_directory
from fpsynth.networks.foreign import NPZ, ZIP, Foreign, recognised
from fpsynth.networks.layouts import named_otherwise, transposed
from fpsynth.networks.network import Network, dense_relu
from fpsynth.networks.npy import Header, read_array, read_header

MAX_BYTES = 1 << 27
"""What the arrays of a network may hold together once they are float64: 16 million numbers."""
MAX_IMAGE_BYTES = 1 << 30
"""What images, as they are stored, and labels, as int64, may hold together."""

Array = npt.NDArray[np.float64]

NETWORK = "an .npz file of NumPy with W0, W1, ... (inputs, outputs) and b0, b1, ... (outputs,)"
IMAGES = "an .npz file of NumPy with images (count, ...) and labels (count,)"


@dataclass(frozen=True)
class Images:
    """Labelled images, flattened."""

    pixels: npt.NDArray[Any]
    """(images, features): uint8, or floats that are used as they are."""
    labels: npt.NDArray[np.int64]
    """(images,): the true classes."""


def load_network(path: PathLike) -> Network:
    """Read W0, W1, ..., each (inputs, outputs), and b0, b1, ... where there are any, as float64.

    Other arrays of the file are left alone.  Raises InputError for a file that is no .npz, damaged or too large, and for
    arrays that are missing, not finite numbers, or do not fit together.
    """
    with _opened(path, NETWORK) as archive:
        count = _layer_count(archive.members)
        headers = archive.headers([name for k in range(count) for name in (f"W{k}", f"b{k}") if name in archive.members])
        _require_fitting(headers, count)
        if sum(header.count for header in headers.values()) * 8 > MAX_BYTES:
            raise InputError(f"the arrays need more than {MAX_BYTES >> 20} MiB in float64")
        arrays = {name: _as_float64(archive.read(name), name) for name in headers}
    return dense_relu([(arrays[f"W{k}"].T, arrays.get(f"b{k}")) for k in range(count)])


def load_images(path: PathLike) -> Images:
    """Read ``images`` (count, ...) of uint8 or floats and ``labels`` (count,) of integers; the images are flattened.

    Raises InputError for a file that is no .npz, damaged or too large, and for arrays that are missing, of another type,
    not finite, or of different lengths.
    """
    with _opened(path, IMAGES) as archive:
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
        if labels.kind not in "iu" or labels.shape != images.shape[:1]:
            kind = np.dtype(labels.type)
            raise InputError(f"labels must be {images.shape[0]} integers from 0, not {kind} of shape {labels.shape}")
        if images.count * images.item_bytes + labels.count * 8 > MAX_IMAGE_BYTES:
            raise InputError(f"the images need more than {MAX_IMAGE_BYTES >> 20} MiB")
        classes, pixels = archive.read("labels"), archive.read("images")
        if classes.min() < 0 or classes.max() >= 1 << 31:
            raise InputError(f"labels must be {len(classes)} integers from 0, not {classes.min()} to {classes.max()}")
        if images.kind == "f" and not all(np.isfinite(image).all() for image in pixels):
            raise InputError("images holds numbers that are not finite")
    return Images(pixels.reshape(len(pixels), -1), classes.astype(np.int64))


class _Archive:
    """An .npz file that is open."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises DamagedError for what is no archive, or holds no array."""
        self._file = file
        members = read_directory(file)
        self.members = {name.removesuffix(".npy"): member for name, member in members.items() if name.endswith(".npy")}
        """The arrays by name."""
        if members and not self.members:
            raise DamagedError("it holds no arrays of NumPy")

    def headers(self, names: list[str]) -> dict[str, Header]:
        """What the arrays are.  Raises InputError where one is no array of plain numbers, or of another size than it says."""
        headers = {}
        for name in names:
            reader = MemberReader(self._file, self.members[name])
            header = headers[name] = read_header(reader)
            if not header.plain:
                raise InputError(f"{name} does not hold plain numbers but {header.type}")
            size = header.count * header.item_bytes
            if min(header.shape, default=0) < 0 or self.members[name].size != reader.read_so_far + size:
                raise InputError(f"{name} is said to have shape {header.shape} but has another size")
        return headers

    def read(self, name: str) -> npt.NDArray[Any]:
        """The array.  Raises DamagedError where it is damaged."""
        reader = MemberReader(self._file, self.members[name])
        return read_array(reader, read_header(reader))


@contextmanager
def _opened(path: PathLike, takes: str) -> Iterator[_Archive]:
    """The archive; an InputError about it names the path, and what the file is if it is of another kind."""
    if os.path.isdir(path) and (kind := recognised(path)) is not None:
        raise _of_another_kind(path, kind, takes)
    with opened(path, MAX_ARCHIVE) as file:
        try:
            yield _Archive(file)
        except DamagedError as error:
            kind = recognised(path)
            if kind is not None and kind not in (NPZ, ZIP):
                raise _of_another_kind(path, kind, takes) from None
            raise InputError(f"{shown(path)}: cannot be read as an .npz file ({error})") from None
        except InputError as error:
            raise InputError(f"{shown(path)}: {error}") from None


def _of_another_kind(path: PathLike, kind: Foreign, takes: str) -> InputError:
    advice = f"; {kind.advice}" if takes == NETWORK and kind.advice else ""
    return InputError(f"{shown(path)} is {kind.name}; what is needed is {takes}{advice}")


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


def _as_float64(array: npt.NDArray[Any], name: str) -> Array:
    """Raises InputError where float64 does not hold the numbers exactly."""
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        raise InputError(f"{name} is {array.dtype}, wider than float64")
    result = array.astype(np.float64)
    if not np.isfinite(result).all():
        raise InputError(f"{name} holds numbers that are not finite")
    if array.dtype.kind in "iu" and ((array > 2**53) | (array < -(2**53))).any():
        raise InputError(f"{name} holds integers beyond 2**53")
    result.setflags(write=False)  # which spares the network a copy
    return result
