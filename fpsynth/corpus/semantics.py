"""What a verdict may be about: names of semantics, and the environments that instances are labelled for by default."""

from __future__ import annotations

from collections.abc import Sequence

from fpsynth.errors import InputError

REAL = "real"
"""Exact arithmetic: every real point of the box, nothing rounded."""
ANY = "float32:any"
"""Every evaluation in float32 or a wider format, rounded to nearest, in any order, fused or not, flushed or not.

``unsat``: in none of them is any input unsafe.  ``sat``: the witness is unsafe in all of them.
"""
ANY64 = "float64:any"
"""The same of float64: what verifiers that compute in it reason about."""
RUNTIME = "onnxruntime:batch=1"
"""What the VNN competition judges by."""
ENVIRONMENTS = (RUNTIME, "torch:batch=1", "torch:batch=64")
"""What instances are labelled for."""


def names_in(text: str | Sequence[str]) -> tuple[str, ...]:
    """Environments, each once: a comma stands between them, and between the options of one of them.

    Raises InputError where there is nothing between two commas.
    """
    names = [] if isinstance(text, str) else [*text]
    for part in text.split(",") if isinstance(text, str) else ():
        if ":" in part or not names or "=" not in part:
            names.append(part.strip())
        else:
            names[-1] += f",{part.strip()}"
    if not names or not all(names):
        raise InputError("environments: needs names with commas between them")
    return tuple(dict.fromkeys(names))
