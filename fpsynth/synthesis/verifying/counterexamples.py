"""Points that are known to break a property, from files: witnesses of fpsynth, and counterexamples as VNN-COMP has them."""

from __future__ import annotations

from fractions import Fraction

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError
from fpsynth.files import read_limited, shown

MAX_BYTES = 1 << 28


def known_points(path: PathLike) -> tuple[tuple[float, ...] | tuple[Fraction, ...], ...]:
    """The points of a witness file, or the one of a text: ``sat``, then ((X_0 v) ... (Y_0 v)) or tensors.

    Raises InputError where the file is neither.
    """
    from fpsynth.verifiers.external.outputs import stated

    text = read_limited(path, MAX_BYTES)
    if text.lstrip().startswith("{"):
        from fpsynth.witness import load

        return tuple(point.numbers for point in load(path).points)
    said = stated(text)
    if said is None or not said.point:
        raise InputError(f"{shown(path)} is neither a witness file nor a counterexample: sat, then ((X_0 v) ... (Y_0 v))")
    return (said.named,)
