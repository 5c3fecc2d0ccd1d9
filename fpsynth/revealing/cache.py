"""Reveals kept on disk: an entry is a file of JSON named by what was asked and of whom, checked before it is believed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fpsynth.aliases import Json
from fpsynth.errors import InputError
from fpsynth.files import opened, write_atomically

VARIABLE = "FPSYNTH_CACHE"
"""Names the folder; ``off``: nothing is kept or read."""
SCHEMA, VERSION = "fpsynth-cache", 1
MAX_ENTRY = 16 << 20
"""Bytes of an entry; larger ones are not kept."""
MAX_ENTRIES, MAX_BYTES = 4096, 256 << 20
"""Of all entries: the oldest are removed first."""


def cache_folder() -> Path | None:
    """Where reveals are kept: what FPSYNTH_CACHE names, else fpsynth in XDG_CACHE_HOME or ~/.cache; None: nowhere."""
    named = os.environ.get(VARIABLE, "")
    if named:
        return None if named.lower() == "off" else Path(named).absolute()
    standard = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(standard):  # others are to be ignored: XDG Base Directory Specification
        return Path(standard) / "fpsynth"
    home = os.path.expanduser("~")
    return Path(home) / ".cache" / "fpsynth" if os.path.isabs(home) else None


@dataclass(frozen=True)
class Cache:
    """Entries for one identity: the machine, the process and the library that answers are from (``identity``)."""

    folder: Path
    identity: Json

    def get(self, asked: Json) -> Json | None:
        """What was kept as the answer to ``asked``; None where there is nothing, or nothing that is to be believed.

        An entry is a regular file of this user's, whole (it names the digest of its content), of this version and for exactly
        this question and identity.  Whoever asks reads the answer as strictly as a file that somebody sent.
        """
        key = self._key(asked)
        try:
            with opened(self._path(key), MAX_ENTRY) as file:
                if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                    return None
                data = json.loads(file.read(MAX_ENTRY + 1), parse_constant=_refused)
        except (InputError, ValueError, RecursionError):
            return None
        whole = isinstance(data, dict) and set(data) == {"schema", "schema_version", "key", "answer", "sha256"}
        if not whole or data["schema"] != SCHEMA or data["schema_version"] != VERSION or _text(data["key"]) != _text(key):
            return None
        answer = data["answer"]
        return answer if isinstance(answer, dict) and data["sha256"] == _digest([key, answer]) else None

    def put(self, asked: Json, answer: Json) -> None:
        """Keep an answer, and drop the oldest entries where there are too many.

        What is no JSON is not kept (a layer's attribute may be infinite), and a folder that cannot be written keeps nothing.
        """
        key = self._key(asked)
        with contextlib.suppress(InputError, OSError, ValueError):
            entry = {"schema": SCHEMA, "schema_version": VERSION, "key": key, "answer": answer}
            text = json.dumps({**entry, "sha256": _digest([key, answer])}, allow_nan=False)
            if len(text) > MAX_ENTRY:
                return
            self._entries.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path(key), text)
            self._drop_oldest()

    @property
    def _entries(self) -> Path:
        return self.folder / "reveals"

    def _key(self, asked: Json) -> Json:
        return {"asked": asked, "identity": self.identity}

    def _path(self, key: Json) -> Path:
        return self._entries / f"{_digest(key)}.json"

    def _drop_oldest(self) -> None:
        """Remove entries, and what a killed process left of one, oldest first, until there are few and small enough."""
        found = []
        for entry in os.scandir(self._entries):
            with contextlib.suppress(OSError):  # removed meanwhile, by another process
                if entry.name.endswith((".json", ".tmp")) and entry.is_file(follow_symlinks=False):
                    status = entry.stat()
                    found.append((status.st_mtime_ns, status.st_size, entry.path))
        size = 0
        for number, (_, own, path) in enumerate(sorted(found, reverse=True)):
            size += own
            if number >= MAX_ENTRIES or size > MAX_BYTES:
                with contextlib.suppress(OSError):
                    os.unlink(path)


def cache_for(identity: Callable[[], Json]) -> Cache | None:
    """The cache of this user; None where it is off, and then nothing is asked for its identity."""
    folder = cache_folder()
    return None if folder is None else Cache(folder, identity())


def _text(data: Any) -> str:
    """Canonical JSON."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(data: Any) -> str:
    return hashlib.sha256(_text(data).encode()).hexdigest()


def _refused(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
