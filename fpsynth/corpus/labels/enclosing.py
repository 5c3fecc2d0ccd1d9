"""Between what the outputs of a network lie in many boxes at once, in the very order in which an environment computes them.

Rounding to nearest, fusing, and trees of additions are monotone: a sum is smallest where each product is.  So its lower end is
the sum itself, evaluated in its own order, of the smallest products.  Steps that align their operands are not, and are refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.corpus.labels.environments import Computed
from fpsynth.corpus.labels.margins import Ends
from fpsynth.errors import InputError
from fpsynth.evaluators.programs import program_sums
from fpsynth.networks.layers.structure import PADDING, Rearrangement, Selection, Sums, moved
from fpsynth.networks.network import Node
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.building import program_of


def enclosed(computed: Computed, lower: Floats, upper: Floats) -> Ends:
    """Ends of the outputs for boxes of float32 ends (boxes, inputs).

    Raises InputError for layers and arithmetics that are not monotone, or not known to be, and where a number is not finite.
    """
    graph = computed.network.logits
    require_monotone(computed.deployment)

    def step(node: Node, inputs: Sequence[Ends]) -> Ends:
        ends = tuple(np.concatenate([one[side] for one in inputs], axis=1) for side in (0, 1))
        structure = graph.structure(node.name)
        if isinstance(structure, Sums):
            found = _summed(structure, (ends[0], ends[1]), computed.deployment, graph.sums.index(node.name))
        else:
            move = _selected if isinstance(structure, Selection) else _moved
            found = move(structure, ends[0]), move(structure, ends[1])  # type: ignore[arg-type]
        if not all(np.isfinite(end).all() for end in found):  # between which numbers may be NaN, and later layers hide that
            raise InputError("an end is infinite or undefined")
        return found

    with np.errstate(all="ignore"):
        low, high = graph.run((lower, upper), step)
    return low, high


def require_monotone(deployment: Deployment) -> None:
    """Raise InputError for arithmetics that align, flush or read other formats."""
    exceptions = (arithmetic for _, arithmetic in (*deployment.layers, *deployment.exceptions))
    for used in (deployment.default, *exceptions):
        if used.format is None or used.alignment is not None or used.flush or used.operands is not None:
            raise InputError(f"{used} is not known to be monotone")
        if used.given is not None and (used.given.alignments or used.given.flush):
            raise InputError(f"{used} is not known to be monotone")


def _summed(sums: Sums, ends: Ends, deployment: Deployment, index: int) -> Ends:
    if sums.normalisation is not None or sums.divisor is not None:
        raise InputError("only sums that are neither divided nor normalised have ends")
    alike: dict[Arithmetic, list[int]] = {}
    for output in range(sums.outputs):
        alike.setdefault(deployment.at(index, output), []).append(output)
    results = np.empty((len(ends[0]), sums.outputs)), np.empty((len(ends[0]), sums.outputs))
    for arithmetic, outputs in alike.items():
        for side, column in enumerate(_alike(sums, arithmetic, outputs, ends)):
            results[side][:, outputs] = column
    return results


def _alike(sums: Sums, arithmetic: Arithmetic, outputs: Sequence[int], ends: Ends) -> Ends:
    """The sums of one arithmetic: (boxes, outputs)."""
    addends = [sums.addends(output) for output in outputs]
    read = np.array([each.read for each in addends]).T
    weights = np.ones(read.shape) if addends[0].weights is None else np.array([each.weights for each in addends], np.float64).T
    bias = [] if addends[0].bias is None else [np.array([float(each.bias) for each in addends])[None, :]]
    program = program_of(arithmetic, sums.terms, bool(bias))
    low, high = (_gathered(numbers, read) for numbers in ends)
    upward = (weights >= 0)[:, None, :]
    sides = np.where(upward, low, high), np.where(upward, high, low)
    first, second = (program_sums(program, weights[:, None, :], side, bias) for side in sides)
    shape = (len(ends[0]), len(outputs))
    return np.broadcast_to(first, shape), np.broadcast_to(second, shape)


def _gathered(numbers: Floats, read: NDArray[np.integer]) -> Floats:
    """(terms, boxes, outputs); +0 for padding."""
    padded = np.concatenate([numbers, np.zeros((len(numbers), 1))], axis=1)
    return np.ascontiguousarray(padded[:, np.where(read == PADDING, numbers.shape[1], read)].transpose(1, 0, 2))


def _selected(selection: Selection, numbers: Floats) -> Floats:
    if selection.slope is not None or selection.rule != "maximum":
        raise InputError("only maxima and ReLUs have ends")
    first = selection.taps.at(slice(None))
    read = np.concatenate([moved(first, group * selection.group_stride) for group in range(selection.groups)])
    padded = np.concatenate([numbers, np.full((len(numbers), 1), -np.inf)], axis=1)
    result = padded[:, np.where(read == PADDING, numbers.shape[1], read)].max(axis=2)
    if selection.floor is not None:
        result = np.maximum(result, selection.floor)
    return np.asarray(result if selection.ceiling is None else np.minimum(result, selection.ceiling))


def _moved(view: Rearrangement, numbers: Floats) -> Floats:
    if view.read is None:
        return numbers
    padded = np.concatenate([numbers, np.full((len(numbers), 1), view.fill)], axis=1)
    result: Floats = padded[:, np.where(view.read == PADDING, numbers.shape[1], view.read)]
    return result
