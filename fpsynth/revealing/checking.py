"""The check: does an arithmetic predict what the library returns for hostile random vectors, bit for bit?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fpsynth.arithmetic import Arithmetic
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.libraries.registry import library_named
from fpsynth.revealing.bench import Array, Bench, Position
from fpsynth.revealing.result import Check, Unexplained
from fpsynth.revealing.vectors import Call, hostile_calls

_CELLS = 1 << 22
"""Numbers that are evaluated at a time."""
_SAME_WEIGHTS = 8
"""Calls with the same weights, where those are costly."""
LEAST_PER_POSITION = 16
"""Vectors that every position is checked on, however many there are."""


@dataclass(frozen=True)
class Run:
    """A call of the kernel and what it returned."""

    call: Call
    results: Array
    """(batch, outputs)."""


def runs(bench: Bench, positions: int, vectors: int, seed: int) -> list[Run]:
    """So many calls that ``positions`` positions get ``vectors`` vectors, and each of them a few of every kind."""
    calls = max(-(-vectors // positions), LEAST_PER_POSITION)
    return [Run(call, bench.run(call)) for call, _ in zip(_calls(bench, seed), range(calls), strict=False)]


def _calls(bench: Bench, seed: int) -> Iterator[Call]:
    """Hostile calls; where other weights are costly, several in a row have the same ones."""
    batch = bench.shape.batch
    times = _SAME_WEIGHTS if library_named(bench.kernel.environment.library).costly_weights else 1
    for call in hostile_calls(replace(bench.shape, batch=batch * times), bench.kernel.dtype, seed):
        for start in range(0, batch * times, batch):
            yield Call(call.rows[start : start + batch], call.weights, call.bias)


def predictions(how: Arithmetic, tried: Sequence[Run], positions: Sequence[Position]) -> Array:
    """What an arithmetic gives in each call, at each position: (calls, positions)."""
    rows, outputs = np.array(positions).T
    own_rows, own_outputs = np.unique(rows), np.unique(outputs)
    x = np.stack([run.call.rows[own_rows] for run in tried])
    w = np.stack([run.call.weights[own_outputs] for run in tried])
    given = tried[0].call.bias is not None
    bias = np.stack([run.call.bias[own_outputs] for run in tried if run.call.bias is not None]) if given else None
    if len(own_rows) * len(own_outputs) == len(positions):  # a block of positions: let the operands broadcast
        block = sum_of_products(how, w[:, None], x[:, :, None], None if bias is None else bias[:, None, :])
        return np.asarray(block[:, np.searchsorted(own_rows, rows), np.searchsorted(own_outputs, outputs)])
    r, c = np.searchsorted(own_rows, rows), np.searchsorted(own_outputs, outputs)
    return sum_of_products(how, w[:, c], x[:, r], None if bias is None else bias[:, c])


def _chunks(tried: Sequence[Run], positions: int) -> Iterator[Sequence[Run]]:
    """As many calls at a time as memory allows."""
    terms = tried[0].call.rows.shape[1]
    size = max(1, _CELLS // (positions * terms))
    return (tried[start : start + size] for start in range(0, len(tried), size))


def same_numbers(a: Array, b: Array) -> Array:
    """Where two arrays hold the same numbers; NaN equals NaN, and the sign of a zero does not count."""
    return (a == b) | (np.isnan(a) & np.isnan(b))


def _returned(tried: Sequence[Run], positions: Sequence[Position]) -> Array:
    rows, outputs = np.array(positions).T
    return np.stack([run.results[rows, outputs] for run in tried])


def explained(how: Arithmetic, tried: Sequence[Run], positions: Sequence[Position]) -> int:
    """How many of the vectors an arithmetic explains."""
    return sum(
        int(same_numbers(predictions(how, part, positions), _returned(part, positions)).sum())
        for part in _chunks(tried, len(positions))
    )


def check(how: Arithmetic, tried: Sequence[Run], positions: Sequence[Position]) -> tuple[Check, int]:
    """The check on all calls; and how many results differ from the prediction in the sign of a zero, which is not counted."""
    good, total, zeros, first = 0, 0, 0, None
    for part in _chunks(tried, len(positions)):
        predicted, returned = predictions(how, part, positions), _returned(part, positions)
        same = same_numbers(predicted, returned)
        good, total = good + int(same.sum()), total + same.size
        zeros += int((same & (np.signbit(predicted) != np.signbit(returned)) & ~np.isnan(predicted)).sum())
        if first is None and not same.all():
            which, place = (int(k[0]) for k in np.nonzero(~same))
            call, (row, output) = part[which].call, positions[place]
            first = Unexplained(
                inputs=tuple(call.rows[row].tolist()),
                weights=tuple(call.weights[output].tolist()),
                bias=None if call.bias is None else float(call.bias[output]),
                library=float(returned[which, place]),
                predicted=float(predicted[which, place]),
            )
    return Check(good, total, first), zeros
