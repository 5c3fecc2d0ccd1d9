"""A known network at a known point in exact arithmetic, in integers over one denominator per layer."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from operator import mul
from typing import Any

import numpy as np

from fpsynth.errors import InputError
from fpsynth.evaluators.gathering import pieces
from fpsynth.networks.layers.structure import PADDING, Normalisation, Rearrangement, Selection, Sums, Taps, moved
from fpsynth.networks.network import Network, Node
from fpsynth.workers.deadlines import require_time


@dataclass(frozen=True)
class _Exact:
    """Rational numbers over one denominator."""

    numerators: list[int]
    denominator: int

    def over(self, denominator: int) -> list[int]:
        """The numerators over a multiple of the denominator."""
        factor = denominator // self.denominator
        return self.numerators if factor == 1 else [numerator * factor for numerator in self.numerators]


def exact_logits(network: Network, point: Sequence[float | Fraction]) -> tuple[Fraction, ...]:
    """The logits at ``point`` (one number per input, row-major, any rational) in exact arithmetic, one per output.

    The general interpreter would reduce a fraction to lowest terms after each operation, which takes minutes for 100 000
    weights.  Raises InputError for a batch normalisation whose factor is irrational, and OutOfTimeError.
    """
    return node_values(network, point)[network.logits.output]


def node_values(
    network: Network, point: Sequence[float | Fraction], wanted: Collection[str] = ()
) -> dict[str, tuple[Fraction, ...]]:
    """The exact results of the nodes called ``wanted``, and of the output, at ``point``; see ``exact_logits``."""
    graph = network.logits
    found: dict[str, tuple[Fraction, ...]] = {}

    def step(node: Node, inputs: Sequence[_Exact]) -> _Exact:
        require_time()
        values, structure = _joined(inputs), graph.structure(node.name)
        if isinstance(structure, Sums):
            result = _summed(node.name, structure, values)
        else:
            result = _selected(structure, values) if isinstance(structure, Selection) else _viewed(structure, values)
        if node.name in wanted or node.name == graph.output:
            found[node.name] = tuple(Fraction(numerator, result.denominator) for numerator in result.numerators)
        return result

    graph.run(_rational(point), step)
    return found


def _rational(numbers: Sequence[float | Fraction]) -> _Exact:
    """Floats and rationals over their least common denominator: a rational may be no float, and stays what it is."""
    ratios = [
        (int(number.numerator), int(number.denominator)) if isinstance(number, Rational) else float(number).as_integer_ratio()
        for number in numbers
    ]
    common = math.lcm(*(denominator for _, denominator in ratios))
    return _Exact([numerator * (common // denominator) for numerator, denominator in ratios], common)


def _exact(numbers: Any) -> _Exact:
    """Floats over the least power of two for which all are integers."""
    ratios = [float(number).as_integer_ratio() for number in numbers]
    largest = max(denominator for _, denominator in ratios)
    return _Exact([numerator * (largest // denominator) for numerator, denominator in ratios], largest)


def _joined(parts: Sequence[_Exact]) -> _Exact:
    if len(parts) == 1:
        return parts[0]
    denominator = math.lcm(*(part.denominator for part in parts))
    return _Exact([numerator for part in parts for numerator in part.over(denominator)], denominator)


def _summed(name: str, sums: Sums, values: _Exact) -> _Exact:
    totals = _products(sums, values)
    if sums.bias is not None:
        biases = _exact(sums.bias.reshape(-1).tolist())
        denominator = math.lcm(totals.denominator, biases.denominator)
        added = biases.over(denominator)
        totals = _Exact([t + added[row] for t, row in zip(totals.over(denominator), _rows(sums), strict=True)], denominator)
    if sums.divisor is not None:
        inverse = [1 / Fraction(d) for d in sums.divisor.tolist()]
        places = np.broadcast_to(np.arange(sums.positions), (sums.groups * sums.classes, sums.positions))
        totals = _scaled(totals, [inverse[p] for p in places.reshape(-1).tolist()])
    return totals if sums.normalisation is None else _normalised(name, sums, sums.normalisation, totals)


def _products(sums: Sums, values: _Exact) -> _Exact:
    """The sums of products, arranged as outputs are."""
    inputs = [*values.numerators, 0]  # PADDING reads the last one
    weights = _Exact([], 1) if sums.weight is None else _exact(sums.weight.reshape(-1).tolist())
    terms, totals = sums.terms, np.empty(sums.outputs, object)
    for group in range(sums.groups):
        for position, read in enumerate(_rows_of(sums.taps, group * sums.group_stride)):
            given = [inputs[k] for k in read]
            require_time()
            for of_class in range(sums.classes):
                start = (group * sums.classes + of_class) * terms
                total = sum(map(mul, weights.numerators[start : start + terms], given)) if weights.numerators else sum(given)
                totals[sums.flat(group, of_class, position)] = total
    return _Exact(totals.tolist(), values.denominator * weights.denominator)


def _rows_of(taps: Taps, offset: int) -> Iterator[list[int]]:
    """What each position reads, further on by ``offset``: laid out a piece at a time."""
    for piece in pieces(taps.positions, taps.terms):
        yield from moved(taps.at(piece), offset).tolist()


def _rows(sums: Sums) -> list[int]:
    """For each output, the row of its group and class."""
    rows = np.arange(sums.groups * sums.classes)
    spread = np.tile(rows, sums.positions) if sums.classes_last else np.repeat(rows, sums.positions)
    return [int(row) for row in spread]


def _scaled(values: _Exact, factors: Sequence[Fraction]) -> _Exact:
    common = math.lcm(*{factor.denominator for factor in factors})
    products = [
        value * factor.numerator * (common // factor.denominator)
        for value, factor in zip(values.numerators, factors, strict=True)
    ]
    return _Exact(products, values.denominator * common)


def _normalised(name: str, sums: Sums, by: Normalisation, totals: _Exact) -> _Exact:
    """Raises InputError for an irrational factor."""
    factors, added = [], []
    for group in range(sums.groups):
        low, high = by.factor(group)
        if low != high:
            raise InputError(f"{name}: a batch normalisation multiplies by an irrational number, which has no exact value")
        factors += [low] * sums.positions
        added += [Fraction(float(by.shift[group])) - Fraction(float(by.mean[group])) * low] * sums.positions
    scaled = _scaled(totals, factors)
    denominator = math.lcm(scaled.denominator, *{a.denominator for a in added})
    numbers = zip(scaled.over(denominator), added, strict=True)
    return _Exact([n + a.numerator * (denominator // a.denominator) for n, a in numbers], denominator)


def _selected(selection: Selection, values: _Exact) -> _Exact:
    bounds = [Fraction(b) for b in (selection.floor, selection.ceiling) if b is not None]
    denominator = math.lcm(values.denominator, *(bound.denominator for bound in bounds))
    inputs, chosen = values.over(denominator), []
    for group in range(selection.groups):
        rows = _rows_of(selection.taps, group * selection.group_stride)
        chosen += [max([inputs[k] for k in row if k != PADDING]) for row in rows]
    if selection.floor is not None:
        floor = int(Fraction(selection.floor) * denominator)
        chosen = [max(value, floor) for value in chosen]
    if selection.ceiling is not None:
        ceiling = int(Fraction(selection.ceiling) * denominator)
        chosen = [min(value, ceiling) for value in chosen]
    result = _Exact(chosen, denominator)
    if selection.slope is None:
        return result
    return _scaled(result, [Fraction(selection.slope) if value < 0 else Fraction(1) for value in chosen])


def _viewed(view: Rearrangement, values: _Exact) -> _Exact:
    if view.read is None:
        return values
    fill = Fraction(view.fill)
    denominator = math.lcm(values.denominator, fill.denominator)
    inputs = [*values.over(denominator), int(fill * denominator)]  # PADDING reads the last one
    return _Exact([inputs[k] for k in view.read.tolist()], denominator)
