"""Places to write to: refused before any time is spent on what should go there."""

from __future__ import annotations

import os

from fpsynth.errors import InputError
from fpsynth.files import TAKEN, require_free, shown

_FILES = (".vnnlib", ".onnx", ".txt", ".csv", ".npz", ".svg", ".smt2", ".pt", ".h5", ".keras", ".zip")
"""Endings of files: whoever names one does not expect a folder of that name."""


def require_writable(out: str) -> None:
    """Raise InputError where ``out``, NAME.json or a new folder, has no name, exists, or lies in a folder that does not."""
    require_place(out)
    ending = os.path.splitext(out)[1]
    if ending.lower() in _FILES:
        inside = ", which is written into such a folder" if ending.lower() in (".vnnlib", ".onnx") else ""
        raise InputError(
            f"--out names a new folder, or NAME.json for the witness alone: {shown(out)} looks like a file{inside}"
        )
    if not out.endswith(".json"):
        require_free(out)
    elif os.path.lexists(out):
        raise InputError(f"cannot write {shown(out)}: {TAKEN}")


def require_new_json(out: str) -> None:
    """Raise InputError for a file that does not end in .json, exists, or lies in a folder that does not."""
    if not out.endswith(".json"):
        raise InputError("--out needs a name that ends in .json")
    require_writable(out)


def require_place(out: str) -> None:
    """Raise InputError for a path without a name, and for a file whose folder does not exist."""
    if not out:
        raise InputError("--out needs a name")
    if out.endswith(".json") and not os.path.isdir(os.path.dirname(os.path.abspath(out))):
        raise InputError(f"cannot write {shown(out)}: there is no such folder")


def require_free_file(out: str, ending: str = "") -> None:
    """Raise InputError where the file ``out`` + ``ending`` has no name, exists, or lies in a folder that does not."""
    if not os.path.basename(out):
        raise InputError("--out needs a name")
    if not os.path.isdir(os.path.dirname(os.path.abspath(out))):
        raise InputError(f"cannot write {shown(out + ending)}: there is no such folder")
    if os.path.lexists(out + ending):
        raise InputError(f"cannot write {shown(out + ending)}: {TAKEN}")
