"""A kernel on the bench: called with operands as arrays, every call counted, probes spread over positions that act alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fpsynth.aliases import Array
from fpsynth.libraries.base import Operation
from fpsynth.libraries.kernels import Kernel
from fpsynth.libraries.operands import narrowed, widened
from fpsynth.revealing.vectors import Call, CallShape

Position = tuple[int, int]
"""(row, output)."""


class KernelBench:
    """The operation of a kernel, for float64 arrays that hold values of its format."""

    def __init__(self, operation: Operation, kernel: Kernel, rows_per_weights: int = 1) -> None:
        """``rows_per_weights``: how many rows had better meet the same weights, since others cost much more than a call."""
        self.operation, self.kernel, self.calls, self.rows_per_weights = operation, kernel, 0, rows_per_weights
        where = kernel.environment
        self.shape = CallShape(where.batch, kernel.outputs, kernel.terms, kernel.weighted, kernel.bias)

    def run(self, call: Call) -> Array:
        """The results of one call, (batch, outputs) in float64."""
        bias = None if call.bias is None else self.narrowed(call.bias)
        return self.run_as_they_are(self.narrowed(call.rows), self.narrowed(call.weights), bias)

    def run_as_they_are(self, rows: Array, weights: Array, bias: Array | None) -> Array:
        """The results of one call with operands in the kernel's own dtype."""
        self.calls += 1
        with np.errstate(all="ignore"):
            return widened(np.asarray(self.operation(rows, weights, bias)))

    def narrowed(self, values: Array) -> Array:
        """Float64 values of the kernel's format as the operations of its library take them."""
        return narrowed(values, self.kernel.dtype, patterns=True)


class Spread:
    """Runs sums of given summands at positions that share one arithmetic, as many in a call as there are such positions.

    Summands go into the rows where several rows are alike, into the weights where several outputs are; the other operand is
    ``factor`` everywhere.
    """

    def __init__(self, bench: KernelBench, positions: Sequence[Position], factor: float) -> None:
        self.bench, self.factor = bench, factor
        rows: dict[int, list[int]] = {}
        columns: dict[int, list[int]] = {}
        for row, output in positions:
            rows.setdefault(output, []).append(row)
            columns.setdefault(row, []).append(output)
        self.output, self.rows = max(rows.items(), key=lambda item: len(item[1]))
        self.row, self.columns = max(columns.items(), key=lambda item: len(item[1]))
        self.by_rows = len(self.rows) >= len(self.columns) or not bench.shape.weighted
        shape = bench.shape
        # made once: thousands of calls differ in a few numbers only
        self._rows = bench.narrowed(np.full((shape.batch, shape.terms), factor))
        self._weights = bench.narrowed(np.full((shape.outputs, shape.terms), factor if shape.weighted else 1.0))
        self._places = np.array(self.rows if self.by_rows else self.columns)

    @property
    def width(self) -> int:
        """Sums per call."""
        return len(self.rows) if self.by_rows else len(self.columns)

    def sums(self, summands: Array) -> Array:
        """The result of each row of ``summands`` (number, terms), or (number, terms + 1) with the bias last."""
        results = np.empty(len(summands))
        biases, summands = summands[:, -1], self.bench.narrowed(summands)
        todo = np.arange(len(summands))
        if self.bench.shape.bias and self.by_rows:  # rows share the bias of a call
            for bias in np.unique(biases):
                self._run(summands, todo[biases == bias], results)
        else:
            self._run(summands, todo, results)
        return results

    def _run(self, summands: Array, todo: Array, results: Array) -> None:
        for start in range(0, len(todo), self.width):
            chosen = todo[start : start + self.width]
            results[chosen] = self._call(summands[chosen])

    def _call(self, summands: Array) -> Array:
        shape = self.bench.shape
        places = self._places[: len(summands)]
        (self._rows if self.by_rows else self._weights)[places] = summands[:, : shape.terms]
        biases = np.zeros(shape.outputs, summands.dtype) if shape.bias else None
        if biases is not None:
            biases[self.output if self.by_rows else places] = summands[0, -1] if self.by_rows else summands[:, -1]
        results = self.bench.run_as_they_are(self._rows, self._weights, biases)
        chosen: Array = results[places, self.output] if self.by_rows else results[self.row, places]
        return chosen

    def call(self, own: Array, shared: Array, bias: Array) -> Array:
        """One call: the sums of ``own`` (number, terms) times ``shared`` (terms,), and of ``bias`` (number,).

        At most ``width`` of them; where they go into the rows of one output their biases must be equal.  Rows and outputs that
        are not needed hold ``shared``.
        """
        shape = self.bench.shape
        rows = np.tile(shared, (shape.batch, 1))
        weights = np.tile(shared, (shape.outputs, 1)) if shape.weighted else np.ones((shape.outputs, shape.terms))
        biases = np.zeros(shape.outputs) if shape.bias else None
        places = (self.rows if self.by_rows else self.columns)[: len(own)]
        (rows if self.by_rows else weights)[places] = own
        if biases is not None:
            biases[self.output if self.by_rows else places] = bias[0] if self.by_rows else bias
        results = self.bench.run(Call(rows, weights, biases))
        return results[places, self.output] if self.by_rows else results[self.row, places]
