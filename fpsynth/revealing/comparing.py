"""Two kernels on the same hostile vectors: the vectors, and what a kernel returns for them, whatever its batch size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import islice

import numpy as np

from fpsynth.aliases import Array, Json
from fpsynth.evaluators.arrays import round_array
from fpsynth.formats import Format, format_named
from fpsynth.revealing.bench import KernelBench
from fpsynth.revealing.vectors import Call, CallShape, hostile_calls
from fpsynth.rounding import Rounding, round_fraction

Range = tuple[float, float]


@dataclass(frozen=True)
class Vectors:
    """Hostile calls that kernels of one layer can share: deterministic, so that every process draws the same ones.

    Every other call is the one before it, scaled into the ranges of a question by powers of two, and cut off where that is not
    enough.
    """

    dtype: str
    terms: int
    outputs: int
    """Those that are compared: all others of a kernel hold the weights of the first of them."""
    calls: int
    points: int
    """Points of a call; its weights are the same for all of them."""
    seed: int
    weighted: bool = True
    """False where one of the kernels is a plain sum: all weights are 1."""
    weights: Range = (-1.0, 1.0)
    inputs: Range = (-1.0, 1.0)

    @property
    def format(self) -> Format:
        """Of weights and inputs."""
        return format_named(self.dtype)

    def __iter__(self) -> Iterator[Call]:
        shape = CallShape(self.points, self.outputs, self.terms, self.weighted, False)
        for call in islice(hostile_calls(shape, self.format, self.seed), (self.calls + 1) // 2):
            yield call
            weights = _fitted(call.weights, self.weights, self.format) if self.weighted else call.weights
            yield Call(_fitted(call.rows, self.inputs, self.format), weights, None)

    def to_json(self) -> Json:
        """As an object for the process that runs a kernel."""
        return asdict(self)


def vectors_from_json(data: Json) -> Vectors:
    """Read what ``Vectors.to_json`` wrote."""
    return Vectors(**{**data, "weights": tuple(data["weights"]), "inputs": tuple(data["inputs"])})


def _fitted(values: Array, within: Range, fmt: Format) -> Array:
    """Numbers of the format in a range: scaled by a power of two, so that few bits are lost, then cut off at the ends."""
    most = max(map(abs, within))
    largest = float(np.abs(values).max(initial=0.0))
    if largest > most > 0:
        values = values * 2.0 ** -np.ceil(np.log2(largest / most))
    low, high = (
        float(round_fraction(Fraction(end), fmt, mode)) for end, mode in zip(within, (Rounding.RTP, Rounding.RTN), strict=True)
    )
    return np.asarray(np.clip(round_array(values, fmt), low, high))


def results(bench: KernelBench, calls: Iterable[Call], rows: Sequence[int], outputs: Sequence[int]) -> Array:
    """What a kernel returns for calls of any number of points, (points of all calls, ``outputs``).

    The points go into ``rows`` of its batch, as many at a time as there are such rows, and weights into ``outputs``; all others
    hold the first of them.
    """
    found: list[Array] = []
    places, columns = np.array(rows), np.array(outputs)
    for call in calls:
        weights = np.repeat(call.weights[:1], bench.shape.outputs, axis=0)
        weights[columns] = call.weights
        for start in range(0, len(call.rows), len(rows)):
            chunk = call.rows[start : start + len(rows)]
            batch = np.repeat(chunk[:1], bench.shape.batch, axis=0)
            batch[places[: len(chunk)]] = chunk
            returned = bench.run(Call(batch, weights, None))
            found.append(returned[np.ix_(places[: len(chunk)], columns)])
    return np.concatenate(found)


def answered(bench: KernelBench, request: Json) -> Json:
    """The answer to a request for results: of hostile vectors that are drawn here, or of operands that came along."""
    if "vectors" in request:
        calls: Iterable[Call] = vectors_from_json(request["vectors"])
    else:
        calls = [Call(point[np.newaxis], weights, None) for point, weights in request["operands"]]
    return {"results": results(bench, calls, request["rows"], request["outputs"])}
