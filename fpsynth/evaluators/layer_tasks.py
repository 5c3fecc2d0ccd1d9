"""One group of a layer's outputs made ready: its schedule, and weights, inputs and numbers as the program reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.evaluators.float_arrays import flush_array
from fpsynth.evaluators.layer_groups import FloatArray, Group, Integers, LayerSums
from fpsynth.evaluators.programs import rounded
from fpsynth.evaluators.schedules import Reads, Schedule, schedule_of
from fpsynth.formats import FLOAT32, Format, holds


@dataclass(frozen=True, eq=False)
class LayerTask:
    """A group whose program has a schedule; all floats are of the schedule's format, and flushed if it flushes."""

    schedule: Schedule
    weights: FloatArray
    """(channels, terms)."""
    bias: FloatArray | None
    """(channels,)."""
    taps: Integers
    """(positions, terms): which input; one more than there are is a zero."""
    ready: dict[Any, Any] = field(default_factory=dict)
    """What a way of evaluating keeps between blocks of rows."""

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """In which the sums are evaluated."""
        return working_dtype(self.schedule.format)


@dataclass(frozen=True, eq=False)
class Block:
    """Some rows of inputs, (rows, inputs), and what groups share that are evaluated on them; of one thread."""

    format: Format
    inputs: FloatArray
    ready: dict[Any, Any] = field(default_factory=dict)

    def read(self, schedule: Schedule) -> FloatArray:
        """The inputs as a schedule reads them."""
        x: FloatArray = self.kept(schedule, "read", lambda: as_read(self.inputs, self.format, schedule.reads, schedule))
        return x

    def kept(self, schedule: Schedule, key: Any, make: Callable[[], Any]) -> Any:
        """What is made of inputs that are read in a schedule's manner, once."""
        manner = (schedule.format, schedule.reads, bool(schedule.flush), key)
        if manner not in self.ready:
            self.ready[manner] = make()
        return self.ready[manner]


@dataclass(frozen=True, eq=False)
class TaskSums:
    """What came out."""

    outputs: FloatArray
    """(rows, positions, channels), in the schedule's format."""
    doubtful: NDArray[np.bool_] | None = None
    """Of the same shape: where flushing needs a closer look; None: nowhere."""


def working_dtype(fmt: Format) -> np.dtype[np.floating]:
    """What holds numbers of float32 or float64."""
    return np.dtype(np.float32 if fmt == FLOAT32 else np.float64)


def task_of(layer: LayerSums, group: Group, inputs: int) -> LayerTask:
    """A group made ready for blocks of rows of so many inputs each."""
    schedule = schedule_of(group.program, group.taps)
    taps = layer.gather[group.positions]
    taps = np.ascontiguousarray(np.where(taps < 0, inputs, taps).astype(np.int32))
    weights = as_read(layer.weights[group.channels], layer.format, schedule.reads, schedule)
    bias = None
    if layer.bias is not None:
        bias = as_read(layer.bias[group.channels], layer.format, schedule.numbers[0], schedule)
    return LayerTask(schedule, weights, bias, taps)


def as_read(x: FloatArray, fmt: Format, reads: Reads, schedule: Schedule) -> FloatArray:
    """Numbers of a format as a schedule's leaves read them, contiguous."""
    dtype, source = working_dtype(schedule.format), fmt
    for one in reads:
        if one.flush or not holds(one.format, source):
            x = rounded(x.astype(np.float64), fmt, reads)
            break
        source = one.format
    with np.errstate(all="ignore"):
        x = np.ascontiguousarray(x, dtype)
    return flush_array(x.astype(np.float64), schedule.format).astype(dtype) if schedule.flush else x


def outputs_of(task: LayerTask, sums: FloatArray, dtype: np.dtype[np.floating]) -> FloatArray:
    """Sums rounded into the format of the layer."""
    result = task.schedule.result
    if result:
        sums = rounded(sums.astype(np.float64), task.schedule.format, result)
    return sums.astype(dtype, copy=False)
