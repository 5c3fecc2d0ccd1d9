"""How a request and an answer travel between two processes: JSON, with arrays beside it in NumPy's .npy format, bit for bit.

A message is a prefix (magic, whether the answer is complete with it, bytes of JSON, bytes in all), an object in JSON, and the
.npy files of the arrays in it, each beginning at a multiple of ``_ALIGNED`` bytes.  Where an array stands, the JSON says
{"$array": [first byte, byte after the last]}, and "bits_of" for a dtype of ml_dtypes, which travels as unsigned integers.
Nothing is pickled or evaluated, and every size is checked before it is believed.
"""

from __future__ import annotations

import io
import json
import math
import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = "np.ndarray[Any, Any]"

Message = dict[str, Any]
"""Keys are strings; values are what JSON knows, and arrays of numbers at any depth."""
MAX_BYTES = 4 << 30
"""The largest message."""

_PREFIX = struct.Struct("<4s?QQ")
_MAGIC = b"fpw1"
_ALIGNED = 64
_LONGEST_HEADER = 1 << 12
_KINDS = "biufc"


class DamagedMessageError(ValueError):
    """What has arrived is no message: something else writes between the two processes."""


class Arrived(NamedTuple):
    """A message that has arrived."""

    content: Message | None
    """None where it says no more than that the answer is complete."""
    last: bool
    """Whether the answer to a request is complete with it."""


def packed(content: Message | None, last: bool = True) -> list[bytes | memoryview]:
    """The bytes of a message, in pieces; those of arrays are views of their memory.

    Raises TypeError for what does not travel, and ValueError for a message of more than MAX_BYTES.
    """
    parts: list[bytes | memoryview] = []

    def place(value: Any) -> Message:
        pieces, described = _packed_array(value)
        start = sum(map(len, parts))
        parts.extend(pieces)
        end = sum(map(len, parts))
        parts.append(b"\0" * (-end % _ALIGNED))
        return {"$array": [start, end], **described}

    text = b"" if content is None else json.dumps(content, default=place).encode()
    text += b" " * (-len(text) % _ALIGNED)
    total = len(text) + sum(map(len, parts))
    if total > MAX_BYTES:
        raise ValueError(f"a message of {total} bytes is larger than {MAX_BYTES}")
    return [_PREFIX.pack(_MAGIC, last, len(text), total) + text, *parts]


def _packed_array(array: Any) -> tuple[list[bytes | memoryview], Message]:
    """An array as the header and the data of a .npy file, and what JSON must say beside that."""
    import numpy as np

    if not isinstance(array, np.ndarray):
        raise TypeError(f"a {type(array).__name__} does not travel")
    described = {}
    if array.dtype.isbuiltin == 2:  # of ml_dtypes: .npy knows their size alone
        described = {"bits_of": array.dtype.name}
        array = array.view(f"u{array.dtype.itemsize}")
    elif array.dtype.hasobject or not all(kind in _KINDS for kind in _kinds(array.dtype)):
        raise TypeError(f"an array of {array.dtype} does not travel")
    array = array if array.flags.c_contiguous else array.copy(order="C")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    return [header.getvalue(), array.reshape(-1).view(np.uint8).data], described


def _kinds(dtype: np.dtype[Any]) -> Iterator[str]:
    """What the numbers of a dtype are: of each field, where it has some, as one that holds bit patterns has."""
    return (dtype[name].kind for name in dtype.names) if dtype.names else iter(dtype.kind)


def _unpacked_array(area: memoryview, start: int, end: int, bits_of: str = "") -> Array:
    """The array of a .npy file that lies in a message: a view of its memory.  Raises DamagedMessageError."""
    import numpy as np

    if not 0 <= start <= end <= len(area):
        raise DamagedMessageError("an array lies outside of its message")
    header = io.BytesIO(area[start : min(end, start + _LONGEST_HEADER)])
    try:
        version = np.lib.format.read_magic(header)
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(header)
    except Exception as error:  # NumPy's reader raises what Python's parser does
        raise DamagedMessageError(f"an array has no header: {error}") from None
    if version != (1, 0):
        raise DamagedMessageError(f"an array is of version {version} of .npy")
    if dtype.hasobject or not all(kind in _KINDS for kind in _kinds(dtype)):
        raise DamagedMessageError(f"an array holds {dtype}")
    if math.prod(shape) * dtype.itemsize != end - start - header.tell():
        raise DamagedMessageError("an array has another size than its header says")
    array: Array = np.ndarray(shape, dtype, area, start + header.tell(), order="F" if by_columns else "C")
    return array.view(_foreign(bits_of, dtype)) if bits_of else array


def _foreign(name: str, bits: np.dtype[Any]) -> np.dtype[Any]:
    """A dtype of ml_dtypes by its name; ``bits``: that of its bit patterns."""
    import ml_dtypes
    import numpy as np

    kind = getattr(ml_dtypes, name, None)
    if not (isinstance(kind, type) and issubclass(kind, np.generic) and np.dtype(kind).itemsize == bits.itemsize):
        raise DamagedMessageError(f"{name[:40]!r} is no dtype of {bits.itemsize} bytes")
    return np.dtype(kind)


def unpacked(text: memoryview, area: memoryview) -> Message | None:
    """Read the JSON of a message and the arrays in it.  Raises DamagedMessageError."""

    def placed(entry: Message) -> Any:
        if "$array" not in entry:
            return entry
        start, end = entry["$array"]
        return _unpacked_array(area, start, end, entry.get("bits_of", ""))

    if not text:
        return None
    try:
        message: Message = json.loads(bytes(text), object_hook=placed if area else None)
    except DamagedMessageError:
        raise
    except (ValueError, TypeError) as error:
        raise DamagedMessageError(f"a message cannot be read: {error}") from None
    return message


class Incoming:
    """The messages that arrive at a descriptor, blocking or not; never more than one of them is taken out of it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._expect(_PREFIX.size)
        self._prefix: tuple[bool, int] | None = None

    def _expect(self, size: int) -> None:
        self._space, self._filled = memoryview(bytearray(size)), 0

    def read(self) -> Arrived | None:
        """The next message; None where it is not all there yet.  Raises EOFError at the end, and DamagedMessageError."""
        if not self._fill():
            return None
        if self._prefix is None:
            magic, last, text, total = _PREFIX.unpack(self._space)
            if magic != _MAGIC or not text <= total <= MAX_BYTES:
                raise DamagedMessageError("something other than a message has arrived")
            self._prefix = last, text
            self._expect(total)
            if not self._fill():
                return None
        (last, text), space = self._prefix, self._space
        self._prefix = None
        self._expect(_PREFIX.size)
        return Arrived(unpacked(space[:text], space[text:]), last)

    def _fill(self) -> bool:
        """Whether everything that is expected has arrived."""
        while self._filled < len(self._space):
            try:
                count = os.readv(self._descriptor, [self._space[self._filled :]])
            except BlockingIOError:
                return False
            if count == 0:
                raise EOFError
            self._filled += count
        return True
