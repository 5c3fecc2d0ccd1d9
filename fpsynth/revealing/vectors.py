"""Hostile random operands: what tells two ways of summing apart, deterministic from a seed.

Every row meets every row of weights in one call of a kernel, so what makes products hostile (which leaves cancel, which are
zero, how exponents are spread) is drawn once per call, and only signs, significands and last bits row by row.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from fpsynth.aliases import Array
from fpsynth.evaluators.arrays import round_array
from fpsynth.formats import FLOAT32, Format

_CHUNK = 1 << 18
"""Numbers drawn at a time."""
COLUMNS = 256
"""Outputs that get weights of their own in a call of a kernel that has very many."""


@dataclass(frozen=True)
class CallShape:
    """What one call of a kernel takes."""

    batch: int
    outputs: int
    terms: int
    weighted: bool
    """False for plain sums: the weights are ones."""
    bias: bool


@dataclass(frozen=True)
class Call:
    """Operands of one call, float64 arrays that hold values of the format."""

    rows: Array
    """(batch, terms)."""
    weights: Array
    """(outputs, terms)."""
    bias: Array | None
    """(outputs,)."""


def hostile_calls(
    shape: CallShape, fmt: Format, seed: int, *, shared: bool = False, rare: int = 1, distinct: int | None = None
) -> Iterator[Call]:
    """Endless operands for calls of one shape, in rounds: one call of each kind of hostility in turn.

    ``shared``: all rows are equal, and so are all weights and biases: then equal arithmetics give equal results everywhere.
    ``rare``: the kinds in ``AT_THE_LIMITS`` come only in the first of so many rounds.  ``distinct``: rows beyond so many repeat
    the first ones, and so do weights beyond ``COLUMNS``: drawing them takes longer than the call.
    """
    if distinct is not None and (distinct < shape.batch or shape.outputs > COLUMNS):
        few = replace(shape, batch=min(distinct, shape.batch), outputs=min(COLUMNS, shape.outputs))
        row, column = np.arange(shape.batch) % few.batch, np.arange(shape.outputs) % few.outputs
        for call in hostile_calls(few, fmt, seed, shared=shared, rare=rare):
            yield Call(call.rows[row], call.weights[column], None if call.bias is None else call.bias[column])
    streams = [(kind, _stream(kind, shape, fmt, np.random.default_rng((seed, k)), shared)) for k, kind in enumerate(KINDS)]
    for number in itertools.count():
        for kind, stream in streams:
            if number % rare == 0 or kind not in AT_THE_LIMITS:
                yield next(stream)


def _stream(kind: Kind, shape: CallShape, fmt: Format, rng: np.random.Generator, shared: bool) -> Iterator[Call]:
    """Calls of one kind, drawn several at a time: few at first, since few may be wanted."""
    rows, columns = (1, 1) if shared else (shape.batch, shape.outputs)
    most = max(1, _CHUNK // ((rows + columns) * shape.terms))
    count = 2
    while True:
        count = min(most, count)
        x, w, b = _Draw(rng, shape, fmt, count, rows, columns).operands(kind)
        for k in range(count):
            call = (x[k], w[k], b[k] if shape.bias else None)
            yield _repeated(call, shape) if shared else Call(*call)
        count = min(4 * count, 64)


def _repeated(call: tuple[Array, Array, Array | None], shape: CallShape) -> Call:
    x, w, b = call
    bias = None if b is None else np.repeat(b, shape.outputs, axis=0)
    return Call(np.repeat(x, shape.batch, axis=0), np.repeat(w, shape.outputs, axis=0), bias)


class _Draw:
    """``count`` calls at once: rows (count, rows, terms), weights (count, columns, terms), biases (count, columns)."""

    def __init__(self, rng: np.random.Generator, shape: CallShape, fmt: Format, count: int, rows: int, columns: int) -> None:
        self.rng, self.shape, self.fmt, self.count = rng, shape, fmt, count
        self.sizes = (count, rows, shape.terms), (count, columns, shape.terms), (count, columns)
        spare = shape.terms.bit_length() + 2
        self.top = fmt.emax - spare
        """Sums of so many numbers below 2**top stay finite."""

    def operands(self, kind: Kind) -> tuple[Array, Array, Array]:
        """One kind of hostility, rounded into the format."""
        x, w, b = kind(self)
        if not self.shape.weighted:
            w = np.ones(self.sizes[1])
        return self._rounded(x), self._rounded(w), self._rounded(b)

    def _rounded(self, values: Array) -> Array:
        """Into the format; what overflows becomes 1, so that a single operand is always a number."""
        rounded = round_array(values, self.fmt)
        return np.asarray(np.where(np.isfinite(rounded), rounded, 1.0))

    def significands(self, size: tuple[int, ...]) -> Array:
        """Numbers with random signs in +-[1, 2); a quarter of them have few bits, so that ties are common."""
        full = self.rng.uniform(1.0, 2.0, size)
        few = 1.0 + self.rng.integers(0, 4, size) / 4
        return np.asarray(np.where(self.rng.random(size) < 0.25, few, full) * self.rng.choice((-1.0, 1.0), size))

    def nearly(self, size: tuple[int, ...]) -> Array:
        """Numbers within three ulps of 1 or of -1, most of them just that."""
        ulps = np.where(self.rng.random(size) < 0.7, 0, self.rng.integers(-3, 4, size))
        return np.asarray((1 + ulps * 2.0 ** (1 - self.fmt.precision)) * self.rng.choice((-1.0, 1.0), size))

    def spread(self, width: float, centre: float = 0.0) -> tuple[Array, Array, Array]:
        """Numbers whose exponents are spread over ``width`` binades around ``centre``, those of a row and a weight apart."""
        if not self.shape.weighted:
            width, centre = 2 * width, 2 * centre
        parts = [
            self.significands(size) * np.exp2(np.rint(self.rng.uniform(centre - width / 2, centre + width / 2, size)))
            for size in self.sizes[:2]
        ]
        exponents = np.rint(self.rng.uniform(-width, width, self.sizes[2]) + 2 * centre)
        bias = self.significands(self.sizes[2]) * np.exp2(np.clip(exponents, self.fmt.lsb_min, self.fmt.emax))
        return parts[0], parts[1], bias

    def paired(self, operands: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        """Pairs of leaves whose products nearly cancel: one row is copied with the other sign, a few ulps away."""
        x, w, b = (np.array(part) for part in operands)
        n = self.shape.terms
        half = n // 2
        ulp = 2.0 ** (1 - self.fmt.precision)
        for k in range(self.count):
            order = self.rng.permutation(n)
            first, second = order[:half], order[half : 2 * half]
            x[k][:, second] = -x[k][:, first] * (1 + ulp * self.rng.integers(-1, 2, (x.shape[1], half)))
            w[k][:, second] = w[k][:, first] * (1 + ulp * self.rng.integers(-1, 2, (w.shape[1], half)))
        return x, w, b

    def thinned(self, operands: tuple[Array, Array, Array], most: int) -> tuple[Array, Array, Array]:
        """All but a few leaves of the rows are zeros, of either sign."""
        x, w, b = operands
        n = self.shape.terms
        keep = np.zeros((self.count, n), bool)
        for k in range(self.count):
            keep[k, self.rng.choice(n, size=min(n, int(self.rng.integers(2, most + 1))), replace=False)] = True
        return np.where(keep[:, None, :], x, self.rng.choice((-0.0, 0.0), x.shape)), w, b


def _plain(draw: _Draw) -> tuple[Array, Array, Array]:
    x, w, b = (draw.rng.standard_normal(size) for size in draw.sizes)
    return x, w, b


def _cancelling(draw: _Draw) -> tuple[Array, Array, Array]:
    return draw.paired(draw.spread(3.0))


def _wide(draw: _Draw) -> tuple[Array, Array, Array]:
    return draw.spread(min(draw.top, 2.0 * draw.fmt.precision))


def _wide_cancelling(draw: _Draw) -> tuple[Array, Array, Array]:
    return draw.paired(draw.spread(min(draw.top, 1.0 * draw.fmt.precision)))


def _subnormal(draw: _Draw) -> tuple[Array, Array, Array]:
    """Products around the smallest normal number, most of them below it."""
    return draw.paired(draw.spread(draw.fmt.precision / 2 + 2, (draw.fmt.emin - draw.fmt.precision / 4) / 2))


def _subnormal_operands(draw: _Draw) -> tuple[Array, Array, Array]:
    """Subnormal rows, weights that bring half of the products back into the normal range."""
    x, w, b = draw.spread(min(draw.fmt.precision / 2, 12.0))
    return x * float(draw.fmt.min_normal) * (1 / 4 if draw.shape.weighted else 1), w * 4, b * float(draw.fmt.min_normal)


def _sparse(draw: _Draw) -> tuple[Array, Array, Array]:
    return draw.thinned(draw.paired(draw.spread(min(draw.top, 1.5 * draw.fmt.precision))), 6)


def _ties(draw: _Draw) -> tuple[Array, Array, Array]:
    """Powers of two, half an ulp and a quarter of an ulp apart from each other: sums fall on or beside a tie."""
    p = draw.fmt.precision
    steps = np.array([0, 0, 1, -1, -p, -p + 1, -p - 1, -2, -(p // 2)], float)
    x = draw.rng.choice((-1.0, 1.0), draw.sizes[0]) * np.exp2(draw.rng.choice(steps, draw.sizes[0]))
    w = draw.rng.choice((1.0, 1.0, 1.0, -1.0, 1.0 + 2.0 ** (1 - p), 1.5), draw.sizes[1])
    b = draw.rng.choice((-1.0, 1.0), draw.sizes[2]) * np.exp2(draw.rng.choice(steps, draw.sizes[2]))
    return x, w, b


def _large(draw: _Draw) -> tuple[Array, Array, Array]:
    """Sums near the largest number; some of them overflow."""
    return draw.spread(2.0, (draw.fmt.emax - draw.shape.terms.bit_length() / 2) / 2 - 0.5)


def _threshold(draw: _Draw) -> tuple[Array, Array, Array]:
    """Few leaves, often ones that meet early, whose products tell how results are flushed, and which of a pair comes first.

    Some are within ulps of the smallest normal number, some about half the ulp of a partial sum there, and some subnormal: a
    product that is flushed before it is added is lost, and one that is fused onto another is not.  In half of the rows one is
    the smallest normal number itself, and others take it less than half an ulp below.
    """
    rng, fmt, n = draw.rng, draw.fmt, draw.shape.terms
    wide = FLOAT32 if fmt.precision < 24 and 2 * fmt.lsb_min < FLOAT32.emin and rng.random() < 0.8 else fmt
    least, low = wide.emin, (-wide.precision - 2 if draw.shape.weighted else 0)
    last = -float(wide.precision)
    below = rng.choice([0.0, 0.0, last + 1, last, last - 1, -1.0, -3.0, -8.0], draw.sizes[0])
    first, keep = _few_that_meet(draw)
    below = np.where(np.expand_dims(rng.random(first.shape) < 0.5, -1), last - 1, below)
    np.put_along_axis(below, first[..., None], 0.0, axis=2)
    share = np.where(below == 0, 1.0, rng.uniform(1.0, 2.0, draw.sizes[0]))
    common = np.where(rng.random((draw.count, 1, n)) < 0.7, 1.0, rng.uniform(1.0, 2.0, (draw.count, 1, n)))
    x = draw.nearly(draw.sizes[0]) * share * np.exp2(least - low + below) / common
    w = draw.nearly(draw.sizes[1]) * common * np.exp2(float(low))
    return np.where(keep, x, 0.0), w, draw.nearly(draw.sizes[2]) * np.exp2(least + rng.integers(-2, 2, draw.sizes[2]))


def _few_that_meet(draw: _Draw) -> tuple[Array, Array]:
    """For each row a leaf, and which leaves are not zero: that one and up to three a power of two away, or all of them."""
    rng, n, rows = draw.rng, draw.shape.terms, draw.sizes[0][:2]
    first = np.where(rng.random(rows) < 0.5, rng.integers(0, n, rows), rng.integers(0, min(n, 4), rows))
    keep = np.zeros(draw.sizes[0], bool)
    for steps in range(4):
        other = first ^ (1 << rng.integers(0, max(1, (n - 1).bit_length()), rows)) if steps else first
        np.put_along_axis(keep, np.minimum(other, n - 1)[..., None], True, axis=2)
    return first, keep | (rng.random(rows) < 0.1)[..., None]


Kind = Callable[[_Draw], tuple[Array, Array, Array]]
KINDS: tuple[Kind, ...] = (
    _plain,
    _cancelling,
    _wide,
    _wide_cancelling,
    _subnormal,
    _sparse,
    _cancelling,
    _ties,
    _subnormal_operands,
    _sparse,
    _wide_cancelling,
    _large,
    _threshold,
)
AT_THE_LIMITS = (_subnormal, _subnormal_operands, _large, _threshold)
"""Kinds whose products or sums are about as small or as large as the format's numbers can be."""
