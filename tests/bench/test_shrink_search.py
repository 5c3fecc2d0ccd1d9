"""The search by itself: it goes down a total order, keeps nothing unchecked, and is the same every time."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpsynth.scoring.shrinking.numbers import BITS, rounded, shorter, shorter_exact
from fpsynth.scoring.shrinking.search import Search, in_chunks, shrunk
from fpsynth.scoring.shrinking.size import cost
from fpsynth.workers.deadlines import OutOfTimeError, within

Numbers = tuple[int, ...]


@dataclass
class Holding:
    """Tuples that hold 7 and 9, the shorter the simpler."""

    asked: list[Numbers] = field(default_factory=list)

    def size(self, candidate: Numbers) -> tuple[object, ...]:
        return len(candidate), candidate

    def holds(self, candidate: Numbers) -> bool:
        self.asked.append(candidate)
        return {7, 9} <= set(candidate)


def dropping(search: Search[Numbers]) -> None:
    def propose(out: range) -> bool:
        return search.consider(tuple(x for k, x in enumerate(search.current) if k not in out))

    in_chunks(lambda: len(search.current), propose)


def sorting(search: Search[Numbers]) -> None:
    search.consider(tuple(sorted(search.current)))


START = tuple(range(99, -1, -1))


def test_the_smallest_is_found_in_few_tries() -> None:
    problem = Holding()
    found = shrunk(problem, START, (dropping, sorting), seed=0, restarts=0)
    assert (found.best, found.complete) == ((7, 9), True)
    assert len(problem.asked) < 60
    assert len(set(problem.asked)) == len(problem.asked), "nothing is asked twice in a descent"


def test_everything_follows_from_the_seed() -> None:
    one, two = Holding(), Holding()
    for problem in (one, two):
        shrunk(problem, START, (dropping, sorting), seed=5, restarts=3)
    assert one.asked == two.asked


def test_every_step_is_simpler_and_was_checked() -> None:
    problem, kept = Holding(), [START]
    shrunk(problem, START, (sorting, dropping), seed=0, restarts=2, told=lambda current, tries: kept.append(current))
    assert all(candidate == START or candidate in problem.asked for candidate in kept)
    first = kept[: kept.index(min(kept, key=problem.size)) + 1]
    assert first == sorted(first, key=problem.size, reverse=True)


def test_what_is_not_simpler_is_not_even_checked() -> None:
    problem = Holding()
    search = Search(problem, (7, 9), Random(0))
    assert not search.consider((9, 7))
    assert not search.consider((7, 9))
    assert not search.consider(None)
    assert problem.asked == []


def test_the_best_so_far_is_kept_where_time_is_over() -> None:
    def late(search: Search[Numbers]) -> None:
        search.consider((9, 8, 7))
        raise OutOfTimeError

    found = shrunk(Holding(), START, (late,), seed=0, restarts=2)
    assert (found.best, found.complete) == ((9, 8, 7), False)
    with within(0):
        assert shrunk(Holding(), START, (dropping,), seed=0, restarts=0).best == START


FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(FLOATS)
def test_shorter_numbers_cost_less_and_the_simplest_comes_first(number: float) -> None:
    offered = list(shorter(number))
    assert all(cost(other) < cost(number) for other in offered)
    assert (not number) == (not offered)
    assert not offered or offered[0] == 0
    assert all(cost(other) < cost(Fraction(number)) for other in shorter_exact(Fraction(number)))


@given(FLOATS)
def test_fewer_bits_are_nearest_numbers(number: float) -> None:
    for bits in BITS:
        near = abs(Fraction(rounded(number, bits)).numerator)
        assert near == 0 or (near // (near & -near)).bit_length() <= bits
        assert abs(Fraction(rounded(number, bits)) - Fraction(number)) <= abs(Fraction(number)) / 2**bits
    assert rounded(number, 24) == number


@pytest.mark.parametrize(
    ("number", "length"), [(0, 0), (1, 1), (-1, 2), (2, 2), (0.5, 2), (3, 2), (2.0**-17, 6), (0.75, 4), (Fraction(1, 3), 3)]
)
def test_lengths_of_numbers(number: float | Fraction, length: int) -> None:
    assert cost(number) == length
