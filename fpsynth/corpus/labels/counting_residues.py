"""Count unsafe inputs by residues: behind layers that mix inputs exactly, errors that repeat with a period are summed.

The first layers are z = A x + a in whole numbers of the inputs' unit, exactly and in every order.  What follows reads each z by
itself, and sums addends that repeat when z moves by a power of two, M.  Where the determinant of A is odd, x and z fix each
other modulo M; so if every input has a multiple of M values, all residues of z are equally frequent, and counted as sums are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fpsynth.corpus.labels.counting_each import InputCount
from fpsynth.corpus.labels.environments import Computed
from fpsynth.corpus.labels.exact_sums import InputAddends, Mixing, Totals, after, computes_exactly, is_chain, mixing_of
from fpsynth.corpus.labels.margins import violated
from fpsynth.corpus.labels.points import Grid
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers.structure import PADDING, Sums
from fpsynth.networks.network import INPUT
from fpsynth.verifiers.properties import Property

MAX_VALUES = 1 << 16
"""Of one z."""
Whole = list[list[int]]


@dataclass(frozen=True)
class _Mixed:
    """z = unit (rows x + start), x counted from the lowest input of each axis in steps of the unit."""

    name: str
    """Of the node whose results they are."""
    rows: Whole
    start: list[int]

    def moved(self, lengths: Sequence[int]) -> list[tuple[int, int]]:
        """The least and the largest z, in units."""
        ends = []
        for row, start in zip(self.rows, self.start, strict=True):
            moves = [c * (length - 1) for c, length in zip(row, lengths, strict=True)]
            ends.append((start + sum(min(m, 0) for m in moves), start + sum(max(m, 0) for m in moves)))
        return ends


def by_residues(computed: Computed, grid: Grid, unsafe: Property) -> InputCount | None:
    """All inputs of a grid; None where the network is not of that kind."""
    unit = _step(grid)
    mixed = None if unit is None or not is_chain(computed.network.logits) else _mixed(computed, grid, unit)
    if unit is None or mixed is None or len(mixed.rows) != len(grid.lengths):
        return None
    rest, moved = after(computed, mixed.name), mixed.moved(grid.lengths)
    mixing = mixing_of(rest.network)
    if mixing is None or any(high - low >= MAX_VALUES for low, high in moved):
        return None
    axes = [np.arange(low, high + 1, dtype=np.float64) * float(unit) for low, high in moved]
    addends = Mixing(rest, axes, *mixing).addends()
    period = None if addends is None else _period(addends, grid.lengths)
    inverse = None if period is None else _inverse(mixed.rows, period)
    if addends is None or period is None or inverse is None:
        return None
    one = InputAddends(addends.unit, addends.start, [part[:period] for part in addends.parts])
    totals = one.totals([axis[:period] for axis in axes])
    if totals is None:
        return None
    wrong = violated(unsafe, after(rest, mixing[0]).outputs(totals.numbers()))
    bad, worst = totals.marked(wrong)
    times = math.prod(length // period for length in grid.lengths)
    example = () if worst is None else _example(totals, worst, mixed, inverse, period, grid, unit)
    return InputCount(
        bad * times, grid.total, "residues of exact sums of the inputs, and the frequencies of their errors", example
    )


def _step(grid: Grid) -> Fraction | None:
    """How far apart the inputs are; None where that is not the same throughout."""
    steps = set()
    for (low, high), length in zip(grid.ends(), grid.lengths, strict=True):
        if length > 1:
            width = (Fraction(high) - Fraction(low)) / (length - 1)
            if Fraction(float(np.float32(low))) + width != Fraction(float(np.nextafter(np.float32(low), np.float32(np.inf)))):
                return None
            steps.add(width)
    return steps.pop() if len(steps) == 1 else None


def _mixed(computed: Computed, grid: Grid, unit: Fraction) -> _Mixed | None:
    """The longest beginning of a network that is exact and linear on the grid; None where there is none."""
    graph = computed.network.logits
    lows = [Fraction(low) / unit for low, _ in grid.ends()]
    if any(low.denominator != 1 for low in lows):
        return None
    here = _Mixed(INPUT, [[int(j == k) for k in range(len(lows))] for j in range(len(lows))], [int(low) for low in lows])
    longest: _Mixed | None = None
    for node in graph.nodes:
        structure = graph.structure(node.name)
        if isinstance(structure, Sums):
            if not computes_exactly(computed.deployment, graph.sums.index(node.name), structure):
                break
            summed = _summed(node.name, structure, here, grid.lengths, unit)
            if summed is None:
                break
            here = longest = summed
        elif node.layer.kind == "relu" and all(low >= 0 for low, _ in here.moved(grid.lengths)):
            here = _Mixed(node.name, here.rows, here.start)
        else:
            break
    return longest if longest is not None and any(sum(map(bool, row)) > 1 for row in longest.rows) else None


def _summed(name: str, sums: Sums, given: _Mixed, lengths: Sequence[int], unit: Fraction) -> _Mixed | None:
    """A layer of whole weights; None where a weight is none, or a sum may need more bits than float32 has."""
    ends = given.moved(lengths)
    rows: Whole = []
    start: list[int] = []
    for output in range(sums.outputs):
        addends = sums.addends(output)
        read = addends.read.tolist()
        weights = [Fraction(1)] * len(read) if addends.weights is None else [Fraction(w) for w in addends.weights.tolist()]
        bias = Fraction(0 if addends.bias is None else float(addends.bias)) / unit
        terms = [(int(w), place) for w, place in zip(weights, read, strict=True) if w and place != PADDING]
        if bias.denominator != 1 or any(w.denominator != 1 for w in weights):
            return None
        moves = [sorted((w * ends[place][0], w * ends[place][1])) for w, place in terms] + [[int(bias), int(bias)]]
        most = max(sum(max(high, 0) for _, high in moves), sum(max(-low, 0) for low, _ in moves))
        if most > 1 << FLOAT32.precision:  # which bounds every partial sum, whatever the order
            return None
        rows.append([sum(w * given.rows[place][k] for w, place in terms) for k in range(len(lengths))])
        start.append(sum(w * given.start[place] for w, place in terms) + int(bias))
    return _Mixed(name, rows, start)


def _period(addends: InputAddends, lengths: Sequence[int]) -> int | None:
    """The least power of two with which all addends repeat, if the number of values of every input is a multiple of it."""
    period = 1
    for part in addends.parts:
        while period < len(part) and not (part[period:] == part[:-period]).all():
            period *= 2
    enough = all(len(part) >= period for part in addends.parts)
    return period if enough and all(length % period == 0 for length in lengths) else None


def _inverse(rows: Whole, modulus: int) -> Whole | None:
    """The inverse of a matrix modulo a power of two; None where its determinant is even."""
    size = len(rows)
    work = [[*(c % modulus for c in row), *(int(j == k) for k in range(size))] for j, row in enumerate(rows)]
    for k in range(size):
        pivot = next((j for j in range(k, size) if work[j][k] % 2), None)
        if pivot is None and modulus > 1:
            return None
        if pivot is not None:
            work[k], work[pivot] = work[pivot], work[k]
            factor = pow(work[k][k], -1, modulus) if modulus > 1 else 0
            work[k] = [c * factor % modulus for c in work[k]]
            for j in range(size):
                if j != k:
                    times = work[j][k]
                    work[j] = [(a - times * b) % modulus for a, b in zip(work[j], work[k], strict=True)]
    return [row[size:] for row in work]


def _example(
    totals: Totals, worst: int, mixed: _Mixed, inverse: Whole, period: int, grid: Grid, unit: Fraction
) -> tuple[float, ...]:
    """The input whose z have the residues of some z with the ``worst``-th sum."""
    wanted = [int(Fraction(z) / unit) - start for z, start in zip(totals.example(worst), mixed.start, strict=True)]
    places = [sum(c * z for c, z in zip(row, wanted, strict=True)) % period for row in inverse]
    return tuple(float(Fraction(low) + place * unit) for (low, _), place in zip(grid.ends(), places, strict=True))
