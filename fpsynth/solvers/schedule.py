"""The default schedule of a race: which engine and encoding goes first, and for how long."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from fpsynth.problems import Problem
from fpsynth.solvers.base import Engine
from fpsynth.solvers.race import Task

ORDER: tuple[tuple[str, str], ...] = (
    ("sampling", "arrays"),
    ("z3", "significands"),
    ("bitwuzla", "significands"),
    ("bitwuzla", "fp"),
    ("cvc5", "significands"),
    ("z3", "bitblast"),
    ("bitwuzla", "bitblast"),
    ("z3", "fp"),
    ("cvc5", "bitblast"),
    ("cvc5", "fp"),
)
"""(engine, encoding), the quickest first, measured on certified ties of one input and two outputs over [1/10, 1].

To a first solution in float32, in seconds of processor time: sampling 0.01, z3 on significands 1 to 12, bitwuzla on
significands 4; the others take longer, or for ever.  A proof that no ratio exceeds 2**p takes z3, bitwuzla and cvc5 on
significands 1.7, 0.7 and 1.5 seconds in float32, and 12, 3 and 9 in float64.
"""
FIRST_LIMIT = 2.0
"""Seconds of the first round; run times are heavy-tailed, so each later round brings new seeds and twice the time."""


def runners(engines: Sequence[Engine]) -> list[tuple[str, str]]:
    """Return the pairs (engine, encoding) that ``engines`` can run, in ``ORDER``; those that it does not name come last."""
    pairs = [(engine.name, encoding) for engine in engines for encoding in engine.encodings]
    return sorted(pairs, key=lambda pair: ORDER.index(pair) if pair in ORDER else len(ORDER))


def default_tasks(problem: Problem, engines: Sequence[Engine], seed: int = 0, *, complete: bool = True) -> Iterator[Task]:
    """Yield tasks for ``problem`` without end, in rounds: every runner once, with a new seed and twice the time each round."""
    pairs = runners(engines)
    for number in itertools.count() if pairs else ():
        for engine, encoding in pairs:
            yield Task(engine, encoding, seed + number, problem, complete, FIRST_LIMIT * 2**number)
