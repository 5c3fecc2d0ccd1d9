"""Folders that outlive no process for long: whoever is killed leaves them, and the next one takes them away.

A process holds its folders by locks, which the kernel lifts when it ends, however it ends: what nobody holds is of the dead.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fpsynth.aliases import PathLike

try:
    import fcntl
except ImportError:  # not on Windows: nothing is locked there, and so nothing of others is removed
    fcntl = None  # type: ignore[assignment]

HOST = re.sub(r"[^A-Za-z0-9.-]", "_", platform.node())[:60]
"""Part of the names of such folders: a file system may be shared with machines whose locks are not seen here."""
PREFIX = f"fpsynth-{HOST}-"
"""How the names of ``scratch`` begin."""
NAMES = re.compile(re.escape(PREFIX) + "[a-z0-9_]{8}")
"""All of them: a name that goes on in another way may be of a host whose name goes on so."""


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder of this process alone among the system's temporary ones, removed at the end."""
    while True:
        with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder, locked(folder) as ours:
            if ours:  # else it was taken for one of the dead before it was locked: another one
                yield Path(folder)
                return


@contextmanager
def locked(folder: PathLike, unless: bool = True) -> Iterator[bool]:
    """Hold a folder, this process's life long at most; the value says whether it is held, and still there under its name.

    Copies of this process that are forked meanwhile hold it as well; programs that are started do not.  ``unless``: the value
    where the system has no locks.
    """
    if fcntl is None:
        yield unless
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        yield _taken(descriptor, folder, unless)
    finally:
        os.close(descriptor)


def _taken(descriptor: int, folder: PathLike, unless: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return unless
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(folder, follow_symlinks=False))
    except OSError:
        return False


def remove_abandoned(parent: PathLike = "", names: re.Pattern[str] = NAMES) -> None:
    """Remove this user's folders in ``parent`` (default: those of ``scratch``) that have such names, and that nobody holds."""
    if fcntl is None:
        return
    for entry in _entries(os.fspath(parent) or tempfile.gettempdir()):
        if names.fullmatch(entry.name) and _is_own_folder(entry):
            with locked(entry.path, unless=False) as abandoned:
                if abandoned:
                    shutil.rmtree(entry.path, ignore_errors=True)


def _entries(parent: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(parent) as found:
            return list(found)
    except OSError:
        return []


def _is_own_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
    except OSError:  # it has gone meanwhile
        return False
