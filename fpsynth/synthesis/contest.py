"""What two libraries are compared for, the vectors that they are compared on, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.predicates import Bounds, Predicate
from fpsynth.revealing.revealer import Operands
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.grounds import Ground
from fpsynth.witness.data import View, Witness

if TYPE_CHECKING:
    from fpsynth.aliases import Array
    from fpsynth.revealing.comparing import Vectors

POINTS = 16
"""Points of a call."""
MOST_VECTORS = 9600
"""Hostile vectors that two libraries are compared on."""
MOST_NUMBERS = 1 << 24
"""Of all vectors together."""
_CELLS = 1 << 20
"""Numbers that are looked at at a time."""

Runner = Callable[[Ground, "Vectors | Sequence[Operands]"], "Array"]
"""What a revealed kernel gives: (points, outputs that are read) for vectors, (points, all outputs) for operands."""


@dataclass(frozen=True)
class Contest:
    """What two libraries are compared for: views of one layer, and when what they give is an answer to the question."""

    question: str
    format: Format
    """Of weights and inputs."""
    terms: int
    outputs: int
    read: tuple[int, ...]
    """The outputs that are compared."""
    views: tuple[View, ...]
    """The reference, the deployed one, then the silent ones."""
    grounds: tuple[Ground, ...]
    weights: Interval
    inputs: Interval
    predicate: Predicate | None = None
    """On the layer's outputs; None where a difference alone is no answer."""
    bounds: Callable[[Network, Sequence[float]], Bounds | None] | None = None
    """The intervals of the reference at a point, where it is interval arithmetic."""
    box: Callable[[Sequence[float]], tuple[tuple[float, float], ...]] = lambda point: ()
    """The box that such an interval is of; empty: the point alone."""
    widening: str = ""
    zeros: bool = True
    """Whether a weight or an input may be zero."""
    seed: int = 0
    vectors: int = MOST_VECTORS
    """Hostile vectors, at most; ``MOST_VECTORS`` are never exceeded."""

    def ground(self, view: View) -> Ground | None:
        """The reveal that a view comes from, if any."""
        return next((ground for ground in self.grounds if ground.view == view.name), None)

    def filled(self, weights: Sequence[Sequence[float]]) -> list[Sequence[float]]:
        """Weights of all outputs, from those that are compared: the others hold the first of these."""
        rows = dict(zip(self.read, weights, strict=True))
        return [rows.get(output, weights[0]) for output in range(self.outputs)]

    def allows(self, operands: Operands) -> bool:
        """Whether a point and weights are in the ranges, without zeros where none may be."""
        point, weights = operands
        rows = [entry for row in weights for entry in row]
        inside = all(self.weights.lower <= w <= self.weights.upper for w in rows)
        inside = inside and all(self.inputs.lower <= x <= self.inputs.upper for x in point)
        return inside and (self.zeros or all((*rows, *point)))


