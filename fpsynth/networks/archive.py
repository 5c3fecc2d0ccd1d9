"""ZIP archives of plain members, read strictly: what .npz files are, and nothing more.

Source of the layout: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.  Of it, only this is read: one disk, nothing before the
first member, members that are stored or deflated and below 4 GiB, each name once.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from typing import BinaryIO

from fpsynth.errors import InputError

MAX_ARCHIVE = (1 << 32) - 2
"""The largest archive in bytes: beyond it, positions no longer fit into the fields that are read."""
MAX_MEMBERS = 10_000
MAX_DIRECTORY = 4 << 20
"""Bytes that the list of the members may take."""

_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED = 0, 8
_METHODS = {9: "Deflate64", 12: "BZIP2", 14: "LZMA", 93: "Zstandard", 95: "XZ"}
_ENCRYPTED = 0x1 | 0x40
_UTF8 = 0x800
_CHUNK = 1 << 16


class DamagedError(InputError):
    """An archive, or a member of it, is damaged or of a kind that is not read; the message says which."""


@dataclass(frozen=True)
class ArchiveMember:
    """What the archive's directory says of one member."""

    name: str
    flags: int
    method: int
    crc: int
    compressed: int
    """Bytes in the archive."""
    size: int
    """Bytes once decompressed."""
    start: int
    """Where its data begin (in the directory itself: its local header)."""


def read_directory(file: BinaryIO) -> dict[str, ArchiveMember]:
    """The members of an archive by name.  Raises DamagedError for what is no archive of the kind described above."""
    length = file.seek(0, 2)
    tail_start = max(0, length - _END.size - 0xFFFF)
    file.seek(tail_start)
    tail = file.read(length - tail_start)
    place = _end_record(tail)
    _, disk, first_disk, here, count, size, start, _ = _END.unpack_from(tail, place)
    if disk or first_disk or here != count:
        raise DamagedError("the archive is one part of several")
    if count > MAX_MEMBERS or size > MAX_DIRECTORY:
        raise DamagedError(f"it has more than {MAX_MEMBERS} members")
    if start + size != tail_start + place:
        raise DamagedError("the archive's directory is not where its end says that it is")
    file.seek(start)
    members = _entries(_exactly(file, size), count)
    return {name: _located(file, member, start) for name, member in members.items()}


def _located(file: BinaryIO, member: ArchiveMember, end: int) -> ArchiveMember:
    """The member with the start of its data, after its local header has said the same of it as the directory."""
    file.seek(member.start)
    local = file.read(_LOCAL.size)
    if len(local) == _LOCAL.size:
        magic, _, flags, method, *_, name_length, extra = _LOCAL.unpack(local)
        if magic == b"PK\x03\x04" and (method, _decoded(file.read(name_length), flags)) == (member.method, member.name):
            start = member.start + _LOCAL.size + name_length + extra
            if start + member.compressed > end:
                raise DamagedError(f"the member {member.name!r} reaches beyond the archive")
            return replace(member, start=start)
    raise DamagedError(f"the member {member.name!r} is not what the archive's directory says")


def _end_record(tail: bytes) -> int:
    """Where the end record begins: its comment must reach to the end of the file."""
    place = tail.rfind(b"PK\x05\x06")
    while place >= 0:
        if place + _END.size <= len(tail) and place + _END.size + _END.unpack_from(tail, place)[-1] == len(tail):
            return place
        place = tail.rfind(b"PK\x05\x06", 0, place + 3)
    raise DamagedError("it is no ZIP archive, or it is truncated")


