"""Arrays that are not as fpsynth takes them: weights stored (outputs, inputs), and the names of other programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce

_TORCH = re.compile(r".+\.(?:weight|bias)")
_KERAS = re.compile(r"(?:.*/)?(?:kernel|bias)(?::0)?")
_UNNAMED = re.compile(r"arr_[0-9]+")


def turned(
    shapes: Sequence[tuple[int, int]], biases: Sequence[int | None], inputs: int | None = None
) -> tuple[tuple[int, ...], bool] | None:
    """The layers whose weights must be transposed so that all fit together, as few as possible; and whether others would do.

    ``shapes``: of the weights, (inputs, outputs) where they are as they should be.  ``biases``: how many entries each has,
    None for none.  ``inputs``: of the network, if that is known.  None where nothing makes them fit.
    """
    ways: dict[
        int, tuple[tuple[int, ...], bool]
    ] = {}  # outputs of the layers so far -> those transposed, and whether others do
    for k, ((rows, columns), bias) in enumerate(zip(shapes, biases, strict=True)):
        following: dict[int, tuple[tuple[int, ...], bool]] = {}
        for needs, gives, here in ((rows, columns, ()), (columns, rows, (k,))):
            before = ways.get(needs) if k else ((), False) if inputs in (None, needs) else None
            if before is None or bias not in (None, gives) or (here and rows == columns):
                continue
            way = ((*before[0], *here), before[1])
            following[gives] = _fewer(following[gives], way) if gives in following else way
        ways = following
    return reduce(_fewer, ways.values()) if ways else None


def _fewer(a: tuple[tuple[int, ...], bool], b: tuple[tuple[int, ...], bool]) -> tuple[tuple[int, ...], bool]:
    if len(a[0]) == len(b[0]):
        return a[0], True
    return min(a, b, key=lambda way: len(way[0]))


def transposed(shapes: Sequence[tuple[int, int]], biases: Sequence[int | None], inputs: int | None = None) -> str:
    """What to transpose where weights fit only then, to stand after a semicolon and what does not fit; empty where none do."""
    layers, others = turned(shapes, biases, inputs) or ((), False)
    if not layers:
        return ""
    more = ", ..." * (len(layers) > 4)
    names = ", ".join(f"W{k}" for k in layers[:4]) + more
    saved = ", ".join(f"W{k}=W{k}.T" for k in layers[:4]) + more
    square = [f"W{k}" for k, (rows, columns) in enumerate(shapes) if rows == columns and k not in layers]
    doubt = f" ({square[0]} is square: if it comes from the same place, transpose it too)" if square else ""
    return (
        f"; all fits once {names} {'is' if len(layers) == 1 else 'are'} transposed{', for example' if others else ''}"
        f" (torch stores weights as (outputs, inputs), x @ W needs (inputs, outputs)): save {saved}{doubt}"
    )


def named_otherwise(names: Sequence[str]) -> str:
    """What a file without W0 has instead, and what to do where the names tell where it comes from; starts with a colon."""
    if not names:
        return ": it has no arrays"
    shown = ", ".join(name[:40] for name in names[:4]) + ", ..." * (len(names) > 4)
    if "images" in names and "labels" in names:
        return f": it has {shown}, as an image file does"
    if any(map(_TORCH.fullmatch, names)):
        return (
            f": it has {shown}, as torch names them: save each weight transposed, weight.T, as W0, W1, ... in the order of the"
            " layers, and its bias as b0, b1, ..."
        )
    if any(map(_KERAS.fullmatch, names)):
        return f": it has {shown}, as Keras names them: save each kernel as it is as W0, W1, ... and its bias as b0, b1, ..."
    if all(map(_UNNAMED.fullmatch, names)):
        return f": it has {shown}, arrays saved without names: numpy.savez(FILE, W0=..., b0=..., W1=..., ...)"
    return f": it has {shown}"
