"""The ways to evaluate a group of a layer's outputs, all with the same bits; the fastest first."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from fpsynth.errors import InputError
from fpsynth.evaluators.layer_arrays import array_sums, arrays_refuse
from fpsynth.evaluators.layer_compiled import compiled_sums, loops, too_late
from fpsynth.evaluators.layer_general import element_sums, general_sums
from fpsynth.evaluators.layer_groups import FloatArray, Group, LayerSums
from fpsynth.evaluators.layer_tasks import Block, LayerTask, TaskSums, as_read, outputs_of, task_of
from fpsynth.evaluators.schedules import why_not
from fpsynth.packages import how_to_install


class Way(enum.Enum):
    """How outputs are evaluated; the value is what it is called."""

    COMPILED = "compiled"
    """Loops compiled with numba."""
    ARRAYS = "arrays"
    """Operations of an array library over tiles of outputs."""
    GENERAL = "general"
    """``program_sums``, whatever the program."""


Evaluation = Callable[[LayerTask, Block, Sequence[FloatArray]], TaskSums]
"""From a task, inputs and addends (rows, positions, channels) that are read already, to the sums."""


@dataclass(frozen=True)
class ArrayLibrary:
    """The array library that the arrays way works with: an array API namespace whose functions take ``out``."""

    namespace: ModuleType | Any = np
    device: str | None = None

    def __str__(self) -> str:
        name = getattr(self.namespace, "__name__", str(self.namespace))
        return name if self.device is None else f"{name} on {self.device}"


def refusal(way: Way, group: Group, task: LayerTask | None) -> str:
    """Why a way does not evaluate a group, in words; empty where it does."""
    if way is Way.GENERAL:
        return ""
    if task is None:
        return why_not(group.program)
    return arrays_refuse(task) if way is Way.ARRAYS else ""


@functools.cache
def missing(way: Way) -> str:
    """What a way lacks on this machine, in words; empty where it has everything.

    Looked up once in a process: Python searches again and again for a package that it has not found.
    """
    if way is Way.COMPILED:
        try:
            loops()
        except ImportError:
            return f"numba is not installed: {how_to_install('numba')}"
    return ""


def late(way: Way, task: LayerTask) -> str:
    """Why a way is not begun with in the time that is left, in words; empty where it may be."""
    return too_late(task) if way is Way.COMPILED else ""


def evaluation(way: Way, library: ArrayLibrary) -> Evaluation:
    """What evaluates a task that way."""
    if way is Way.COMPILED:
        return compiled_sums
    return lambda task, block, addends: array_sums(task, block, addends, library.namespace, library.device)


def ready(layer: LayerSums, group: Group, inputs: int) -> LayerTask | None:
    """The group made ready for the fast ways, where its program has a schedule."""
    return None if why_not(group.program) else task_of(layer, group, inputs)


def group_outputs(
    layer: LayerSums,
    group: Group,
    task: LayerTask | None,
    evaluate: Evaluation | None,
    block: Block,
    addends: Sequence[FloatArray],
) -> FloatArray:
    """The outputs of a group, (rows, positions, channels), for addends of the whole layer.

    The general way where there is no task or nothing to ``evaluate`` it.
    Raises InputError where this thread's processor reads or writes subnormal numbers as zeros.
    """
    require_subnormals()
    if evaluate is None or task is None:
        return general_sums(layer, group, block.inputs, addends)
    schedule = task.schedule
    first = 0 if layer.bias is None else 1
    numbers = [
        as_read(addend[:, group.positions[:, None], group.channels], layer.format, reads, schedule)
        for addend, reads in zip(addends, schedule.numbers[first:], strict=True)
    ]
    sums = evaluate(task, block, numbers)
    outputs = outputs_of(task, sums.outputs, layer.dtype)
    if sums.doubtful is not None and sums.doubtful.any():
        row, position, channel = np.nonzero(sums.doubtful)
        where = (row, group.positions[position], group.channels[channel])
        outputs[sums.doubtful] = element_sums(layer, group, block.inputs, addends, where)
    return outputs


def require_subnormals() -> None:
    """Raise InputError where the processor flushes subnormal numbers: some libraries switch that on for the whole thread."""
    least = np.array([2.0**-149], np.float32), np.array([2.0**-1074])
    with np.errstate(all="ignore"):
        if any(not (x * x.dtype.type(1)).all() for x in least):
            raise InputError(
                "the processor flushes subnormal numbers, which a library has switched on: evaluate in a process without it"
            )
