"""Layers by operations of an array library over whole tiles of outputs: numpy, or another that writes into buffers.

In the working format additions and multiplications are the library's own.  A fused multiply-add of float32 is a product of
float64, which is exact, and a sum of float64 that is rounded once more.  The second rounding differs from a single one only if
the first one gives the middle between two neighbours, or a number below the least normal one, whose neighbours are elsewhere:
these are evaluated again, exactly.  There are no tiny sums that are inexact if all products are multiples of the least number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fpsynth.evaluators.float_arrays import fma_arrays
from fpsynth.evaluators.layer_groups import FloatArray
from fpsynth.evaluators.layer_tasks import Block, LayerTask, TaskSums
from fpsynth.evaluators.schedules import Code
from fpsynth.formats import FLOAT32, FLOAT64
from fpsynth.rounding import Flush

_TILE = 1 << 14
"""Outputs that are evaluated at once: what they need stays in a cache of half a megabyte."""
_ROWS = 64
"""Rows of a tile at least, where there are so many: operations over few are slow."""
_LOW_BITS, _MIDDLE = (1 << 29) - 1, 1 << 28
"""What float64 has beyond float32, and what of it is half an ulp."""
_TINY = 2.0**-125
_SAFE_PRODUCT = 2.0**-101
"""Two numbers of float32 whose product is at least this: every product of larger ones is a multiple of 2**-149."""


def arrays_refuse(task: LayerTask) -> str:
    """Why a task is not evaluated this way, in words; empty where it is."""
    fused = task.schedule.fused and task.schedule.format == FLOAT64
    return "a fused multiply-add of float64 needs more than float64 products" if fused else ""


def array_sums(
    task: LayerTask, block: Block, addends: Sequence[FloatArray], namespace: Any = np, device: Any = None
) -> TaskSums:
    """The sums of a task for a block of inputs and ``addends`` (rows, positions, channels) that are read already.

    ``namespace``: an array API namespace whose functions take ``out`` (numpy, ``array_api_compat.torch``); arrays go to its
    ``device`` and come back.
    """
    rows, channels = len(block.inputs), len(task.weights)
    outputs = np.empty((rows, len(task.taps), channels), task.dtype)
    doubtful = np.zeros(outputs.shape, bool) if task.schedule.flush is Flush.UNBOUNDED else None
    size = min(rows, max(_ROWS, _TILE // channels))
    width = max(1, _TILE // (channels * size))
    with np.errstate(all="ignore"):
        for start in range(0, rows, size):
            part = slice(start, start + size)
            tiles = _Tiles(task, block, part, namespace, device)
            for first in range(0, len(task.taps), width):
                place = slice(first, first + width)
                sums, edges = tiles.sums(place, [addend[part, place] for addend in addends])
                outputs[part, place] = sums.transpose(2, 1, 0)
                if doubtful is not None:
                    doubtful[part, place] = edges.transpose(2, 1, 0)
    return TaskSums(outputs, doubtful)


class _Tiles:
    """Some rows of inputs, the last axis of all arrays; channels are the first one, and positions the second."""

    def __init__(self, task: LayerTask, block: Block, part: slice, namespace: Any, device: Any) -> None:
        self.task, self.xp, self.device = task, namespace, device
        self.wide = task.schedule.fused
        self.dtype = np.dtype(np.float64) if self.wide else task.dtype
        inputs = block.read(task.schedule)[part]
        self.rows = len(inputs)
        self.inputs = block.kept(task.schedule, ("tiles", self.dtype, part.start, part.stop), lambda: self._padded(inputs))
        self.careful = self.wide and not _products_are_large(inputs, task.weights)
        weights = task.weights.T.astype(self.dtype)[:, :, None, None]
        self.weights = self._there(np.ascontiguousarray(weights))
        self.stack: list[Any] = []

    def _padded(self, inputs: FloatArray) -> Any:
        """Inputs and a zero, rows last."""
        padded = np.zeros((inputs.shape[1] + 1, self.rows), self.dtype)
        padded[:-1] = inputs.T
        return self._there(padded)

    def _there(self, x: Any) -> Any:
        return self.xp.asarray(x) if self.device is None else self.xp.asarray(x, device=self.device)

    def _back(self, x: Any) -> Any:
        return np.asarray(x.cpu() if hasattr(x, "cpu") else x)

    def sums(self, place: slice, addends: Sequence[FloatArray]) -> tuple[Any, Any]:
        """The sums at some positions, (channels, positions, rows), and where flushing is doubtful."""
        taps = self.task.taps[place]
        self._prepare((len(self.task.weights), len(taps), self.rows))
        numbers = [] if self.task.bias is None else [self._there(self.task.bias[:, None, None])]
        numbers += [self._there(np.ascontiguousarray(addend.transpose(2, 1, 0))) for addend in addends]
        single = len(taps) == 1
        columns = taps[0].tolist() if single else self._there(np.ascontiguousarray(taps.T.astype(np.int64)))
        top = 0
        for code, which in self.task.schedule.operations.tolist():
            if code == Code.NUMBER:
                self.stack[top][...] = numbers[which]
                top += 1
                continue
            if code == Code.ADD:
                top -= 1
                self.xp.add(self.stack[top - 1], self.stack[top], out=self.stack[top - 1])
                self._flush(self.stack[top - 1])
                continue
            x = self.inputs[columns[which]] if single else self.xp.take(self.inputs, columns[which], axis=0)
            top += self._product(code, top, self.weights[which], x)
        return self._back(self.stack[0]), self._back(self.edges)

    def _prepare(self, shape: tuple[int, ...]) -> None:
        """Buffers for a tile of that shape."""
        if not self.stack or self.stack[0].shape != shape:
            dtype = self.task.dtype
            self.stack = [self._there(np.empty(shape, dtype)) for _ in range(self.task.schedule.depth + 1)]
            self.total = self._there(np.empty(shape, np.float64))
            self.bits = self.total.view(self.xp.int64)
            self.low = self._there(np.empty(shape, np.int64))
            self.mask = self._there(np.empty(shape, bool))
        self.edges = self._there(np.zeros(shape if self.task.schedule.flush is Flush.UNBOUNDED else (1, 1, 1), bool))

    def _product(self, code: int, top: int, weight: Any, x: Any) -> int:
        """Push a product, or add it to the sum on top; gives how much higher the stack is then."""
        if code == Code.FMA:
            self._fused(self.stack[top - 1], weight, x)
            self._flush(self.stack[top - 1])
            return 0
        if self.wide:
            self.xp.multiply(weight, x, out=self.total)
            self.stack[top][...] = self.total
        else:
            self.xp.multiply(weight, x, out=self.stack[top])
        self._flush(self.stack[top])
        if code == Code.PRODUCT:
            return 1
        self.xp.add(self.stack[top - 1], self.stack[top], out=self.stack[top - 1])
        self._flush(self.stack[top - 1])
        return 0

    def _fused(self, sums: Any, weight: Any, x: Any) -> None:
        """Add a product to float32 sums, rounded once."""
        self.xp.multiply(weight, x, out=self.total)
        self.xp.add(self.total, sums, out=self.total)
        self.xp.bitwise_and(self.bits, _LOW_BITS, out=self.low)
        self.xp.equal(self.low, _MIDDLE, out=self.mask)
        if self.careful:
            self.mask |= (self.xp.abs(self.total) < _TINY) & (self.total != 0)
        if not self.mask.any():
            sums[...] = self.total
            return
        where = self.xp.nonzero(self.mask)
        spread = (self.xp.broadcast_to(weight, sums.shape), self.xp.broadcast_to(x, sums.shape), sums)
        operands = [self._back(array[where]).astype(np.float64) for array in spread]
        sums[...] = self.total
        sums[where] = self._there(fma_arrays(*operands, FLOAT32).astype(np.float32))

    def _flush(self, sums: Any) -> None:
        """Make subnormal sums zeros of their sign, where the program does; remember least normal ones."""
        flush = self.task.schedule.flush
        if not flush:
            return
        least = float(self.task.schedule.format.min_normal)
        magnitudes = self.xp.abs(sums)
        tiny = magnitudes < least
        if tiny.any():
            sums[...] = self.xp.where(tiny, self.xp.copysign(self.xp.zeros_like(sums), sums), sums)
        if flush is Flush.UNBOUNDED:
            self.edges |= magnitudes == least


def _products_are_large(inputs: FloatArray, weights: FloatArray) -> bool:
    """Whether every product is a multiple of the least number of float32."""
    least = [np.abs(numbers[numbers != 0]).min(initial=1.0).astype(np.float64) for numbers in (inputs, weights)]
    return bool(least[0] * least[1] >= _SAFE_PRODUCT)
