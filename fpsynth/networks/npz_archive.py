"""Archives of NumPy (.npz): the arrays in them by name, their sizes checked before they are read; never pickle."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from fpsynth.aliases import Floats, PathLike
from fpsynth.errors import InputError
from fpsynth.files import opened, shown
from fpsynth.networks.archive import MAX_ARCHIVE, DamagedError, MemberReader, read_directory
from fpsynth.networks.foreign import NPZ, ZIP, Foreign, recognised
from fpsynth.networks.npy import Header, read_array, read_header

MAX_BYTES = 1 << 27
"""What the arrays of a network may hold together once they are float64: 16 million numbers."""


NETWORK = "an .npz file of NumPy with W0, W1, ... (inputs, outputs) and b0, b1, ... (outputs,)"


class Archive:
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
                objects = " (objects of Python)" if "O" in header.type else ""
                raise InputError(f"{name} does not hold plain numbers but {header.type}{objects}")
            size = header.count * header.item_bytes
            if min(header.shape, default=0) < 0 or self.members[name].size != reader.read_so_far + size:
                raise InputError(f"{name} is said to have shape {header.shape} but has another size")
        return headers

    def read(self, name: str) -> npt.NDArray[Any]:
        """The array.  Raises DamagedError where it is damaged."""
        reader = MemberReader(self._file, self.members[name])
        return read_array(reader, read_header(reader))

    def floats(self, names: list[str]) -> dict[str, Floats]:
        """These arrays as float64, exactly.  Raises InputError where they are larger than MAX_BYTES or no finite numbers."""
        headers = self.headers(names)
        if sum(header.count for header in headers.values()) * 8 > MAX_BYTES:
            raise InputError(f"the arrays need more than {MAX_BYTES >> 20} MiB in float64")
        return {name: as_floats(self.read(name), name) for name in names}

    def integers(self, name: str, most: int) -> npt.NDArray[np.int64]:
        """An array of at most so many integers."""
        header = self.headers([name])[name]
        if header.kind not in "iu" or header.count > most:
            raise InputError(f"{name} must be at most {most} integers, not {np.dtype(header.type)} of shape {header.shape}")
        array = self.read(name)
        if array.size and (array.min() < -(1 << 40) or array.max() > 1 << 40):
            raise InputError(f"{name} holds integers that are too large")
        return array.astype(np.int64)


@contextmanager
def opened_npz(path: PathLike, takes: str) -> Iterator[Archive]:
    """The archive; an InputError about it names the path, and what the file is if it is of another kind."""
    if os.path.isdir(path) and (kind := recognised(path)) is not None:
        raise _of_another_kind(path, kind, takes)
    with opened(path, MAX_ARCHIVE) as file, archive_of(file, shown(path), lambda: _refuse_other_kind(path, takes)) as archive:
        yield archive


@contextmanager
def archive_of(file: BinaryIO, what: str, damaged: Callable[[], None] = lambda: None) -> Iterator[Archive]:
    """The archive in a file that is open; an InputError about it begins with ``what``.

    ``damaged`` may say something better of what is no archive.
    """
    try:
        yield Archive(file)
    except DamagedError as error:
        damaged()
        raise InputError(f"{what}: cannot be read as an .npz file ({error})") from None
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def _refuse_other_kind(path: PathLike, takes: str) -> None:
    kind = recognised(path)
    if kind is not None and kind not in (NPZ, ZIP):
        raise _of_another_kind(path, kind, takes) from None


def _of_another_kind(path: PathLike, kind: Foreign, takes: str) -> InputError:
    advice = f"; {kind.advice}" if takes == NETWORK and kind.advice else ""
    return InputError(f"{shown(path)} is {kind.name}; what is needed is {takes}{advice}")


def as_floats(array: npt.NDArray[Any], name: str) -> Floats:
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
