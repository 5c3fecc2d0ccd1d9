"""Layers by the compiled loops: lanes are rows of inputs where there are many, and channels where there are few."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fpsynth.evaluators.layer_groups import FloatArray
from fpsynth.evaluators.layer_tasks import Block, LayerTask, TaskSums
from fpsynth.rounding import Flush
from fpsynth.workers.deadlines import time_left

COMPILING = 15.0
"""Seconds within which the loops are compiled for a dtype, where they never were on this machine; none can stop that."""
_READY: set[np.dtype[Any]] = set()
"""The dtypes for which they have run in this process."""
_CACHED = 1 << 15
"""Numbers that a position's taps may take for all lanes, to be read from a near cache for one channel after the other."""
_LEAST, _MOST = 64, 256
"""Lanes that are evaluated at once."""


def loops() -> tuple[Callable[..., None], Callable[..., None]]:
    """The compiled loops.  Raises ImportError where numba is not installed."""
    from fpsynth.evaluators.compiled_kernels import run, turn

    return run, turn


def too_late(task: LayerTask) -> str:
    """Why the loops are not begun with in the time that is left, in words; empty where they may be."""
    if task.dtype in _READY or time_left(math.inf) >= COMPILING:
        return ""
    return f"its loops may have to be compiled first, and fewer than {COMPILING:g} s are left"


def compiled_sums(task: LayerTask, block: Block, addends: Sequence[FloatArray]) -> TaskSums:
    """The sums of a task for a block of inputs and ``addends`` (rows, positions, channels) that are read already."""
    rows, channels = len(block.inputs), len(task.weights)
    outputs = np.empty((rows, len(task.taps), channels), task.dtype)
    doubtful = np.zeros(outputs.shape, bool) if task.schedule.flush is Flush.UNBOUNDED else None
    if rows < min(_LEAST, channels):
        edges = _by_channels(task, block, addends, outputs)
        if doubtful is not None:
            doubtful |= edges.T[:, :, None]
        return TaskSums(outputs, doubtful)
    size = min(_MOST, max(_LEAST, _CACHED // task.taps.shape[1]))
    for start in range(0, rows, size):
        part = slice(start, start + size)
        edges = _by_rows(task, _lanes(task, block, part), [addend[part] for addend in addends], outputs[part])
        if doubtful is not None:
            doubtful[part] |= edges[None]
    return TaskSums(outputs, doubtful)


def _lanes(task: LayerTask, block: Block, part: slice) -> Any:
    """Some rows as lanes, (inputs and a zero, rows)."""

    def lanes() -> FloatArray:
        inputs = block.read(task.schedule)[part]
        padded = np.zeros((inputs.shape[1] + 1, len(inputs)), task.dtype)
        padded[:-1] = inputs.T
        return padded

    return block.kept(task.schedule, ("lanes", part.start, part.stop), lanes)


def _by_rows(task: LayerTask, lanes: FloatArray, addends: Sequence[FloatArray], outputs: FloatArray) -> Any:
    """Lanes are rows; the factors are weights.  Gives which (position, channel) is doubtful."""
    rows = lanes.shape[1]
    bias = None if task.bias is None else np.repeat(task.bias[:, None], rows, axis=1)
    numbers = _numbers(bias, [addend.transpose(2, 1, 0) for addend in addends], task.dtype)
    sums = np.empty((len(task.taps), len(task.weights), rows), task.dtype)
    edges = _run(task, (task.weights, _straight(task)), (lanes, task.taps), numbers, sums)
    loops()[1](sums, outputs)
    return edges


def _by_channels(task: LayerTask, block: Block, addends: Sequence[FloatArray], outputs: FloatArray) -> Any:
    """Lanes are channels; the factors are inputs.  Gives which (position, row) is doubtful."""
    inputs = block.read(task.schedule)
    factors = np.zeros((len(inputs), inputs.shape[1] + 1), task.dtype)
    factors[:, :-1] = inputs
    if "lanes" not in task.ready:
        task.ready["lanes"] = np.ascontiguousarray(task.weights.T)
    numbers = _numbers(None if task.bias is None else task.bias[None], addends, task.dtype)
    sums = np.empty((len(task.taps), len(inputs), len(task.weights)), task.dtype)
    edges = _run(task, (factors, task.taps), (task.ready["lanes"], _straight(task)), numbers, sums)
    outputs[...] = sums.transpose(1, 0, 2)
    return edges


def _straight(task: LayerTask) -> Any:
    """Weights are not gathered: tap t is weight t, at every position."""
    return np.arange(task.taps.shape[1], dtype=np.int32)[None]


def _numbers(bias: FloatArray | None, addends: Sequence[FloatArray], dtype: Any) -> FloatArray:
    """The bias (a, l), the same at every position, and addends (a, p, l) in one array (numbers, a, p, l)."""
    numbers = ([] if bias is None else [bias[:, None]]) + list(addends)
    if not numbers:
        return np.zeros((0, 1, 1, 1), dtype)
    return np.ascontiguousarray(np.broadcast_arrays(*numbers), dtype)


def _run(task: LayerTask, factors: Any, lanes: Any, numbers: FloatArray, sums: FloatArray) -> Any:
    schedule = task.schedule
    edges = np.zeros(sums.shape[:2], np.uint8)
    least = task.dtype.type(float(schedule.format.min_normal) if schedule.flush else 0)
    loops()[0](schedule.operations, schedule.depth, *factors, *lanes, numbers, least, sums, edges)
    _READY.add(task.dtype)
    return edges.astype(bool)
