"""Networks and images in NumPy's .npz files, read without trusting them: sizes first, never pickle."""

from __future__ import annotations

import math
import re
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from fpsynth.errors import InputError
from fpsynth.networks.network import Dense, Network

MAX_BYTES = 1 << 30
"""What the arrays that are read from one file may hold together."""

Array = npt.NDArray[np.float64]

_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,  # from NumPy's reader of headers
    SyntaxError,
    EOFError,
    ValueError,
    KeyError,
    RuntimeError,
    MemoryError,
    OSError,
)
"""What the standard library and NumPy may raise on a damaged file."""


@dataclass(frozen=True)
class ArrayNetwork:
    """A ReLU network as float64 arrays: y = x @ weight + bias."""

    weights: tuple[Array, ...]
    """One (inputs, outputs) array per layer."""
    biases: tuple[Array | None, ...]
    """One (outputs,) array per layer, or None."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(inputs, hidden widths..., outputs)."""
        return (self.weights[0].shape[0], *(weight.shape[1] for weight in self.weights))

    def network(self) -> Network[float]:
        """The same as a Network of Python floats."""
        return Network(
            tuple(
                Dense(tuple(map(tuple, weight.T.tolist())), None if bias is None else tuple(bias.tolist()))
                for weight, bias in zip(self.weights, self.biases, strict=True)
            )
        )


@dataclass(frozen=True)
class Images:
    """Labelled images, flattened."""

    pixels: npt.NDArray[Any]
    """(images, features): uint8, or floats that are used as they are."""
    labels: npt.NDArray[np.int64]
    """(images,): the true classes."""


def load_network(path: str | Path) -> Network[float]:
    """Read a network as ``load_arrays`` does and return it as a Network."""
    return load_arrays(path).network()


def load_arrays(path: str | Path) -> ArrayNetwork:
    """Read W0, W1, ..., each (inputs, outputs), and b0, b1, ... where there are any, as float64.

    Other arrays of the file are left alone.  Raises InputError for a file that is no .npz, truncated or too large, and for
    arrays that are missing, not finite numbers, or do not fit together.
    """
    with _opened(path) as archive:
        members = _members(archive, path)
        count = _layer_count(members, path)
        wanted = [name for k in range(count) for name in (f"W{k}", f"b{k}") if name in members]
        arrays = {name: _as_float64(a, name, path) for name, a in _read(archive, members, wanted, path).items()}
    weights = tuple(arrays[f"W{k}"] for k in range(count))
    biases = tuple(arrays.get(f"b{k}") for k in range(count))
    for k, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        if weight.ndim != 2 or not weight.size:
            raise InputError(f"{path}: W{k} must have two dimensions (inputs, outputs), not shape {weight.shape}")
        if k and weights[k - 1].shape[1] != weight.shape[0]:
            raise InputError(f"{path}: W{k - 1} has {weights[k - 1].shape[1]} outputs but W{k} has {weight.shape[0]} inputs")
        if bias is not None and bias.shape != (weight.shape[1],):
            raise InputError(f"{path}: b{k} must have shape ({weight.shape[1]},), not {bias.shape}")
    return ArrayNetwork(weights, biases)


def load_images(path: str | Path) -> Images:
    """Read ``images`` (count, ...) of uint8 or floats and ``labels`` (count,) of integers; the images are flattened.

    Raises InputError for a file that is no .npz, truncated or too large, and for arrays that are missing, of another type,
    not finite, or of different lengths.
    """
    with _opened(path) as archive:
        members = _members(archive, path)
        missing = [name for name in ("images", "labels") if name not in members]
        if missing:
            raise InputError(f"{path}: no array called {missing[0]} (an image file has images and labels)")
        arrays = _read(archive, members, ["images", "labels"], path)
    images, labels = arrays["images"], arrays["labels"]
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise InputError(f"{path}: images must be uint8 or floats, not {images.dtype}")
    if images.ndim < 2 or not images.size:
        raise InputError(f"{path}: images must have shape (count, ...), not {images.shape}")
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise InputError(f"{path}: images holds numbers that are not finite")
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1] or labels.min() < 0:
        raise InputError(f"{path}: labels must be {len(images)} integers from 0, not {labels.dtype} of shape {labels.shape}")
    return Images(images.reshape(len(images), -1), labels.astype(np.int64))


@contextmanager
def _opened(path: str | Path) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever reading it may raise becomes an InputError."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{path}: cannot be read as an .npz file ({reason})") from None


def _members(archive: zipfile.ZipFile, path: str | Path) -> dict[str, zipfile.ZipInfo]:
    """The arrays of the archive by name."""
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist() if info.filename.endswith(".npy")}
    if len(members) > 10_000:
        raise InputError(f"{path}: {len(members)} arrays in one file are too many")
    return members


def _layer_count(members: dict[str, zipfile.ZipInfo], path: str | Path) -> int:
    """How many layers W0, W1, ... make.  Raises InputError for gaps and for biases without a layer."""
    numbers = {
        letter: {int(m[1]) for name in members if (m := re.fullmatch(letter + r"(0|[1-9]\d{0,4})", name))} for letter in "Wb"
    }
    count = len(numbers["W"])
    if not count:
        raise InputError(f"{path}: no array called W0 (a network's layers are called W0, W1, ...)")
    if numbers["W"] != set(range(count)):
        raise InputError(f"{path}: the layers must be W0 to W{count - 1} without gaps")
    if not numbers["b"] <= numbers["W"]:
        raise InputError(f"{path}: b{max(numbers['b'])} belongs to no layer")
    return count


def _read(
    archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], names: list[str], path: str | Path
) -> dict[str, npt.NDArray[Any]]:
    """Read arrays after their headers have shown that they are numbers and of bearable size."""
    total = 0
    for name in names:
        with archive.open(members[name]) as file:
            shape, dtype = _header(file)
            if dtype.hasobject or dtype.kind not in "fiu":
                raise InputError(f"{path}: {name} does not hold plain numbers but {dtype}")
            size = math.prod(shape) * dtype.itemsize
            total += size
            if total > MAX_BYTES:
                raise InputError(f"{path}: the arrays need more than {MAX_BYTES >> 20} MiB")
            if min(shape, default=0) < 0 or members[name].file_size != file.tell() + size:
                raise InputError(f"{path}: {name} is said to have shape {shape} but has another size")
    arrays = {}
    for name in names:
        with archive.open(members[name]) as file:
            arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of a .npy file, from its header alone."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return shape, dtype


def _as_float64(array: npt.NDArray[Any], name: str, path: str | Path) -> Array:
    """Raises InputError where float64 does not hold the numbers exactly."""
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        raise InputError(f"{path}: {name} is {array.dtype}, wider than float64")
    result = array.astype(np.float64)
    if not np.isfinite(result).all():
        raise InputError(f"{path}: {name} holds numbers that are not finite")
    if array.dtype.kind in "iu" and np.abs(result).max(initial=0.0) > 2.0**53:
        raise InputError(f"{path}: {name} holds integers beyond 2**53")
    return result
