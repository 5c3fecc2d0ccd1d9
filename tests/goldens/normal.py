"""What goldens leave out: times, versions, paths and the machine.  The one place that decides it, for all goldens.

A key below is masked wherever it stands in the JSON of the command line; everything else is compared as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

Json = Any

MASK = "(left out)"


def _kept(facts: Json) -> Json:
    """Of what a run says of its machine, the format in which it ran; an environment that is a name stays."""
    if not isinstance(facts, dict):
        return facts
    return {"dtype": facts["dtype"], "machine": MASK} if "dtype" in facts else MASK


def _masked(value: Json) -> Json:
    """A mask, where there is anything to leave out."""
    return MASK if value else value


def _base(path: Json) -> Json:
    """The last part of a path."""
    return os.path.basename(path.rstrip("/")) if isinstance(path, str) else path


LEFT_OUT: dict[str, Callable[[Json], Json]] = {
    "created": _masked,  # when a witness was made
    "seconds": _masked,  # of a search, of a reveal
    "versions": _masked,  # of packages, in a provenance
    "version": _masked,  # of a library, in a run or a reveal
    "attempts": _masked,  # what solvers raced, how far they came, in which time and memory
    "engines": _masked,  # which of them won the race to a proof
    "jobs": _masked,  # processors
    "encode_seconds": _masked,
    "solve_seconds": _masked,
    "facts": _masked,  # processor and settings, in a reveal
    "environment": _kept,  # the same in a run
    "file": _base,
    "folder": _base,
    "out": _base,
    "written": _base,
}
"""Keys, and what becomes of their values."""
DROPPED = ("revealed", "cached")
"""Keys that are left out themselves: when a library was asked, and whether a cache had the answer (see test_cache.py)."""

_TIMES = re.compile(r"\b\d+(\.\d+)? (s|ms|seconds)\b")
"""Times in text; limits that were asked for are left out with them."""


def normal(data: Json, folder: str = "") -> Json:
    """JSON data without what differs from run to run; in texts, the path ``folder`` is left out as well."""
    if isinstance(data, dict):
        inner = {name: normal(value, folder) for name, value in data.items() if name not in DROPPED}
        return {name: LEFT_OUT[name](value) if name in LEFT_OUT else value for name, value in inner.items()}
    if isinstance(data, list):
        return [normal(value, folder) for value in data]
    return normal_text(data, folder) if isinstance(data, str) else data


def normal_text(text: str, folder: str = "") -> str:
    """A text without times and without the path ``folder``."""
    without = text.replace(os.path.join(folder, ""), "") if folder else text
    return _TIMES.sub("TIME", without)
