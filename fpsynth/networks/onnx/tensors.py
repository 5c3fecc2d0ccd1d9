"""Tensors of ONNX: numbers read from TensorProto messages, sizes first, and written to them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError, MissingPackageError
from fpsynth.files import opened, shown
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.networks.assembling import MAX_AXES
from fpsynth.packages import how_to_install

MAX_BYTES = 1 << 28
"""Largest file that is read, and the most bytes of one tensor in a file beside it."""

# the numbers of onnx.TensorProto.DataType, and each format's little-endian layout in numpy's notation
CODES: dict[Format, int] = {FLOAT32: 1, FLOAT16: 10, FLOAT64: 11, BFLOAT16: 16}
INT64 = 7
FORMATS: dict[int, Format] = {code: fmt for fmt, code in CODES.items()}
_LAYOUTS: dict[Format, str] = {FLOAT32: "<f4", FLOAT16: "<f2", FLOAT64: "<f8"}
INTEGERS: dict[int, str] = {2: "<u1", 3: "<i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "<u1"}
"""Codes of integers and truth values, of which shapes, axes and switches are made."""

Elsewhere = Callable[[str, int, int | None], bytes]
"""Reads a file beside the model: its name, an offset, and how many bytes (None: all)."""


def package() -> Any:
    """The package onnx.  Raises MissingPackageError."""
    try:
        import onnx
    except ImportError:
        raise MissingPackageError(f"ONNX files need the package onnx: {how_to_install('onnx')}") from None
    return onnx


def array_of(tensor: Any, elsewhere: Elsewhere | None) -> tuple[NDArray[Any], Format | None]:
    """The numbers of a TensorProto, and their format; None for integers, which are an array of Python integers.

    Formats of at most 32 bits are float32 arrays, float64 ones float64.  Raises InputError for other types, for sizes that do
    not fit, for infinities and NaN, and for what a file beside the model holds where ``elsewhere`` is None.
    """
    dims = tuple(tensor.dims)
    fmt, layout = FORMATS.get(tensor.data_type), INTEGERS.get(tensor.data_type)
    if fmt is None and layout is None:
        raise InputError(
            f"{tensor.name!r} is {type_name(tensor.data_type)}: read are float16, bfloat16, float32, float64 and integers"
        )
    if len(dims) > MAX_AXES or min(dims, default=1) < 0:
        raise InputError(f"{tensor.name!r} has a shape that is not read: {list(dims)[:MAX_AXES]}")
    size = np.dtype(layout).itemsize if layout else (fmt.bits // 8 if fmt else 0)
    raw = _raw(tensor, math.prod(dims) * size, elsewhere)
    values = _unpacked(raw, fmt, layout) if raw is not None else _listed(tensor, fmt)
    if values.size != math.prod(dims):
        raise InputError(f"{tensor.name!r} has {values.size} numbers in a shape of {list(dims)}")
    if fmt is None:
        return values.astype(object).reshape(dims), None
    if not np.isfinite(values).all():
        raise InputError(f"{tensor.name!r} holds infinities or NaN")
    values.setflags(write=False)
    return values.reshape(dims), fmt


def type_name(code: int) -> str:
    """A type as messages call it."""
    names = {v.number: v.name.lower() for v in package().TensorProto.DataType.DESCRIPTOR.values}
    return str(names.get(code, f"of the type {code}"))


def _raw(tensor: Any, size: int, elsewhere: Elsewhere | None) -> bytes | None:
    """The bytes of the numbers, where they are kept as bytes; of the size that the shape says."""
    if tensor.data_location or tensor.external_data:
        data = _external(tensor, size, elsewhere)
    elif tensor.HasField("raw_data"):
        data = tensor.raw_data
    else:
        return None
    if len(data) != size:
        raise InputError(f"{tensor.name!r} has {len(data)} bytes where its shape {list(tensor.dims)} needs {size}")
    return bytes(data)


def _external(tensor: Any, size: int, elsewhere: Elsewhere | None) -> bytes:
    entries = {_text(entry.key): _text(entry.value) for entry in tensor.external_data}
    if elsewhere is None:
        raise InputError(f"{tensor.name!r} is kept in another file: read the model by its path, or save it as one file")
    if size > MAX_BYTES:
        raise InputError(f"{tensor.name!r} needs {size} bytes, more than {MAX_BYTES}")
    offset, length = entries.get("offset", "0"), entries.get("length", str(size))
    if not (offset.isascii() and offset.isdigit() and len(offset) < 20) or length != str(size):
        raise InputError(
            f"{tensor.name!r} has {length[:20]} bytes from {offset[:20]} in another file where its shape needs {size}"
        )
    return elsewhere(entries.get("location", ""), int(offset), size)


def _text(name: str | bytes) -> str:
    return name.decode("latin-1") if isinstance(name, bytes) else name


_OPEN = 64
"""Files beside a model that stay open: systems allow some hundreds."""


@contextmanager
def beside(path: str | os.PathLike[str]) -> Iterator[Elsewhere]:
    """What reads files in the folder of a model, or below it, and nowhere else.

    Of each all weights are of the file that was there at first: so many stay open, and one that was closed meanwhile must be
    the same when it is opened again.
    """
    folder = os.path.realpath(os.path.dirname(os.path.abspath(os.fspath(path))))
    files: dict[str, tuple[ExitStack, BinaryIO]] = {}
    seen: dict[str, tuple[int, ...]] = {}

    def file_at(place: str) -> BinaryIO:
        if place not in files:
            if len(files) >= _OPEN:
                files.pop(next(iter(files)))[0].close()
            stack = ExitStack()
            file = stack.enter_context(opened(place, 1 << 40))
            files[place] = stack, file
            status = os.fstat(file.fileno())
            own = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            if seen.setdefault(place, own) != own:
                raise InputError(f"{shown(place)} was replaced while it was read")
        return files[place][1]

    def read(location: str, offset: int, size: int | None) -> bytes:
        place = os.path.realpath(os.path.join(folder, location)) if "\0" not in location else folder
        if os.path.isabs(location) or not location or not place.startswith(os.path.join(folder, "")):
            raise InputError(f"its weights are kept in {shown(location)!r}, which is not in its folder")
        if not os.path.lexists(place):
            raise InputError(_missing(location, os.path.basename(os.fspath(path))))
        file = file_at(place)
        file.seek(min(offset, file.seek(0, 2)))  # behind the end nothing is read, and the caller says so
        return file.read(MAX_BYTES if size is None else size)

    try:
        yield read
    finally:
        for stack, _ in files.values():
            stack.close()


def _missing(location: str, model: str) -> str:
    """What is said of a file with weights that is not there."""
    dynamo = " (torch's dynamo exporter writes NAME.onnx.data beside NAME.onnx)" if location.endswith(".onnx.data") else ""
    return (
        f"its weights are kept in {shown(location)}, which is not beside {shown(model)}: put both into one folder{dynamo}, or"
        " export it in one file, as torch.onnx.export(..., external_data=False) does"
    )


def _unpacked(raw: bytes, fmt: Format | None, layout: str | None) -> NDArray[Any]:
    if fmt is BFLOAT16:
        return _from_bfloat16(np.frombuffer(raw, "<u2"))
    values = np.frombuffer(raw, layout or _LAYOUTS[fmt or FLOAT32])
    return values.astype(np.float32) if fmt is FLOAT16 else values.astype(values.dtype.newbyteorder("="))


def _listed(tensor: Any, fmt: Format | None) -> NDArray[Any]:
    """The numbers as other writers may keep them: 16-bit formats as bit patterns among the int32s."""
    if fmt is None:
        return np.array([*(tensor.int64_data if tensor.data_type == 7 else tensor.int32_data)], object)
    if fmt in (FLOAT32, FLOAT64):
        return np.array(tensor.float_data, np.float32) if fmt is FLOAT32 else np.array(tensor.double_data, np.float64)
    patterns = np.array(tensor.int32_data, dtype=np.int64)
    if ((patterns < 0) | (patterns > 0xFFFF)).any():
        raise InputError(f"{tensor.name!r} holds bit patterns of more than 16 bits")
    bits = patterns.astype("<u2")
    return _from_bfloat16(bits) if fmt is BFLOAT16 else bits.view("<f2").astype(np.float32)


def _from_bfloat16(bits: NDArray[Any]) -> NDArray[Any]:
    return (bits.astype("<u4") << 16).view("<f4").astype(np.float32)


def raw(values: Any, dtype: Format) -> bytes:
    """Numbers as a TensorProto keeps them.  Raises InputError where they are not finite numbers of the format."""
    wide = np.array(values, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is refused below
        narrow = wide.astype("<f4" if dtype is BFLOAT16 else _LAYOUTS[dtype])
    exact, data = bool(np.array_equal(narrow, wide) and np.isfinite(wide).all()), narrow.tobytes()
    if dtype is BFLOAT16:  # the upper half of a float32
        bits = narrow.view("<u4")
        exact, data = exact and not (bits & 0xFFFF).any().item(), (bits >> 16).astype("<u2").tobytes()
    if not exact:
        raise InputError(f"the network holds numbers that are not finite {dtype.name}")
    return data


def empty(name: str, dims: Sequence[int], dtype: Format) -> Any:
    """A TensorProto without its numbers."""
    return package().TensorProto(name=name, dims=dims, data_type=CODES[dtype])


def written_integers(name: str, values: Any) -> Any:
    """A TensorProto of int64: a shape, or axes."""
    return package().helper.make_tensor(name, INT64, [len(values)], np.array(values, "<i8").tobytes(), raw=True)
