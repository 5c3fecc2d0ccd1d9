"""Whole layers under sum programs: every output has the bits that ``program_sums`` gives it, as fast as the machine can.

Groups of outputs that one program gives (``layer_groups``) are evaluated in blocks of rows, each group in the first way
(``layer_ways``) that its program allows, that is installed, and that has passed its self-test (``layer_check``).  Loading the
compiled loops takes longer than small layers take by arrays: it waits until one is large, or small ones have taken as long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

import numpy as np

from fpsynth.errors import InputError
from fpsynth.evaluators.layer_check import fault
from fpsynth.evaluators.layer_groups import FloatArray, Group, LayerSums, groups
from fpsynth.evaluators.layer_tasks import Block, LayerTask
from fpsynth.evaluators.layer_ways import (
    ArrayLibrary,
    Evaluation,
    Way,
    evaluation,
    group_outputs,
    late,
    missing,
    ready,
    refusal,
)
from fpsynth.workers.deadlines import require_time

WAYS = (Way.COMPILED, Way.ARRAYS, Way.GENERAL)
_MEMORY = 1 << 26
"""Bytes of inputs and outputs of a block of rows, for each thread."""
_ROWS = 1024
"""Rows of a block at most."""
_LITTLE = 1 << 18
"""Products of a layer for which the compiled loops are not loaded yet."""
_LATER = "it is not loaded for little work"
_PATIENCE = 1.0
"""Seconds that arrays may take in this process before the loops are loaded for little work, too: about what that takes."""


@dataclass(frozen=True, eq=False)
class LayerOutputs:
    """What a layer gives, and how it was evaluated."""

    outputs: FloatArray
    """(rows, positions, channels), values of the layer's format, held in its dtype."""
    ways: tuple[Way, ...]
    """The ways that were used, the fastest first."""
    refused: tuple[str, ...]
    """Why faster ways were not, one line each."""


@dataclass
class _Waiting:
    """Whether the compiled loops are still to be loaded, and what has been done without them."""

    spent: float = 0.0
    """Seconds of this process."""

    def for_little(self, layer: LayerSums, rows: int) -> bool:
        """Whether a layer for so many rows is too little to load them for."""
        return self.spent < _PATIENCE and rows * layer.positions * layer.channels * layer.terms < _LITTLE

    def over(self) -> None:
        """They are loaded, or asked for."""
        self.spent = _PATIENCE


_waiting = _Waiting()


@dataclass(frozen=True, eq=False)
class _Chosen:
    """A group and how it is evaluated."""

    group: Group
    task: LayerTask | None
    way: Way
    evaluate: Evaluation | None


def layer_sums(
    layer: LayerSums,
    inputs: FloatArray,
    addends: Sequence[FloatArray] = (),
    *,
    ways: Sequence[Way] = WAYS,
    threads: int = 1,
    library: ArrayLibrary | None = None,
) -> LayerOutputs:
    """All outputs of a layer for rows of inputs.

    ``inputs`` is (rows, inputs), each of ``addends`` (rows, positions, channels); they, weights and bias hold values of the
    layer's format in any dtype that holds them exactly, which is not checked.  ``ways`` are those that may be used, in this
    order; what none of them does is evaluated in the general way, and what arrays do may be evaluated so although a compiled
    way comes before, where loading that would take longer.  ``library``: what the arrays way works with; numpy.
    Raises InputError for shapes that do not fit, for taps beyond the edge that a program cannot do without, and where the
    processor flushes subnormal numbers; OutOfTimeError between blocks of rows.
    """
    _require_shapes(layer, inputs, addends)
    began = time.thread_time()
    outputs = np.empty((len(inputs), layer.positions, layer.channels), layer.dtype)
    refused: dict[str, None] = {}
    wait = Way.ARRAYS in ways and _waiting.for_little(layer, len(inputs))
    chosen = [
        _choose(layer, group, inputs.shape[1], ways, library or ArrayLibrary(), refused, wait=wait) for group in groups(layer)
    ]

    def work(start: int) -> None:
        require_time()
        rows = slice(start, start + size)
        block, added = Block(layer.format, inputs[rows]), [addend[rows] for addend in addends]
        for one in chosen:
            part = group_outputs(layer, one.group, one.task, one.evaluate, block, added)
            if part.shape[1:] == outputs.shape[1:]:
                outputs[rows] = part
            elif part.shape[2] == layer.channels:
                outputs[rows, one.group.positions] = part
            else:
                outputs[rows, one.group.positions[:, None], one.group.channels] = part

    size = _block_size(layer, inputs, threads)
    _for_each(work, range(0, len(inputs), size), threads)
    used = {one.way for one in chosen}
    if Way.COMPILED in used:
        _waiting.over()
    elif Way.ARRAYS in used:
        _waiting.spent += time.thread_time() - began
    return LayerOutputs(outputs, tuple(way for way in Way if way in used), tuple(refused))


def _for_each(work: Callable[[int], None], starts: range, threads: int) -> None:
    """Threads of our own: the loops let go of Python's lock, and numba's threads do not survive a fork."""
    if threads <= 1:
        for start in starts:
            work(start)
        return
    with ThreadPoolExecutor(threads) as pool:
        # each in a copy of what holds here: the time that is left is known there, too
        running = [pool.submit(copy_context().run, work, start) for start in starts]
        for one in running:
            one.result()


def _require_shapes(layer: LayerSums, inputs: FloatArray, addends: Sequence[FloatArray]) -> None:
    if inputs.ndim != 2:
        raise InputError(f"inputs of a layer must be of shape (rows, inputs), not {inputs.shape}")
    if layer.gather.size and int(layer.gather.max()) >= inputs.shape[1]:
        raise InputError(f"a tap of the layer reads input {int(layer.gather.max())}, but there are {inputs.shape[1]}")
    expected = (len(inputs), layer.positions, layer.channels)
    if len(addends) != layer.addends or any(addend.shape != expected for addend in addends):
        raise InputError(f"the layer's sums need {layer.addends} addends of shape {expected}")


def _block_size(layer: LayerSums, inputs: FloatArray, threads: int) -> int:
    """Rows of a block: little memory, but enough blocks for all threads."""
    row = 8 * (2 * inputs.shape[1] + 3 * layer.positions * layer.channels)
    share = -(-len(inputs) // max(1, threads))
    return int(max(1, min(_ROWS, _MEMORY // row, share)))


def _choose(
    layer: LayerSums,
    group: Group,
    inputs: int,
    ways: Sequence[Way],
    library: ArrayLibrary,
    refused: dict[str, None],
    *,
    wait: bool,
) -> _Chosen:
    """The first of the ways that may be believed to evaluate a group; why others do not is noted in ``refused``.

    ``wait``: not the compiled one, where arrays do it.
    """
    task = ready(layer, group, inputs)
    wait = wait and not refusal(Way.ARRAYS, group, task)
    for way in ways:
        if way is Way.GENERAL:
            break
        waits = _LATER if wait and way is Way.COMPILED else ""
        reason = waits or refusal(way, group, task) or missing(way)
        if task is not None and not reason:
            reason = late(way, task) or fault(way, task.schedule.format, task.schedule.flush, library)
        if task is not None and not reason:
            return _Chosen(group, task, way, evaluation(way, library))
        refused[f"{way.value}, sum program {group.number}: {reason}"] = None
    return _Chosen(group, None, Way.GENERAL, None)
