"""Sums of products of whole arrays in any arithmetic but exact ones, with the bits that the exact interpreter gives to lower().

The rows of one array, terms first, are the leaves of the order's tree.  Steps that do not wait for one another are one
operation on several rows, and each sum takes the row of one of its operands.
"""

from __future__ import annotations

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.programs import program_sums
from fpsynth.formats import Format
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of

_PIECE = 1 << 22
"""Products that are held at a time: enough vectors of 4096 terms for each operation to be worth its call."""


def sum_of_products(how: Arithmetic, weights: Floats, inputs: Floats, bias: Floats | None = None) -> Floats:
    """Return the sums of ``weights * inputs`` over the last axis, and of ``bias``, evaluated in ``how``.

    ``weights`` and ``inputs`` are float64 arrays of shapes (..., terms) that broadcast against each other, ``bias`` one of
    shape (...) that broadcasts against theirs without the last axis; they hold values of ``how.format``, which is not checked.
    The result has their common shape (...) and holds values of ``how.format``: bit for bit those of the exact interpreter on
    the lowered neuron, NaN payloads aside.

    Raises InputError for exact arithmetic, for other numbers of terms than the order's, and for formats that arrays cannot
    hold (see ``round_array``).
    """
    _required(how)
    if weights.shape[-1] != inputs.shape[-1] or not weights.shape[-1]:
        raise InputError(f"a sum needs as many weights as inputs, at least one: got {weights.shape[-1]} and {inputs.shape[-1]}")
    shape = np.broadcast_shapes(weights.shape[:-1], inputs.shape[:-1], () if bias is None else bias.shape)
    program = program_of(how, weights.shape[-1], bias is not None)
    result = np.empty(shape)
    with np.errstate(all="ignore"):
        for piece in _pieces(shape, weights.shape[-1]):
            w, x = (np.ascontiguousarray(np.moveaxis(_part(a, piece, 1), -1, 0)) for a in (weights, inputs))
            result[piece] = program_sums(program, w, x, [] if bias is None else [_part(bias, piece, 0)])
    return result


def _required(how: Arithmetic) -> Format:
    if how.format is None:
        raise InputError("arrays are not evaluated in exact arithmetic; use the exact interpreter")
    return how.format


def _pieces(shape: tuple[int, ...], terms: int) -> list[tuple[slice, ...]]:
    """Slices along the axes of a shape that cut it into pieces of at most _PIECE products."""
    pieces = [tuple(slice(0, length) for length in shape)]
    done: list[tuple[slice, ...]] = []
    while pieces:
        piece = pieces.pop()
        lengths = [part.stop - part.start for part in piece]
        if max(lengths, default=1) <= 1 or terms * int(np.prod(lengths)) <= _PIECE:
            done.append(piece)
            continue
        axis = int(np.argmax(lengths))
        start, stop = piece[axis].start, piece[axis].stop
        middle = (start + stop) // 2
        pieces += [(*piece[:axis], half, *piece[axis + 1 :]) for half in (slice(start, middle), slice(middle, stop))]
    return done


def _part(array: Floats, piece: tuple[slice, ...], after: int) -> Floats:
    """The piece of an array that broadcasts against the cut shape and has ``after`` axes more; as many axes as that."""
    missing = len(piece) + after - array.ndim
    array = array.reshape((1,) * missing + array.shape)
    return array[tuple(part if length > 1 else slice(None) for part, length in zip(piece, array.shape, strict=False))]