class Field:
    """The vectors of a comparison: hostile ones, then those that the reveals themselves do not explain."""

    def __init__(self, contest: Contest) -> None:
        from fpsynth.revealing.comparing import Vectors

        self.contest = contest
        size = contest.terms * len(contest.read)
        count = min(contest.vectors, MOST_VECTORS, MOST_NUMBERS // size) // max(map(self._slowness, contest.views))
        count = max(24, count)
        points = min(POINTS, max(1, count // 24))
        operations = {ground.reveal.kernel.environment.operation for ground in contest.grounds}
        self.vectors: Vectors = Vectors(
            dtype=contest.format.name,
            terms=contest.terms,
            outputs=len(contest.read),
            calls=2 * (count // points // 2),
            points=points,
            seed=contest.seed,
            weighted="sum" not in operations,
            weights=(float(contest.weights.lower), float(contest.weights.upper)),
            inputs=(float(contest.inputs.lower), float(contest.inputs.upper)),
        )
        self.others: list[Operands] = list(dict.fromkeys(self._unexplained()))

    def _slowness(self, view: View) -> int:
        """How many times fewer vectors are drawn, since they take so long to compute (see ``rarity``)."""
        from fpsynth.revealing.checking import rarity

        return rarity(view.deployment.default, self.contest.terms)

    def _unexplained(self) -> Iterator[Operands]:
        for ground in self.contest.grounds:
            for cls in ground.classes:
                first = cls.check.first
                if first is not None and len(first.inputs) == len(first.weights) == self.contest.terms:
                    yield first.inputs, (first.weights,) * len(self.contest.read)

    def values(self, view: View, run: Runner) -> Array:
        """What a side gives at the outputs that are compared, (vectors, outputs): its library, or else its arithmetic."""
        import numpy as np

        ground, contest = self.contest.ground(view), self.contest
        if ground is None:
            return self.computed(view)
        found = run(ground, self.vectors)
        if not self.others:
            return found
        others = run(ground, [(point, contest.filled(weights)) for point, weights in self.others])
        return np.concatenate([found, others[:, np.array(contest.read)]])

    def computed(self, view: View) -> Array:
        """What the arithmetic of a view gives at the outputs that are compared, (vectors, outputs)."""
        import numpy as np

        from fpsynth.evaluators.sums import sum_of_products

        hows, parts = [view.deployment.at(0, output) for output in self.contest.read], []
        for points, weights in self._pieces():
            parts.append(np.stack([sum_of_products(how, weights[:, k], points) for k, how in enumerate(hows)], axis=1))
        return np.concatenate(parts)

    def sums(self) -> Array:
        """The sums of the first of these outputs in float64, (vectors,): near the exact ones."""
        import numpy as np

        with np.errstate(all="ignore"):
            return np.concatenate([(weights[:, 0] * points).sum(axis=1) for points, weights in self._pieces()])

    @cached_property
    def inside(self) -> Array:
        """Which vectors are in the ranges of the question, as far as float64 tells them, (vectors,)."""
        import numpy as np

        (low, high), (least, most) = self.vectors.weights, self.vectors.inputs
        return np.concatenate(
            [
                ((weights >= low) & (weights <= high)).all(axis=(1, 2)) & ((points >= least) & (points <= most)).all(axis=1)
                for points, weights in self._pieces()
            ]
        )

    def operands(self, numbers: Sequence[int]) -> list[Operands]:
        """The vectors of these numbers, with the weights of the outputs that are compared."""
        wanted, found, start = set(numbers), dict[int, Operands](), 0
        for points, weights in self._pieces():
            for number in wanted.intersection(range(start, start + len(points))):
                rows = weights[number - start].tolist()
                found[number] = tuple(points[number - start].tolist()), tuple(map(tuple, rows))
            start += len(points)
        return [found[number] for number in numbers]

    def _pieces(self) -> Iterator[tuple[Array, Array]]:
        """Points (number, terms) and weights (number, outputs, terms), several calls at a time."""
        import numpy as np

        size = max(1, _CELLS // (self.vectors.points * self.vectors.terms * self.vectors.outputs))
        points: list[Array] = []
        weights: list[Array] = []
        for call in self.vectors:
            points.append(call.rows)
            weights.append(np.repeat(call.weights[None], len(call.rows), axis=0))
            if len(points) == size:
                yield np.concatenate(points), np.concatenate(weights)
                points, weights = [], []
        points += [np.array([point], float) for point, _ in self.others]
        weights += [np.array([rows], float) for _, rows in self.others]
        if points:
            yield np.concatenate(points), np.concatenate(weights)


@dataclass(frozen=True)
class Difference:
    """A vector on which two sides give different results."""

    point: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    """Of the outputs that were compared."""
    values: tuple[tuple[str, tuple[float, ...]], ...]
    """What each of the two views gave, by its name."""


@dataclass(frozen=True)
class Comparison:
    """What came of a comparison."""

    vectors: int = 0
    differing: int = 0
    """On so many of them the two sides give different results."""
    unexplained: int = 0
    """On so many some library gives something else than the arithmetic that was revealed for it."""
    first: Difference | None = None
    """A vector that is unexplained and on which the sides differ, if there is one; else one of which one of these is true."""
    divergence: Witness | None = None
    """An answer to the question, if the libraries gave one."""
    not_made: str = ""
    """Why there is none, one line; empty where there is."""
