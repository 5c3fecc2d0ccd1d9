"""The check: does an arithmetic predict what the library returns for hostile random vectors, bit for bit?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fpsynth.aliases import Array
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import FLOAT64
from fpsynth.revealing.bench import KernelBench, Position
from fpsynth.revealing.result import Check, Unexplained
from fpsynth.revealing.vectors import COLUMNS, KINDS, Call, hostile_calls
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of
from fpsynth.sums.program import StepKind

_CELLS = 1 << 22
"""Numbers that are held at a time."""
_KEPT = 24
"""Vectors that were not explained and are kept, to tell hypotheses apart."""
_ROWS = 64
"""Rows that get operands of their own in a call, where more are not needed."""
_ROUNDS = 8
"""Rounds of all kinds of vectors that there are at least, however much weights cost."""
_TERMS_PER_ROUND = 32
"""See ``rarity``."""


@dataclass(frozen=True)
class Answers:
    """Vectors, and what the library returned for each."""

    inputs: Array
    """(vectors, terms)."""
    weights: Array
    """(vectors, terms)."""
    bias: Array | None
    """(vectors,)."""
    returned: Array
    """(vectors,)."""

    def __len__(self) -> int:
        return len(self.returned)

    def take(self, which: Array) -> Answers:
        """Those at some indices."""
        bias = None if self.bias is None else self.bias[which]
        return Answers(self.inputs[which], self.weights[which], bias, self.returned[which])


def joined(parts: Sequence[Answers]) -> Answers:
    """Several as one."""
    biases = [part.bias for part in parts if part.bias is not None]
    return Answers(
        np.concatenate([part.inputs for part in parts]),
        np.concatenate([part.weights for part in parts]),
        np.concatenate(biases) if biases else None,
        np.concatenate([part.returned for part in parts]),
    )


def rarity(how: Arithmetic, terms: int, bias: bool = False) -> int:
    """In how many rounds of kinds there is one of the kinds that take long to simulate (see ``hostile_calls``).

    Fused float64 sums of subnormal or huge products are simulated with exact integers, a thousand times slower than others.
    """
    steps = set(program_of(how, terms, bias).steps)
    slow = any(step.kind is not StepKind.ADD and FLOAT64 in {one.format for one in step.rounds[:1]} for step in steps)
    return max(1, terms // _TERMS_PER_ROUND) if slow else 1


def answers(
    bench: KernelBench, positions: Sequence[Position], vectors: int, seed: int, *, calls: int, rare: int = 1
) -> Iterator[Answers]:
    """Exactly so many hostile vectors at positions that share one arithmetic, in ``calls`` calls at least.

    Only the rows and outputs of these positions get operands of their own.  Where a call has more positions than are needed,
    some are chosen at random; of many rows and outputs, too, since drawing operands takes longer than the call.  Where
    weights are costly the same ones meet several batches of rows, one call after the other.
    """
    rows, outputs = np.array(positions).T
    own_rows, own_outputs = np.unique(rows), np.unique(outputs)
    calls = max(-(-vectors // len(positions)), min(calls, vectors))
    share = -(-vectors // calls)
    used = min(len(own_rows), max(_ROWS, -(-share * len(own_rows) // len(positions))))
    repeated = max(1, min(bench.rows_per_weights // used, calls // (_ROUNDS * len(KINDS))))
    columns = min(len(own_outputs), max(COLUMNS, -(-share * len(own_outputs) // len(positions))))
    drawn = replace(bench.shape, batch=used * repeated, outputs=columns)
    random, left = np.random.default_rng(seed), vectors
    parts: list[Answers] = []
    room = _CELLS
    hostile = hostile_calls(drawn, bench.kernel.dtype, seed, rare=rare)
    for call in (one for several in hostile for one in _batches(several, used)):
        here = np.sort(random.permutation(own_rows)[:used]) if used < len(own_rows) else own_rows
        there = np.sort(random.permutation(own_outputs)[:columns]) if columns < len(own_outputs) else own_outputs
        able = np.flatnonzero(_among(here, rows) & _among(there, outputs))
        chosen = (able if share >= len(able) else random.permutation(able)[:share])[:left]
        left -= len(chosen)
        results = bench.run(_embedded(call, bench, here, there))[rows[chosen], outputs[chosen]]
        r, c = np.searchsorted(here, rows[chosen]), np.searchsorted(there, outputs[chosen])
        x, w = call.rows[r], call.weights[c]
        parts.append(Answers(x, w, None if call.bias is None else call.bias[c], results))
        room -= x.size
        if room <= 0:
            yield joined(parts)
            parts, room = [], _CELLS
        if not left:
            break
    if parts:
        yield joined(parts)


def _batches(call: Call, size: int) -> Iterator[Call]:
    """The rows of a call in batches of ``size``, each with all the weights."""
    for start in range(0, len(call.rows), size):
        yield replace(call, rows=call.rows[start : start + size])


def _among(some: Array, numbers: Array) -> Array:
    """Which of the numbers are some of them: of few small ones, where np.isin takes longer than what is looked at."""
    found = np.zeros(numbers.max() + 1, bool)
    found[some] = True
    return found[numbers]


def _embedded(call: Call, bench: KernelBench, rows: Array, outputs: Array) -> Call:
    """The call of the whole kernel; rows and outputs that are not asked about repeat the first that is."""
    row_of, output_of = np.zeros(bench.shape.batch, np.intp), np.zeros(bench.shape.outputs, np.intp)
    row_of[rows], output_of[outputs] = np.arange(len(rows)), np.arange(len(outputs))
    bias = None if call.bias is None else call.bias[output_of]
    return Call(call.rows[row_of], call.weights[output_of], bias)


def same_numbers(a: Array, b: Array) -> Array:
    """Where two arrays hold the same numbers; NaN equals NaN, and the sign of a zero does not count."""
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))


def predicted(how: Arithmetic, given: Answers) -> Array:
    """What an arithmetic gives for each vector."""
    return sum_of_products(how, given.weights, given.inputs, given.bias)


def explained(how: Arithmetic, given: Answers) -> int:
    """How many of the vectors an arithmetic explains."""
    return int(same_numbers(predicted(how, given), given.returned).sum())


def check(how: Arithmetic, asked: Iterable[Answers]) -> tuple[Check, int, Answers | None]:
    """The check on all vectors.

    Returns, too, how many results differ from the prediction in the sign of a zero, which is not counted as a difference; and
    some of the vectors that are not explained, None if all are.
    """
    good, total, zeros, first = 0, 0, 0, None
    missed: list[Answers] = []
    for part in asked:
        own = predicted(how, part)
        same = same_numbers(own, part.returned)
        good, total = good + int(same.sum()), total + len(part)
        zeros += int((same & (np.signbit(own) != np.signbit(part.returned)) & ~np.isnan(own)).sum())
        if not same.all() and sum(map(len, missed)) < _KEPT:
            wrong = np.flatnonzero(~same)
            first = first or _unexplained(part, int(wrong[0]), float(own[wrong[0]]))
            missed.append(part.take(wrong[:_KEPT]))
    return Check(good, total, first), zeros, joined(missed) if missed else None


def _unexplained(part: Answers, which: int, own: float) -> Unexplained:
    return Unexplained(
        inputs=tuple(part.inputs[which].tolist()),
        weights=tuple(part.weights[which].tolist()),
        bias=None if part.bias is None else float(part.bias[which]),
        library=float(part.returned[which]),
        predicted=own,
    )
