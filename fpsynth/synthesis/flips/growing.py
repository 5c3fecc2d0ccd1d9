"""Growing: local search from a solution towards a larger measure, and towards a layer in which nothing is zero."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.synthesis.flips.columns import Bench, Columns, fitted, joined
from fpsynth.synthesis.flips.noise import Noise
from fpsynth.synthesis.settings import Clock

STALE_ROUNDS = 9
"""Rounds without an improvement after which the search ends."""


def grown(bench: Bench, start: Columns, clock: Clock, random: np.random.Generator, strict: bool) -> Columns:
    """A solution at least as large as ``start`` (one candidate), after changing weights one at a time and then many at once.

    Where ``strict`` it stays strict (see ``Judgement``).
    """
    noise = Noise(bench.question, len(bench.active), random)
    size = max(32, bench.capacity // 4)
    best, worth = start, _worth(bench, start, strict)[0]
    stale = rounds = 0
    while clock.left > 0 and stale < STALE_ROUNDS:
        rounds += 1
        moves = _candidates(bench, noise, best, size, rounds)
        values = _worth(bench, moves, strict)
        order = np.argsort(-values)
        gains = [int(k) for k in order[: bench.capacity // 2] if values[k] > worth]
        found = moves.pick([gains[0]]) if gains else None
        value = float(values[gains[0]]) if gains else worth
        if len(gains) > 1 and rounds % 3 == 0:
            merged = _merged(best, moves, gains)
            worths = _worth(bench, merged, strict)
            if worths.max() > value:
                found, value = merged.pick([int(worths.argmax())]), float(worths.max())
        stale = 0 if found is not None and value > worth * (1 + 2.0**-8) else stale + 1
        if found is not None:
            best, worth = found, value
    return best


def _candidates(bench: Bench, noise: Noise, best: Columns, size: int, rounds: int) -> Columns:
    """In turn: layers drawn anew, copies of the best one with many weights changed, copies with one weight changed."""
    match rounds % 3:
        case 1:
            return noise.draw(size)
        case 2:
            return noise.changed(best, size)
    return _moves(bench, best, noise.random, size)


def _worth(bench: Bench, columns: Columns, strict: bool) -> Floats:
    judged = bench.judge(columns)
    solutions = judged.fires & judged.strict if strict else judged.fires
    return np.where(solutions, judged.measure, -1.0)


def _moves(bench: Bench, best: Columns, random: np.random.Generator, size: int) -> Columns:
    """Copies of a solution with one weight changed each: to another magnitude of the layer, by a few ulps, or in sign."""
    q = bench.question
    weights, inputs = np.repeat(best.weights, size, axis=2), np.repeat(best.inputs, size, axis=1)
    rows, leaves, columns = random.integers(0, q.outputs, size), random.integers(0, len(bench.active), size), np.arange(size)
    old = weights[rows, leaves, columns]
    pool = np.abs(best.weights[best.weights != 0])
    pool = pool if pool.size else np.ones(1)
    other = random.choice(pool, size) * np.exp2(random.integers(-2, 3, size))
    other = np.where(random.random(size) < 0.5, other, -other)
    nudged = old * (1 + random.normal(0, 1, size) * np.exp2(-random.uniform(1, q.format.precision, size)))
    new = np.where(random.random(size) < (0.7 if not q.camouflage else 0.1), other, nudged)
    weights[rows, leaves, columns] = fitted(new, q.weights, q.format)
    if not q.ones:  # a term that was asleep because its input is zero
        woken = inputs[leaves, columns] == 0
        inputs[leaves, columns] = np.where(woken, fitted(np.ones(size), q.inputs, q.format), inputs[leaves, columns])
    return Columns(weights, inputs)


def _merged(best: Columns, moves: Columns, gains: list[int]) -> Columns:
    """The best 2, 4, 8, ... changes at once."""
    parts = []
    count = 2
    while True:
        weights, inputs = best.weights[:, :, 0].copy(), best.inputs[:, 0].copy()
        for column in reversed(gains[:count]):  # of two changes of one weight the better one stays
            changed = moves.weights[:, :, column] != best.weights[:, :, 0]
            weights[changed] = moves.weights[:, :, column][changed]
            woken = moves.inputs[:, column] != best.inputs[:, 0]
            inputs[woken] = moves.inputs[:, column][woken]
        parts.append(Columns(weights[:, :, None], inputs[:, None]))
        if count >= len(gains):
            return joined(parts)
        count *= 2


def filled(bench: Bench, sparse: Columns, random: np.random.Generator) -> Iterator[Columns]:
    """Candidates in which the zero weights of ``sparse`` (one candidate over all terms) are small random numbers.

    From the largest scale to the smallest; all inputs become non-zero.
    """
    q = bench.question
    largest = float(np.abs(sparse.weights * sparse.inputs).max())
    size = min(bench.capacity, 256)
    inputs = np.where(sparse.inputs == 0, 1.0, sparse.inputs)
    for exponent in range(0, -2 * q.format.precision, -2):
        noise = random.normal(0, largest * 2.0**exponent, (*sparse.weights.shape[:2], size))
        weights = np.where(sparse.weights == 0, noise, sparse.weights)
        yield Columns(fitted(weights, q.weights, q.format), fitted(np.repeat(inputs, size, axis=1), q.inputs, q.format))
