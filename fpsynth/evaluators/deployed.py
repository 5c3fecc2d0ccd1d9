"""A known network over arrays of points under a deployment, with the bits that the exact interpreter gives to lower()."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from fpsynth.arithmetic import Arithmetic, Deployment, holds
from fpsynth.errors import InputError
from fpsynth.evaluators.bit_patterns import Floats
from fpsynth.evaluators.float_arrays import flush_array, maximum_arrays, mul_arrays, narrow_range, round_array
from fpsynth.evaluators.gathering import blocks, flat_points, gathered, read_by, viewed
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import FLOAT64, Format
from fpsynth.networks.layers.structure import PADDING, Indices, Selection, Sums, View, moved
from fpsynth.networks.network import Network, Node
from fpsynth.rounding import Flush, Rounding

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class _Values:
    """Numbers of many points, and the arithmetic that computed each."""

    numbers: Floats
    """(points, numbers)."""
    arithmetics: tuple[Arithmetic | None, ...] = (None,)
    """None: not computed, as the network's input."""
    which: NDArray[np.int16] | None = None
    """(numbers,): the arithmetic of each among ``arithmetics``; None: all are of the first."""

    def computed_by(self, number: int) -> Floats:
        """The numbers that the arithmetic of that place among ``arithmetics`` computed."""
        return self.numbers if self.which is None else self.numbers[:, self.which == number]

    def of(self, place: int) -> NDArray[np.int16]:
        """Which of the arithmetics, spread; ``place``: where ``arithmetics`` begin among others."""
        own = np.zeros(self.numbers.shape[1], np.int16) if self.which is None else self.which
        return np.asarray(own + np.int16(place), np.int16)


def network_outputs(network: Network, points: Floats, deployment: Deployment) -> Floats:
    """Return the logits, of shape (..., *output shape), of ``network`` at float64 ``points`` of shape (..., *input shape).

    Each sum is evaluated in its own arithmetic of ``deployment``, each selection in that of its first number (the default one
    for inputs).  ``lower`` says what is done with taps in a padding, inputs that are added as they are, and divided sums; the
    bits are those of the exact interpreter.  Raises InputError for exact arithmetic, for points of another shape than the
    network's, where an arithmetic reads a number that its format does not hold, and for what has no arithmetic: a batch
    normalisation, which must be folded first, a division of a sum that is not finite, or in a format and rounding that arrays
    do not divide in.
    """
    graph = network.logits

    def step(node: Node, inputs: Sequence[_Values]) -> _Values:
        values, structure = _joined(inputs), graph.structure(node.name)
        if isinstance(structure, Sums):
            return _Layer(node.name, structure, deployment, graph.sums.index(node.name)).computed(values)
        if isinstance(structure, Selection):
            return _selected(structure, values, deployment.default)
        return _moved(structure, values)

    values = graph.run(_Values(flat_points(graph, points)), step).numbers
    lead = np.asarray(points).shape[: np.ndim(points) - len(graph.input_shape)]
    return values.reshape(*lead, *graph.output_shape)


def _joined(parts: Sequence[_Values]) -> _Values:
    """Several inputs one after the other."""
    if len(parts) == 1:
        return parts[0]
    arithmetics: tuple[Arithmetic | None, ...] = ()
    which = []
    for part in parts:
        which.append(part.of(len(arithmetics)))
        arithmetics += part.arithmetics
    return _Values(np.concatenate([part.numbers for part in parts], axis=1), arithmetics, np.concatenate(which))


def _moved(view: View, values: _Values) -> _Values:
    which = values.which
    if view.read is not None and which is not None:
        which = np.where(view.read == PADDING, which[0], which[view.read])
    return _Values(viewed(view, values.numbers), values.arithmetics, which)


