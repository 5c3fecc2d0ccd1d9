"""What all margin certifiers share: the class of a point, its margins, and acceptance below a Lipschitz bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import mul, sub
from typing import overload

from fpsynth.errors import InputError
from fpsynth.networks.network import Network
from fpsynth.networks.template import Template

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many steps of it are done and how many there are."""

Logits = Sequence[float] | Sequence[Fraction]
"""As a library computed them, or exact ones."""

Bounds = Sequence[Sequence[Fraction]]
"""One row and one column per output: [p][q] = [q][p] bounds how much faster than the input logit q moves against logit p."""


class RowsOnDemand(Sequence[Sequence[Fraction]]):
    """Bounds whose rows are computed when they are read: one point needs one, and a thousand classes have a million bounds."""

    def __init__(self, count: int, row: Callable[[int], Sequence[Fraction]]) -> None:
        self._count, self._row = count, row
        self._known: dict[int, Sequence[Fraction]] = {}

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Sequence[Fraction]: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Sequence[Fraction]]: ...

    def __getitem__(self, place: int | slice) -> Sequence[Fraction] | Sequence[Sequence[Fraction]]:
        if isinstance(place, slice):
            return [self[k] for k in range(self._count)[place]]
        index = range(self._count)[place]
        if index not in self._known:
            self._known[index] = self._row(index)
        return self._known[index]


def squared_differences(
    weight: Sequence[Sequence[float]] | Sequence[Sequence[Fraction]], combine: Callable[[int, int], int] = sub
) -> Callable[[int, int], Fraction]:
    """Return the function (p, q) -> |row q - row p|**2 of a matrix, exactly: in integers over one denominator.

    With ``combine`` (add, say) rows are combined in another way than subtracted, entry by entry.
    """
    ratios = [[entry.as_integer_ratio() for entry in row] for row in weight]
    common = math.lcm(*{denominator for row in ratios for _, denominator in row})
    rows = [[numerator * (common // denominator) for numerator, denominator in row] for row in ratios]

    def squared(p: int, q: int) -> Fraction:
        changes = list(map(combine, rows[q], rows[p]))
        return Fraction(sum(map(mul, changes, changes)), common * common)

    return squared


def no_progress(stage: str, done: int, total: int) -> None:
    """Ignore a progress report."""


def top_class(logits: Logits) -> int | None:
    """Return the lowest index of the largest logit; None where one of them is not a number or infinite."""
    if not all(isinstance(logit, Fraction) or math.isfinite(logit) for logit in logits):
        return None
    return max(range(len(logits)), key=lambda k: logits[k])


def margins(logits: Logits, top: int) -> list[tuple[int, Fraction]]:
    """Return (class, exact lead of ``top`` over it) for every class but ``top``."""
    best = Fraction(logits[top])
    return [(k, best - Fraction(logits[k])) for k in range(len(logits)) if k != top]


def check_network(network: Network | Template[Fraction], gram: int) -> None:
    """Raise InputError unless the network can be certified: two classes or more, finite entries, 1 <= gram <= 64."""
    if math.prod(network.logits.output_shape) < 2:
        raise InputError("a network with one output has no classes to certify")
    if not all(math.isfinite(entry) for entry in network.entries()):
        raise InputError("the network has a weight or a bias that is not a finite number")
    if not 1 <= gram <= 64:
        raise InputError(f"the number of Gram iterations must be between 1 and 64, not {gram}")


def check_query(shape: tuple[int, ...], point: Sequence[float], logits: Logits, radius: Fraction = Fraction(0)) -> None:
    """Raise InputError where point or logits do not fit a network of this shape, or the radius is negative."""
    if len(point) != shape[0] or len(logits) != shape[-1]:
        raise InputError(
            f"a network of shape {','.join(map(str, shape))} cannot have a point of {len(point)} numbers"
            f" and {len(logits)} logits"
        )
    if radius < 0:
        raise InputError(f"a certified radius cannot be negative, as {radius} is")


def least(suprema: Sequence[Fraction | None]) -> Fraction:
    """Return the smallest supremum, 0 where one is negative; None stands for one that nothing bounds.

    Raises InputError where nothing bounds any of them: no rational number is the answer then.
    """
    bounded = [s for s in suprema if s is not None]
    if not bounded:
        raise InputError("every radius is certified: no difference of two logits depends on the input")
    return max(Fraction(0), min(bounded))


@dataclass(frozen=True)
class LipschitzCertifier:
    """Accepts (point, radius) if for every class i but the point's own k: bounds[k][i] * radius < logits[k] - logits[i]."""

    name: str
    shape: tuple[int, ...]
    """Of the network: inputs, hidden widths, outputs."""
    bounds: Bounds

    def accepts(self, point: Sequence[float], logits: Logits, radius: Fraction) -> bool:
        """Whether ``radius`` (L2, exact) is certified at ``point``, whose computed logits are read as exact numbers.

        Logits that are not finite are never accepted.  Raises InputError for wrong lengths and a negative radius.
        """
        check_query(self.shape, point, logits, radius)
        top = top_class(logits)
        return top is not None and all(self.bounds[top][i] * radius < lead for i, lead in margins(logits, top))

    def supremum(self, point: Sequence[float], logits: Logits) -> Fraction:
        """Return the rational below which every radius, and no other, is accepted; 0 where none is.

        Raises InputError for wrong lengths, and where every radius is accepted.
        """
        check_query(self.shape, point, logits)
        top = top_class(logits)
        if top is None:
            return Fraction(0)
        pairs = [(lead, self.bounds[top][i]) for i, lead in margins(logits, top)]
        if any(lead <= 0 for lead, _ in pairs):
            return Fraction(0)
        return least([lead / bound if bound else None for lead, bound in pairs])

    def accepts_all(self, points: Sequence[Sequence[float]], logits: Sequence[Logits], radius: Fraction) -> list[bool]:
        """``accepts`` of many points, faster than one by one."""
        needed: dict[int, list[Fraction]] = {}
        accepted = []
        for point, row in zip(points, logits, strict=True):
            check_query(self.shape, point, row, radius)
            top = top_class(row)
            if top is not None and top not in needed:
                needed[top] = [bound * radius for bound in self.bounds[top]]
            accepted.append(top is not None and all(needed[top][i] < lead for i, lead in margins(row, top)))
        return accepted
