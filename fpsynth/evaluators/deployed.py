"""A known network over arrays of points under a deployment, with the bits that the exact interpreter gives to lower()."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.float_arrays import flush_array, maximum_arrays, mul_arrays, narrow_range, round_array
from fpsynth.evaluators.gathering import flat_points, gathered, viewed
from fpsynth.evaluators.layer_groups import LayerSums, Padding
from fpsynth.evaluators.layers import layer_sums
from fpsynth.evaluators.programs import program_sums
from fpsynth.formats import FLOAT64, Format, holds
from fpsynth.networks.layers.structure import PADDING, Indices, Rearrangement, Selection, Sums, moved
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Program, Round
from fpsynth.workers.deadlines import require_time

_ROWS = 1024
"""Points that are held at a time."""
_LARGE = 1 << 24
"""Products from which threads are worth it."""


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
    do not divide in.  Raises OutOfTimeError between layers and parts of them.
    """
    graph, step = network.logits, _step(network.logits, deployment)
    flat = flat_points(graph, points)
    starts = range(0, max(1, len(flat)), _ROWS)
    values = np.concatenate([graph.run(_Values(flat[start : start + _ROWS]), step).numbers for start in starts])
    lead = np.asarray(points).shape[: np.ndim(points) - len(graph.input_shape)]
    return values.reshape(*lead, *graph.output_shape)


def node_outputs(network: Network, point: Floats, deployment: Deployment) -> dict[str, Floats]:
    """Return what every node of ``network`` gives at one float64 ``point``, flat, by its name; INPUT for the point itself.

    Raises InputError as ``network_outputs`` does.
    """
    graph, step = network.logits, _step(network.logits, deployment)
    flat = flat_points(graph, np.asarray(point).reshape(1, *graph.input_shape))
    found = {INPUT: flat[0]}

    def kept(node: Node, inputs: Sequence[_Values]) -> _Values:
        values = step(node, inputs)
        found[node.name] = values.numbers[0]
        return values

    graph.run(_Values(flat), kept)
    return found


def _step(graph: Network, deployment: Deployment) -> Callable[[Node, Sequence[_Values]], _Values]:
    """How a node's values follow from those of its inputs."""

    def step(node: Node, inputs: Sequence[_Values]) -> _Values:
        require_time()
        values, structure = _joined(inputs), graph.structure(node.name)
        if isinstance(structure, Sums):
            return _Layer(node.name, structure, deployment, graph.sums.index(node.name)).computed(values)
        if isinstance(structure, Selection):
            return _selected(structure, values, deployment.default)
        return _moved(structure, values)

    return step


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


