"""Files in and out: read with a limit, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError
from fpsynth.scratch import HOST, locked, remove_abandoned

TAKEN = "it exists: choose another name, or remove it first"
"""Why a place that is not free is not written to, and what to do."""
_BY_NOW = "it exists by now, as something else has written it: choose another name"
_TRIES = 100
_PIECE = 1 << 20
"""Bytes of a file that are looked at in one go."""


def read_bytes_limited(path: PathLike, max_bytes: int) -> bytes:
    """Return what the file holds.

    Raises InputError where it is missing, unreadable or no regular file, and where it holds more than ``max_bytes``.
    """
    with opened(path, max_bytes) as file:
        return read_open(file, path, max_bytes)


def read_open(file: BinaryIO, path: PathLike, max_bytes: int) -> bytes:
    """Return what an open file holds, from its beginning.  Raises InputError where that is more than ``max_bytes``."""
    file.seek(0)
    size = os.fstat(file.fileno()).st_size
    # as much memory is taken as may be read: no more than there is
    data = file.read(min(size, max_bytes) + 1)
    if size < len(data) <= max_bytes:  # it has grown since its size was asked for: the rest is limited as well
        data += file.read(max_bytes + 1 - len(data))
    if len(data) > max_bytes:
        raise _too_large(path, max_bytes)
    return data


def digested(path: PathLike, max_bytes: int) -> tuple[str, int]:
    """The SHA-256 of a file, as hexadecimal digits, and its size; it is never all in memory.

    Raises InputError as ``read_bytes_limited`` does.
    """
    with opened(path, max_bytes) as file:
        digest, size = hashlib.sha256(), 0
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            if size > max_bytes:  # it has grown since its size was asked for
                raise _too_large(path, max_bytes)
        return digest.hexdigest(), size


def require_size(file: BinaryIO, path: PathLike, max_bytes: int) -> None:
    """Raise InputError where an open file is larger than ``max_bytes``."""
    if file.seek(0, 2) > max_bytes:
        raise _too_large(path, max_bytes)


@contextlib.contextmanager
def opened(path: PathLike, max_bytes: int) -> Iterator[BinaryIO]:
    """A file to read from; a symbolic link is followed.

    Raises InputError where it is missing, unreadable, no regular file (a device, a named pipe, a folder) or larger than
    ``max_bytes``, and where the operating system fails to read it.
    """
    with _one_line(path, "read"):
        _require_regular(path, os.stat(path))  # some devices do things when they are opened: they are not even opened
        # without O_NONBLOCK the open itself would wait for ever at a named pipe that took the file's place
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(descriptor)
        _require_regular(path, status)
        if status.st_size > max_bytes:
            raise _too_large(path, max_bytes)
        with open(descriptor, "rb", closefd=False) as file:
            yield file
    except OSError as error:
        raise InputError(f"cannot read {shown(path)}: {error.strerror or error}") from None
    finally:
        os.close(descriptor)


def _require_regular(path: PathLike, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise InputError(f"cannot read {shown(path)}: it is {kind}")


def _too_large(path: PathLike, max_bytes: int) -> InputError:
    return InputError(f"cannot read {shown(path)}: it is larger than {max_bytes} bytes")


def read_limited(path: PathLike, max_bytes: int) -> str:
    """Return the text of a UTF-8 file.  Raises InputError as ``read_bytes_limited`` does, and for what is not UTF-8."""
    return text_of(read_bytes_limited(path, max_bytes), path)


def text_of(data: bytes, path: PathLike) -> str:
    """The text that the bytes of a file are.  Raises InputError for what is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {shown(path)}: byte {error.start} is not UTF-8 text") from None


def write_atomically(path: PathLike, data: str | bytes, *, new: bool = False) -> None:
    """Write a file so that at any moment the path holds either all of it or what was there before.

    A symbolic link is followed.  Raises InputError where the path cannot be written or is something other than a regular file;
    if ``new``, also where anything is there: of several processes that write one path, one wins and the others are told.
    """
    if new:
        write_new_files({os.fspath(path): data})
        return
    target = Path(os.path.realpath(path))
    with _one_line(path, "write"):
        if target.exists() and not target.is_file():
            raise InputError(f"cannot write {shown(path)}: it is not a regular file")
        temporary = _temporary_beside(target)
        try:
            _write_new(temporary, _bytes(data))
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)