@dataclass(frozen=True)
class _Layer:
    """One node of sums."""

    name: str
    sums: Sums
    deployment: Deployment
    index: int

    def computed(self, values: _Values) -> _Values:
        """All of its outputs."""
        if self.sums.normalisation is not None:
            raise InputError(f"{self.name}: no arithmetic says how a batch normalisation is computed; fold it first")
        alike = self._alike()
        numbers = np.empty((len(values.numbers), self.sums.outputs))
        which = None if len(alike) == 1 else np.empty(self.sums.outputs, np.int16)
        for number, (arithmetic, outputs) in enumerate(alike.items()):
            self._require_readable(arithmetic, outputs, values)
            for chosen, places, totals in self._totals(arithmetic, outputs, values.numbers):
                numbers[chosen.start : chosen.stop, places] = totals
            if which is not None:
                which[slice(None) if outputs is None else outputs] = number
        return _Values(numbers, tuple(alike), which)

    def _alike(self) -> dict[Arithmetic, NDArray[np.int64] | None]:
        """The output positions by their arithmetic; None for all of them."""
        places: dict[Arithmetic, list[int]] = {}
        for (layer, output), arithmetic in self.deployment.exceptions:
            if layer == self.index and arithmetic != self.deployment.default:
                places.setdefault(arithmetic, []).append(output)
        if not places:
            return {self.deployment.default: None}
        rest = np.setdiff1d(np.arange(self.sums.outputs), [p for some in places.values() for p in some])
        parts = {arithmetic: np.unique(outputs) for arithmetic, outputs in places.items()}
        return {self.deployment.default: rest, **parts} if len(rest) else dict(parts)

    def _require_readable(self, arithmetic: Arithmetic, outputs: NDArray[np.int64] | None, values: _Values) -> None:
        """Raise InputError for a number that the arithmetic reads and its format does not hold."""
        fmt = _format_of(arithmetic)
        rows = slice(None) if outputs is None else np.unique([self._row(output) for output in outputs])
        for what, array in (("weights", self.sums.weight), ("biases", self.sums.bias)):
            if array is not None:
                chosen = array.reshape(self.sums.groups * self.sums.classes, -1)[rows]
                _require_held(chosen.astype(np.float64), fmt, what)
        for number, source in enumerate(values.arithmetics):
            if source is not None and not holds(fmt, _format_of(source)):
                raise InputError(f"an arithmetic in {fmt} got a number in {source.format}; cast it first")
            if source is None:
                _require_held(values.computed_by(number), fmt, "points")

    def _row(self, output: int) -> int:
        group, of_class, _ = self.sums.place(int(output))
        return group * self.sums.classes + of_class

    def _totals(
        self, arithmetic: Arithmetic, outputs: NDArray[np.int64] | None, numbers: Floats
    ) -> Iterator[tuple[slice, NDArray[np.int64], Floats]]:
        """Points, flat output positions of any shape, and their sums of shape (points, *shape), a piece at a time."""
        wanted = None if outputs is None else np.isin(np.arange(self.sums.outputs), outputs)
        for chosen, groups, places in blocks(self.sums, len(numbers)):
            flat = self._flat(groups, places)
            flags = np.ones(flat.shape, bool) if wanted is None else wanted[flat]
            if not flags.any():
                continue
            read, given = read_by(self.sums, groups, places), numbers[chosen]
            some = np.nonzero(flags.any(axis=(0, 2)))[0]
            if flags[:, some].all():  # all of some classes: they share what they read
                inputs = gathered(given, read, 0.0)[:, :, None]
                yield chosen, flat[:, some], self._products(arithmetic, groups, some, inputs, places)
            else:
                yield chosen, flat[flags], self._one_by_one(arithmetic, flags, groups, places, given, read)

    def _flat(self, groups: slice, places: slice) -> NDArray[np.int64]:
        """Flat output positions of a block: (groups, classes, positions)."""
        of_group = np.arange(groups.start, groups.stop)[:, None, None]
        position = np.arange(places.start, places.stop)[None, None, :]
        return np.asarray(self.sums.flat(of_group, np.arange(self.sums.classes)[None, :, None], position))

    def _products(
        self, arithmetic: Arithmetic, groups: slice, classes: NDArray[np.intp], inputs: Floats, places: slice
    ) -> Floats:
        """``inputs`` (points, groups, 1, positions, terms) summed for some classes: (points, groups, classes, positions)."""
        weight, bias = self.sums.weight, self.sums.bias
        w = np.ones((1, 1, 1, self.sums.terms)) if weight is None else weight[groups][:, classes, None].astype(np.float64)
        b = None if bias is None else bias[groups][:, classes, None].astype(np.float64)
        return self._divided(sum_of_products(arithmetic, w, inputs, b), arithmetic, places)

    def _one_by_one(
        self, arithmetic: Arithmetic, flags: Flags, groups: slice, places: slice, numbers: Floats, read: Indices
    ) -> Floats:
        """Single outputs among a block: (points, outputs)."""
        of_group, of_class, position = np.nonzero(flags)
        weight, bias = self.sums.weight, self.sums.bias
        w = np.ones((1, self.sums.terms)) if weight is None else weight[groups][of_group, of_class].astype(np.float64)
        b = None if bias is None else bias[groups][of_group, of_class].astype(np.float64)
        totals = sum_of_products(arithmetic, w, gathered(numbers, read[of_group, position], 0.0), b)
        return self._divided(totals, arithmetic, position + places.start)

    def _divided(self, totals: Floats, arithmetic: Arithmetic, places: slice | NDArray[np.intp]) -> Floats:
        """Sums whose last axis is positions, over their divisors."""
        if self.sums.divisor is None:
            return totals
        divisor, fmt = self.sums.divisor[places], _format_of(arithmetic)
        nearest = fmt == FLOAT64 and arithmetic.rounding is Rounding.RNE and arithmetic.flush is not Flush.UNBOUNDED
        if not nearest and not (narrow_range(fmt) and np.array_equal(divisor, divisor.astype(np.float32))):
            raise InputError(f"{self.name}: quotients in {fmt} are not evaluated over arrays in this arithmetic")
        if not np.isfinite(totals).all():
            raise InputError(f"{self.name}: a sum that is to be divided is not finite")
        # a quotient of numbers of few bits is no nearer to a midpoint than float64 can tell: rounding twice is rounding once
        flushed = flush_array(totals, fmt) if arithmetic.flush else totals
        quotients = round_array(flushed / divisor, fmt, arithmetic.rounding, arithmetic.flush)
        return np.where(divisor == 1, totals, np.where(flushed == 0, 0.0, quotients))


