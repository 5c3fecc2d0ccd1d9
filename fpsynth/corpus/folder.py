"""Folders of witness files: what lies below one, and whether the files of a corpus are those that its manifest names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from fpsynth.corpus.index import INDEX
from fpsynth.corpus.index import SCHEMA as INDEX_SCHEMA
from fpsynth.corpus.instances.layout import META_SCHEMA
from fpsynth.errors import InputError
from fpsynth.files import digested, read_bytes_limited, shown
from fpsynth.witness import file as witness_file
from fpsynth.witness.schema import SCHEMA_NAME

MAX_FILES = 10_000
"""Witness files of a folder."""
MAX_ENTRIES = 200_000
"""Files and folders below it."""
MAX_BYTES = 4 << 30
"""Of all that is read to compare it with manifests."""
MAX_MANIFEST = 64 << 20
MAX_MEMBER = 1 << 30
_PIECE = 1 << 20
"""Bytes that are looked at in one go, of a file that may be huge."""


@dataclass(frozen=True)
class Manifest:
    """A manifest of a corpus, and what became of the files that it names."""

    path: str
    files: int
    """How many it gives the SHA-256 of."""
    faults: tuple[str, ...]
    """Files that are missing or have changed, a line each."""


@dataclass(frozen=True)
class Folder:
    """What lies below a folder."""

    witnesses: tuple[str, ...]
    """Paths of witness files, in order."""
    manifests: tuple[Manifest, ...]
    links: tuple[str, ...]
    """Symbolic links, which are not followed."""


def folder_of(path: str) -> Folder:
    """Find the witness files and the manifests below a folder; symbolic links below it are not followed.

    A witness file is one named witness.json, one that a manifest names, or any other .json file that says so.
    Raises InputError where there is none, where there are too many files or bytes, and where the folder cannot be read.
    """
    witnesses: dict[str, None] = {}
    manifests: list[Manifest] = []
    links: list[str] = []
    left = MAX_BYTES
    for name, is_link in _below(path):
        links += [name] if is_link else []
        if is_link or not name.endswith(".json"):
            continue
        base = os.path.basename(name)
        if base == INDEX and _is_index(name):
            continue
        if base == "manifest.json":
            manifest, own, read = _manifest(name, left)
            left -= read
            if manifest is not None:
                manifests.append(manifest)
                witnesses |= dict.fromkeys(own)
                continue
        if base == "witness.json" or _says_witness(name):
            witnesses[name] = None
        if len(witnesses) > MAX_FILES:
            raise InputError(f"{shown(path)}: the folder holds more than {MAX_FILES} witness files")
    if not witnesses:
        if any(_says_instance(os.path.join(path, name)) for name in ("manifest.json", "meta.json")):
            raise InputError(
                f"{shown(path)} holds instances, no witness files: ask corpus check or corpus replay of the whole corpus,"
                " and export it in the form why for what is computed at each witness"
            )
        raise InputError(f"{shown(path)}: no witness file lies in this folder or below it")
    return Folder(tuple(sorted(witnesses)), tuple(manifests), tuple(links))


def _below(path: str) -> Iterator[tuple[str, bool]]:
    """Every file below a folder, and whether it is a symbolic link; links to folders are told, not entered."""
    entries = 0
    waiting = [path]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as found:
                here = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise InputError(f"cannot read {shown(folder)}: {error.strerror}") from None
        entries += len(here)
        if entries > MAX_ENTRIES:
            raise InputError(f"{shown(path)}: more than {MAX_ENTRIES} files lie below this folder")
        for entry in here:
            if entry.is_symlink():
                yield entry.path, True
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield entry.path, False


def _says_witness(path: str) -> bool:
    """Whether the name of the schema stands in as much of a file as a witness may have; its keys may stand in any order."""
    name, before, left = SCHEMA_NAME.encode(), b"", witness_file.MAX_BYTES
    try:
        with open(path, "rb") as file:  # a regular file, as its folder said
            while left > 0 and (piece := file.read(min(left, _PIECE))):
                seen = before + piece
                if name in seen:
                    return True
                before, left = seen[1 - len(name) :], left - len(piece)
    except OSError:
        return False
    return False


def _says_instance(path: str) -> bool:
    """Whether a file begins as one of a corpus of instances."""
    try:
        with open(path, "rb") as file:
            return f'"{META_SCHEMA}'.encode() in file.read(_PIECE)  # the manifest's schema begins like that, too
    except OSError:
        return False


def _is_index(path: str) -> bool:
    """Whether a file is an index of witnesses, which may name what witness files say of themselves."""
    try:
        data: Any = json.loads(read_bytes_limited(path, MAX_MANIFEST))
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and data.get("schema") == INDEX_SCHEMA


def _manifest(path: str, left: int) -> tuple[Manifest | None, list[str], int]:
    """A manifest of ours, the witness files that it names, and how much was read; None for any other file of that name."""
    try:
        data: Any = json.loads(read_bytes_limited(path, MAX_MANIFEST))
    except (ValueError, RecursionError):  # what cannot be read is none of ours
        return None, [], 0
    if not isinstance(data, dict) or data.get("schema") != "fpsynth-corpus":
        return None, [], 0
    digests, instances = data.get("sha256"), data.get("instances")
    if not isinstance(digests, dict) or not isinstance(instances, list):
        return Manifest(path, 0, ("it has no lists of instances and digests",)), [], 0
    here, faults, read = os.path.dirname(path), [], 0
    for name, digest in digests.items():
        fault, size = _member_fault(here, name, digest, left - read)
        read += size
        faults += [fault] if fault else []
    named = [_witness_of(instance) for instance in instances]
    faults += [f"instance {k} names no witness file" for k, name in enumerate(named) if not name]
    witnesses = [os.path.join(here, name) for name in named if name and _stays(here, name)]
    faults += [f"{shown(path)} is missing" for path in witnesses if not os.path.isfile(path)]
    return Manifest(path, len(digests), tuple(faults)), [path for path in witnesses if os.path.isfile(path)], read


def _witness_of(instance: object) -> str:
    """The path of an instance's witness file; empty where it says none."""
    files = instance.get("files") if isinstance(instance, dict) else None
    name = files.get("witness") if isinstance(files, dict) else None
    return name if isinstance(name, str) else ""


def _stays(folder: str, name: str) -> bool:
    """Whether a relative path stays in the folder, symbolic links included."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
        return False
    inside = os.path.realpath(os.path.join(folder, name))
    return os.path.commonpath([inside, os.path.realpath(folder)]) == os.path.realpath(folder)


def _member_fault(folder: str, name: str, digest: object, left: int) -> tuple[str, int]:
    """What is wrong with a file that a manifest names, and how many bytes were read."""
    if not _stays(folder, name):
        return f"{shown(name)} does not stay in the folder", 0
    try:
        found, size = digested(os.path.join(folder, name), min(left, MAX_MEMBER))
    except InputError as error:
        return str(error), 0
    return ("" if found == digest else f"{shown(name)} is not the file that the manifest names: its SHA-256 differs"), size
