"""The libraries that fpsynth knows, by name."""

from __future__ import annotations

import difflib
import importlib

from fpsynth.errors import InputError
from fpsynth.libraries.base import Library

_CLASSES = {"numpy": "Numpy", "torch": "Torch", "tensorflow": "TensorFlow", "onnxruntime": "OnnxRuntime", "jax": "Jax"}

NAMES: tuple[str, ...] = tuple(_CLASSES)
"""Every library there is a file for."""


def library_named(name: str) -> Library:
    """Return a library, without importing what it wraps.  Raises InputError that lists the names for an unknown one."""
    if name not in _CLASSES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise InputError(f"unknown library {name!r}{hint}; choose from {', '.join(NAMES)}")
    module = importlib.import_module(f"fpsynth.libraries.{name}")
    library: Library = getattr(module, _CLASSES[name])()
    return library