def _selected(selection: Selection, values: _Values, default: Arithmetic) -> _Values:
    first = selection.taps.at(slice(None))
    read = np.concatenate([moved(first, group * selection.group_stride) for group in range(selection.groups)])
    leading = read[np.arange(len(read)), (read != PADDING).argmax(axis=1)]
    arithmetics = tuple(arithmetic or default for arithmetic in values.arithmetics)
    formats = {_format_of(arithmetic) for arithmetic in arithmetics}
    if len(formats) > 1:
        raise InputError("a selection among numbers of several formats; cast them first")
    for number, arithmetic in enumerate(values.arithmetics):
        if arithmetic is None:
            _require_held(values.computed_by(number), _format_of(default), "points")
    if values.which is None:
        return _Values(_chosen(selection, read, values.numbers, arithmetics[0]), arithmetics)
    which, numbers = values.which[leading], np.empty((len(values.numbers), len(read)))
    for number, arithmetic in enumerate(arithmetics):
        numbers[:, which == number] = _chosen(selection, read[which == number], values.numbers, arithmetic)
    return _Values(numbers, arithmetics, which)


def _chosen(selection: Selection, read: Indices, numbers: Floats, arithmetic: Arithmetic) -> Floats:
    """What is selected at each row of ``read`` (outputs, taps): (points, outputs)."""
    fmt = _format_of(arithmetic)
    for what, constant in (("floor", selection.floor), ("ceiling", selection.ceiling), ("slope", selection.slope)):
        if constant is not None:
            _require_held(np.array([constant]), fmt, f"{what} of a selection")

    def flushed(x: Floats) -> Floats:
        return flush_array(x, fmt) if arithmetic.flush else x

    def larger(a: Floats, b: Floats) -> Floats:
        return maximum_arrays(flushed(a), flushed(b))

    result = reduce(larger, [gathered(numbers, column, -np.inf) for column in read.T])
    if selection.floor is not None:
        result = larger(result, np.array(selection.floor))
    if selection.ceiling is not None:
        result = -larger(-result, np.array(-selection.ceiling))
    if selection.slope is not None:
        result = larger(result, mul_arrays(np.array(selection.slope), result, fmt, arithmetic.rounding, arithmetic.flush))
    return result


def _format_of(arithmetic: Arithmetic) -> Format:
    if arithmetic.format is None:
        raise InputError("arrays are not evaluated in exact arithmetic; use the exact interpreter")
    return arithmetic.format


def _require_held(numbers: Floats, fmt: Format, what: str) -> None:
    if not np.array_equal(round_array(numbers, fmt), numbers, equal_nan=True):
        raise InputError(f"the {what} are not all numbers of {fmt}; round them first")
