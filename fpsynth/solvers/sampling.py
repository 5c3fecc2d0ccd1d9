"""The engine sampling: draws floats by their bit patterns, a few ulps apart where that helps, and improves the best draws."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fpsynth.evaluators.recheck import failures
from fpsynth.expressions import Expression, Op, topological
from fpsynth.packages import how_to_install, package_version
from fpsynth.problems import Assignment, Problem
from fpsynth.rounding import from_float
from fpsynth.solvers.base import EngineAnswer, Status, check_encoding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Floats = NDArray[np.float64]

_COMPARISONS = (Op.LT, Op.LE, Op.EQ)
_FIRST_BATCH = 1 << 9
_LAST_BATCH = 1 << 16
_MAX_CELLS = 1 << 23
"""Most numbers that a batch may give rise to, over all nodes of the graph."""
_RECHECKED = 32
"""Candidates of a batch that are evaluated exactly: that is slow, and where so many fail the filter is blind."""
_ELITE = 64
_PATIENCE = 8
"""Batches without an improvement after which the best draws are forgotten: they are stuck."""
_NEAR_BITS = 4
"""Pairs of near variables are drawn less than 2**_NEAR_BITS ulps apart."""
_DRAWS = (0.4, 0.4, 0.2)
"""Shares of the draws that are even over indices, even over values, and close to a power of two, where rounding changes."""
_STEP_BITS = 51
"""The best draws are moved by at most 2**_STEP_BITS ulps, so that no index of a float64 leaves 64 bits."""


class Sampling:
    """Random search, vectorised; it can find solutions and never rules them out."""

    name: ClassVar[str] = "sampling"
    encodings: ClassVar[tuple[str, ...]] = ("arrays",)
    turns: ClassVar[Mapping[str, int]] = {"arrays": 0}
    package: ClassVar[str] = ""

    def available(self) -> str | None:
        """The version of numpy."""
        return package_version("numpy")

    def how_to_install(self) -> str:
        """The command that installs numpy."""
        return how_to_install("numpy")

    def load(self) -> None:
        """Import numpy and what computes with its arrays."""
        import fpsynth.evaluators.arrays  # noqa: F401

    def solve(self, problem: Problem, encoding: str, seed: int, seconds: float | None, memory: int | None) -> EngineAnswer:
        """Search until a candidate passes the exact re-check or ``seconds`` are over (see ``Engine.solve``).

        Answers ``sat`` or ``unknown``.  Never draws -0.
        """
        check_encoding(self, encoding)
        start = time.monotonic()
        try:
            search = _Search.of(problem, seed)
        except EmptyRange as empty:
            return EngineAnswer(Status.UNKNOWN, reason=str(empty))
        drawn = 0
        for size in search.batch_sizes():
            assignment = search.step(size)
            spent, drawn = time.monotonic() - start, drawn + size
            if assignment is not None:
                return EngineAnswer(Status.SAT, assignment, solve_seconds=spent)
            if seconds is not None and spent >= seconds:
                break
        return EngineAnswer(Status.UNKNOWN, reason=f"no solution among {drawn} draws", solve_seconds=spent)


class EmptyRange(ValueError):
    """A variable has no number of its format within its bounds."""


@dataclass
class _Search:
    """A random search over index vectors: one row per variable, one column per draw.

    The index of a float is its position among the numbers of its format, 0 for zero.
    """

    problem: Problem
    random: np.random.Generator
    goals: list[Expression]
    nodes: int
    low: Integers
    high: Integers
    near: list[tuple[int, int]]
    elite: Integers
    """The best draws so far, at most _ELITE, the best first."""
    fitness: Floats
    """What each of them is worth (see ``_fitness``)."""
    stale: int = 0
    """For how many batches the best of them has been the best."""

    @classmethod
    def of(cls, problem: Problem, seed: int) -> _Search:
        import numpy as np

        from fpsynth.evaluators.arrays import grid

        spans = [grid(v.format, v.lower, v.upper) for v in problem.variables]
        for v, (low, high) in zip(problem.variables, spans, strict=True):
            if low > high:
                raise EmptyRange(f"{v.name} has no {v.format} within its bounds")
        rows = {v.name: row for row, v in enumerate(problem.variables)}
        bounds = np.array(spans, np.int64).reshape(-1, 2, 1)
        goals = list(_conjuncts(problem.assertions))
        return cls(
            problem,
            np.random.default_rng(seed),
            goals,
            sum(1 for _ in topological(goals)),
            bounds[:, 0],
            bounds[:, 1],
            [(rows[a], rows[b]) for a, b in problem.near],
            np.zeros((len(spans), 0), np.int64),
            np.zeros(0),
        )

    def batch_sizes(self) -> Iterator[int]:
        """Growing, so that easy problems cost little, to what memory allows."""
        limit = max(min(_LAST_BATCH, _MAX_CELLS // max(self.nodes, 1)), 64)
        return (min(_FIRST_BATCH << k if k < 16 else limit, limit) for k in itertools.count())

    def step(self, size: int) -> Assignment | None:
        """Try ``size`` draws; return the first solution among them."""
        import numpy as np

        from fpsynth.evaluators.arrays import evaluate_arrays, from_index

        moved = size // 2 if self.elite.size else 0
        draws = np.hstack([self._fresh(size - moved), self._moved(moved)])
        values = {v.name: from_index(row, v.format) for v, row in zip(self.problem.variables, draws, strict=True)}
        sides = [arg for goal in self.goals if goal.op in _COMPARISONS for arg in goal.args]
        results = [np.broadcast_to(result, (size,)) for result in evaluate_arrays([*self.goals, *sides], values)]
        truths = results[: len(self.goals)]
        for column in np.flatnonzero(np.logical_and.reduce([np.full(size, True), *truths]))[:_RECHECKED]:
            assignment = {name: from_float(float(row[column])) for name, row in values.items()}
            if not failures(self.problem, assignment):
                return assignment
        self._remember(draws, self._fitness(truths, results[len(self.goals) :]))
        return None

    def _fitness(self, truths: Sequence[NDArray[np.bool_]], sides: Sequence[Floats]) -> Floats:
        """One for each goal that is met, less than a half for a comparison that is missed, more where its sides are closer."""
        import numpy as np

        fitness = np.zeros(truths[0].shape if truths else (0,))
        pairs = iter(sides)
        for goal, truth in zip(self.goals, truths, strict=True):
            credit = np.zeros(truth.shape)
            if goal.op in _COMPARISONS:
                left, right = next(pairs), next(pairs)
                with np.errstate(all="ignore"):
                    gap = np.abs(left - right) / np.maximum(np.abs(left), np.abs(right))
                credit = 1 / (2 + np.log2(1 + np.nan_to_num(gap, nan=2, posinf=2) * 2.0**53))
            fitness += np.where(truth, 1.0, credit)
        return fitness

    def _fresh(self, size: int) -> Integers:
        """Draws from the whole domain (see ``_DRAWS``); near pairs close by."""
        import numpy as np

        from fpsynth.evaluators.arrays import from_index, round_array, to_index

        draws = self.random.integers(self.low, self.high, (len(self.low), size), endpoint=True)
        for row, v in enumerate(self.problem.variables):
            low, high = (float(from_index(bound[row], v.format)[0]) for bound in (self.low, self.high))
            share = self.random.random(size)
            values = to_index(round_array(low * (1 - share) + high * share, v.format), v.format)
            binade = 1 << (v.format.precision - 1)
            edges = (draws[row] + binade // 2) // binade * binade + self._ulps(size, v.format.precision // 2)
            draws[row] = np.choose(self.random.choice(3, size, p=_DRAWS), [draws[row], values, edges])
        for first, second in self.near:
            beside = draws[first] + self._ulps(size, _NEAR_BITS)
            draws[second] = np.where(self.random.random(size) < 0.75, beside, draws[second])
        return np.clip(draws, self.low, self.high)

    def _moved(self, size: int) -> Integers:
        """The best draws so far, each with one variable moved."""
        import numpy as np

        draws = self.elite[:, self.random.integers(0, self.elite.shape[1], size)]
        row, column = self.random.integers(0, len(draws), size), np.arange(size)
        widths = np.array([min(v.format.precision + 2, _STEP_BITS) for v in self.problem.variables])
        draws[row, column] += self._ulps(size, widths[row])
        return np.clip(draws, self.low, self.high)

    def _ulps(self, size: int, bits: int | Integers) -> Integers:
        """Numbers of ulps, positive and negative, below 2**bits and small ones more likely: each power of two is as likely."""
        import numpy as np

        magnitude = np.exp2(self.random.random(size) * bits).astype(np.int64)
        return np.where(self.random.random(size) < 0.5, magnitude, -magnitude)

    def _remember(self, draws: Integers, fitness: Floats) -> None:
        """Keep the best draws; where they have not improved for long, start over."""
        import numpy as np

        before = self.fitness.max(initial=-1)
        # newer ones first: among equals the sort keeps them, so that the search drifts instead of standing still
        everything, worth = np.hstack([draws, self.elite]), np.concatenate([fitness, self.fitness])
        best = np.argsort(-worth, kind="stable")[:_ELITE]
        self.elite, self.fitness = everything[:, best], worth[best]
        self.stale = 0 if self.fitness.max(initial=-1) > before else self.stale + 1
        if self.stale >= _PATIENCE:
            self.elite, self.fitness, self.stale = everything[:, :0], worth[:0], 0


def _conjuncts(assertions: Sequence[Expression]) -> Iterator[Expression]:
    """The assertions with conjunctions taken apart: the more goals there are, the better a near miss is told from a far one."""
    for assertion in assertions:
        if assertion.op is Op.AND:
            yield from _conjuncts(assertion.args)
        else:
            yield assertion
