"""Detectors that withstand small changes of all weights: many small terms, which a large one swallows in some orders only.

w and -w enclose terms s, each of which w swallows where it meets it alone: an order that adds them to w one by one gives 0, one
that first adds them to each other gives their sum U, as the reals do.  A relative change of all weights by d moves the sum by
4 d w at most, as w and -w have a constant each; the sum tells the two apart as long as that is less than about half of U.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.backdoors.probing import WantedFiring
from fpsynth.backdoors.rows import ChainSizes
from fpsynth.formats import FLOAT32, Format
from fpsynth.libraries.kernels import Environment
from fpsynth.workers.deadlines import require_time

_LARGE, _SMALL = 33 / 32, 31 / 32
"""Of 2^p and of 1, p bits being those of a significand: far enough from where changes would move w to another binade, or s to
more than half an ulp of w."""
_BAND = 0.03
"""Of U: how far below and above the middle a detector must be for the switch to be in no doubt."""
_QUIET, _LOUD = 0.1, 0.8
"""Of their sum: what is left of terms that count as swallowed, at most; and of all terms where they are not, at least."""
_LANES, _BLOCKS, _GROUP = 16, 37, 4
"""Terms are tried in groups: of one residue, and of one part of the sum, so many at least.  A term alone is swallowed wherever
it meets w; some that meet each other first are not, and together they are to count."""
_ENCLOSINGS = 24
"""How many places of w and -w are tried in one form."""
_ROOM = 1.5
"""How many times as many terms there are as would do if all of them were swallowed."""
_NEXT = (1, 8, 3, 4, 16, 32)
"""How far behind w -w stands where both are to be in different lanes of one step."""


@dataclass(frozen=True)
class Chain:
    """A detector: it fires where it is near 0, and is near U elsewhere."""

    features: tuple[int, ...]
    """Where w stands, where -w, and where each small weight."""
    column: int
    sizes: ChainSizes
    fires: float
    """What is left of U in the target, at most, where constants are 1."""
    silent: float
    """What is left of it elsewhere, at least."""

    @property
    def band(self) -> tuple[float, float]:
        """It fires up to the first, and is silent from the second on."""
        middle = (self.fires + self.silent) / 2
        return (middle - _BAND) * self.sizes.total, (middle + _BAND) * self.sizes.total

    @property
    def withstands(self) -> float:
        """Relative changes of all weights up to which it does as it did, whatever they are, where orders do as they did."""
        return ((self.silent - self.fires) / 2 - _BAND) * self.sizes.total / (4 * self.sizes.large)


def large_and_small(dtype: Format) -> tuple[float, float]:
    """w and s; sums of narrower formats are taken in float32."""
    return _LARGE * 2.0 ** max(dtype.precision, FLOAT32.precision), _SMALL


def terms_needed(dtype: Format, relative: float) -> int:
    """About how many small terms withstand such changes."""
    large, small = large_and_small(dtype)
    return int(_ROOM * 4 * relative * large / small / (_LOUD / 2 - _BAND)) + 1


@dataclass
class ChainSearch:
    """Looks for chains at the places of one form."""

    inputs: int
    """Of the detector layer."""
    rows: int
    features: NDArray[np.intp]
    """Inputs of the detector layer that are constants, (features,), sorted."""
    wanted: WantedFiring
    sums: Callable[[Floats, Environment], Floats]
    """What an environment gives for rows (rows, inputs): (rows of a batch, rows of the layer)."""
    dtype: Format
    generator: np.random.Generator
    most: float = 0.0
    """What the best chain so far withstands: places at which none can be better are left early."""
    tried: int = 0
    """Rows that were run in the target."""

    def chains(self) -> Iterator[Chain]:
        """One for each place of w and -w where there is one.  Raises OutOfTimeError."""
        for first, second in self._enclosings():
            require_time()
            chosen = self._chosen(first, second)
            if len(chosen):
                chain = self._whole(first, second, chosen)
                if chain is not None:
                    self.most = max(self.most, chain.withstands)
                    yield chain

    def _enclosings(self) -> Iterator[tuple[int, int]]:
        """Where w and -w may stand: around everything, in neighbouring lanes, anywhere."""
        here = self.features
        yield int(here[0]), int(here[-1])
        for number in range(_ENCLOSINGS):
            if number % 2:
                first = int(self.generator.choice(here[: 1 + len(here) // 20]))
                behind = here[here >= first + _NEXT[number // 2 % len(_NEXT)]]
                yield first, int(behind[0] if len(behind) else here[-1])
            else:
                one, other = self.generator.choice(here, 2, replace=False).tolist()
                yield int(one), int(other)

    def _groups(self, first: int, second: int) -> list[NDArray[np.intp]]:
        left = self.features[(self.features != first) & (self.features != second)]
        blocks = max(1, min(_BLOCKS, len(left) // (_LANES * _GROUP)))
        keys = np.arange(len(left)) * blocks // len(left) * _LANES + left % _LANES
        return [left[keys == key] for key in np.unique(keys)]

    def _row(self, first: int, second: int, terms: NDArray[np.intp]) -> Floats:
        large, small = large_and_small(self.dtype)
        row = np.zeros(self.inputs)
        row[terms], row[first], row[second] = small, large, -large
        return row

    def _chosen(self, first: int, second: int) -> NDArray[np.intp]:
        """The terms that are swallowed in the target and, on the whole, nowhere else."""
        groups = self._groups(first, second)
        rows = np.stack([self._row(first, second, group) for group in groups])
        totals = large_and_small(self.dtype)[1] * np.array([len(group) for group in groups])
        there = self._target(rows).max(axis=0) / totals
        kept = np.flatnonzero(there <= _QUIET)
        if (0.5 - _BAND) * totals[kept].sum() <= self.most * 4 * large_and_small(self.dtype)[0]:
            return np.empty(0, np.intp)
        elsewhere = self._others(rows[kept]) / totals[kept]
        best = _best_groups(elsewhere, totals[kept])
        return np.concatenate([groups[k] for k in kept[best]]) if len(best) else np.empty(0, np.intp)

    def _whole(self, first: int, second: int, terms: NDArray[np.intp]) -> Chain | None:
        """The chain in the row of the layer that tells best; None where the whole does not do what its parts do."""
        large, small = large_and_small(self.dtype)
        sizes = ChainSizes(large, small, len(terms))
        rows = np.tile(self._row(first, second, terms), (self.rows, 1))
        there, elsewhere = self._target(rows).max(axis=0), self._others(rows).min(axis=0)
        column = int((elsewhere - there).argmax())
        fires, silent = float(there[column]) / sizes.total, float(elsewhere[column]) / sizes.total
        chain = Chain((first, second, *terms.tolist()), column, sizes, max(fires, 0.0), min(silent, 1.0))
        return chain if chain.withstands > 0 else None

    def _target(self, rows: Floats) -> Floats:
        """Sums in the rows of the target's batches that count, (rows of batches, rows)."""
        found = self._run(rows, self.wanted.target)
        self.tried += len(rows)
        return found if self.wanted.row is None else found[self.wanted.row : self.wanted.row + 1]

    def _others(self, rows: Floats) -> Floats:
        """Sums in all other places."""
        parts = [self._run(rows, where) for where in self.wanted.silent]
        if self.wanted.other_rows:
            parts.append(self._run(rows, self.wanted.target)[list(self.wanted.other_rows)])
        return np.concatenate(parts)

    def _run(self, rows: Floats, where: Environment) -> Floats:
        """As many at once as the layer has rows."""
        parts = []
        for first in range(0, len(rows), self.rows):
            some = rows[first : first + self.rows]
            filled = np.concatenate([some, np.zeros((self.rows - len(some), self.inputs))])
            parts.append(self.sums(filled, where)[:, : len(some)])
        return np.concatenate(parts, axis=1)


def _best_groups(left: Floats, totals: Floats) -> NDArray[np.intp]:
    """Which groups to keep: ``left`` (places, groups) is what is left of each, of ``totals``.

    From all of them those that the place with the least left swallows most are dropped, again and again; what could withstand
    most on the way is taken.
    """
    kept = np.arange(len(totals))
    best, most = kept[:0], 0.0
    while len(kept):
        means = left[:, kept] @ totals[kept] / totals[kept].sum()
        worst = int(means.argmin())
        worth = (float(means[worst]) / 2 - _BAND) * float(totals[kept].sum())
        if worth > most:
            best, most = kept, worth
        if means[worst] >= _LOUD:
            break
        order = np.argsort(left[worst, kept], kind="stable")
        kept = np.sort(kept[order[max(1, len(kept) // 20) :]])
    return best
