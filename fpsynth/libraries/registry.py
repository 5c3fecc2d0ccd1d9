"""The libraries that fpsynth knows, by name."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from fpsynth.errors import unknown_name
from fpsynth.libraries.base import Library

_CLASSES = {
    "numpy": "Numpy",
    "torch": "Torch",
    "tensorflow": "TensorFlow",
    "onnxruntime": "OnnxRuntime",
    "jax": "Jax",
    "cupy": "CuPy",
}

NAMES: tuple[str, ...] = tuple(_CLASSES)
"""Every library there is a file for."""


def library_named(name: str) -> Library:
    """Return a library, without importing what it wraps.  Raises InputError that lists the names for an unknown one."""
    if name not in _CLASSES:
        raise unknown_name("library", name, NAMES)
    module = importlib.import_module(f"fpsynth.libraries.{name}")
    library: Library = getattr(module, _CLASSES[name])()
    return library


def names_for(device: str, names: Sequence[str] = NAMES) -> tuple[str, ...]:
    """``names``; where these are all there are, those of them that know the device: nobody has asked for the others by name."""
    if tuple(names) != NAMES:
        return tuple(names)
    return tuple(name for name in NAMES if device in library_named(name).devices)