def _entries(directory: bytes, count: int) -> dict[str, ArchiveMember]:
    members: dict[str, ArchiveMember] = {}
    place = 0
    for _ in range(count):
        if place + _ENTRY.size > len(directory):
            raise DamagedError("the archive's directory is truncated")
        fields = _ENTRY.unpack_from(directory, place)
        magic, _, _, flags, method, _, _, crc, compressed, size, name_length, extra, comment, *_, start = fields
        end = place + _ENTRY.size + name_length + extra + comment
        if magic != b"PK\x01\x02" or end > len(directory):
            raise DamagedError("the archive's directory is damaged")
        raw = directory[place + _ENTRY.size : place + _ENTRY.size + name_length]
        name = _decoded(raw, flags)
        if name in members:
            raise DamagedError(f"the member {name!r} is there twice")
        members[name] = ArchiveMember(name, flags, method, crc, compressed, size, start)
        place = end
    if place != len(directory):
        raise DamagedError("the archive's directory is damaged")
    return members


def _decoded(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "cp437")
    except UnicodeDecodeError:
        raise DamagedError("a member's name is not UTF-8") from None


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise DamagedError("it is truncated")
    return data


class MemberReader:
    """Decompresses one member from its start, a piece at a time; never more than the directory says it holds."""

    def __init__(self, file: BinaryIO, member: ArchiveMember) -> None:
        """Raises DamagedError for a member that is encrypted or compressed otherwise."""
        self.member = member
        if member.flags & _ENCRYPTED:
            raise DamagedError(f"the member {member.name!r} is encrypted")
        if member.method not in (_STORED, _DEFLATED):
            how = _METHODS.get(member.method, f"method {member.method}")
            raise DamagedError(f"the member {member.name!r} is compressed by {how}: save it with numpy.savez_compressed")
        if member.method == _STORED and member.compressed != member.size:
            raise self._damaged()
        self._file = file
        self._place = member.start
        self._left = member.compressed
        self._inflater = zlib.decompressobj(-15) if member.method == _DEFLATED else None
        self._crc = 0
        self.read_so_far = 0

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes of the member.  Raises DamagedError where it has fewer, or is damaged."""
        pieces = []
        while size:
            pieces.append(self._piece(min(size, _CHUNK)))
            size -= len(pieces[-1])
        return b"".join(pieces)

    def read_into(self, target: memoryview) -> None:
        """Fill ``target``, bytes, with what comes next.  Raises what ``read`` raises."""
        filled = 0
        while filled < len(target):
            piece = self._piece(min(len(target) - filled, _CHUNK))
            target[filled : filled + len(piece)] = piece
            filled += len(piece)

    def finish(self) -> None:
        """Raise DamagedError unless everything was read and its checksum is right."""
        if self.read_so_far != self.member.size or self._crc != self.member.crc or not self._at_end():
            raise self._damaged()

    def _at_end(self) -> bool:
        """Whether the compressed data end here as well; the mark of their end may still stand there."""
        if self._inflater is not None and not self._inflater.eof:
            try:
                more = self._inflater.decompress(self._inflater.unconsumed_tail + self._compressed(), 1)
            except zlib.error:
                return False
            return not more and self._inflater.eof and not self._inflater.unused_data and not self._left
        return not self._left

    def _piece(self, most: int) -> bytes:
        """Between 1 and ``most`` bytes."""
        if self.read_so_far >= self.member.size:
            raise DamagedError(f"the member {self.member.name!r} is truncated")
        most = min(most, self.member.size - self.read_so_far)
        data = self._compressed(most) if self._inflater is None else self._inflated(self._inflater, most)
        self._crc = zlib.crc32(data, self._crc)
        self.read_so_far += len(data)
        return data

    def _inflated(self, inflater: zlib._Decompress, most: int) -> bytes:
        data = b""
        while not data:
            try:
                data = inflater.decompress(inflater.unconsumed_tail or self._compressed(), most)
            except zlib.error:
                raise self._damaged() from None
            if not data and (inflater.eof or not (self._left or inflater.unconsumed_tail)):
                raise self._damaged()
        return data

    def _compressed(self, most: int = _CHUNK) -> bytes:
        """What stands next in the archive; nothing after the member's end."""
        self._file.seek(self._place)
        data = _exactly(self._file, min(most, self._left))
        self._place += len(data)
        self._left -= len(data)
        return data

    def _damaged(self) -> DamagedError:
        return DamagedError(f"the member {self.member.name!r} is damaged")
