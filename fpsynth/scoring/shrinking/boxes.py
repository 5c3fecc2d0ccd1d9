"""Smaller boxes with shorter ends: the witness alone, halves beside it, simpler numbers at the ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from fpsynth.scoring.shrinking.numbers import BITS, rounded, shorter_exact
from fpsynth.scoring.shrinking.search import Search
from fpsynth.scoring.shrinking.size import Candidate
from fpsynth.verifiers.properties import ExactBox

Axis = tuple[Fraction, Fraction]


def smaller(search: Search[Candidate]) -> None:
    """All axes at once, then each: the witness alone, from an end to it, half of what is there."""
    _all(search)
    for k in range(len(search.current.box.lower)):
        while any(search.consider(_with_axis(search.current, k, axis)) for axis in _parts(search.current, k)):
            pass


def ends(search: Search[Candidate]) -> None:
    """Ends get shorter numbers, and the witness with them where it stands there."""
    for k in range(len(search.current.box.lower)):
        for side in (0, 1):
            for other in shorter_exact(_axis(search.current, k)[side]):
                axis = (other, _axis(search.current, k)[1]) if side == 0 else (_axis(search.current, k)[0], other)
                if axis[0] <= axis[1] and search.consider(_moved(search.current, k, axis)):
                    break
        for point in _near(search.current, k):
            if search.consider(_moved(search.current, k, (point, point))):
                break


def _all(search: Search[Candidate]) -> None:
    for point in search.current.points:
        if search.current.box.contains(point):
            exact = tuple(map(Fraction, point))
            search.consider(replace(search.current, box=ExactBox(exact, exact)))


def _axis(candidate: Candidate, k: int) -> Axis:
    return candidate.box.lower[k], candidate.box.upper[k]


def _parts(candidate: Candidate, k: int) -> Iterator[Axis]:
    low, high = _axis(candidate, k)
    middle = (low + high) / 2
    for point in candidate.points:
        x = Fraction(point[k])
        if low <= x <= high:
            yield x, x
            yield low, x
            yield x, high
    if low < high:
        yield low, low
        yield high, high
        yield low, middle
        yield middle, high
        yield low + (middle - low) / 2, high - (high - middle) / 2


def _near(candidate: Candidate, k: int) -> Iterator[Fraction]:
    """Simple numbers that one point alone may have there."""
    low, high = _axis(candidate, k)
    yield from (Fraction(0), Fraction(1))
    for bits in BITS:
        yield Fraction(rounded(float((low + high) / 2), bits))


def _with_axis(old: Candidate, k: int, axis: Axis) -> Candidate:
    low, high = (list(end) for end in (old.box.lower, old.box.upper))
    low[k], high[k] = axis
    return replace(old, box=ExactBox(tuple(low), tuple(high)))


def _moved(old: Candidate, k: int, axis: Axis) -> Candidate:
    """The box with that axis, its points moved into it."""
    placed = tuple(
        tuple(float(min(max(Fraction(x), axis[0]), axis[1])) if j == k else x for j, x in enumerate(point))
        for point in old.points
    )
    return replace(_with_axis(old, k, axis), points=tuple(dict.fromkeys(placed)))
