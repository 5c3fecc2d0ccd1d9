"""The named families of orders: rules that give a tree for any number of terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fpsynth.orders.splitmix import SplitMix
from fpsynth.orders.tree import Builder


@dataclass(frozen=True)
class Family:
    """How the trees of a family are built."""

    build: Callable[[Builder, int], object]
    """Adds every leaf of the builder up; the second argument is the family's parameter (0 where it takes none)."""
    parameter: str = ""
    """What the number after the colon is called; empty where there is none."""
    least: int = 1
    """The smallest parameter."""
    optional: bool = False
    """The number may be left out; it is then 0."""


def usage(name: str) -> str:
    """How a family is written: ``strided:LANES``, or ``pairwise[:BLOCK]`` where the number may be left out."""
    family = FAMILIES[name]
    colon = f":{family.parameter}" if family.parameter else ""
    return f"{name}[{colon}]" if family.optional else name + colon


def _sequential(build: Builder, parameter: int) -> None:
    build.chain(range(build.leaves))


def _reverse(build: Builder, parameter: int) -> None:
    build.chain(range(build.leaves)[::-1])


def _blocks(build: Builder, size: int) -> list[int]:
    """Sums in sequence of so many consecutive terms each, the last of what is left."""
    terms = range(build.leaves)
    return [build.chain(terms[start : start + size]) for start in range(0, build.leaves, size)]


def _pairwise(build: Builder, parameter: int) -> None:
    """Neighbours joined level by level: terms, or blocks of terms that were summed in sequence."""
    build.halves(_blocks(build, parameter) if parameter else range(build.leaves))


def _halves(build: Builder, parameter: int) -> None:
    """Folded in halves: of n terms, l takes l + n/2 (of an odd number the middle one waits), until one is left."""
    folded(build, range(build.leaves))


def folded(build: Builder, nodes: Sequence[int]) -> int:
    """Fold nodes in halves; return the node of the sum."""
    left = list(nodes)
    while len(left) > 1:
        half = (len(left) + 1) // 2
        left = [build.add(*left[lane::half]) for lane in range(half)]
    return left[0]


def _strided(build: Builder, parameter: int) -> None:
    """K lanes as in a vectorised loop: lane l sums the terms l, l+K, l+2K, ...; then the lanes are added in sequence."""
    lanes = [build.chain(range(lane, build.leaves, parameter)) for lane in range(min(parameter, build.leaves))]
    build.chain(lanes)


def _blocked(build: Builder, parameter: int) -> None:
    """Blocks of K consecutive terms, each summed in sequence, their sums added in sequence."""
    build.chain(_blocks(build, parameter))


def _interleaved(build: Builder, parameter: int) -> None:
    """One chain that takes every K-th term first: 0, K, 2K, ..., then 1, K+1, ..."""
    build.chain([term for start in range(parameter) for term in range(start, build.leaves, parameter)])


def _lanes(build: Builder, parameter: int) -> None:
    """A vectorised loop with a tail, as compilers make it.

    The first n - n % K terms are summed in K strided lanes; the lanes are folded in halves, lane l taking lane l + K/2 (of
    an odd number the middle one waits); the n % K terms that are left are then added one by one.
    """
    tail = build.leaves - build.leaves % parameter
    lanes = [build.chain(range(lane, tail, parameter)) for lane in range(parameter if tail else 0)]
    build.chain([*([folded(build, lanes)] if lanes else []), *range(tail, build.leaves)])


def _groups(build: Builder, parameter: int) -> None:
    """Fused groups of K consecutive terms, as a tensor core takes them: each step adds what there is so far and the next K."""
    sums: tuple[int, ...] = ()
    for start in range(0, build.leaves, parameter):
        sums = (build.add(*sums, *range(start, min(start + parameter, build.leaves))),)


def _numpy(build: Builder, parameter: int) -> None:
    """The pairwise summation of np.sum over contiguous numbers (pairwise_sum in numpy's loops_utils.h.src).

    Fewer than 8 terms: in sequence.  Up to 128: eight strided lanes, joined as neighbours, then the tail one by one.  Above:
    two halves, the first rounded down to a multiple of 8.
    """

    def total(terms: Sequence[int]) -> int:
        n = len(terms)
        if n < 8:
            return build.chain(terms)
        if n > 128:
            half = n // 2 - n // 2 % 8
            return build.add(total(terms[:half]), total(terms[half:]))
        tail = n - n % 8
        lanes = [build.chain(terms[lane:tail:8]) for lane in range(8)]
        return build.chain([build.halves(lanes), *terms[tail:]])

    total(range(build.leaves))


def _random(build: Builder, parameter: int) -> None:
    """A binary tree drawn uniformly from all of them, commutative duplicates counted once; the parameter is the seed.

    Each leaf in turn is put beside a node that is drawn from all the nodes so far (Remy, RAIRO 19, 1985).
    """
    leaves, draw = build.leaves, SplitMix(parameter)
    above = [-1] * (2 * leaves - 1)
    below: list[list[int]] = []
    for leaf in range(1, leaves):
        chosen = draw.below(2 * leaf - 1)
        beside = chosen if chosen < leaf else leaves + chosen - leaf
        new = leaves + leaf - 1
        below.append([beside, leaf])
        upper = above[beside]
        if upper >= 0:
            below[upper - leaves][below[upper - leaves].index(beside)] = new
        above[new], above[beside], above[leaf] = upper, new, new
    build.nested(above.index(-1), lambda node: below[node - leaves])


FAMILIES: dict[str, Family] = {
    "sequential": Family(_sequential),
    "reverse": Family(_reverse),
    "pairwise": Family(_pairwise, "BLOCK", optional=True),
    "strided": Family(_strided, "LANES"),
    "blocked": Family(_blocked, "BLOCK"),
    "lanes": Family(_lanes, "LANES"),
    "groups": Family(_groups, "SIZE", least=2),
    "numpy": Family(_numpy),
    "interleaved": Family(_interleaved, "STEP"),
    "halves": Family(_halves),
    "random": Family(_random, "SEED", least=0),
}
"""Every family by name."""
