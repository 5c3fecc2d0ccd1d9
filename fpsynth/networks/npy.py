"""The headers of NumPy's .npy format, read strictly and without evaluating anything.

Source: NumPy Enhancement Proposal 1.  Numbers of Python 2 (3L) are read as well.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fpsynth.networks.archive import DamagedError, MemberReader

MAX_HEADER = 10_000
"""Bytes of the longest header that is read."""

_FIELD = re.compile(
    r"\s*u?(?P<quote>['\"])(?P<name>\w{1,20})(?P=quote)\s*:\s*"
    r"(?:u?['\"](?P<type>[^'\"\\]{1,20})['\"]|(?P<truth>True|False)|(?P<shape>\([-0-9L,\s]*\))|(?P<record>\[[^\[\]]*\]))\s*(?:,|(?=\}))",
    re.ASCII,
)
_NUMBER = re.compile(r"[<>=|]?(?:f(?:2|4|8|12|16)|[iu][1248])", re.ASCII)
_SIZE = re.compile(r"-?(?:0|[1-9][0-9]{0,40})L?", re.ASCII)
_MOST_DIMENSIONS = 32


@dataclass(frozen=True)
class Header:
    """What a .npy file says of its array."""

    shape: tuple[int, ...]
    type: str
    """As NumPy writes it (<f8); a record is not read any further."""
    fortran: bool
    """Whether the array is stored by columns."""

    @property
    def plain(self) -> bool:
        """Whether the array holds integers or floating-point numbers that this machine knows (it may not know f12, say)."""
        if _NUMBER.fullmatch(self.type) is None:
            return False
        try:
            return np.dtype(self.type).itemsize == self.item_bytes
        except TypeError:
            return False

    @property
    def kind(self) -> str:
        """f, i or u, of a plain one."""
        return self.type.lstrip("<>=|")[0]

    @property
    def item_bytes(self) -> int:
        """Bytes per number, of a plain one."""
        return int(self.type.lstrip("<>=|")[1:])

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return math.prod(self.shape)


def read_header(reader: MemberReader) -> Header:
    """Read the header that a .npy file starts with.  Raises DamagedError for anything else."""
    if reader.member.size < 10 or (start := reader.read(8))[:6] != b"\x93NUMPY":
        raise DamagedError(f"the member {reader.member.name!r} is no array of NumPy")
    if start[6:] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise DamagedError(f"the array in {reader.member.name!r} is of the unknown version {start[6]}.{start[7]}")
    length = int.from_bytes(reader.read(2 if start[6] == 1 else 4), "little")
    if length > MAX_HEADER:
        raise DamagedError(f"the header of {reader.member.name!r} is longer than {MAX_HEADER} bytes")
    header = _parsed(reader.read(length).decode("latin-1"))
    if header is None:
        raise DamagedError(f"the header of {reader.member.name!r} is damaged")
    return header


def _parsed(text: str) -> Header | None:
    """The header that a dictionary in Python's notation describes; None where it is not exactly that."""
    text = text.strip()
    found: dict[str, re.Match[str]] = {}
    place = 1
    while match := _FIELD.match(text, place):
        if match["name"] in found:
            return None
        found[match["name"]] = match
        place = match.end()
    if not text.startswith("{") or text[place:].strip() != "}" or set(found) != {"descr", "fortran_order", "shape"}:
        return None
    kind = found["descr"]["type"] or found["descr"]["record"]
    truth, shape = found["fortran_order"]["truth"], _shape(found["shape"]["shape"])
    return None if kind is None or truth is None or shape is None else Header(shape, kind, truth == "True")


def _shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text[1:-1].split(",")]
    if parts[-1] == "":
        parts.pop()
    elif len(parts) == 1:  # (3) is no tuple
        return None
    if len(parts) > _MOST_DIMENSIONS or not all(map(_SIZE.fullmatch, parts)):
        return None
    return tuple(int(part.removesuffix("L")) for part in parts)


def read_array(reader: MemberReader, header: Header) -> npt.NDArray[np.generic]:
    """Read the array after its header, which must be plain, and whose size the caller has checked.

    Raises DamagedError where the data are damaged.
    """
    array: npt.NDArray[np.generic] = np.empty(header.count, dtype=header.type)
    reader.read_into(array.view(np.uint8).data)
    reader.finish()
    return array.reshape(header.shape, order="F" if header.fortran else "C")
