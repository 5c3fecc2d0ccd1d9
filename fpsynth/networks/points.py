"""Inputs of a network from an .npz file: images, perhaps with labels, or plain arrays of numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError
from fpsynth.networks.layers import Shape
from fpsynth.networks.npz import IMAGES, MAX_IMAGE_BYTES, read_labels, require_labels
from fpsynth.networks.npz_archive import opened_npz

Labels = NDArray[np.int64]


def load_points(path: PathLike, shape: Shape) -> tuple[NDArray[np.float64], Labels | None]:
    """Points (count, numbers) for a network of an input shape, and their ``labels`` (count,) where there are any.

    The array ``images`` (uint8 is divided by 255) or ``inputs``.  Images whose channels are last are turned where the network's
    come first.  Raises InputError, one line, for other files and arrays, and for points that do not fit the network.
    """
    with opened_npz(path, IMAGES) as archive:
        name = next((name for name in ("images", "inputs") if name in archive.members), None)
        if name is None:
            there = ", ".join(sorted(archive.members))[:80] or "no arrays"
            raise InputError(f"no array called images or inputs: it has {there}")
        names = [name, *(["labels"] if "labels" in archive.members else [])]
        headers = archive.headers(names)
        header = headers[name]
        if header.type.lstrip("|<>=") != "u1" and header.kind != "f":
            raise InputError(f"{name} must be uint8 or floats, not {np.dtype(header.type)}")
        if len(header.shape) < 2:
            raise InputError(f"{name} must have shape (count, ...), not {header.shape}")
        if not header.count:
            raise InputError(f"{name} of shape {header.shape} hold no numbers")
        if header.count * 8 > MAX_IMAGE_BYTES:
            raise InputError(f"{name} need more than {MAX_IMAGE_BYTES >> 20} MiB")
        if "labels" in headers:
            require_labels(headers["labels"], header.shape[0])
        values = archive.read(name)
        classes = read_labels(archive) if "labels" in headers else None
        numbers = values.astype(np.float64) / 255 if values.dtype == np.uint8 else values.astype(np.float64)
        if not np.isfinite(numbers).all():
            raise InputError(f"{name} holds numbers that are not finite")
        return fitted(numbers, shape, name), classes


def require_classes(labels: Labels | None, outputs: int) -> None:
    """Raise InputError unless labels, where there are any, are among the classes of a network of so many outputs.

    Of a network with one output, which has no classes, they may be anything.
    """
    if labels is not None and outputs > 1 and labels.max() >= outputs:
        where = f"the network has {outputs} outputs, counted from 0"
        raise InputError(f"the labels name class {labels.max()}, but {where}: count from 0, or leave labels out")


def fitted(numbers: NDArray[Any], shape: Shape, name: str) -> NDArray[Any]:
    """Points (count, ...) flat, in the order of a network's input of that shape: channels are put where it has them.

    Raises InputError for points of another size.
    """
    own = numbers.shape[1:]
    if len(own) == len(shape) == 3 and own != shape:
        if (own[2], *own[:2]) == shape:
            numbers = numbers.transpose(0, 3, 1, 2)
        elif (*own[1:], own[0]) == shape:
            numbers = numbers.transpose(0, 2, 3, 1)
    if math.prod(own) != math.prod(shape):
        raise InputError(f"{name} have the shape {own} each, but the network's input is {shape}")
    return np.ascontiguousarray(numbers).reshape(len(numbers), -1)