def write_new_files(files: Mapping[str, str | bytes]) -> None:
    """Write files that do not exist yet, each whole, and all of them or none.

    Raises InputError where one of them exists, perhaps because another process has just written it, or cannot be written.
    """
    temporaries: dict[str, Path] = {}
    placed: list[str] = []
    try:
        for path, data in files.items():
            with _one_line(path, "write"):
                _refuse_existing(path)
                temporaries[path] = _temporary_beside(Path(os.path.abspath(path)))
                _write_new(temporaries[path], _bytes(data))
        for path, temporary in temporaries.items():
            with _one_line(path, "write"):
                _place(temporary, path)
                placed.append(path)
                _sync_folder(temporary.parent)
    except BaseException:
        for path in placed:
            os.unlink(path)
        raise
    finally:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)


def _place(temporary: Path, path: str) -> None:
    """Give a whole file its name, unless something has that name already: in one step, no other process comes between."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        _refuse_existing(path, _BY_NOW)
    except OSError:  # a file system without links: the name is taken first, by an empty file, and then replaced
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            _refuse_existing(path, _BY_NOW)
        os.replace(temporary, path)


def _refuse_existing(path: str, why: str = TAKEN) -> None:
    if os.path.lexists(path):
        raise InputError(f"cannot write {shown(path)}: {why}")


def write_tree(folder: PathLike, files: Mapping[str, bytes]) -> None:
    """Write a whole folder so that it appears complete or not at all.  ``files`` maps relative paths with slashes to contents.

    Missing parents of the folder appear with it.  Raises InputError where the folder exists and is not empty, or cannot be
    written; ValueError for a path in ``files`` that leaves the folder.  Of several processes that write one folder, one wins
    and the others are told.
    """
    for name in files:
        if not name or "\\" in name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError(f"{name!r} does not stay in the folder")
    with _one_line(folder, "write"):
        target = Path(os.path.realpath(folder))
        require_free(target)
        for _ in range(_TRIES):
            if _written(target, files):
                return
            require_free(target)  # else another process has just made a folder on the way: once more, from there
        raise InputError(f"cannot write {shown(folder)}: other processes keep writing there")


def _written(target: Path, files: Mapping[str, bytes]) -> bool:
    """Write a folder beside its place and rename it there; False where something has come into its place meanwhile."""
    top = target  # the highest missing folder: it is renamed into place with everything below it
    while not top.parent.exists():
        top = top.parent
    begins = f".{top.name[:40]}.{HOST}."
    remove_abandoned(top.parent, re.compile(re.escape(begins) + r"[0-9a-f]{12}\.tmp"))
    temporary = top.with_name(f"{begins}{secrets.token_hex(6)}.tmp")
    try:
        temporary.mkdir()
        with locked(temporary) as ours:
            placed = ours and _placed(temporary, top, target, files)  # else it was taken for one of the dead
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    if placed:
        _sync_folder(top.parent)
    else:
        shutil.rmtree(temporary, ignore_errors=True)
    return placed


def _placed(temporary: Path, top: Path, target: Path, files: Mapping[str, bytes]) -> bool:
    """Fill the folder ``temporary``, which is to become ``top``, and give it that name; False where something has it by now."""
    inside = temporary / target.relative_to(top)
    inside.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        place = inside / name
        place.parent.mkdir(parents=True, exist_ok=True)
        _write_new(place, data)
    try:
        os.replace(temporary, top)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        return False
    return True


def require_free(folder: PathLike) -> None:
    """Raise InputError unless ``write_tree`` may write there: nothing is there yet, or an empty folder."""
    path = Path(folder)
    with _one_line(folder, "write"):
        if path.exists() and not path.is_dir():
            raise InputError(f"cannot write {shown(folder)}: {TAKEN} (it is not a folder)")
        if path.is_dir() and any(path.iterdir()):
            raise InputError(
                f"cannot write {shown(folder)}: the folder exists and is not empty: choose another name, or empty it"
            )


def shown(path: PathLike) -> str:
    """The path as it stands in a message: one line, whatever its name holds."""
    text = os.fspath(path)
    return text if text.isprintable() and text else ascii(text)


def _bytes(data: str | bytes) -> bytes:
    return data.encode("utf-8") if isinstance(data, str) else data


def _temporary_beside(path: Path) -> Path:
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.tmp")


def _write_new(path: Path, data: bytes) -> None:
    """Create a file (it must not exist; the mode follows the umask) and wait until the disk has it."""
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename last; file systems that cannot sync a folder are left alone."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _one_line(path: PathLike, verb: str) -> Iterator[None]:
    """Turn what the operating system says into one clear line."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError) as error:
        # ValueError: a null byte in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"cannot {verb} {shown(path)}: {reason}") from None