def _moved(view: Rearrangement, values: _Values) -> _Values:
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
        for arithmetic, outputs in alike.items():
            self._require_readable(arithmetic, outputs, values)
        which = np.zeros(self.sums.outputs, np.int16)
        for number, outputs in enumerate(alike.values()):
            which[slice(None) if outputs is None else outputs] = number
        totals = self._totals(tuple(alike), which, values.numbers)
        numbers = totals.transpose(0, 3, 1, 2) if self.sums.classes_last else totals.transpose(0, 1, 2, 3)
        flat = np.ascontiguousarray(numbers).reshape(len(totals), self.sums.outputs)
        for arithmetic, outputs in alike.items() if self.sums.divisor is not None else ():
            places = np.arange(self.sums.outputs) if outputs is None else outputs
            position = places // self.sums.classes if self.sums.classes_last else places % self.sums.positions
            flat[:, places] = self._divided(flat[:, places], arithmetic, position)
        return _Values(flat, tuple(alike), which if len(alike) > 1 else None)

    def _totals(self, arithmetics: Sequence[Arithmetic], which: NDArray[np.int16], numbers: Floats) -> Floats:
        """The sums before they are divided: (points, groups, classes, positions)."""
        sums, points = self.sums, len(numbers)
        biased = sums.bias is not None
        programs = tuple(program_of(arithmetic, sums.terms, biased) for arithmetic in arithmetics)
        kinds = np.zeros((sums.groups, sums.classes, sums.positions), np.int32)
        if len(arithmetics) > 1:
            group, of_class, position = np.ogrid[: sums.groups, : sums.classes, : sums.positions]
            kinds = which[sums.flat(group, of_class, position)].astype(np.int32)
        first = sums.taps.at(slice(None))
        if sums.terms == 1:
            return self._single(programs, kinds, first[:, 0], numbers)
        result = np.empty((points, sums.groups, sums.classes, sums.positions))
        threads = _cores() if points * sums.outputs * sums.terms > _LARGE else 1
        for number in range(sums.groups):
            require_time()
            weight = np.ones((1, sums.terms)) if sums.weight is None else sums.weight[number]
            layer = LayerSums(
                moved(first, number * sums.group_stride),
                weight.astype(np.float64),
                sums.bias[number].astype(np.float64) if sums.bias is not None else None,
                programs,
                kinds[number].T,
                Padding.MULTIPLIED,
            )
            result[:, number] = layer_sums(layer, numbers, threads=threads).outputs.transpose(0, 2, 1)
        return result

    def _alike(self) -> dict[Arithmetic, NDArray[np.int64] | None]:
        """The output positions by their arithmetic; None for all of them."""
        places: dict[Arithmetic, list[int]] = {}
        usual = self.deployment.of_layer(self.index)
        for (layer, output), arithmetic in self.deployment.exceptions:
            if layer == self.index and arithmetic != usual:
                places.setdefault(arithmetic, []).append(output)
        if not places:
            return {usual: None}
        rest = np.setdiff1d(np.arange(self.sums.outputs), [p for some in places.values() for p in some])
        parts = {arithmetic: np.unique(outputs) for arithmetic, outputs in places.items()}
        return {usual: rest, **parts} if len(rest) else dict(parts)

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

    def _single(self, programs: Sequence[Program], kinds: Indices, first: Indices, numbers: Floats) -> Floats:
        """Sums of one product each, all groups at once: (points, groups, classes, positions)."""
        sums = self.sums
        read = moved(first[None, :], np.arange(sums.groups, dtype=np.int32)[:, None] * np.int32(sums.group_stride))
        shape = (sums.groups, sums.classes, sums.positions)
        inputs = np.broadcast_to(gathered(numbers, read, 0.0)[:, :, None], (len(numbers), *shape))
        weight = np.ones((1, 1, 1)) if sums.weight is None else sums.weight.astype(np.float64)
        weights = np.broadcast_to(weight, shape)
        bias = None if sums.bias is None else np.broadcast_to(sums.bias.astype(np.float64)[:, :, None], shape)
        result = np.empty(inputs.shape)
        for number, program in enumerate(programs):
            chosen = kinds == number
            added = [] if bias is None else [bias[chosen]]
            with np.errstate(all="ignore"):
                result[:, chosen] = program_sums(program, weights[chosen][None, None], inputs[:, chosen][None], added)
        return result

    def _divided(self, totals: Floats, arithmetic: Arithmetic, places: slice | NDArray[np.intp]) -> Floats:
        """Sums whose last axis is positions, over their divisors."""
        if self.sums.divisor is None:
            return totals
        divisor, unit = self.sums.divisor[places], _unit_of(arithmetic)
        fmt = unit.format
        nearest = fmt == FLOAT64 and unit.mode is Rounding.RNE and unit.flush is not Flush.UNBOUNDED
        if not nearest and not (narrow_range(fmt) and np.array_equal(divisor, divisor.astype(np.float32))):
            raise InputError(f"{self.name}: quotients in {fmt} are not evaluated over arrays in this arithmetic")
        if not np.isfinite(totals).all():
            raise InputError(f"{self.name}: a sum that is to be divided is not finite")
        # a quotient of numbers of few bits is no nearer to a midpoint than float64 can tell: rounding twice is rounding once
        flushed = flush_array(totals, fmt) if unit.flush else totals
        quotients = round_array(flushed / divisor, fmt, unit.mode, unit.flush)
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
    unit = _unit_of(arithmetic)
    fmt = unit.format
    for what, constant in (("floor", selection.floor), ("ceiling", selection.ceiling), ("slope", selection.slope)):
        if constant is not None:
            _require_held(np.array([constant]), fmt, f"{what} of a selection")

    def flushed(x: Floats) -> Floats:
        return flush_array(x, fmt) if unit.flush else x

    def larger(a: Floats, b: Floats) -> Floats:
        return maximum_arrays(flushed(a), flushed(b))

    result = reduce(larger, [gathered(numbers, column, -np.inf) for column in read.T])
    if selection.floor is not None:
        result = larger(result, np.array(selection.floor))
    if selection.ceiling is not None:
        result = -larger(-result, np.array(-selection.ceiling))
    if selection.slope is not None:
        product = mul_arrays(np.array(selection.slope), result, fmt, unit.mode, unit.flush)
        result = larger(result, product)
    return result


def _cores() -> int:
    """How many threads may run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _unit_of(arithmetic: Arithmetic) -> Round:
    if arithmetic.unit is None:
        raise InputError("arrays are not evaluated in exact arithmetic; use the exact interpreter")
    return arithmetic.unit


def _format_of(arithmetic: Arithmetic) -> Format:
    return _unit_of(arithmetic).format


def _require_held(numbers: Floats, fmt: Format, what: str) -> None:
    if not np.array_equal(round_array(numbers, fmt), numbers, equal_nan=True):
        raise InputError(f"the {what} are not all numbers of {fmt}; round them first")
