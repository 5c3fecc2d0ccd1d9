"""Count unsafe inputs by boxes: halved until all or none of the inputs in each are unsafe, by ends in the very order."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fpsynth.corpus.labels.counting_each import InputCount
from fpsynth.corpus.labels.enclosing import enclosed
from fpsynth.corpus.labels.environments import Computed
from fpsynth.corpus.labels.margins import never_violated, surely_violated
from fpsynth.corpus.labels.points import Grid, floats_of
from fpsynth.errors import InputError
from fpsynth.verifiers.properties import Property
from fpsynth.workers.deadlines import require_time

MAX_BOXES = 1 << 15
"""Boxes that are looked at before it is given up."""
MAX_WORK = 1 << 22
"""Numbers that the network reads in all of them together: some seconds."""
_AT_ONCE = 1 << 10
Ordinals = NDArray[np.int64]
Boxes = tuple[Ordinals, Ordinals]
"""First and last ordinals, each (boxes, inputs)."""


def by_boxes(computed: Computed, grid: Grid, unsafe: Property) -> InputCount | None:
    """All inputs of a grid; None where the boxes that may be looked at are not enough, or the network has no ends."""
    waiting = [_whole(grid)]
    limit = min(MAX_BOXES, MAX_WORK // computed.network.work)
    bad, seen, example = 0, 0, tuple[float, ...]()
    while waiting:
        require_time()
        first, last = waiting.pop()
        seen += len(first)
        if seen > limit:
            return None
        try:
            ends = enclosed(computed, floats_of(first), floats_of(last))
        except InputError:
            return None
        all_bad, none_bad = surely_violated(unsafe, ends), never_violated(unsafe, ends)
        if all_bad.any() and not example:
            example = tuple(floats_of(first[int(all_bad.argmax())]).tolist())
        bad += sum(_size(a, b) for a, b in zip(first[all_bad].tolist(), last[all_bad].tolist(), strict=True))
        open_ = ~(all_bad | none_bad)
        waiting += _pieces(_halved((first[open_], last[open_])))
    return InputCount(bad, grid.total, "boxes in which all or none are unsafe, by ends in the revealed order", example)


def _whole(grid: Grid) -> Boxes:
    return np.array([grid.first], np.int64), np.array([grid.last], np.int64)


def _size(first: list[int], last: list[int]) -> int:
    return math.prod(b - a + 1 for a, b in zip(first, last, strict=True))


def _halved(boxes: Boxes) -> Boxes:
    """Each box along its longest axis; a box of one input is decided, so that none comes here."""
    first, last = boxes
    rows = np.arange(len(first))
    axis = (last - first).argmax(axis=1) if len(first) else rows
    middle = (first[rows, axis] + last[rows, axis]) // 2
    left, right = last.copy(), first.copy()
    left[rows, axis], right[rows, axis] = middle, middle + 1
    return np.concatenate([first, right]), np.concatenate([left, last])


def _pieces(boxes: Boxes) -> list[Boxes]:
    first, last = boxes
    return [(first[k : k + _AT_ONCE], last[k : k + _AT_ONCE]) for k in range(0, len(first), _AT_ONCE)]
