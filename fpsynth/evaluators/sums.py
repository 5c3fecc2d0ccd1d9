"""Sums of products of whole arrays in any arithmetic but exact ones, with the bits that the exact interpreter gives to lower().

The rows of one array, terms first, are the leaves of the order's tree.  Steps that do not wait for one another are one
operation on several rows, and each sum takes the row of one of its operands.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fpsynth.arithmetic import Arithmetic, Deployment
from fpsynth.errors import InputError
from fpsynth.evaluators.bit_patterns import Floats
from fpsynth.evaluators.float_arrays import flush_array, maximum_arrays, round_array
from fpsynth.evaluators.programs import program_sums
from fpsynth.formats import Format, holds
from fpsynth.networks.network import Network
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


def network_outputs(network: Network[float], points: Floats, deployment: Deployment) -> Floats:
    """Return the logits, of shape (..., outputs), of ``network`` at float64 ``points`` of shape (..., inputs).

    Every layer is followed by ReLU but the last; each neuron is evaluated in its own arithmetic of ``deployment``.  The bits
    are those of the exact interpreter.  Raises InputError for exact arithmetic, for points of another length than the
    network's, and where an arithmetic reads a number that its format does not hold.
    """
    values = np.asarray(points, np.float64)
    if values.ndim < 1 or values.shape[-1] != network.layers[0].inputs:
        raise InputError(f"the network has {network.layers[0].inputs} inputs, but the points are of shape {values.shape}")
    formats: tuple[Format | None, ...] = (None,)
    for index, layer in enumerate(network.layers):
        outputs = np.empty((*values.shape[:-1], layer.outputs))
        weights, biases = np.array(layer.weight), None if layer.bias is None else np.array(layer.bias)
        for how, places in _alike(deployment, index, layer.outputs).items():
            w, b = weights[places], None if biases is None else biases[places]
            _require_readable(how, w, b, values if index == 0 else None, formats)
            sums = sum_of_products(how, w, values[..., None, :], b)
            outputs[..., places] = _relu(sums, how) if index + 1 < len(network.layers) else sums
        formats = tuple({deployment.at(index, j).format for j in range(layer.outputs)})
        values = outputs
    return values


def _required(how: Arithmetic) -> Format:
    if how.format is None:
        raise InputError("arrays are not evaluated in exact arithmetic; use the exact interpreter")
    return how.format


def _alike(deployment: Deployment, layer: int, outputs: int) -> dict[Arithmetic, list[int]]:
    """The output positions of a layer by their arithmetic."""
    places: dict[Arithmetic, list[int]] = {}
    for output in range(outputs):
        places.setdefault(deployment.at(layer, output), []).append(output)
    return places


def _require_readable(
    how: Arithmetic, weights: Floats, bias: Floats | None, points: Floats | None, before: Sequence[Format | None]
) -> None:
    """Raise InputError for a number that the arithmetic reads and its format does not hold."""
    fmt = _required(how)
    for what, numbers in (("weights", weights), ("biases", bias), ("points", points)):
        if numbers is not None and not np.array_equal(round_array(numbers, fmt), numbers, equal_nan=True):
            raise InputError(f"the {what} are not all numbers of {fmt}; round them first")
    for source in before:
        if source is not None and not holds(fmt, source):
            raise InputError(f"an arithmetic in {fmt} got a number in {source}; cast it first")


def _relu(values: Floats, how: Arithmetic) -> Floats:
    fmt = _required(how)
    return maximum_arrays(flush_array(values, fmt) if how.activation_flush else values, np.zeros(()))


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
